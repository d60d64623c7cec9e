"""Generates the segments of a machine: the happy path of its states as Python, from the same model as the rows.

Control flow is a tree: a state with one way in stands where it is reached, a short tail is written again, and what
is reached from several places, or again, becomes a segment of its own that `drive` jumps to. Data that the segment
made itself is updated in place; the data it was given never is, so that a segment can be run once more on the table
from its start. Anything that raises ends there.

The definition enters the text only by `repr` of JSON scalars and as bound names.
"""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import UNSET

from express.asl import model
from express.engine.fast import BELOW, EVENTS, Segment, Segments
from express.engine.program import END, Scope
from express.expr.growth import Growth, constant
from express.expr.source import Emitter
from express.states import emit
from express.states.emit import Code, NotFused, Point

LONGEST_TAIL = 4
"""A tail of at most so many states is written again wherever it is reached."""

UNKNOWN = 1 << 62
"""A bound that makes the table measure."""

LONGEST_SEGMENT = 200
DEEPEST = 24

Leaf: TypeAlias = Callable[[Code, Point], None]


def fuse(machine: model.Machine, scope: Scope, *, jsonata: bool, name: str) -> Segments | None:
    """The segments of a machine; None where its first state has no fast form."""
    fusing = _Fusing(machine, scope, jsonata)
    texts = fusing.segments()
    if (scope.start, "enter") not in texts:
        return None
    source = _assemble(machine, texts)
    filename = f"<express {name}>"
    namespace = {**fusing.bound, **fusing.emitter.constants}
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102 - text of our own making, see above
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return Segments(_functions(namespace, scope, "enter"), _functions(namespace, scope, "resume"), source)


def _functions(namespace: dict[str, Any], scope: Scope, part: str) -> tuple[Segment | None, ...]:
    return tuple(namespace.get(f"{part}_{i}") for i in range(len(scope.rows)))


def _assemble(machine: model.Machine, texts: dict[tuple[int, str], str]) -> str:
    names = list(machine.states)
    parts = []
    for (row, part), text in texts.items():
        if part == "enter":
            head, again = f"def enter_{row}(d, c, v, b):", f"(-2 - {row}, d0, c0, v0, {UNKNOWN}, None)"
        else:
            head, again = f"def resume_{row}(d, c, v, b, r, rb):", f"(-2 - {row}, d0, c0, v0, {UNKNOWN}, r, 0)"
        parts.append(
            f"{head}  # {names[row]!r}\n"
            "    d0 = d\n    c0 = c\n    v0 = v\n"
            "    try:\n"
            f"{text}\n"
            "    except Exception:\n"
            f"        return {again}\n"
        )
    return "\n\n".join(parts)


class _Fusing:
    """One machine on its way to text."""

    def __init__(self, machine: model.Machine, scope: Scope, jsonata: bool) -> None:
        self.names = list(machine.states)
        self.states = list(machine.states.values())
        self.index = {name: i for i, name in enumerate(self.names)}
        self.rows = scope.rows
        self.start = scope.start
        self.jsonata = jsonata
        assigned = _assigned(machine)
        self.assigned = assigned
        self.emitter = Emitter()
        self.bound: dict[str, Any] = {
            "measured": emit.measured,
            "whole": emit.whole,
            "Large": emit.Large,
            "truth": emit.truth,
            "Exception": Exception,
        }
        self.ways = _ways_in(self.states, self.index, self.start)
        self.todo: list[tuple[int, str]] = []

    def segments(self) -> dict[tuple[int, str], str]:
        """The text of every segment that can be reached by segments."""
        texts: dict[tuple[int, str], str] = {}
        refused: set[tuple[int, str]] = set()
        self.todo.append((self.start, "enter"))
        while self.todo:
            at = self.todo.pop()
            if at in texts or at in refused:
                continue
            try:
                texts[at] = self._segment(*at)
            except NotFused:
                refused.add(at)
        return texts

    def _segment(self, row: int, part: str) -> str:
        code = Code(self.bound, self.emitter, self.assigned)
        tree = _Tree(self, code, self._leave)
        point = Point()
        if part == "enter":
            tree.state(row, point, ())
        else:
            code.add("b = b + rb")
            tree.resume(row, point)
        return code.text()

    def _leave(self, code: Code, point: Point) -> None:
        code.add(f"return ({END}, d, {counts(point)}, v, {bound(point)})")


