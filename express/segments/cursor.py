"""The cursor of a segment's text while it is written, and what is known there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from express.engine.segments import BELOW, EVENTS
from express.expr.jsonata.emitter import Known
from express.expr.python.emitter import Made, Reads, display
from express.segments.history import Details
from express.segments.snippets import extended
from express.values import PAYLOAD_LIMIT


class Cursor:
    """The place of the text: names, and what is known since the segment's start.

    `steps`, `below` and `events` are what the counts have grown by; the data and the variables together have at
    most `times * b + plus` bytes. `owned`: the data is a dict that this segment made and nobody else holds. `fields`
    are members that the data has got and that are still in locals, in the hope that nobody asks for all of it, and
    `made` says that it has no others; `variables` are those that were assigned and are still in locals. `reads`: what
    of the data is in locals, by path; `sizes`: the locals that have the size of others; `input`: the name `si` has all
    of the data. `version` is the local that keeps the data as it is now, `assigned` the one with the variables that
    the state has just assigned, `trace` the history events since the segment's start. `known`: what JSONata has in
    local names.
    """

    __slots__ = (
        "assigned",
        "below",
        "bound",
        "data",
        "events",
        "fields",
        "input",
        "known",
        "made",
        "owned",
        "plus",
        "reads",
        "region",
        "sizes",
        "steps",
        "times",
        "trace",
        "variables",
        "version",
    )

    def __init__(self, data: str = "d") -> None:
        self.data = data  # "d" in the outermost scope, "d1", "d2" … below
        self.owned = False
        self.fields = Made()
        self.made = False
        self.input = False
        self.reads: Reads = {}
        self.sizes: Mapping[str, str] = {}
        self.variables = Made()
        self.bound = False
        self.steps = 0
        self.below = 0
        self.events = 0
        self.region: SizeRegion | None = None
        self.times = 1
        self.plus = 0
        self.version: str | None = "d0"
        self.assigned: str | None = None
        self.known: Known = {}
        self.trace: tuple[tuple[str, Details], ...] = ()

    def fork(self) -> Cursor:
        """The same point for one of several ways on."""
        fork = Cursor.__new__(Cursor)
        for name in Cursor.__slots__:
            setattr(fork, name, getattr(self, name))
        return fork

    def after(self) -> Cursor:
        """The point at which a task's answer comes: counts and bound are settled, nothing is the segment's own."""
        point = Cursor()
        point.fields, point.made, point.input = self.fields, self.made, self.input
        point.variables = self.variables
        point.version = self.version
        point.known = self.known
        point.reads = {path: local for path, local in self.reads.items() if path[0] != "r"}
        point.sizes = {name: size for name, size in self.sizes.items() if name != "r"}
        return point

    def together(self, data: str, variables: str) -> list[str]:
        """Lines that put what is in locals into the data and the variables, under these names."""
        return [*self.data_together(data), *self.variables_together(variables)]

    def data_together(self, data: str) -> list[str]:
        """Lines that put the fields into the data."""
        if self.made:
            return [f"{data} = {display(self.fields)}"]
        if not self.fields:
            return []
        copied = f"{data} = {data}.copy()"  # `{**d, …}` costs twice as much
        return [copied, *(f"{data}[{name!r}] = {display(value)}" for name, value in self.fields.items())]

    def variables_together(self, variables: str) -> list[str]:
        """Lines that make the variables complete."""
        if not self.variables:
            return []
        return [f"{variables} = {extended(variables, self.variables)}"]

    def counts(self) -> str:
        """Text of the packed counts here."""
        grown = self.steps + self.below * BELOW + self.events * EVENTS
        return f"c + {grown}" if grown else "c"

    def bounded(self) -> str:
        """Text of the bound here."""
        times = "b" if self.times == 1 else f"b * {self.times}"
        return f"{times} + {self.plus}" if self.plus else times


class SizeRegion:
    """A stretch of text under one bound: the largest growths in it say up to where `b` needs no look."""

    __slots__ = ("growths", "indent", "line")

    def __init__(self, line: int, indent: int) -> None:
        self.line = line
        self.indent = indent
        self.growths: list[tuple[int, int]] = [(1, 0)]

    def most(self) -> int:
        """The largest `b` under which nothing in the region can pass the limit."""
        return max(-1, min((PAYLOAD_LIMIT - plus) // max(times, 1) for times, plus in self.growths))


class Ask(NamedTuple):
    """The place where the text comes to a task: its line and indent, and what stands there."""

    line: int
    indent: int
    row: int
    point: Cursor
    payload: str
