"""Text of each state kind in a segment: one function per kind, which writes the state and what follows it.

See `fuse`, which owns the tree they write; what has no fast form raises NotFused and is left to the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from express.asl import model
from express.engine.segments import BELOW, EVENTS
from express.expr.jsonata import Expression
from express.expr.jsonpath.nodes import Path
from express.expr.python.emitter import Reads, Value, display
from express.expr.size_growth import constant
from express.expr.tree import Object
from express.segments import jsonata, jsonpath
from express.segments.cursor import Cursor
from express.segments.history import Grown, Local
from express.segments.text import NotOptimized, SegmentText
from express.states.context import looks_back

if TYPE_CHECKING:
    from express.segments.writer import SegmentWriter


def _pass(tree: SegmentWriter, row: int, state: model.Pass, point: Cursor, path: tuple[int, ...]) -> None:
    code = tree.code
    if state.jsonata:
        jsonpath.put(code, state, point, point.data, (1, 0), fresh=False, is_jsonata=True)
    elif state.result is not UNSET:
        if not _is_whole(state.input_path) or state.parameters is not UNSET:
            raise NotOptimized
        literal = code.symbols.constant(state.result)
        jsonpath.put(code, state, point, literal, constant(state.result), fresh=False, is_jsonata=False)
    elif state.parameters is UNSET and _is_whole(state.input_path) and _is_whole(state.result_path):
        jsonpath.put(code, state, point, point.data, (1, 0), fresh=point.owned, is_jsonata=False)
    else:
        fresh = isinstance(state.parameters, Object)
        name, growth = _kept(tree, state, point)
        jsonpath.put(code, state, point, name, growth, fresh=fresh, is_jsonata=False)
    tree.leave(row, point, state.next, path)


def _kept(tree: SegmentWriter, state: model.Pass, point: Cursor) -> tuple[Value, Any]:
    """The payload of a Pass: unlike a task's it does not leave the engine, so the data stays owned."""
    owned = point.owned
    value, growth = jsonpath.payload(tree.code, state, point, state.parameters, is_jsonata=False)
    point.owned = owned and not isinstance(state.parameters, UnsetType) and not jsonpath.captures(state.parameters)
    return value, growth


def _is_whole(path: Path | None) -> bool:
    return path is not None and path.whole


def passed(state: Any) -> Any:
    """A state that only passes its input on: it has no ResultPath."""
    if not _is_whole(state.input_path):
        raise NotOptimized
    return state


def _succeed(tree: SegmentWriter, row: int, state: model.Succeed, point: Cursor, path: tuple[int, ...]) -> None:
    passed(state)
    jsonpath.put(tree.code, state, point, point.data, (1, 0), fresh=point.owned, is_jsonata=state.jsonata)
    tree.leave(row, point, None, path)


def _fail(tree: SegmentWriter, row: int, state: model.Fail, point: Cursor, path: tuple[int, ...]) -> None:
    raise NotOptimized


def _wait(tree: SegmentWriter, row: int, state: model.Wait, point: Cursor, path: tuple[int, ...]) -> None:
    if point.data != "d" or type(state.seconds) is not int or state.seconds <= 0 or looks_back(state):
        raise NotOptimized
    passed(state)
    tree.wanted(row, "resume")
    tree.code.together(point)
    tree.code.trace(point)
    tree.code.add(f"return ({row}, d, {point.counts()}, v, {point.bounded()}, {state.seconds}, 0)")


def _task(tree: SegmentWriter, row: int, state: model.Task, point: Cursor, path: tuple[int, ...]) -> None:
    plan = tree.f.rows[row].plan
    timed = type(state.timeout_seconds) in (int, type(UNSET)) and type(state.heartbeat_seconds) in (int, type(UNSET))
    paths = isinstance(state.timeout_seconds_path, Path) or isinstance(state.heartbeat_seconds_path, Path)
    if point.data != "d" or plan.resource.pattern or state.credentials is not UNSET or paths or not timed:
        raise NotOptimized
    if plan.prefix == "Activity":  # it starts when a worker comes
        raise NotOptimized
    if looks_back(state):
        raise NotOptimized
    value, growth = jsonpath.payload(tree.code, state, point, state.parameters, is_jsonata=state.jsonata)
    name = value if isinstance(value, str) else tree.code.named(display(value))
    if name != point.data:
        tree.code.sent(point, growth, value, name)
    tree.scheduled(plan, point, _kept_payload(tree.code, point, name))
    tree.ask(row, point, name)