def counts(point: Point) -> str:
    """Text of the packed counts at a point."""
    grown = point.steps + point.below * BELOW + point.events * EVENTS
    return f"c + {grown}" if grown else "c"


def bound(point: Point) -> str:
    """Text of the bound at a point."""
    return "b" if (point.times, point.plus) == (1, 0) else f"b * {point.times} + {point.plus}"


class _Tree:
    """Writes states one after the other and branch by branch, down to what ends the segment."""

    def __init__(self, fusing: _Fusing, code: Code, leave: Leaf, *, whole: bool = False) -> None:
        self.f = fusing
        self.code = code
        self.leave = leave
        self.whole = whole
        self.written = 0

    def goto(self, target: Any, point: Point, path: tuple[int, ...]) -> None:
        """Go on at a state, or leave the scope where there is none."""
        if not isinstance(target, str):
            self.leave(self.code, point)
            return
        row = self.f.index[target]
        if row in path or len(path) > DEEPEST or self.written > LONGEST_SEGMENT or not self._inline(row):
            self._jump(row, point)
        else:
            self.state(row, point, path)

    def _inline(self, row: int) -> bool:
        return self.whole or self.f.ways[row] < 2 or _tail(self.f, row) <= LONGEST_TAIL

    def _jump(self, row: int, point: Point) -> None:
        if point.data != "d":
            raise NotFused
        self.f.todo.append((row, "enter"))
        self.code.add(f"return ({-2 - row}, d, {counts(point)}, v, {bound(point)})")

    def state(self, row: int, point: Point, path: tuple[int, ...]) -> None:
        """One state and all that follows it."""
        state = self.f.states[row]
        before = (len(self.code.lines), len(self.code.regions), self.code.indent, point.fork())
        self.written += 1
        self.code.add(f"# {self.f.names[row]!r}")
        try:
            self._write(row, state, point, (*path, row))
        except NotFused:
            if point.data != "d" or not path:
                raise
            self._to_table(row, *before)

    def _to_table(self, row: int, lines: int, regions: int, indent: int, point: Point) -> None:
        """This state has no fast form: the table takes over before it."""
        del self.code.lines[lines:]
        del self.code.regions[regions:]
        self.code.indent = indent
        self.code.add(f"return ({-2 - row}, d, {counts(point)}, v, {bound(point)}, None)")

    def _write(self, row: int, state: model.State, point: Point, path: tuple[int, ...]) -> None:
        mode = state.query_language == "JSONata" if isinstance(state.query_language, str) else self.f.jsonata
        point.events += 1
        if point.data == "d":
            point.steps += 1
        else:
            point.below += 1
        _KINDS[type(state)](self, row, state, point, path, mode)

    def resume(self, row: int, point: Point) -> None:
        """What follows the answer of a Task, or the end of a Wait."""
        state = self.f.states[row]
        mode = state.query_language == "JSONata" if isinstance(state.query_language, str) else self.f.jsonata
        if isinstance(state, model.Task):
            point.events += 1
            growth: Growth = (1, 0)
            if not mode and state.result_selector is not UNSET:
                source, growth = emit.template(self.code, state.result_selector, "r")
                self.code.add(f"s = {source}")
            result = "s" if not mode and state.result_selector is not UNSET else "r"
            if not mode and getattr(state, "assign", UNSET) is not UNSET and result == "s":
                raise NotFused
            emit.put(self.code, state, point, result, growth, fresh=result == "s", mode=mode)
        else:
            assert isinstance(state, model.Wait)
            emit.put(self.code, _passed(state), point, "d", (1, 0), fresh=False, mode=mode)
        point.events += 1
        self.goto(state.next, point, (row,))


# One function per kind ------------------------------------------------------------------------------------


