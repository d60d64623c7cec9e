"""Parallel: runs its branches at once over copies of the same input (States Language, "Parallel State")."""

from __future__ import annotations

import msgspec

from express.asl import model
from express.engine.events import Event
from express.engine.execution import Execution, Frame, Join
from express.engine.program import WAIT, Row, Scope, Step
from express.states.lowering import (
    UNKNOWN,
    Leave,
    Lowering,
    Payload,
    compile_leave,
    compile_parameters,
    lower_catch,
    lower_retry,
    raw,
)


class ParallelPlan(msgspec.Struct, frozen=True):
    """The branches and the data flow around them."""

    branches: tuple[Scope, ...]
    payload: Payload
    leave: Leave

    def child_scope(self, index: int) -> Scope:
        """The scope that branch `index` runs in."""
        return self.branches[index]

    def start_child(self, x: Execution, join: Join) -> None:
        """Queue the next branch."""
        index = join.started
        join.started += 1
        scope = self.child_scope(index)
        child = Frame(x, scope.rows, join.items[index], join.frame)
        child.join = join
        child.index = index
        child.prev = join.frame.prev
        if self.payload is not raw:
            child.bound = UNKNOWN
        join.running[index] = child
        x.ready.append((child, scope.start))


def lower(state: model.Parallel, low: Lowering) -> Row:
    """A row that forks one frame per branch."""
    plan = ParallelPlan(
        tuple(map(low.scope, state.branches)),
        compile_parameters(low, state.input_path, state.parameters, state.arguments),
        compile_leave(low, state, result=True),
    )
    return Row(
        name=low.name,
        kind="Parallel",
        enter=_enter,
        resume=_resume,
        plan=plan,
        next=low.following(state),
        retry=lower_retry(state.retry),
        catch=lower_catch(low, state.catch),
    )


def _enter(x: Execution, frame: Frame, row: Row) -> Step:
    plan: ParallelPlan = row.plan
    payload = plan.payload(frame)
    frame.record("ParallelStateStarted", {})
    count = len(plan.branches)
    frame.children = join = Join(frame, row, plan, [payload] * count, count)
    for _ in range(count):
        plan.start_child(x, join)
    return WAIT


def _resume(x: Execution, frame: Frame, row: Row, event: Event | None) -> Step:
    plan: ParallelPlan = row.plan
    join = frame.children
    assert join is not None
    frame.children = None
    frame.record("ParallelStateSucceeded", {}, advance=False)
    frame.bound = 1 << 62
    plan.leave(frame, join.results)
    return row.next
