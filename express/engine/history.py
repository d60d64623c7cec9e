"""The events of one execution as AWS records them, kept only when somebody asked.

Events hold references to values, not copies: the engine never changes a value in place. The table adds event by
event; a segment adds one tuple for all of its events, whose kinds and fixed details are in a `HistoryTemplate` made
when the machine was compiled. They become events when somebody reads them, which most often nobody does.

A history is bounded in events and in memory, an execution is not: once the history is full, only the event that ends
the execution is kept, and an event `HistoryTruncated` stands for those that were left out and counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from express.values import JSON, PAYLOAD_LIMIT, dumps, parsed_bytes

MOST_EVENTS = 25_000
"""Events of one history: as many as AWS keeps of a Standard execution."""

MOST_BYTES = 32 << 20
"""Memory that one history may take, about: its events, and the values that they refer to."""

EVENT_BYTES = 450
"""Bytes that an event takes beside its values, about."""

TRUNCATED = "HistoryTruncated"
"""The type of the event that stands for those that were left out."""

_FIRST_STEP, _LAST_STEP, _STEP_BYTES = 32, 256, 1 << 20
"""Events from one look at the memory to the next: as many as take so many bytes, within these bounds."""

HistoryEvent: TypeAlias = tuple[int, int, str, float, dict[str, JSON]]
"""(id, previousEventId, type, engine time, details). Details are AWS's members, flattened, values parsed."""


class LazyObject:
    """An object that is put together when it is read: the one at the place `base`, if any, with more members."""

    __slots__ = ("base", "fixed", "places")

    def __init__(self, base: int | None, fixed: dict[str, JSON], places: Places) -> None:
        self.base = base
        self.fixed = fixed
        self.places = places

    def made(self, added: tuple[Any, ...], known: dict[LazyObject, JSON]) -> JSON:
        """The object, out of what a segment has added; `known` are those that were made before."""
        value = known.get(self)
        if value is None:
            value = dict(self.fixed) if self.base is None else {**added[self.base], **self.fixed}
            for key, place in self.places:
                value[key] = place.made(added, known) if isinstance(place, LazyObject) else added[place]
            known[self] = value
        return value


Places: TypeAlias = tuple[tuple[str, "int | LazyObject"], ...]
"""Origins of an object's members that are no constants: a place in what a segment adds, or a shape."""


class HistoryTemplate:
    """The events of one way through a segment: (type, details, and the place of each value that is no constant).

    A place is one in the tuple that the segment adds: `(template, engine time, value, value, …)`.
    """

    __slots__ = ("count", "events")

    def __init__(self, events: tuple[tuple[str, dict[str, JSON], Places], ...]) -> None:
        self.events = events
        self.count = len(events)

    def __len__(self) -> int:
        return len(self.events)

    def expand(self, added: tuple[Any, ...], after: int) -> Iterator[HistoryEvent]:
        """The events of what a segment has added, after the event `after`. Only the first hangs on no other."""
        time = added[1]
        known: dict[LazyObject, JSON] = {}
        for kind, fixed, places in self.events:
            details = LazyObject(None, fixed, places).made(added, known)
            yield after + 1, after if after > 1 else 0, kind, time, details
            after += 1