def _pass(tree: _Tree, row: int, state: model.Pass, point: Point, path: tuple[int, ...], mode: bool) -> None:
    code = tree.code
    if mode:
        emit.put(code, state, point, point.data, (1, 0), fresh=False, mode=True)
    elif state.result is not UNSET:
        if state.input_path != "$" or state.parameters is not UNSET:
            raise NotFused
        literal = code.emitter.constant(state.result)
        emit.put(code, state, point, literal, constant(state.result), fresh=False, mode=False)
    elif state.parameters is UNSET and state.input_path == "$" and state.result_path == "$":
        emit.put(code, state, point, point.data, (1, 0), fresh=point.owned, mode=False)
    else:
        fresh = state.parameters is not UNSET and type(state.parameters) is dict and not _constant(state.parameters)
        name, growth = _kept(tree, state, point)
        emit.put(code, state, point, name, growth, fresh=fresh, mode=False)
    point.events += 1
    tree.goto(state.next, point, path)


def _kept(tree: _Tree, state: model.Pass, point: Point) -> tuple[str, Any]:
    """The payload of a Pass: unlike a task's it does not leave the engine, so the data stays owned."""
    owned = point.owned
    name, growth = emit.payload(tree.code, state, point, state.parameters, mode=False)
    point.owned = owned and state.parameters is not UNSET and not emit.captures(state.parameters)
    return name, growth


def _constant(value: Any) -> bool:
    if type(value) is dict:
        return all(not key.endswith(".$") and _constant(item) for key, item in value.items())
    return all(map(_constant, value)) if type(value) is list else True


def _passed(state: Any) -> Any:
    """A state that only passes its input on: it has no ResultPath."""
    if state.input_path != "$":
        raise NotFused
    return state


def _succeed(tree: _Tree, row: int, state: model.Succeed, point: Point, path: tuple[int, ...], mode: bool) -> None:
    _passed(state)
    emit.put(tree.code, state, point, point.data, (1, 0), fresh=point.owned, mode=mode)
    point.events += 1
    tree.leave(tree.code, point)


def _fail(tree: _Tree, row: int, state: model.Fail, point: Point, path: tuple[int, ...], mode: bool) -> None:
    raise NotFused


def _wait(tree: _Tree, row: int, state: model.Wait, point: Point, path: tuple[int, ...], mode: bool) -> None:
    if point.data != "d" or type(state.seconds) is not int or state.seconds <= 0:
        raise NotFused
    _passed(state)
    tree.f.todo.append((row, "resume"))
    tree.code.add(f"return ({row}, d, {counts(point)}, v, {bound(point)}, {state.seconds})")


def _task(tree: _Tree, row: int, state: model.Task, point: Point, path: tuple[int, ...], mode: bool) -> None:
    plan = tree.f.rows[row].plan
    timed = type(state.timeout_seconds) in (int, type(UNSET)) and type(state.heartbeat_seconds) in (int, type(UNSET))
    paths = isinstance(state.timeout_seconds_path, str) or isinstance(state.heartbeat_seconds_path, str)
    if point.data != "d" or plan.resource.pattern or state.credentials is not UNSET or paths or not timed:
        raise NotFused
    name, _ = emit.payload(tree.code, state, point, state.parameters, mode=mode)
    point.events += 2
    tree.f.todo.append((row, "resume"))
    tree.code.add(f"return ({row}, d, {counts(point)}, v, {bound(point)}, {name})")


def _choice(tree: _Tree, row: int, state: model.Choice, point: Point, path: tuple[int, ...], mode: bool) -> None:
    code = tree.code
    effective = point.data
    if mode:
        code.add(f"si = {point.data}")
    elif state.input_path != "$":
        effective = emit.named(code, emit.path(code, state.input_path, point.data))
        point.owned = False
    word = "if"
    for rule in state.choices:
        code.add(f"{word} {_condition(code, rule, effective, mode=mode)}:")
        _branch(tree, state, rule, effective, point.fork(), path, mode)
        word = "elif"
    code.add("else:")
    if not isinstance(state.default, str):
        code.indent += 1
        code.add("raise Large")
        code.indent -= 1
        return
    _branch(tree, state, {"Next": state.default, "default": True}, effective, point.fork(), path, mode)


