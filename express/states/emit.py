"""The happy path of each state kind as Python text: fragments that `fuse` strings together into segments.

A fragment reads and writes the names of its `Point`; what it can't express raises `NotFused`, and the state is left
to the table. Every name of an object that is no JSON scalar is bound, never written out.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from msgspec import UNSET

from express.expr.choices import compile_rule
from express.expr.growth import Growth
from express.expr.jsonata.compile import fast_value
from express.expr.jsonata.growth import value_growth
from express.expr.paths import compile_result_path
from express.expr.source import Emitter, input_path_source, result_path_source, template_source
from express.expr.source_rules import rule_source
from express.expr.templates import compile_template
from express.states.lowering import measure
from express.values import JSON, PAYLOAD_LIMIT, size

REGION = 16
"""A bound that may have grown by more than this factor is computed anew."""

MOST_VARIABLES = 40
MOST_ITEMS = 1_000
"""A Map over more items than this yields between them: it runs on the table."""

_SCOPED = ("$$", "States.UUID", "States.MathRandom")
"""What an expression with any of these asks its scope for; a segment has none."""

_WHOLE = re.compile(r"\$(?![$.\[\w])")
_NAME = re.compile(r"\$\.([A-Za-z_]\w*)\Z|\$\['([A-Za-z_]\w*)'\]\Z")


class NotFused(Exception):
    """This state, or this machine, has no fast form."""


class Large(Exception):
    """Data that may be over the limit: the table looks closer."""


class Point:
    """Where the text stands: names, and what is known since the segment's start.

    `steps`, `below` and `events` are what the counts have grown by; the data and the variables together have at
    most `times * b + plus` bytes. `owned`: the data is a dict that this segment made and nobody else holds.
    """

    __slots__ = ("below", "bound", "data", "events", "owned", "plus", "steps", "times")

    def __init__(self, data: str = "d") -> None:
        self.data = data  # "d" in the outermost scope, "d1", "d2" … below
        self.owned = False
        self.bound = False
        self.steps = 0
        self.below = 0
        self.events = 0
        self.times = 1
        self.plus = 0

    def fork(self) -> Point:
        """The same point for one of several ways on."""
        return copy.copy(self)


class Region:
    """A stretch of text under one bound: the largest growths in it say up to where `b` needs no look."""

    __slots__ = ("growths", "indent", "line")

    def __init__(self, line: int, indent: int) -> None:
        self.line = line
        self.indent = indent
        self.growths: list[tuple[int, int]] = [(1, 0)]

    def most(self) -> int:
        """The largest `b` under which nothing in the region can pass the limit."""
        return max(-1, min((PAYLOAD_LIMIT - plus) // max(times, 1) for times, plus in self.growths))


class Code:
    """The text of one segment while it is written, and the objects it names."""

    def __init__(self, bound: dict[str, Any], emitter: Emitter, assigned: frozenset[str]) -> None:
        self.lines: list[str] = []
        self.indent = 2
        self.bound = bound
        self.emitter = emitter
        self.assigned = assigned
        self.variables = bool(assigned)
        self.regions: list[Region] = []
        self._names = 0
        self.open_region()

    def add(self, text: str) -> None:
        """One line."""
        self.lines.append("    " * self.indent + text)

    def name(self, prefix: str = "t") -> str:
        """A fresh local name."""
        self._names += 1
        return f"{prefix}_{self._names}"

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

    def open_region(self) -> None:
        """Begin a region: its check is put in when its growths are known."""
        self.regions.append(Region(len(self.lines), self.indent))
        self.lines.append("")

    def note(self, point: Point) -> None:
        """What the data may have become here."""
        self.regions[-1].growths.append((point.times, point.plus))

    def grown(self, point: Point, growth: Growth, *, kept: bool = False) -> None:
        """The data has become what `growth` says; `kept`: the old data is still part of it."""
        if growth is None:
            if point.data != "d":
                raise NotFused
            self.add(f"b = {self.size_of(point)}")
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

    def size_of(self, point: Point) -> str:
        """Text that measures the data, and the variables where the machine has any."""
        measured = f"measured({point.data})"
        return f"{measured} + whole(v)" if self.variables else measured

    def text(self) -> str:
        """All lines, with the checks of the regions in their places."""
        lines = list(self.lines)
        look = self.size_of(Point())
        for region in self.regions:
            margin = "    " * region.indent
            most = region.most()
            lines[region.line] = (
                f"{margin}if b > {most}:\n{margin}    b = {look}\n{margin}    if b > {most}: raise Large"
            )
        return "\n".join(lines)


def measured(value: JSON) -> int:
    """The exact size of data; raises where it is over the limit."""
    return measure(value, "")


def truth(value: JSON) -> bool:
    """A Condition's value; raises where it is no boolean."""
    if value is True or value is False:
        return bool(value)
    raise Large


def whole(variables: JSON) -> int:
    """The exact size of all variables."""
    return size(variables)


# Expressions ------------------------------------------------------------------------------------------


def path(code: Code, text: str | None, data: str) -> str:
    """Text of InputPath or OutputPath over the name `data`."""
    return code.checked(input_path_source(text, code.over(data)))


def template(code: Code, value: JSON, data: str) -> tuple[str, Growth]:
    """Text of a payload template over the name `data`, and its growth."""
    compiled = compile_template(value, "")
    source = template_source(value, code.over(data))
    return code.checked(source or _called(code, compiled, value, data)), compiled.growth


