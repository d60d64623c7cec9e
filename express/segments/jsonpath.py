"""The happy path of each state kind as Python text: fragments that the linker strings together into segments.

A fragment reads and writes the names of its `Cursor`; what it can't express raises `NotOptimized`, and the state is
left to the table. Every name of an object that is no JSON scalar is bound, never written out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, UnsetType

from express.expr.choices import Rule, compile_rule, rule_source
from express.expr.choices import asks_scope as rule_asks_scope
from express.expr.jsonpath.compile import compile_result_path, path_growth
from express.expr.jsonpath.nodes import WHOLE, Path
from express.expr.python.emitter import Made, Reads, Value, display, is_local
from express.expr.python.jsonpath import input_path_source, result_path_source, template_source
from express.expr.size_growth import Growth, after, total
from express.expr.templates import compile_template, template_growth
from express.expr.tree import Node, Object, any_leaf, asks_scope, is_whole
from express.segments import jsonata
from express.segments.cursor import Cursor
from express.segments.text import NotOptimized, SegmentText, SideExit
from express.states.lowering import measure
from express.values import JSON, size

MOST_FIELDS = 3
"""The data waits for so many new members before they are put into it."""

MOST_MEMBERS = 32
DEEPEST_MEMBERS = 8
"""A larger template makes its object at once."""

MOST_ITEMS = 1_000
"""A Map over more items than this yields between them: it runs on the table."""


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


def path(code: SegmentText, given: Path | None, point: Cursor, data: str) -> str:
    """Text of InputPath or OutputPath over the name `data`."""
    return code.checked(code.text_of(point, data, lambda emitter: input_path_source(given, emitter)))


def template(code: SegmentText, node: Node, point: Cursor, data: str) -> tuple[str, Growth]:
    """Text of a payload template over the name `data`, and its growth."""
    source = code.text_of(point, data, lambda emitter: template_source(node, emitter))
    if source is None:
        source = _called(code, any_leaf(node, asks_scope), lambda: compile_template(node, ""), data)
    return code.checked(source), template_growth(node)


def rule(code: SegmentText, given: Rule, point: Cursor, data: str) -> tuple[str, Reads]:
    """Text of a Choice rule over the name `data`, and what is in locals where it holds.

    It stands in an `if`, so all of the data is there already.
    """
    source = code.text_of(point, data, lambda emitter: rule_source(given, emitter))
    if source is not None:
        return source
    return code.checked(_called(code, rule_asks_scope(given), lambda: compile_rule(given), data)), point.reads


def members(code: SegmentText, node: Node, point: Cursor, data: str, depth: int = 0) -> Made | None:
    """Return what a payload template over `data` makes, part by part; None for no object, or a large one."""
    if type(node) is not Object or len(node.members) > MOST_MEMBERS or depth > DEEPEST_MEMBERS:
        return None
    made = Made()
    for name, item in node.members.items():
        part: Value | None = members(code, item, point, data, depth + 1)
        if part is None:
            part = code.lasting(_member(code, name, item, point, data))
            growth = (1, 0) if type(item) is Path else total([template_growth(item)], 4 + size(name))
            code.bounds.born(point, part, growth)
        made[name] = part
    return made


def _member(code: SegmentText, name: str, item: Node, point: Cursor, data: str) -> str:
    """Text of one member of a payload template."""
    source = code.text_of(point, data, lambda emitter: template_source(item, emitter))
    if source is None:
        alone = Object({name: item})
        whole = _called(code, any_leaf(item, asks_scope), lambda: compile_template(alone, ""), data)
        source = None if whole is None else f"{whole}[{name!r}]"
    return code.checked(source)


def _called(code: SegmentText, scoped: bool, function: Callable[[], Any], data: str) -> str | None:
    """A call of the table's own function, where the expression has no text and needs no scope."""
    if code.variables or scoped:
        return None
    return f"{code.symbols.bind(function())}({data}, None)"