def _condition(code: Code, rule: dict[str, Any], effective: str, *, mode: bool) -> str:
    if not mode:
        return emit.rule(code, rule, effective)
    condition = rule["Condition"]
    if type(condition) is bool:
        return repr(condition)
    return emit.condition(code, condition)


def _branch(
    tree: _Tree,
    state: model.Choice,
    rule: dict[str, Any],
    effective: str,
    point: Point,
    path: tuple[int, ...],
    mode: bool,
) -> None:
    code = tree.code
    code.indent += 1
    taken = _Rule(state, rule, mode)
    emit.put(code, taken, point, effective if not mode else point.data, (1, 0), fresh=point.owned, mode=mode)
    point.events += 1
    tree.goto(rule["Next"], point, path)
    code.indent -= 1


class _Rule:
    """The data flow of one way out of a Choice."""

    result_path = "$"

    def __init__(self, state: model.Choice, rule: dict[str, Any], mode: bool) -> None:
        default = "default" in rule
        self.output_path = state.output_path
        self.assign = state.assign if default else rule.get("Assign", UNSET)
        self.output = state.output if default or not mode else rule.get("Output", state.output)


def _parallel(tree: _Tree, row: int, state: model.Parallel, point: Point, path: tuple[int, ...], mode: bool) -> None:
    """Branches that can't block, one after the other."""
    code = tree.code
    name, growth = emit.payload(code, state, point, state.parameters, mode=mode)
    if growth is None:
        raise NotFused
    if point.data == "d":
        code.settle(point)
    point.events += 2
    outputs = []
    times = plus = 0
    for branch, scope in zip(state.branches, tree.f.rows[row].plan.branches, strict=True):
        output = code.name("o")
        child = _child(point, growth)
        code.add(f"{child.data} = {name}")
        leaves = _Leaves(f"{output} = {child.data}")
        _body(tree, branch, scope, child, leaves)
        base = leaves.settle(code)
        point.below += base[0]
        point.events += base[1]
        times, plus = times + leaves.times, plus + leaves.plus + 2
        outputs.append(output)
    result = emit.named(code, f"[{', '.join(outputs)}]")
    emit.put(code, _shaped(state), point, result, (times, plus), fresh=False, mode=mode)
    point.events += 1
    tree.goto(state.next, point, path)


def _map(tree: _Tree, row: int, state: model.Map, point: Point, path: tuple[int, ...], mode: bool) -> None:
    """Iterations that can't block, one after the other."""
    code = tree.code
    machine = state.item_processor if isinstance(state.item_processor, model.Machine) else state.iterator
    selector = state.item_selector if state.item_selector is not UNSET else state.parameters
    concurrency = state.max_concurrency
    limited = isinstance(concurrency, str) or isinstance(state.max_concurrency_path, str)
    if point.data != "d" or selector is not UNSET or limited:
        raise NotFused  # in an inner scope the bound would depend on how often it runs
    assert isinstance(machine, model.Machine)
    items = _items(tree, state, point, mode)
    code.settle(point)
    code.add(f"if {items}.__class__ is not list or len({items}) > {emit.MOST_ITEMS}: raise Large")
    output = code.name("o")
    code.add(f"{output} = []")
    child = _child(point, (1, 0))
    code.add(f"for {child.data} in {items}:")
    code.indent += 1
    leaves = _Leaves(f"{output}.append({child.data})")
    _body(tree, machine, tree.f.rows[row].plan.scope, child, leaves)
    code.indent -= 1
    base = leaves.settle(code)
    code.add(f"c += {base[0] * BELOW + (base[1] + 2) * EVENTS} * len({items})")
    code.add(f"b += {leaves.plus + 2} * len({items})")
    code.open_region()
    point.events += 2
    emit.put(code, _shaped(state), point, output, (leaves.times, 2), fresh=False, mode=mode)
    point.events += 1
    tree.goto(state.next, point, path)


def _items(tree: _Tree, state: model.Map, point: Point, mode: bool) -> str:
    code = tree.code
    if mode:
        if state.items is UNSET:
            return point.data
        code.add(f"si = {point.data}")
        return emit.named(code, emit.jsonata(code, state.items, None)[0])
    data, _ = emit.payload(code, state, point, UNSET, mode=False)
    if not isinstance(state.items_path, str) or state.items_path == "$":
        return data
    return emit.named(code, emit.path(code, state.items_path, data))


