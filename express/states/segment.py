"""The text of one segment while it is written: lines, names, bounds of the data's size, and what a history keeps."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

from express.engine.fast import BELOW, EVENTS
from express.engine.history import Template
from express.expr.growth import Growth
from express.expr.source import Emitter
from express.values import JSON, PAYLOAD_LIMIT

REGION = 16
"""A bound that may have grown by more than this factor is computed anew."""


class NotFused(Exception):
    """This state, or this machine, has no fast form."""


class Large(Exception):
    """Data that may be over the limit: the table looks closer."""


class Local(str):
    """The name of a local that holds a value of a history event; any other detail is a constant."""

    __slots__ = ()


Details: TypeAlias = dict[str, JSON | Local]


class Point:
    """Where the text stands: names, and what is known since the segment's start.

    `steps`, `below` and `events` are what the counts have grown by; the data and the variables together have at
    most `times * b + plus` bytes. `owned`: the data is a dict that this segment made and nobody else holds. `version`
    is the local that keeps the data as it is now, `assigned` the one with the variables that the state has just
    assigned, `trace` the history events since the segment's start.
    """

    __slots__ = ("assigned", "below", "bound", "data", "events", "owned", "plus", "steps", "times", "trace", "version")

    def __init__(self, data: str = "d") -> None:
        self.data = data  # "d" in the outermost scope, "d1", "d2" … below
        self.owned = False
        self.bound = False
        self.steps = 0
        self.below = 0
        self.events = 0
        self.times = 1
        self.plus = 0
        self.version: str | None = "d0"
        self.assigned: str | None = None
        self.trace: tuple[tuple[str, Details], ...] = ()

    def fork(self) -> Point:
        """The same point for one of several ways on."""
        return copy.copy(self)

    def counts(self) -> str:
        """Text of the packed counts here."""
        grown = self.steps + self.below * BELOW + self.events * EVENTS
        return f"c + {grown}" if grown else "c"

    def bounded(self) -> str:
        """Text of the bound here."""
        return "b" if (self.times, self.plus) == (1, 0) else f"b * {self.times} + {self.plus}"


class Region:
    """A stretch of text under one bound: the largest growths in it say up to where `b` needs no look.

    `more` is text of what the data holds besides `d` and `v`: the answer that a segment begins with.
    """

    __slots__ = ("growths", "indent", "line", "more")

    def __init__(self, line: int, indent: int, more: str) -> None:
        self.line = line
        self.indent = indent
        self.more = more
        self.growths: list[tuple[int, int]] = [(1, 0)]

    def most(self) -> int:
        """The largest `b` under which nothing in the region can pass the limit."""
        return max(-1, min((PAYLOAD_LIMIT - plus) // max(times, 1) for times, plus in self.growths))


class Code:
    """The text of one segment while it is written, and the objects it names.

    `recorded`: it keeps a history, so every version of the data lives on and none is changed in place.
    """

    def __init__(
        self, bound: dict[str, Any], emitter: Emitter, assigned: frozenset[str], *, recorded: bool = False
    ) -> None:
        self.lines: list[str] = []
        self.indent = 2
        self.bound = bound
        self.emitter = emitter
        self.assigned = assigned
        self.recorded = recorded
        self.variables = bool(assigned)
        self.regions: list[Region] = []
        self.asked: list[int] = []
        self._names = 0

    def add(self, text: str) -> None:
        """One line."""
        self.lines.append("    " * self.indent + text)

    def name(self, prefix: str = "t") -> str:
        """A fresh local name."""
        self._names += 1
        return f"{prefix}_{self._names}"

    def named(self, source: str) -> str:
        """A local name for the value of `source`."""
        name = self.name()
        self.add(f"{name} = {source}")
        return name

    def over(self, data: str) -> Emitter:
        """The emitter, with `$` for the name `data`."""
        self.emitter.data = data
        return self.emitter

    def checked(self, source: str | None) -> str:
        """Text of an expression that has one and does without the Context object."""
        if source is None or "c" in self.emitter.used:
            self.emitter.used.discard("c")
            raise NotFused
        return source

    def change(self, point: Point, source: str, *, owned: bool) -> None:
        """New data; `owned`: a dict that was just made."""
        self.add(f"{point.data} = {source}")
        point.owned = owned and not self.recorded
        point.version = None

    # The size of the data -------------------------------------------------------------------------------

    def open_region(self, more: str = "") -> None:
        """Begin a region: its check is put in when its growths are known."""
        self.regions.append(Region(len(self.lines), self.indent, more))
        self.lines.append("")

    def note(self, point: Point) -> None:
        """What the data may have become here."""
        self.regions[-1].growths.append((point.times, point.plus))

    def grown(self, point: Point, growth: Growth, *, kept: bool = False) -> None:
        """The data has become what `growth` says; `kept`: the old data is still part of it."""
        if growth is None:
            if point.data != "d":
                raise NotFused
            self.add(f"b = {self.size_of(point.data)}")
            point.times, point.plus = 1, 0
            self.open_region()
            return
        before = (point.times, point.plus)
        times, plus = before[0] * growth[0], before[1] * growth[0] + growth[1] + 8
        if kept or self.variables:
            times, plus = times + before[0], plus + before[1]
        point.times, point.plus = max(times, 1), plus
        self.note(point)
        if point.times > REGION and point.data == "d":
            self.settle(point)

    def settle(self, point: Point) -> None:
        """Compute the bound, so that what follows is relative to it."""
        if (point.times, point.plus) != (1, 0):
            self.add(f"b = b * {point.times} + {point.plus}")
            point.times, point.plus = 1, 0
            self.open_region()

    def size_of(self, data: str) -> str:
        """Text that measures the data, and the variables where the machine has any."""
        return f"measured({data}) + whole(v)" if self.variables else f"measured({data})"

    # The history ----------------------------------------------------------------------------------------

    def event(self, point: Point, kind: str, details: Details) -> None:
        """One history event, and its details where they are kept."""
        point.events += 1
        if self.recorded:
            point.trace = (*point.trace, (kind, details))

    def version(self, point: Point) -> Local:
        """The local that keeps the data as it is now."""
        if point.version is None:
            point.version = self.name("h")
            if self.recorded:
                self.add(f"{point.version} = {point.data}")
        return Local(point.version)

    def trace(self, point: Point) -> None:
        """Hand the events since the segment's start to the history: one tuple of references."""
        if not point.trace:
            return
        names = list(
            dict.fromkeys(value for _, details in point.trace for value in details.values() if type(value) is Local)
        )
        slots = {name: 2 + i for i, name in enumerate(names)}
        template = Template(tuple((kind, _fixed(details), _places(details, slots)) for kind, details in point.trace))
        self.add(f"h.added.append(({', '.join((self.emitter.bind(template), 'h.now', *names))}))")
        point.trace = ()

    # The end --------------------------------------------------------------------------------------------

    def text(self) -> str:
        """All lines, with the checks of the regions in their places."""
        lines = list(self.lines)
        for region in self.regions:
            margin = "    " * region.indent
            most = region.most()
            lines[region.line] = (
                f"{margin}if b > {most}:\n"
                f"{margin}    b = {self.size_of('d')}{region.more}\n"
                f"{margin}    if b > {most}: raise Large"
            )
        return "\n".join(lines)


def _fixed(details: Details) -> dict[str, JSON]:
    """The details with nothing where a value belongs, in their order."""
    return {key: None if type(value) is Local else value for key, value in details.items()}


def _places(details: Details, slots: dict[JSON | Local, int]) -> tuple[tuple[str, int], ...]:
    return tuple((key, slots[value]) for key, value in details.items() if type(value) is Local)