def captures(node: Node) -> bool:
    """Return whether a template may hold its whole input, so that the input must not be changed in place afterwards."""
    return any_leaf(node, is_whole)


# Data flow --------------------------------------------------------------------------------------------


def payload(code: SegmentText, state: Any, point: Cursor, parameters: Any, *, is_jsonata: bool) -> tuple[Value, Growth]:
    """Return what the state works on, and its growth."""
    if is_jsonata:
        arguments = getattr(state, "arguments", UNSET)
        if arguments is UNSET:
            code.whole(point)
            point.owned = False
            return point.data, (1, 0)
        return jsonata.arguments(code, point, arguments)
    given = state.input_path
    whole = given is not None and given.whole
    if whole and parameters is UNSET:
        code.whole(point)
    data = point.data
    part: Growth = (1, 0) if whole else (0, 2) if given is None else path_growth(given)
    if not whole:
        data = code.named(path(code, given, point, data))
    if parameters is UNSET:
        point.owned = False
        return data, part
    value, growth = shaped(code, parameters, point, data)
    if captures(parameters):
        point.owned = False
    return value, after(part, growth)


def shaped(code: SegmentText, node: Node, point: Cursor, data: str) -> tuple[Value, Growth]:
    """Return what a payload template makes of the name `data`, and its growth."""
    made = members(code, node, point, data)
    if made is not None:
        return made, template_growth(node)
    source, growth = template(code, node, point, data)
    return code.named(source), growth


def put(
    code: SegmentText, state: Any, point: Cursor, result: Value, growth: Growth, *, fresh: bool, is_jsonata: bool
) -> None:
    """The result into the data and the variables: ResultPath, OutputPath, Assign, or Output and Assign.

    `fresh`: the result is a dict that was just made and that nothing else holds.
    """
    if is_jsonata:
        jsonata.put(code, state, point, result, growth)
        return
    point.assigned = None
    point.known = {}
    assigning = jsonata.assigning(state)
    if assigning is not UNSET:
        if result == point.data:
            code.whole(point)
        result = result if is_local(result) else code.named(display(result))  # Python warns of `"text"["x"]`
    assigned = assign(code, assigning, point, display(result))
    result_path = getattr(state, "result_path", WHOLE)
    if result_path is not None and result_path.whole:
        if result != point.data:
            code.change(point, result, owned=fresh)
            code.grown(point, growth, result)
    elif result_path is not None:
        _merge(code, point, result_path, result)
        code.grown(point, growth, result, kept=True, plus=2 * size(result_path.text) + 16)
    out = getattr(state, "output_path", WHOLE)
    if out is None or not out.whole:
        code.change(point, path(code, out, point, point.data), owned=False)
    bind(code, point, assigned)


def _merge(code: SegmentText, point: Cursor, result_path: Path, result: Value) -> None:
    """ResultPath: in place where the data is the segment's own, else as a copy of the spine."""
    chain = result_path.chain or ()
    name = chain[0] if len(chain) == 1 and isinstance(chain[0], str) else None
    data = point.data
    if point.owned and name is not None:
        code.add(f"{data}[{name!r}] = {display(result)}")
        code.replaced(point, name)
        return
    if name is not None and result != data:
        code.hold(point, name, result)
        if len(point.fields) > MOST_FIELDS:
            code.whole(point)
        return
    code.whole(point)
    local = result if isinstance(result, str) else code.named(display(result))
    source = code.text_of(point, data, lambda emitter: result_path_source(result_path, data, local, emitter))
    if source is None:
        source = f"{code.symbols.bind(compile_result_path(result_path))}({data}, {local})"
    code.change(point, source, owned=name is not None)


def assign(code: SegmentText, value: Node | UnsetType, point: Cursor, data: str) -> tuple[str, Growth] | None:
    """A JSONPath Assign, evaluated: the name of the new variables."""
    if isinstance(value, UnsetType):
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