def _shaped(state: model.Parallel | model.Map) -> Any:
    """A state whose result needs no ResultSelector."""
    if state.result_selector is not UNSET:
        raise NotFused
    return state


def _child(point: Point, growth: tuple[int, int]) -> Point:
    """The start of a branch or an iteration."""
    child = Point(f"d{int(point.data[1:] or 0) + 1}")
    child.times = point.times * growth[0]
    child.plus = point.plus * growth[0] + growth[1]
    return child


class _Leaves:
    """The ends of a branch: each leaves its output in a name, and makes up for counts that are not the usual ones."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.times = 0
        self.plus = 0
        self._ends: list[tuple[int, tuple[int, int]]] = []

    def __call__(self, code: Code, point: Point) -> None:
        """One end."""
        code.add(self.text)
        self._ends.append((len(code.lines), (point.below, point.events)))
        code.add("pass")
        self.times = max(self.times, point.times)
        self.plus = max(self.plus, point.plus)

    def settle(self, code: Code) -> tuple[int, int]:
        """The usual (states, events) of the body; the ends that differ add the difference."""
        usual = Counter(counts_ for _, counts_ in self._ends).most_common(1)[0][0]
        for line, (below, events) in self._ends:
            difference = (below - usual[0]) * BELOW + (events - usual[1]) * EVENTS
            margin = code.lines[line][: -len("pass")]
            code.lines[line] = f"{margin}c += {difference}" if difference else ""
        return usual


def _body(tree: _Tree, machine: model.Machine, scope: Scope, child: Point, leaves: _Leaves) -> None:
    """A whole inner machine in one piece."""
    inner = _Fusing(machine, scope, tree.f.jsonata)
    if inner.assigned:
        raise NotFused
    inner.emitter, inner.bound = tree.f.emitter, tree.f.bound
    body = _Tree(inner, tree.code, leaves, whole=True)
    body.state(inner.start, child, ())
    tree.written += body.written


_KINDS: dict[type, Callable[..., None]] = {
    model.Pass: _pass,
    model.Choice: _choice,
    model.Wait: _wait,
    model.Succeed: _succeed,
    model.Fail: _fail,
    model.Task: _task,
    model.Parallel: _parallel,
    model.Map: _map,
}


# The graph ------------------------------------------------------------------------------------------------


def _targets(state: model.State) -> list[str]:
    if isinstance(state, model.Choice):
        targets = [rule["Next"] for rule in state.choices]
        return [*targets, state.default] if isinstance(state.default, str) else targets
    following = getattr(state, "next", None)
    return [following] if isinstance(following, str) else []


def _ways_in(states: list[model.State], index: dict[str, int], start: int) -> Counter[int]:
    ways = Counter({start: 1})
    for state in states:
        ways.update(index[target] for target in _targets(state))
    return ways


def _tail(fusing: _Fusing, row: int, depth: int = 0) -> int:
    """How many states follow from `row` on until a segment ends; more than LONGEST_TAIL is all the same."""
    state = fusing.states[row]
    if depth > LONGEST_TAIL or isinstance(state, model.Choice | model.Parallel | model.Map):
        return LONGEST_TAIL + 1
    if isinstance(state, model.Task | model.Wait | model.Succeed | model.Fail):
        return 1
    return 1 + sum(_tail(fusing, fusing.index[target], depth + 1) for target in _targets(state))


def _assigned(machine: model.Machine) -> frozenset[str]:
    """Every variable that the machine assigns in its outermost scope."""
    found: set[str] = set()
    for state in machine.states.values():
        parts = [getattr(state, "assign", UNSET)]
        parts += [catcher.assign for catcher in getattr(state, "catch", ())]
        parts += [rule.get("Assign", UNSET) for rule in getattr(state, "choices", ())]
        for part in parts:
            if type(part) is dict:
                found.update(key.removesuffix(".$") for key in part)
    return frozenset(found)
