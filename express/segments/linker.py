"""Generates the segments of a machine: the happy path of its states as Python, from the same model as the rows.

Control flow is a tree: a state with one way in stands where it is reached, a short tail is written again, and what
is reached from several places, or again, becomes a segment of its own that `drive` jumps to. Data that the segment
made itself is updated in place; the data it was given never is, so that a segment can be run once more on the table
from its start. Anything that raises ends there.

The definition enters the text only by `repr` of JSON scalars and as bound names.
"""

from __future__ import annotations

import linecache
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import UNSET
from orjson import dumps

from express.asl import model
from express.asl.model import targets
from express.engine.events import TaskFailed
from express.engine.program import Scope
from express.engine.segments import PENDING, Segment, Segments
from express.expr.generated import code_of
from express.expr.python.emitter import Symbols
from express.expr.tree import members_of
from express.segments import jsonpath
from express.segments.cursor import Ask, Cursor
from express.segments.measured import MeasuredText
from express.segments.text import NotOptimized, SegmentText, SideExit
from express.segments.writer import LONGEST_TAIL, SegmentWriter, ended

UNKNOWN = 1 << 62
"""A bound that makes the table measure."""

MOST_ANSWERS = 2
"""A segment goes on after the answers of so many tasks; behind them, the segments of their rows are called."""

MOST_TEXT = 200_000
"""Characters of a machine's text, about: what is left over when there are so many runs on the table."""

FEW_TASKS = 4
"""A machine with more tasks has no such answers: its text, and the time to compile it, would triple."""

_HEADS = {
    "enter": ("d, c, v, b", "None"),
    "resume": ("d, c, v, b, r, t", "r, t"),
    "failed": ("d, c, v, b, r, p, t", "r, t"),
}
"""Parameters of a segment of each part besides the host, and what the interpreter gets to go on with."""

Part: TypeAlias = tuple[int, str]
"""The beginning of a segment: a row, and `enter`, `resume` or `failed`."""

_MORE = {"enter": "", "resume": ", r, t", "failed": ", r, p, t"}
"""Parameters of a measured segment besides data, counts, variables and bound."""

_CHANGED = re.compile(r"\s*([dcvb])(?:\[.*\])? \+?= ")
"""A line that changes one of a segment's arguments. The way to a task does so, too, and cannot fail any more."""

_NAMES: dict[str, Any] = {
    "measured": jsonpath.measured,
    "whole": jsonpath.whole,
    "truth": jsonpath.truth,
    "dumps": dumps,
    "Large": SideExit,
    "PENDING": PENDING,
    "TaskFailed": TaskFailed,
    "Exception": Exception,
}


def fuse(machine: model.Machine, scope: Scope, *, name: str, recorded: bool = False) -> Segments | None:
    """The segments of a machine; None where its first state has no fast form. `recorded`: they keep a history."""
    name = f"{name} recorded" if recorded else name
    fusing = Linker(machine, scope, recorded)
    namespace = _made(fusing, name)
    if namespace is None:
        return None
    namespace["larger"] = SizedSegments(
        lambda: _made(Linker(machine, scope, recorded, MeasuredText), f"{name} sized") or {}
    )
    late = LateSegments(fusing, namespace, name)
    enter, resume, failed = (_functions(namespace, scope, part) for part in _HEADS)
    again = None if recorded else lambda: fuse(machine, scope, name=name, recorded=True)
    late.segments = Segments(enter, resume, failed, fusing.source, again)
    return late.segments


def _made(fusing: Linker, name: str) -> dict[str, Any] | None:
    """The functions of a machine's segments, by name, and all that they use."""
    texts = fusing.link((fusing.start, "enter"))
    if (fusing.start, "enter") not in texts:
        return None
    fusing.source = "\n\n".join(texts.values())
    namespace = dict(_NAMES)
    return namespace if _executed(fusing, fusing.source, namespace, name) else None


def _executed(fusing: Linker, source: str, namespace: dict[str, Any], name: str) -> bool:
    """Put the functions of a text, and all that they use, into a namespace; False where Python does not take it."""
    filename = f"<express {name}>"
    code = code_of(source, filename)
    if code is None:
        return False
    namespace.update(fusing.bound)
    namespace.update(fusing.symbols.constants)
    exec(code, namespace)  # noqa: S102 - text of our own making, see above
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return True


