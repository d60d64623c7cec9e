"""Several who want to see ended executions, as the one that a pipeline takes (`ports.Tracing`)."""

from __future__ import annotations

from collections.abc import Sequence

from express.engine import About, History
from express.engine.effects import Finish
from express.ports import GOLDEN, MASK, Partition, Tracing


class Several:
    """Asks for what any of them wants, and hands each what it would have got alone."""

    def __init__(self, parts: Sequence[Tracing]) -> None:
        self._parts = parts

    @property
    def threshold(self) -> int:
        """The largest share."""
        return max(part.threshold for part in self._parts)

    @property
    def slow(self) -> float:
        """The lowest bound."""
        return min(part.slow for part in self._parts)

    def ended(
        self, about: About, finish: Finish, seconds: float, history: History | None, partition: Partition, offset: int
    ) -> None:
        """Hand on the execution of a record."""
        place = offset * GOLDEN & MASK
        for part in self._parts:
            if place < part.threshold or finish.status != "SUCCEEDED" or seconds > part.slow:
                part.ended(about, finish, seconds, history, partition, offset)


def together(parts: Sequence[Tracing | None]) -> Tracing | None:
    """One for all of them; None where there is none."""
    found = [part for part in parts if part is not None]
    return Several(found) if len(found) > 1 else found[0] if found else None
