"""The events of one execution as AWS records them, kept only when somebody asked.

Events hold references to values, not copies: the engine never changes a value in place.
"""

from __future__ import annotations

from typing import TypeAlias

from express.values import JSON

HistoryEvent: TypeAlias = tuple[int, int, str, float, dict[str, JSON]]
"""(id, previousEventId, type, engine time, details). Details are AWS's members, flattened, values parsed."""


class History:
    """Collects the history events of one execution, in order."""

    __slots__ = ("log",)

    def __init__(self) -> None:
        self.log: list[HistoryEvent] = []

    def add(self, event: HistoryEvent) -> None:
        """Take one event."""
        self.log.append(event)

    def events(self) -> list[dict[str, JSON]]:
        """Every event as `{"type", "id", "prev", "time", …details}`; values as parsed JSON."""
        return [
            {"type": kind, "id": id_, "prev": prev, "time": time, **details}
            for id_, prev, kind, time, details in self.log
        ]