def rule(code: Code, value: dict[str, JSON], data: str) -> str:
    """Text of a Choice rule over the name `data`."""
    source = rule_source(value, code.over(data))
    return code.checked(source or _called(code, compile_rule(value), value, data))


def _called(code: Code, function: Any, value: JSON, data: str) -> str | None:
    """A call of the table's own function, where the expression has no text and needs no scope."""
    if code.variables or any(word in repr(value) for word in _SCOPED):
        return None
    return f"{code.emitter.bind(function)}({data}, None)"


def condition(code: Code, value: str) -> str:
    """Text of a JSONata Condition over `si` and `v`, which raises where it gives no boolean."""
    source, _ = jsonata(code, value, None)
    fast = fast_value(value, "")
    return source if fast is not None and fast.kind == "boolean" else f"truth({source})"


def jsonata(code: Code, value: JSON, result: str | None) -> tuple[str, Growth]:
    """Text of a JSONata value over `si` (set before), the name `result` and `v`."""
    fast = fast_value(value, code.name("j"))
    if fast is None or fast.used - {"si", "sr", "v"} or fast.called & code.assigned:
        raise NotFused
    if "sr" in fast.used:
        if result is None:
            raise NotFused
        code.add(f"sr = {result}")
    for name, bound in fast.bound.items():
        if code.bound.setdefault(name, bound) is not bound:
            raise NotFused
    return fast.source, value_growth(value)


def captures(value: JSON) -> bool:
    """Whether a template may hold its whole input, so that the input must not be changed in place afterwards."""
    if type(value) is dict:
        return any(captures(item) for item in value.values())
    if type(value) is list:
        return any(map(captures, value))
    return type(value) is str and _WHOLE.search(value) is not None


# Data flow --------------------------------------------------------------------------------------------


def payload(code: Code, state: Any, point: Point, parameters: JSON, *, mode: bool) -> tuple[str, Growth]:
    """The name of what the state works on, and its growth."""
    if mode:
        arguments = getattr(state, "arguments", UNSET)
        if arguments is UNSET:
            point.owned = False
            return point.data, (1, 0)
        code.add(f"si = {point.data}")
        source, growth = jsonata(code, arguments, None)
        point.owned = False
        return named(code, source), growth
    data = point.data
    if state.input_path != "$":
        data = named(code, path(code, state.input_path, data))
    if parameters is UNSET:
        point.owned = False
        return data, (1, 0)
    if captures(parameters):
        point.owned = False
    source, growth = template(code, parameters, data)
    return named(code, source), growth


def named(code: Code, source: str) -> str:
    """A local name for the value of `source`."""
    name = code.name()
    code.add(f"{name} = {source}")
    return name


def put(code: Code, state: Any, point: Point, result: str, growth: Growth, *, fresh: bool, mode: bool) -> None:
    """The result into the data and the variables: ResultPath, OutputPath, Assign, or Output and Assign.

    `fresh`: the result is a dict that was just made and that nothing else holds.
    """
    if mode:
        _put_jsonata(code, state, point, result, growth)
        return
    assigned = assign(code, getattr(state, "assign", UNSET), point, result)
    result_path = getattr(state, "result_path", "$")
    if result_path == "$":
        if result != point.data:
            code.add(f"{point.data} = {result}")
            point.owned = fresh
            code.grown(point, growth)
    elif result_path is not None:
        _merge(code, point, result_path, result)
        code.grown(point, growth, kept=True)
    if state.output_path != "$":
        code.add(f"{point.data} = {path(code, state.output_path, point.data)}")
        point.owned = False
    bind(code, point, assigned)


def _merge(code: Code, point: Point, result_path: str, result: str) -> None:
    """ResultPath: in place where the data is the segment's own, else as a copy of the spine."""
    match = _NAME.match(result_path)
    data = point.data
    if point.owned and match is not None:
        code.add(f"{data}[{match[1] or match[2]!r}] = {result}")
        return
    source = result_path_source(result_path, data, result, code.over(data))
    if source is None:
        source = f"{code.emitter.bind(compile_result_path(result_path))}({data}, {result})"
    code.add(f"{data} = {source}")
    point.owned = match is not None


def _put_jsonata(code: Code, state: Any, point: Point, result: str, growth: Growth) -> None:
    phase = result if result != point.data else None
    if state.output is not UNSET or getattr(state, "assign", UNSET) is not UNSET:
        code.add(f"si = {point.data}")
    point.owned = False
    source = result
    if state.output is not UNSET:
        text, growth = jsonata(code, state.output, phase)
        source = named(code, text)
    assigned = None
    if getattr(state, "assign", UNSET) is not UNSET:
        text, variables = jsonata(code, state.assign, phase)
        assigned = named(code, text), variables
    if source != point.data:
        code.add(f"{point.data} = {source}")
        code.grown(point, growth)
    bind(code, point, assigned)


def assign(code: Code, value: JSON, point: Point, data: str) -> tuple[str, Growth] | None:
    """A JSONPath Assign, evaluated: the name of the new variables."""
    if value is UNSET:
        return None
    point.owned = False
    source, growth = template(code, value, data)
    return named(code, source), growth


def bind(code: Code, point: Point, assigned: tuple[str, Growth] | None) -> None:
    """Make variables visible."""
    if assigned is None:
        return
    if point.data != "d":
        raise NotFused  # an inner scope
    if point.bound:
        code.add(f"v.update({assigned[0]})")
    else:
        code.add(f"v = {{**v, **{assigned[0]}}}")
        point.bound = True
    code.grown(point, assigned[1], kept=True)
