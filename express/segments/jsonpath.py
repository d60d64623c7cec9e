"""The happy path of each state kind as Python text: fragments that the linker strings together into segments.

A fragment reads and writes the names of its `Cursor`; what it can't express raises `NotOptimized`, and the state is
left to the table. Every name of an object that is no JSON scalar is bound, never written out.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import UNSET

from express.expr.choices import compile_rule
from express.expr.jsonpath.compile import compile_input_path, compile_result_path
from express.expr.python.choices import rule_source
from express.expr.python.jsonpath import (
    Made,
    Reads,
    Value,
    display,
    input_path_source,
    is_dynamic,
    is_local,
    member_source,
    result_path_source,
    template_source,
)
from express.expr.size_growth import Growth, after
from express.expr.templates import DYNAMIC, compile_template
from express.segments import jsonata
from express.segments.text import Cursor, NotOptimized, SegmentText, SideExit
from express.states.lowering import measure
from express.values import JSON, size

MOST_FIELDS = 3
"""The data waits for so many new members before they are put into it."""

MOST_MEMBERS = 32
DEEPEST_MEMBERS = 8
"""A larger template makes its object at once."""

MOST_ITEMS = 1_000
"""A Map over more items than this yields between them: it runs on the table."""

_SCOPED = ("$$", "States.UUID", "States.MathRandom")
"""What an expression with any of these asks its scope for; a segment has none."""

_WHOLE = re.compile(r"\$(?![$.\[\w])")
_NAME = re.compile(r"\$\.([A-Za-z_]\w*)\Z|\$\['([A-Za-z_]\w*)'\]\Z")


def measured(value: JSON) -> int:
    """The exact size of data; raises where it is over the limit."""
    return measure(value, "")


def truth(value: JSON) -> bool:
    """A Condition's value; raises where it is no boolean."""
    if value is True or value is False:
        return bool(value)
    raise SideExit


def whole(variables: JSON) -> int:
    """The exact size of all variables."""
    return size(variables)


# Expressions ------------------------------------------------------------------------------------------


def path(code: SegmentText, text: str | None, point: Cursor, data: str) -> str:
    """Text of InputPath or OutputPath over the name `data`."""
    return code.checked(code.text_of(point, data, lambda emitter: input_path_source(text, emitter)))


def template(code: SegmentText, value: JSON, point: Cursor, data: str) -> tuple[str, Growth]:
    """Text of a payload template over the name `data`, and its growth."""
    compiled = compile_template(value, "")
    source = code.text_of(point, data, lambda emitter: template_source(value, emitter))
    return code.checked(source or _called(code, compiled, value, data)), compiled.growth


def rule(code: SegmentText, value: dict[str, JSON], point: Cursor, data: str) -> tuple[str, Reads]:
    """Text of a Choice rule over the name `data`, and what is in locals where it holds.

    It stands in an `if`, so all of the data is there already.
    """
    source = code.text_of(point, data, lambda emitter: rule_source(value, emitter))
    if source is not None:
        return code.checked(source), code.emitter.reads_if_true or {}
    return code.checked(_called(code, compile_rule(value), value, data)), point.reads


def members(code: SegmentText, value: JSON, point: Cursor, data: str, depth: int = 0) -> Made | None:
    """What a payload template over the name `data` makes, part by part; None where it is no object, or a large one."""
    if type(value) is not dict or not is_dynamic(value) or len(value) > MOST_MEMBERS or depth > DEEPEST_MEMBERS:
        return None
    made = Made()
    for key, item in value.items():
        name = key.removesuffix(DYNAMIC)
        part: Value | None = None if name != key else members(code, item, point, data, depth + 1)
        if part is None:
            source = code.text_of(point, data, lambda emitter, key=key, item=item: member_source(key, item, emitter))  # type: ignore[misc]
            if source is None:
                whole = _called(code, compile_template({key: item}, ""), item, data)
                source = None if whole is None else f"{whole}[{name!r}]"
            part = code.lasting(code.checked(source))
            path = type(item) is str and item.startswith("$")
            code.bounds.born(point, part, (1, 0) if path else compile_template({key: item}, "").growth)
        made[name] = part
    return made


def _called(code: SegmentText, function: Any, value: JSON, data: str) -> str | None:
    """A call of the table's own function, where the expression has no text and needs no scope."""
    if code.variables or any(word in repr(value) for word in _SCOPED):
        return None
    return f"{code.emitter.bind(function)}({data}, None)"