class LateSegments:
    """Segments that most executions never need, made when one of them is called for the first time.

    They are what Retry and Catch make of failures, and what follows an answer that did not come at once where the text
    goes on with one that did. Until then each is a function that has all of them made.
    """

    def __init__(self, fusing: Linker, namespace: dict[str, Any], name: str) -> None:
        self.segments: Segments | None = None
        self._fusing = fusing
        self._namespace = namespace
        self._name = name
        self._rows = {f"{part}_{row}": row for row, part in fusing.later if f"{part}_{row}" not in namespace}
        namespace.update({name: self._making(name) for name in self._rows})
        namespace["late"] = self

    def _making(self, name: str) -> Callable[..., Any]:
        def make(*given: Any) -> Any:
            self.make()
            return self._namespace[name](*given)

        return make

    def make(self) -> None:
        """Replace the functions that have the segments made by those segments."""
        fusing, namespace = self._fusing, self._namespace
        fusing.deferring = False
        source = "\n\n".join(fusing.link(*fusing.later).values())
        if not _executed(fusing, source, namespace, f"{self._name} late"):
            namespace.update({name: _left_to_table(row) for name, row in self._rows.items()})
        segments = self.segments
        assert segments is not None
        segments.enter, segments.resume, segments.failed = (_functions(namespace, fusing, part) for part in _HEADS)
        segments.source = f"{fusing.source}\n\n{source}"


def _left_to_table(row: int) -> Callable[..., Any]:
    """A segment that goes on at the table, with the answer or failure and the tries that it is given."""
    return lambda d, c, v, b, r, *more: (-2 - row, d, c, v, UNKNOWN, r, more[-2])


class SizedSegments:
    """The segments that follow the size of the data, made when one of them is first asked for."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        """A segment by its name, `enter_0` say; the table's where there is none."""
        part, _, row = name.partition("_")
        if part not in _HEADS:
            raise AttributeError(name)
        vars(self).update(self._make())
        return vars(self).setdefault(name, lambda *given: (-2 - int(row), *given[:3], UNKNOWN, None))


def _began(code: SegmentText) -> list[str]:
    """The names of the data, counts, variables and bound that a text began with: copies where it changes them."""
    changed = {match[1] for line in code.lines if (match := _CHANGED.match(line))}
    return [f"{name}0" if name in changed or (name == "d" and code.recorded) else name for name in "dcvb"]


def _kept(names: list[str]) -> str:
    """The line that makes the copies."""
    copies = "; ".join(f"{name} = {name[0]}" for name in names if len(name) > 1)
    return f"    {copies}\n" if copies else ""


def _functions(namespace: dict[str, Any], scope: Scope | Linker, part: str) -> tuple[Segment | None, ...]:
    return tuple(namespace.get(f"{part}_{i}") for i in range(len(scope.rows)))


