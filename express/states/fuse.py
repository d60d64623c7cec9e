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
from express.engine.fast import Segment, Segments
from express.engine.program import END, Scope
from express.expr.growth import Growth
from express.expr.source import Emitter
from express.states import emit
from express.states.emit import Code, NotFused, Point
from express.states.fragments import KINDS, bound, counts, passed

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
        tree = Tree(self, code, self._leave)
        point = Point()
        if part == "enter":
            tree.state(row, point, ())
        else:
            code.add("b = b + rb")
            tree.resume(row, point)
        return code.text()

    def _leave(self, code: Code, point: Point) -> None:
        code.add(f"return ({END}, d, {counts(point)}, v, {bound(point)})")


class Tree:
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
        KINDS[type(state)](self, row, state, point, path, mode)

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
            emit.put(self.code, passed(state), point, "d", (1, 0), fresh=False, mode=mode)
        point.events += 1
        self.goto(state.next, point, (row,))

    def inner(self, machine: model.Machine, scope: Scope, child: Point, leave: Leaf) -> None:
        """A whole inner machine in one piece, here."""
        inner = _Fusing(machine, scope, self.f.jsonata)
        if inner.assigned:
            raise NotFused
        inner.emitter, inner.bound = self.f.emitter, self.f.bound
        body = Tree(inner, self.code, leave, whole=True)
        body.state(inner.start, child, ())
        self.written += body.written


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