def captures(value: JSON) -> bool:
    """Whether a template may hold its whole input, so that the input must not be changed in place afterwards."""
    if type(value) is dict:
        return any(captures(item) for item in value.values())
    if type(value) is list:
        return any(map(captures, value))
    return type(value) is str and _WHOLE.search(value) is not None


# Data flow --------------------------------------------------------------------------------------------


def payload(code: SegmentText, state: Any, point: Cursor, parameters: JSON, *, mode: bool) -> tuple[Value, Growth]:
    """What the state works on, and its growth."""
    if mode:
        arguments = getattr(state, "arguments", UNSET)
        if arguments is UNSET:
            code.whole(point)
            point.owned = False
            return point.data, (1, 0)
        return jsonata.arguments(code, point, arguments)
    if state.input_path == "$" and parameters is UNSET:
        code.whole(point)
    data, read = point.data, compile_input_path(state.input_path, "InputPath")
    part: Growth = (1, 0) if read is None else read.growth
    if read is not None:
        data = code.named(path(code, state.input_path, point, data))
    if parameters is UNSET:
        point.owned = False
        return data, part
    value, growth = shaped(code, parameters, point, data)
    if captures(parameters):
        point.owned = False
    return value, after(part, growth)


def shaped(code: SegmentText, value: JSON, point: Cursor, data: str) -> tuple[Value, Growth]:
    """What a payload template makes of the name `data`, and its growth."""
    made = members(code, value, point, data)
    if made is not None:
        return made, compile_template(value, "").growth
    source, growth = template(code, value, point, data)
    return code.named(source), growth


def put(
    code: SegmentText, state: Any, point: Cursor, result: Value, growth: Growth, *, fresh: bool, mode: bool
) -> None:
    """The result into the data and the variables: ResultPath, OutputPath, Assign, or Output and Assign.

    `fresh`: the result is a dict that was just made and that nothing else holds.
    """
    if mode:
        jsonata.put(code, state, point, result, growth)
        return
    point.assigned = None
    point.known = {}
    assigning = getattr(state, "assign", UNSET) or UNSET  # an empty one tells nothing
    if assigning is not UNSET:
        if result == point.data:
            code.whole(point)
        result = result if is_local(result) else code.named(display(result))  # Python warns of `"text"["x"]`
    assigned = assign(code, assigning, point, display(result))
    result_path = getattr(state, "result_path", "$")
    if result_path == "$":
        if result != point.data:
            code.change(point, result, owned=fresh)
            code.grown(point, growth, result)
    elif result_path is not None:
        _merge(code, point, result_path, result)
        code.grown(point, growth, result, kept=True, plus=2 * size(result_path) + 16)
    if getattr(state, "output_path", "$") != "$":
        code.change(point, path(code, state.output_path, point, point.data), owned=False)
    bind(code, point, assigned)


def _merge(code: SegmentText, point: Cursor, result_path: str, result: Value) -> None:
    """ResultPath: in place where the data is the segment's own, else as a copy of the spine."""
    match = _NAME.match(result_path)
    data = point.data
    if point.owned and match is not None:
        code.add(f"{data}[{match[1] or match[2]!r}] = {display(result)}")
        code.replaced(point, match[1] or match[2])
        return
    if match is not None and result != data:
        code.hold(point, match[1] or match[2], result)
        if len(point.fields) > MOST_FIELDS:
            code.whole(point)
        return
    code.whole(point)
    name = result if isinstance(result, str) else code.named(display(result))
    source = code.text_of(point, data, lambda emitter: result_path_source(result_path, data, name, emitter))
    if source is None:
        source = f"{code.emitter.bind(compile_result_path(result_path))}({data}, {name})"
    code.change(point, source, owned=match is not None)


def assign(code: SegmentText, value: JSON, point: Cursor, data: str) -> tuple[str, Growth] | None:
    """A JSONPath Assign, evaluated: the name of the new variables."""
    if value is UNSET:
        return None
    source, growth = template(code, value, point, data)
    point.owned = False
    return code.named(source), growth


def bind(code: SegmentText, point: Cursor, assigned: tuple[str, Growth] | None) -> None:
    """Make variables visible."""
    if assigned is None:
        return
    if point.data != "d":
        raise NotOptimized  # an inner scope
    point.assigned = assigned[0]
    code.spill(point)
    if point.bound:
        code.add(f"v.update({assigned[0]})")
    else:
        code.add(f"v = {{**v, **{assigned[0]}}}")
        point.bound = True
    code.grown(point, assigned[1], assigned[0], kept=True)
