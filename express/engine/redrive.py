"""Taking up an execution that has ended unsuccessfully, at the states that did not succeed.

`Execution.last` is the root frame of one that has ended so, with whatever its Parallel and Map states had: branches
and iterations that have succeeded keep their results, those that failed or were aborted run again from the state that
they stood in (Step Functions Developer Guide, "Restarting state machine executions with redrive").
"""

from __future__ import annotations

from express.engine.effects import Effect
from express.engine.execution import DEADLINE, Execution, Frame
from express.engine.interpreter import advance
from express.engine.program import AGAIN, cap


def gather(root: Frame) -> None:
    """Put what has failed or was aborted back to its Parallel or Map states, as children that are to run."""
    frames = [root]
    while frames:
        frame = frames.pop()
        join = frame.fallen if frame.fallen is not None else frame.children
        frame.fallen, frame.children = None, None
        if join is None or not (join.running or join.failed):
            continue
        children = {child.index: child for child in (*join.running.values(), *join.failed)}
        join.running = {index: children[index] for index in sorted(children)}
        join.failed = []
        frame.children = join
        frames.extend(join.running.values())


def redrive(x: Execution, now: float, limit: float) -> list[Effect]:
    """Run the states again that did not succeed; the execution's time begins anew. The effects of the turn."""
    root = x.last
    assert root is not None, "it has ended unsuccessfully"
    x.last = x.finished = None
    x.now = max(now, x.now)
    x.deadline = cap(x.program, limit, x.now)
    root.record("ExecutionRedriven", {"redriveCount": x.about.redrive_count})
    frames = [root]
    for frame in frames:
        frame.retries, frame.retry_count = None, 0
        frame.waits.clear()
        if frame.children is None:
            _again(x, frame)
        else:
            frames.extend(frame.children.running.values())
    if x.deadline is not None:
        x.timer(None, DEADLINE, x.deadline)
    return advance(x, x.now)


def _again(x: Execution, frame: Frame) -> None:
    """Run the state of a frame again: one that was never entered is entered, a Wait goes on to its old instant."""
    row = frame.rows[frame.at]
    if not frame.steps:
        join = frame.join
        assert join is not None, "an execution enters its first state at once"
        x.ready.append((frame, join.plan.child_scope(frame.index).start))
    elif row.kind == "Wait":
        now, x.now = x.now, frame.entered_at
        row.enter(x, frame, row)
        x.now = now
    else:
        x.ready.append((frame, AGAIN))
