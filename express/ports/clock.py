"""Time, from outside."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The time of a host. Engine time (`now`) is `monotonic`; `wall` is for what people read."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def wall(self) -> float:
        """Seconds since 1970."""