class Linker:
    """One machine on its way to text."""

    def __init__(
        self,
        machine: model.Machine,
        scope: Scope,
        recorded: bool = False,
        code: type[SegmentText] = SegmentText,
    ) -> None:
        self.code = code
        self.source = ""
        self.names = list(machine.states)
        self.states = list(machine.states.values())
        self.index = {name: i for i, name in enumerate(self.names)}
        self.rows = scope.rows
        self.start = scope.start
        self.recorded = recorded
        self.host = "h" if recorded else "call"
        self.assigned = _assigned(machine)
        self.symbols = Symbols()
        self.bound: dict[str, Any] = {}
        self.ways = _ways_in(self.states, self.index, self.start)
        self.todo: list[Part] = []
        self.later: list[Part] = []
        self.deferring = code is SegmentText
        self._seen: set[Part] = set()
        self._length = 0
        tasks = sum(isinstance(state, model.Task) for state in self.states)
        self.answers = MOST_ANSWERS if tasks <= FEW_TASKS else 0

    def link(self, *parts: Part) -> dict[Part, str]:
        """The text of these segments and of all that can be reached from them and is not there yet.

        Late ones are noted in `later`. Beyond `MOST_TEXT` the rest is the table's.
        """
        texts: dict[Part, str] = {}
        self.todo += parts
        while self.todo:
            at = self.todo.pop()
            if at not in self._seen:
                self._seen.add(at)
                text = self._segment(*at) if self._length < MOST_TEXT else None
                if text is not None:
                    texts[at] = text
                    self._length += len(text)
                elif at[1] != "enter":
                    texts[at] = self._refused(*at)
                elif at[0] == self.start:
                    return {}
        return texts

    def wanted(self, row: int, part: str, *, late: bool = False) -> None:
        """A segment that begins there is needed, too; a late one only once it is called."""
        (self.later if late and self.deferring else self.todo).append((row, part))

    def _segment(self, row: int, part: str) -> str | None:
        code = self.code(self.bound, self.symbols, self.assigned, recorded=self.recorded)
        tree = SegmentWriter(self, code, ended, origin=(row, part))
        point = Cursor()
        try:
            if part == "enter":
                code.open_region(point)
                tree.state(row, point, ())
            elif part == "resume":
                tree.resume(row, point)
            else:
                tree.failed(row, point)
        except NotOptimized:
            return None
        given, left = _HEADS[part]
        d, c, v, b = began = _began(code)
        larger = f"return larger.{part}_{row}({d}, {c}, {v}, {b}{_MORE[part]}, {self.host})"
        below, inline = self._asked(tree, self.answers)
        text = (
            f"def {part}_{row}({given}, {self.host}):  # {self.names[row]!r}\n"
            f"{_kept(began)}"
            "    try:\n"
            f"{code.text(larger, inline=inline)}\n"
            "    except Exception:\n"
            f"        return ({-2 - row}, {d}, {c}, {v}, {UNKNOWN}, {left})\n"
        )
        return self.symbols.complete(text + below)

    def _refused(self, row: int, part: str) -> str:
        """Leave what has no optimized form to the interpreter."""
        given, left = _HEADS[part]
        head = f"def {part}_{row}({given}, {self.host}):  # {self.names[row]!r}: on the table\n"
        return f"{head}    return ({-2 - row}, d, c, v, b, {left})\n"

    def _asked(self, tree: SegmentWriter, answers: int) -> tuple[str, bool]:
        """The calls of the tasks that a text leads to, after all of it that might be done once more on the table.

        Where there is one such place, what follows the answer stands here too (`True`).
        """
        asks = tree.code.asks
        if len(asks) == 1 and answers:
            inline = self._answered(tree, asks[0], answers)
            if inline is not None:
                self.wanted(asks[0].row, "resume", late=True)
                return inline, True
        rows = list(dict.fromkeys(ask.row for ask in asks))
        for row in rows:
            self.wanted(row, "resume")
        return "".join(self._call(row, several=len(rows) > 1) for row in rows), False

    def _call(self, row: int, *, several: bool) -> str:
        """A call, and the segments that its answer leads to."""
        margin = "        " if several else "    "
        return (f"    if s == {row}:\n" if several else "") + (
            f"{margin}r = {self._calling(row)}\n"
            f"{margin}if r is PENDING: return ({row}, d, c, v, b, p, 0)\n"
            f"{margin}if r.__class__ is TaskFailed: return failed_{row}(d, c, v, b, r, p, 0, {self.host})\n"
            f"{margin}return resume_{row}(d, c, v, b, r, 0, {self.host})\n"
        )

    def _calling(self, row: int) -> str:
        call = "h.call" if self.recorded else "call"
        return f"{call}({self.symbols.bind(self.rows[row])}, p, c, 0)  # {self.names[row]!r}"

    def _answered(self, before: SegmentWriter, ask: Ask, answers: int) -> str | None:
        """A call, and what follows its answer in the same function; None where that has no fast form."""
        row, point = ask.row, ask.point.after()
        tree = SegmentWriter(self, before.code.follow(), ended, origin=before.origin)
        tree.written = before.written
        try:
            tree.resume(row, point)
        except NotOptimized:
            return None
        below, inline = self._asked(tree, answers - 1)
        late = "".join(f"        {line}\n" for line in ask.point.together("d", "v"))
        d, c, v, b = began = _began(tree.code)
        whole = ask.point.together(d, v)
        again = "".join(f"        {line}\n" for line in whole)
        larger = "; ".join((*whole, f"return larger.resume_{row}({d}, {c}, {v}, {b}, r, 0, {self.host})"))
        return (
            f"    r = {self._calling(row)}\n"
            "    if r is PENDING or r.__class__ is TaskFailed:\n"
            f"{late}"
            f"        if r is PENDING: return ({row}, d, c, v, b, p, 0)\n"
            f"        return failed_{row}(d, c, v, b, r, p, 0, {self.host})\n"
            f"{_kept(began)}"
            "    try:\n"
            f"{tree.code.text(larger, inline=inline)}\n"
            "    except Exception:\n"
            f"{again}"
            f"        return ({-2 - row}, {d}, {c}, {v}, {UNKNOWN}, r, 0)\n"
        ) + below

    def tail(self, row: int, depth: int = 0) -> int:
        """Return how many states follow from `row` on until a segment ends; more than LONGEST_TAIL is all the same."""
        state = self.states[row]
        if depth > LONGEST_TAIL or isinstance(state, model.Choice | model.Parallel | model.Map):
            return LONGEST_TAIL + 1
        if isinstance(state, model.Task | model.Wait | model.Succeed | model.Fail):
            return 1
        return 1 + sum(self.tail(self.index[target], depth + 1) for target in targets(state))

    def inside(self, machine: model.Machine, scope: Scope) -> Linker:
        """An inner machine, whose text becomes part of this one's."""
        inner = Linker(machine, scope)
        if inner.assigned:
            raise NotOptimized
        inner.symbols, inner.bound = self.symbols, self.bound
        return inner


# The graph ------------------------------------------------------------------------------------------------


def _ways_in(states: list[model.State], index: dict[str, int], start: int) -> Counter[int]:
    ways = Counter({start: 1})
    for state in states:
        ways.update(index[target] for target in targets(state))
    return ways


def _assigned(machine: model.Machine) -> frozenset[str]:
    """Every variable that the machine assigns in its outermost scope."""
    found: set[str] = set()
    for state in machine.states.values():
        for part in (state, *getattr(state, "catch", ()), *getattr(state, "choices", ())):
            given = getattr(part, "assign", UNSET)
            found.update(() if given is UNSET else members_of(given) or ())
    return frozenset(found)