def _kept_payload(code: SegmentText, point: Cursor, name: str) -> Local | Grown:
    return code.version(point) if name == point.data else Local(name)


def _choice(tree: SegmentWriter, row: int, state: model.Choice, point: Cursor, path: tuple[int, ...]) -> None:
    code = tree.code
    effective = point.data
    if not state.jsonata and not _is_whole(state.input_path):
        effective = code.named(jsonpath.path(code, state.input_path, point, point.data))
        point.owned = False
    word = "if"
    # all conditions first: one may want all of the data, which takes lines of its own
    conditions = [_condition(code, rule, point, effective) for rule in state.choices]
    for rule, (condition, reads) in zip(state.choices, conditions, strict=True):
        code.add(f"{word} {condition}:")
        branch = point.fork()
        branch.reads = reads
        own = rule.output if state.jsonata and rule.output is not UNSET else state.output
        _branch(tree, row, state, _Way(rule.next, rule.assign, own, state.output_path), effective, branch, path)
        word = "elif"
    code.add("else:")
    if isinstance(state.default, str):
        otherwise = _Way(state.default, state.assign, state.output, state.output_path)
        _branch(tree, row, state, otherwise, effective, point.fork(), path)
        return
    code.indent += 1
    code.add("raise Large")
    code.indent -= 1


def _condition(code: SegmentText, rule: model.ChoiceRule, point: Cursor, effective: str) -> tuple[str, Reads]:
    """Text of a condition, and what is in locals where it holds."""
    if not isinstance(rule.test, UnsetType):
        return jsonpath.rule(code, rule.test, point, effective)
    if isinstance(rule.condition, Expression):
        return jsonata.condition(code, point, rule.condition), point.reads
    return repr(rule.condition), point.reads


class _Way(NamedTuple):
    """One way out of a Choice, and its data flow."""

    next: str
    assign: Any
    output: Any
    output_path: Path | None


def _branch(
    tree: SegmentWriter,
    row: int,
    state: model.Choice,
    way: _Way,
    effective: str,
    point: Cursor,
    path: tuple[int, ...],
) -> None:
    code = tree.code
    code.indent += 1
    result = point.data if state.jsonata else effective
    jsonpath.put(code, way, point, result, (1, 0), fresh=point.owned, is_jsonata=state.jsonata)
    tree.leave(row, point, way.next, path)
    code.indent -= 1


def _parallel(tree: SegmentWriter, row: int, state: model.Parallel, point: Cursor, path: tuple[int, ...]) -> None:
    """Branches that can't block, one after the other."""
    code = tree.code
    code.whole(point)
    code.spill(point)
    value, growth = jsonpath.payload(code, state, point, state.parameters, is_jsonata=state.jsonata)
    name = code.named(display(value))
    if growth is None or code.recorded:
        raise NotOptimized
    if value != point.data:
        code.sent(point, growth, value, name)
    if point.data == "d":
        code.settle(point)
    point.events += 2
    outputs = []
    times = plus = 0
    for branch, scope in zip(state.branches, tree.f.rows[row].plan.branches, strict=True):
        output = code.name("o")
        child = code.child(point, growth)
        code.add(f"{child.data} = {name}")
        code.begun(point, child, display(value))
        leaves = BranchEnds(f"{output} = {child.data}")
        tree.inner(branch, scope, child, leaves)
        base = leaves.settle(code)
        point.below += base[0]
        point.events += base[1]
        times, plus = times + leaves.times, plus + leaves.plus + 2
        outputs.append(output)
    result = code.named(f"[{', '.join(outputs)}]")
    jsonpath.put(code, _shaped(state), point, result, (times, plus), fresh=False, is_jsonata=state.jsonata)
    tree.leave(row, point, state.next, path)