class History:
    """Collects the history events of one execution, in order, while there is room.

    Segments add at the engine time `now`, and call tasks by way of `call`, the last one at `asked`. `grown` is told by
    how many bytes the history has grown, and answers whether it may grow further.
    """

    __slots__ = ("_grown", "_left", "_meter", "_room", "added", "asked", "call", "now")

    def __init__(self, grown: Callable[[int], bool] | None = None) -> None:
        self.added: list[tuple[Any, ...]] = []
        self.now = 0.0
        self.asked = 0.0
        self.call: Callable[..., Any] | None = None
        self._grown = grown
        self._room = _FIRST_STEP
        self._meter: _Meter | None = None
        self._left: _LeftOut | None = None

    def __call__(self, *asked: Any) -> Any:
        """Call a task, for `fast.drive`."""
        assert self.call is not None
        return self.call(*asked)

    def add(self, event: HistoryEvent) -> None:
        """Take one event."""
        self._room -= 1
        if self._room >= 0 or self._is_room(1):
            self.added.append(event)
        elif self._left is not None:
            self._left.add(event, 1)

    def take(self, added: tuple[Any, ...]) -> None:
        """Take the events of a segment: its template, the engine time, and the values that are no constants."""
        events: int = added[0].count
        self._room -= events
        if self._room >= 0 or self._is_room(events):
            self.added.append(added)
        elif self._left is not None:
            *_, last = added[0].expand(added, self._left.kept + self._left.events)
            self._left.add(last, events)

    @property
    def log(self) -> list[HistoryEvent]:
        """The events that are kept; where others were left out, the one that stands for them, and the last one."""
        if any(type(entry[0]) is HistoryTemplate for entry in self.added):
            log: list[HistoryEvent] = []
            meter = self._meter
            measured = 0
            for place, entry in enumerate(self.added):
                measured = len(log) if meter is not None and place == meter.measured else measured
                if type(entry[0]) is HistoryTemplate:
                    log.extend(entry[0].expand(entry, log[-1][0]))
                else:
                    log.append(entry)
            if meter is not None:
                meter.measured = len(log) if meter.measured == len(self.added) else measured
            self.added = log
        return self.added if self._left is None else [*self.added, *self._left.told()]

    def take_back(self, count: int) -> None:
        """Forget the last `count` events."""
        if self._left is not None:
            count = self._left.take_back(count)
        meter = self._meter
        if meter is not None:
            self.measure()
            meter.kept -= count
        if count:
            del (self.log if self._left is None else self.added)[-count:]
        if meter is not None:
            meter.measured = len(self.added)

    def events(self) -> list[dict[str, JSON]]:
        """Every event of the log as `{"type", "id", "prev", "time", …details}`; values as parsed JSON."""
        return [
            {"type": kind, "id": id_, "prev": prev, "time": time, **details}
            for id_, prev, kind, time, details in self.log
        ]

    # Bounds ---------------------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """About how many bytes it took when it was last measured."""
        return 0 if self._meter is None else self._meter.bytes

    def measure(self) -> int:
        """About how many bytes it takes. Only what was added since the last time is looked at."""
        if self._meter is None:
            self._meter = _Meter()
        self._meter.measure(self.added)
        return self._meter.bytes

    def release(self) -> None:
        """Give back to `grown` all that it was told of, and tell it no more."""
        if self._grown is not None and self._meter is not None:
            self._grown(-self._meter.told)
        self._grown = None

    def _is_room(self, events: int) -> bool:
        """Tell if so many events may be added: measure, and set after how many more to measure again."""
        if self._left is not None:
            return False
        self.measure()
        meter = self._meter
        assert meter is not None, "it was measured"
        growth = meter.bytes - meter.told
        meter.told = meter.bytes
        may_grow = self._grown is None or self._grown(growth)
        left = MOST_EVENTS - 2 - meter.kept - events  # two are for what was left out, and for the last event
        if not may_grow or left < 0 or meter.bytes >= MOST_BYTES:
            self._left = _LeftOut(meter.kept)
            return False
        self._room = min(meter.step(growth), left)
        return True


class HistoryFull(Exception):
    """An execution has come to the event that must be its last."""


class CappedHistory(History):
    """The events of one turn of a Standard execution: the last one that it may have is its failure."""

    def add(self, event: HistoryEvent) -> None:
        """Take one event. Raises HistoryFull for one that would be the last and does not end the execution."""
        if event[0] >= MOST_EVENTS and not event[2].startswith("Execution"):
            raise HistoryFull
        self.added.append(event)


class _Meter:
    """Bytes of a history's events, as far as they were measured; `told` is what is known of it elsewhere."""

    def __init__(self) -> None:
        self.kept = self.bytes = self.told = self.measured = 0
        self._known: set[int] = set()
        self._step = _FIRST_STEP
        self._since = 0

    def measure(self, entries: list[tuple[Any, ...]]) -> None:
        """Measure what is new in `entries`."""
        known, seen = self._known, set()
        for added in entries[self.measured :]:
            folded = type(added[0]) is HistoryTemplate
            events = added[0].count if folded else 1
            self.kept += events
            self.bytes += EVENT_BYTES * events
            for value in added[2:] if folded else added[4].values():
                if type(value) in _SIZED and id(value) not in known and id(value) not in seen:
                    seen.add(id(value))  # the history holds it, so no other value has this id
                    self.bytes += _heap(value)
        self._known = seen or known
        self.measured = len(entries)

    def step(self, growth: int) -> int:
        """Return how many events may be added until it is measured again, after a growth by so many bytes."""
        events, self._since = self.kept - self._since, self.kept
        step = _STEP_BYTES * events // max(growth, 1)
        self._step = min(max(step, 1), 2 * self._step, _LAST_STEP)
        return self._step


class _LeftOut:
    """Knowledge about the events after the first `kept`."""

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self._since = 0.0
        self._end: HistoryEvent | None = None
        self.events = 0

    def add(self, last: HistoryEvent, events: int) -> None:
        """Count so many events, of which `last` is the last; keep that one if it ends the execution."""
        if not self.events:
            self._since = last[3]
        if last[2].startswith("Execution"):
            self._end = last
        self.events += events

    def take_back(self, count: int) -> int:
        """Forget the last `count` events; how many of them are among those that are kept."""
        others = max(count - self.events, 0)
        self.events -= count - others
        self.kept -= others
        return others

    def told(self) -> Iterator[HistoryEvent]:
        """The event that stands for what was left out, if anything was, and the last one if the execution is over."""
        end, events = self._end, self.events - (self._end is not None)
        if events:
            yield self.kept + 1, self.kept, TRUNCATED, self._since, {"eventsLeftOut": events}
        if end is not None:
            yield end[0], min(end[1], self.kept + (events > 0)), *end[2:]


_SIZED = frozenset({dict, list, str})


def _heap(value: JSON) -> int:
    """About how much memory a value takes; what can't be written as JSON counts as the largest that can."""
    try:
        return parsed_bytes(dumps(value))
    except TypeError:
        return PAYLOAD_LIMIT
