"""The events of one execution as AWS records them, kept only when somebody asked.

Events hold references to values, not copies: the engine never changes a value in place. The table adds event by
event; a segment adds one tuple for all of its events, whose kinds and fixed details are in a `Template` that was made
when the machine was compiled. They become events when somebody reads them, which most often nobody does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from express.values import JSON

HistoryEvent: TypeAlias = tuple[int, int, str, float, dict[str, JSON]]
"""(id, previousEventId, type, engine time, details). Details are AWS's members, flattened, values parsed."""


class Shape:
    """An object that is put together when it is read: the one at the place `base`, if any, with more members."""

    __slots__ = ("base", "fixed", "places")

    def __init__(self, base: int | None, fixed: dict[str, JSON], places: Places) -> None:
        self.base = base
        self.fixed = fixed
        self.places = places

    def made(self, added: tuple[Any, ...], known: dict[Shape, JSON]) -> JSON:
        """The object, out of what a segment has added; `known` are those that were made before."""
        value = known.get(self)
        if value is None:
            value = dict(self.fixed) if self.base is None else {**added[self.base], **self.fixed}
            for key, place in self.places:
                value[key] = place.made(added, known) if isinstance(place, Shape) else added[place]
            known[self] = value
        return value


Places: TypeAlias = tuple[tuple[str, "int | Shape"], ...]
"""Where the members of an object come from that are no constants: a place in what a segment adds, or a shape."""


class Template:
    """The events of one way through a segment: (type, details, and the place of each value that is no constant).

    A place is one in the tuple that the segment adds: `(template, engine time, value, value, …)`.
    """

    __slots__ = ("events",)

    def __init__(self, events: tuple[tuple[str, dict[str, JSON], Places], ...]) -> None:
        self.events = events

    def __len__(self) -> int:
        return len(self.events)

    def expand(self, added: tuple[Any, ...], after: int) -> Iterator[HistoryEvent]:
        """The events of what a segment has added, after the event `after`. Only the first hangs on no other."""
        time = added[1]
        known: dict[Shape, JSON] = {}
        for kind, fixed, places in self.events:
            details = Shape(None, fixed, places).made(added, known)
            yield after + 1, after if after > 1 else 0, kind, time, details
            after += 1


class History:
    """Collects the history events of one execution, in order.

    Segments add at the engine time `now`, and call tasks by way of `call`.
    """

    __slots__ = ("added", "call", "now")

    def __init__(self) -> None:
        self.added: list[tuple[Any, ...]] = []
        self.now = 0.0
        self.call: Callable[..., Any] | None = None

    def __call__(self, *asked: Any) -> Any:
        """Call a task, for `fast.drive`."""
        assert self.call is not None
        return self.call(*asked)

    def add(self, event: HistoryEvent) -> None:
        """Take one event."""
        self.added.append(event)

    @property
    def log(self) -> list[HistoryEvent]:
        """Every event."""
        added = self.added
        if any(type(entry[0]) is Template for entry in added):
            log: list[HistoryEvent] = []
            for entry in added:
                if type(entry[0]) is Template:
                    log.extend(entry[0].expand(entry, log[-1][0]))
                else:
                    log.append(entry)
            self.added = log
            return log
        return added

    def events(self) -> list[dict[str, JSON]]:
        """Every event as `{"type", "id", "prev", "time", …details}`; values as parsed JSON."""
        return [
            {"type": kind, "id": id_, "prev": prev, "time": time, **details}
            for id_, prev, kind, time, details in self.log
        ]