def _map(tree: SegmentWriter, row: int, state: model.Map, point: Cursor, path: tuple[int, ...]) -> None:
    """Iterations that can't block, one after the other."""
    code = tree.code
    code.together(point)
    limited = isinstance(state.max_concurrency, Expression) or isinstance(state.max_concurrency_path, Path)
    if point.data != "d" or state.selector is not UNSET or limited or code.recorded:
        raise NotOptimized  # in an inner scope the bound would depend on how often it runs
    items = _items(tree, state, point)
    code.settle(point)
    code.add(f"if {items}.__class__ is not list or len({items}) > {jsonpath.MOST_ITEMS}: raise Large")
    output = code.name("o")
    code.add(f"{output} = []")
    child = code.child(point, (1, 0))
    code.add(f"for {child.data} in {items}:")
    code.indent += 1
    code.begun(point, child, point.data)
    leaves = BranchEnds(f"{output}.append({child.data})")
    tree.inner(state.processor, tree.f.rows[row].plan.scope, child, leaves)
    code.indent -= 1
    base = leaves.settle(code)
    code.add(f"c += {base[0] * BELOW + (base[1] + 2) * EVENTS} * len({items})")
    code.looped(point, leaves.plus + 2, items)
    point.events += 2
    jsonpath.put(code, _shaped(state), point, output, (leaves.times, 2), fresh=False, is_jsonata=state.jsonata)
    tree.leave(row, point, state.next, path)


def _items(tree: SegmentWriter, state: model.Map, point: Cursor) -> str:
    code = tree.code
    if state.jsonata:
        if isinstance(state.items, UnsetType):
            return point.data
        return code.named(jsonata.evaluated(code, point, state.items).source)
    data = display(jsonpath.payload(code, state, point, UNSET, is_jsonata=False)[0])
    if not isinstance(state.items_path, Path) or state.items_path.whole:
        return data
    return code.named(jsonpath.path(code, state.items_path, point, data))


def _shaped(state: model.Parallel | model.Map) -> Any:
    """A state whose result needs no ResultSelector."""
    if state.result_selector is not UNSET:
        raise NotOptimized
    return state


class BranchEnds:
    """The ends of a branch: each leaves its output in a name, and makes up for counts that are not the usual ones."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.times = 0
        self.plus = 0
        self._ends: list[tuple[int, tuple[int, int]]] = []

    def __call__(self, code: SegmentText, point: Cursor) -> None:
        """One end."""
        code.add(self.text)
        self._ends.append((len(code.lines), (point.below, point.events)))
        code.add("pass")
        self.times = max(self.times, point.times)
        self.plus = max(self.plus, point.plus)

    def settle(self, code: SegmentText) -> tuple[int, int]:
        """The usual (states, events) of the body; the ends that differ add the difference."""
        usual = Counter(counts_ for _, counts_ in self._ends).most_common(1)[0][0]
        for line, (below, events) in self._ends:
            difference = (below - usual[0]) * BELOW + (events - usual[1]) * EVENTS
            margin = code.lines[line][: -len("pass")]
            code.lines[line] = f"{margin}c += {difference}" if difference else ""
        return usual


KINDS: dict[type, Callable[..., None]] = {
    model.Pass: _pass,
    model.Choice: _choice,
    model.Wait: _wait,
    model.Succeed: _succeed,
    model.Fail: _fail,
    model.Task: _task,
    model.Parallel: _parallel,
    model.Map: _map,
}

_COMMON = {"comment", "query_language", "input_path", "output_path", "output", "assign"}
_STEP = {*_COMMON, "next", "end"}
_GUARDED = {*_STEP, "parameters", "arguments", "result_selector", "result_path", "retry", "catch"}
_LIMITS = {"timeout_seconds", "timeout_seconds_path", "heartbeat_seconds", "heartbeat_seconds_path"}

WRITTEN: dict[type, set[str]] = {
    model.Pass: {*_STEP, "result", "parameters", "result_path"},
    model.Choice: {*_COMMON, "choices", "default"},
    model.Wait: {*_STEP, "seconds", "seconds_path", "timestamp", "timestamp_path"},
    model.Succeed: _COMMON,
    model.Fail: set(),
    model.Task: {*_GUARDED, *_LIMITS, "resource", "credentials"},
    model.Parallel: {*_GUARDED, "branches"},
    model.Map: {*_GUARDED, "item_processor", "iterator", "items", "items_path", "item_selector", "label"}
    | {"max_concurrency", "max_concurrency_path", "tolerated_failure_count", "tolerated_failure_count_path"}
    | {"tolerated_failure_percentage", "tolerated_failure_percentage_path"},
}
"""The fields that the texts of the kinds look at; what an inline Map ignores is among them."""


@cache
def _others(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    fields = (field for field in model.fields(kind) if field.name not in WRITTEN[kind])
    return tuple((field.name, field.default) for field in fields)


def check_fields(state: model.State) -> None:
    """Leave a state to the table that has a field which no text looks at: nothing is guessed."""
    if any(getattr(state, name) is not default for name, default in _others(type(state))):
        raise NotOptimized
