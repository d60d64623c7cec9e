"""Writes the states of one segment, one after the other and branch by branch, down to what ends the segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import UNSET, UnsetType

from express.asl import model
from express.engine.program import END, Scope
from express.segments import jsonpath, retry_catch
from express.segments.cursor import Cursor
from express.segments.history import Details, Grown, Local
from express.segments.kinds import KINDS, check_fields, passed
from express.segments.text import NotOptimized, SegmentText
from express.states.task import TaskPlan
from express.states.weight import HEAVIEST, weight_of

if TYPE_CHECKING:
    from express.segments.linker import Linker

LONGEST_TAIL = 4
"""A tail of at most so many states is written again wherever it is reached."""

LONGEST_SEGMENT = 200
DEEPEST = 24

USUAL = 40
"""Parts of an ordinary state: a larger one counts as several."""

CHAIN = 16
"""Segments call each other from task to task in runs of at most so many; then `drive` has its turn."""

Leaf: TypeAlias = Callable[[SegmentText, Cursor], None]


class SegmentWriter:
    """The text of one segment, or of a whole inner machine. `end` writes what leaves the scope.

    `origin` is the row and part that the segment begins with.
    """

    def __init__(
        self,
        fusing: Linker,
        code: SegmentText,
        end: Leaf,
        *,
        origin: tuple[int, str] = (0, "enter"),
        whole: bool = False,
    ) -> None:
        self.f = fusing
        self.code = code
        self.end = end
        self.origin = origin
        self.whole = whole
        self.written = 0

    def goto(self, target: Any, point: Cursor, path: tuple[int, ...]) -> None:
        """Go on at a state, or leave the scope where there is none."""
        if not isinstance(target, str):
            self.code.whole(point)
            self.end(self.code, point)
            return
        row = self.f.index[target]
        if row in path or len(path) > DEEPEST or self.written > LONGEST_SEGMENT or not self._inline(row):
            self._jump(row, point)
        else:
            self.state(row, point, path)

    def _inline(self, row: int) -> bool:
        return self.whole or self.f.ways[row] < 2 or self.f.tail(row) <= LONGEST_TAIL

    def _jump(self, row: int, point: Cursor) -> None:
        if point.data != "d":
            raise NotOptimized
        self.wanted(row, "enter")
        self.code.together(point)
        self.code.trace(point)
        self.code.add(f"return ({-2 - row}, d, {point.counts()}, v, {point.bounded()})")

    def wanted(self, row: int, part: str, *, late: bool = False) -> None:
        """A segment that begins there is needed, too; a late one only once it is called."""
        self.f.wanted(row, part, late=late)

    def state(self, row: int, point: Cursor, path: tuple[int, ...]) -> None:
        """One state and all that follows it."""
        code = self.code
        before = (len(code.lines), len(code.regions), len(code.asks), code.indent, point.fork())
        weight = weight_of(self.f.states[row])
        self.written += 1 + weight // USUAL
        code.add(f"# {self.f.names[row]!r}")
        try:
            if weight > HEAVIEST:
                raise NotOptimized
            self._write(row, self.f.states[row], point, (*path, row))
        except NotOptimized:
            if point.data != "d" or not path:
                raise
            self._to_table(row, *before)

    def _to_table(self, row: int, lines: int, regions: int, asks: int, indent: int, point: Cursor) -> None:
        """This state has no fast form: the table takes over before it."""
        code = self.code
        del code.lines[lines:]
        del code.regions[regions:]
        del code.asks[asks:]
        code.indent = indent
        code.together(point)
        code.trace(point)
        code.add(f"return ({-2 - row}, d, {point.counts()}, v, {point.bounded()}, None)")

    def _write(self, row: int, state: model.State, point: Cursor, path: tuple[int, ...]) -> None:
        if point.data == "d":
            point.steps += 1
        else:
            point.below += 1
        self._event(row, point, self.f.rows[row].entered, "input")
        check_fields(state)
        KINDS[type(state)](self, row, state, point, path)

    def leave(self, row: int, point: Cursor, target: Any, path: tuple[int, ...]) -> None:
        """A state is left; go on at the next one."""
        assigned: Details = {} if point.assigned is None else {"assignedVariables": Local(point.assigned)}
        self._event(row, point, self.f.rows[row].exited, "output", assigned)
        self.goto(target, point, path)

    def _event(self, row: int, point: Cursor, kind: str, data: str, more: Details | None = None) -> None:
        """The state's Entered or Exited. In an inner scope events are only counted."""
        details: Details = {}
        if self.code.recorded:
            details = {"name": self.f.names[row], data: self.code.version(point), **(more or {})}
        self.code.event(point, kind, details)

    # Tasks --------------------------------------------------------------------------------------------

    def scheduled(self, plan: TaskPlan, point: Cursor, payload: Local | Grown) -> None:
        """TaskScheduled and TaskStarted, or their Lambda and activity forms."""
        self.code.event(point, f"{plan.prefix}Scheduled", plan.scheduled(payload, *plan.seconds()))
        self.code.event(point, f"{plan.prefix}Started", dict(plan.labels))

    def ask(self, row: int, point: Cursor, payload: str) -> None:
        """Call a task: from the end of this segment, or by way of `drive` where calls could nest too deeply."""
        self.wanted(row, "failed", late=True)
        self.code.trace(point)
        if self._near(row):
            self.code.ask(row, point, payload)
        else:
            self.wanted(row, "resume")
            self.code.together(point)
            self.code.add(f"return ({row}, d, {point.counts()}, v, {point.bounded()}, {payload}, 0, 0)")

    def _near(self, row: int) -> bool:
        """A segment that `drive` calls may call any other; one that a segment calls only those further on."""
        start, part = self.origin
        return part == "enter" or (row > start and row // CHAIN == start // CHAIN)

    def resume(self, row: int, point: Cursor) -> None:
        """Write what follows the answer of a Task, or the end of a Wait."""
        state = self.f.states[row]
        if isinstance(state, model.Task):
            self._answered(row, state, point)
        else:
            assert isinstance(state, model.Wait)
            self.code.open_region(point)
            jsonpath.put(self.code, passed(state), point, "d", (1, 0), fresh=False, is_jsonata=state.jsonata)
        self.leave(row, point, state.next, (row,))

    def _answered(self, row: int, state: model.Task, point: Cursor) -> None:
        code, plan = self.code, self.f.rows[row].plan
        code.answer(point)
        code.event(point, f"{plan.prefix}Succeeded", {**plan.labels, "output": Local("r")})
        if state.jsonata or isinstance(state.result_selector, UnsetType):
            jsonpath.put(code, state, point, "r", (1, 0), fresh=False, is_jsonata=state.jsonata)
            return
        value, growth = jsonpath.shaped(code, state.result_selector, point, "r")
        if state.assign is not UNSET:
            raise NotOptimized
        jsonpath.put(code, state, point, value, growth, fresh=True, is_jsonata=False)

    def failed(self, row: int, point: Cursor) -> None:
        """Write what Retry and Catch make of a task's failure."""
        retry_catch.write(self, row, point)

    def inner(self, machine: model.Machine, scope: Scope, child: Cursor, end: Leaf) -> None:
        """A whole inner machine in one piece, here."""
        inner = self.f.inside(machine, scope)
        body = SegmentWriter(inner, self.code, end, whole=True)
        body.written = self.written
        body.state(inner.start, child, ())
        self.written = body.written


def ended(code: SegmentText, point: Cursor) -> None:
    """The execution succeeds."""
    if code.recorded:
        code.event(point, "ExecutionSucceeded", {"output": code.version(point)})
        point.events -= 1  # the table does not count it either
    code.trace(point)
    code.add(f"return ({END}, d, {point.counts()}, v, b)")  # nobody asks for variables and bound any more
