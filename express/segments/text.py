"""The text of one segment while it is written: lines, names, bounds of the data's size, and what a history keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from express.expr.generated import DEEPEST_LINE, fits
from express.expr.python.emitter import MARK, Emitter, Made, Symbols, Value, display
from express.expr.size_growth import Growth
from express.segments.cursor import Ask, Cursor, SizeRegion
from express.segments.history import Details, Grown, Local, paths, template_of
from express.segments.size_bounds import Bounds
from express.segments.snippets import extended, is_lasting
from express.values import PAYLOAD_LIMIT

T = TypeVar("T")

REGION = 16
"""A bound that may have grown by more than this factor is computed anew."""


CHARACTER = 6
"""Most bytes of a character in JSON text: an escape sequence."""

TOO_LARGE = "\x02"
"""Stands for what is done where data may be too large for an estimate; `repr` never lets it through."""


DEEPEST_INDENT = 60
"""CPython's tokenizer ends at 100."""


class NotOptimized(Exception):
    """This state, or this machine, has no fast form."""


class SideExit(Exception):
    """Something a segment does not expect, or data over the limit: the table looks closer."""


class SegmentText:
    """The text of one segment while it is written, and the objects it names.

    `recorded`: it keeps a history, so every version of the data lives on and none is changed in place.
    """

    def __init__(
        self, bound: dict[str, Any], symbols: Symbols, assigned: frozenset[str], *, recorded: bool = False
    ) -> None:
        self.lines: list[str] = []
        self.indent = 2
        self.bound = bound
        self.symbols = symbols
        self.assigned = assigned
        self.recorded = recorded
        self.variables = bool(assigned)
        self.regions: list[SizeRegion] = []
        self.asks: list[Ask] = []
        self._names = 0
        self.bounds = Bounds()

    def follow(self) -> SegmentText:
        """The text after a task's answer, in the same function: its names are others."""
        code = type(self)(self.bound, self.symbols, self.assigned, recorded=self.recorded)
        code._names = self._names
        code.bounds = self.bounds
        return code

    def add(self, text: str) -> None:
        """One line, unless it is more than Python would take."""
        if self.indent > DEEPEST_INDENT or (len(text) > DEEPEST_LINE and not fits(text)):
            raise NotOptimized
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

    def text_of(self, point: Cursor, data: str, emit: Callable[[Emitter], T | None]) -> T | None:
        """Text of an expression with `$` for the name `data`, or for the data at `point` and its fields."""
        self.spill(point)
        if data == point.data and (point.fields or point.made):
            emitter = Emitter(self.symbols, data, fields=point.fields, made=point.made, reads=point.reads)
            source = self._emitted(emitter, emit)
            if source is not None and not emitter.whole:
                point.reads = emitter.reads or {}
                return source
            self.whole(point)
        emitter = Emitter(self.symbols, data, reads=point.reads)
        source = self._emitted(emitter, emit)
        if source is not None:
            point.reads = emitter.reads or {}
        return source

    def _emitted(self, emitter: Emitter, emit: Callable[[Emitter], T | None]) -> T | None:
        """Return what an expression is written as; a segment has no Context object to read."""
        source = emit(emitter)
        if "c" in emitter.used:
            raise NotOptimized
        return source

    def lasting(self, source: str) -> str:
        """Text of a value that holds wherever it is read: `source` itself, or a local that has it now."""
        if source.startswith(MARK):
            name = source[1:-1]
            if source == f"{MARK}{name}{MARK}":  # a path that is read here for the first time
                self.add(f"{name} = {self.symbols.sources[name]}")
                return name
        return source if is_lasting(source) else self.named(source)

    def checked(self, source: str | None) -> str:
        """Text of an expression that has one."""
        if source is None:
            raise NotOptimized
        return source

    def change(self, point: Cursor, value: Value, *, owned: bool) -> None:
        """New data; `owned`: a dict that was just made."""
        if isinstance(value, Made):
            point.fields, point.made = value, True
        else:
            self.add(f"{point.data} = {value}")
            point.fields, point.made = Made(), False
        point.owned = owned and not self.recorded and not point.made
        point.input = False
        point.version = None
        point.known = {place: local for place, local in point.known.items() if place[0] == "v"}
        point.reads = {path: local for path, local in point.reads.items() if path[0] != point.data}

    def bind(self, bound: Mapping[str, Any]) -> None:
        """Objects under the names that text of expressions has for them."""
        for name, value in bound.items():
            if self.bound.setdefault(name, value) is not value:
                raise NotOptimized

    def hold(self, point: Cursor, name: str, value: Value) -> None:
        """The data gets a member: as a local, until somebody wants all of the data."""
        looked_into = any(path[0] == point.data and type(path[1]) is str for path in point.reads)
        if not (point.fields or point.made or looked_into):
            self.add(f"if {point.data}.__class__ is not dict: raise Large")
        if isinstance(value, str):
            value = self.lasting(value)
        point.fields = Made({**point.fields, name: value})
        self.replaced(point, name)

    def replaced(self, point: Cursor, name: str) -> None:
        """A member of the data has another value now."""
        place = (point.data, name)
        point.input = False
        point.reads = {path: local for path, local in point.reads.items() if path[:2] != place}

    def whole(self, point: Cursor) -> str:
        """The name of all of the data."""
        if point.fields or point.made:
            for line in point.data_together(point.data):
                self.add(line)
            point.reads = {**point.reads, **dict(paths((point.data,), point.fields))}
            point.owned = not self.recorded
            point.fields, point.made = Made(), False
            point.input = False
            point.version = None
        return point.data

    def spill(self, point: Cursor) -> None:
        """Make `v` have all of the variables."""
        if not point.variables:
            return
        if point.bound:
            for name, value in point.variables.items():
                self.add(f"v[{name!r}] = {display(value)}")
        else:
            for line in point.variables_together("v"):
                self.add(line)
        point.bound = True
        point.variables = Made()

    def together(self, point: Cursor) -> str:
        """The name of all of the data, as `whole`, where the variables leave the segment, too."""
        self.spill(point)
        return self.whole(point)

    def ask(self, row: int, point: Cursor, payload: str) -> None:
        """The text has come to a task; what stands here is decided when all of it is known."""
        self.asks.append(Ask(len(self.lines), self.indent, row, point.fork(), payload))
        self.lines.append("")

    # The size of the data -------------------------------------------------------------------------------

    def answer(self, point: Cursor) -> None:
        """A segment begins with a task's answer."""
        self.add("b = b + len(dumps(r))")
        self.open_region(point)

    def error(self, point: Cursor, error: Made) -> None:
        """A failure has become an error output, of two texts."""
        lengths = " + ".join(f"len({display(text)})" for text in error.values())
        self.add(f"b = b + {CHARACTER} * ({lengths}) + 32")
        self.open_region(point)

    def short(self, texts: list[str], most: int) -> bool:
        """Texts are not estimated but looked at: together they have so many characters at most."""
        self.add(f"if {' + '.join(f'len({text})' for text in texts)} > {most}:")
        self.indent += 1
        self.add(TOO_LARGE)
        self.indent -= 1
        return True

    def child(self, point: Cursor, growth: tuple[int, int]) -> Cursor:
        """The start of a branch or an iteration."""
        child = Cursor(f"d{int(point.data[1:] or 0) + 1}")
        child.region = point.region
        child.times = point.times * growth[0]
        child.plus = point.plus * growth[0] + growth[1]
        return child

    def begun(self, point: Cursor, child: Cursor, payload: str) -> None:
        """A branch or an iteration begins, with `payload` or a part of it for its data."""

    def looped(self, point: Cursor, plus: int, items: str) -> None:
        """Note that so many bytes more may have come to the data for each item."""
        self.add(f"b += {plus} * len({items})")
        self.open_region(point)

    def open_region(self, point: Cursor) -> None:
        """Begin a region: its check is put in when its growths are known."""
        point.region = SizeRegion(len(self.lines), self.indent)
        self.regions.append(point.region)
        self.lines.append("")

    def note(self, point: Cursor) -> None:
        """Note what the data may have become here."""
        assert point.region is not None, "every segment begins with one"
        point.region.growths.append((point.times, point.plus))

    def grown(self, point: Cursor, growth: Growth, value: Value, *, kept: bool = False, plus: int = 8) -> None:
        """The data has become `value`, as large as `growth` says; `kept`: the old data is still part of it.

        `plus`: what its place takes.
        """
        if growth is None:
            if point.data != "d":
                raise NotOptimized
            self.add(f"b = {self.size_of(point)}")
            point.times, point.plus = 1, 0
            self.open_region(point)
            return
        parts = self._reach(point, growth, value)
        times, plus = parts[0], parts[1] + plus
        if kept or self.variables:
            times, plus = times + point.times, plus + point.plus
        point.times, point.plus = max(times, 1), plus
        self.note(point)
        if point.times > REGION and point.data == "d":
            self.settle(point)

    def _reach(self, point: Cursor, growth: tuple[int, int], value: Value) -> tuple[int, int]:
        """Return how large a value may be, relative to the bound: by its parts if known, else by `growth`."""
        parts = self.bounds.parts(point, value)
        if parts is None:
            return point.times * growth[0], point.plus * growth[0] + growth[1]
        return parts[0] - self.bounds.apart(point, value), parts[1]

    def sent(self, point: Cursor, growth: Growth, value: Value, name: str) -> None:
        """A value, as large as `growth` says, goes to a task; `name` has it. One over the limit is the table's."""
        assert point.region is not None, "every segment begins with one"
        near = ""
        if growth is not None:
            times, plus = self._reach(point, growth, value)
            if any(times <= most[0] and plus <= most[1] for most in point.region.growths):
                return
            near = f"b > {max(PAYLOAD_LIMIT - plus, 0) // max(times, 1)} and "
        self.add(f"if {near}len(dumps({name})) > {PAYLOAD_LIMIT}: raise Large")

    def settle(self, point: Cursor) -> None:
        """Compute the bound, so that what follows is relative to it."""
        if (point.times, point.plus) != (1, 0):
            self.add(f"b = {point.bounded()}")
            point.times, point.plus = 1, 0
            self.open_region(point)

    def size_of(self, point: Cursor) -> str:
        """Text that measures the data, and the variables where the machine has any."""
        data, variables = point.data, "v"
        if point.made:
            data = display(point.fields)
        elif point.fields:
            data = extended(data, point.fields)
        if not self.variables:
            return f"measured({data})"
        if point.variables:
            variables = extended(variables, point.variables)
        return f"measured({data}) + whole({variables})"

    # The history ----------------------------------------------------------------------------------------

    def event(self, point: Cursor, kind: str, details: Details) -> None:
        """One history event, and its details where they are kept."""
        point.events += 1
        if self.recorded:
            point.trace = (*point.trace, (kind, details))

    def version(self, point: Cursor) -> Local | Grown:
        """The data as it is now, for a history event."""
        if point.made:
            return Grown(None, point.fields)
        if point.version is None:
            point.version = self.name("h")
            if self.recorded:
                self.add(f"{point.version} = {point.data}")
        return Grown(point.version, point.fields) if point.fields else Local(point.version)

    def trace(self, point: Cursor) -> None:
        """Hand the events since the segment's start to the history: one tuple of references."""
        if not point.trace:
            return
        template, slots = template_of(point.trace)
        self.add(f"h.take(({', '.join((self.symbols.bind(template), 'h.now', *slots))}))")
        point.trace = ()

    # The end --------------------------------------------------------------------------------------------

    def text(self, larger: str, *, inline: bool = False) -> str:
        """All lines, with the checks of the regions in their places.

        `larger`: text that goes on where an estimate is exceeded.
        `inline`: the one task's answer follows below.
        """
        lines = list(self.lines)
        for ask in self.asks:
            point, margin = ask.point, "    " * ask.indent
            text = [] if inline else [*point.together("d", "v"), f"s = {ask.row}"]
            bound = [] if point.bounded() == "b" else [f"b = {point.bounded()}"]
            text += [f"c = {point.counts()}", *bound, f"p = {ask.payload}"]
            lines[ask.line] = "\n".join(margin + line for line in text)
        for region in self.regions:
            margin = "    " * region.indent
            lines[region.line] = f"{margin}if b > {region.most()}:\n{margin}    {TOO_LARGE}"
        return "\n".join(lines).replace(TOO_LARGE, larger)
