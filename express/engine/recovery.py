"""Recovery of a state that fails: Retry, then Catch, then the scope fails."""

from __future__ import annotations

from express.engine.effects import Cancel, Finish
from express.engine.execution import RETRY, Execution, Frame
from express.engine.program import WAIT, CatchRow, RetryRow, Row, Step, matches
from express.errors import QUERY_EVALUATION_ERROR, RUNTIME, EvaluationError, StatesError
from express.values import JSON

JOINS = {"Map": "MapStateFailed", "Parallel": "ParallelStateFailed"}

OPEN = frozenset({"Task", "Wait"})
"""The kinds that no event of their own closes where they fail: in a branch or an iteration they end aborted."""


class Failed(StatesError):
    """A StatesError that has its final cause: the place is in the text already."""

    def __init__(self, error: str | None, cause: str | None, *, heartbeat: bool = False) -> None:
        super().__init__(error, cause)
        self.heartbeat = heartbeat


def recover(x: Execution, frame: Frame, row: Row, failure: StatesError) -> Step:
    """Handle the failure of the state a frame is in: the next step of the frame."""
    if frame.children is not None:
        _abort(x, frame)  # iterations that were begun before an ItemSelector failed
        frame.fallen = None
    failed = _locate(frame, row, failure)
    retry = None if failed.error == RUNTIME else _retrier(frame, row, failed)
    if retry is not None:
        return _retry(x, frame, *retry)
    if row.kind in JOINS and failed.error != RUNTIME:
        frame.record(JOINS[row.kind], {})
    for position, catcher in enumerate(row.catch):
        if matches(catcher.errors, failed.error, failed.heartbeat):
            return _catch(x, frame, row, catcher, failed, position)
    return fail(x, frame, failed)


def _locate(frame: Frame, row: Row, failure: StatesError) -> Failed:
    if isinstance(failure, Failed):
        return failure
    cause = failure.cause
    if failure.located and cause is not None:
        where = (
            f"An error occurred while executing the state '{row.name}' (entered at the event id #{frame.entered_id}). "
        )
        cause = where + cause
    if failure.error == QUERY_EVALUATION_ERROR and failure.located:
        _evaluation_failed(frame, row, failure, cause)
    return Failed(failure.error, cause)


def _evaluation_failed(frame: Frame, row: Row, failure: StatesError, cause: str | None) -> None:
    """AWS writes EvaluationFailed before it handles the error.

    That of an expression hangs on the event before the state, that of a value (a bad Timestamp) on the state's.
    """
    details: dict[str, JSON] = {"state": row.name, "error": failure.error, "cause": cause}
    if isinstance(failure, EvaluationError):
        if failure.location is not None:
            details["location"] = failure.location
        if failure.unlinked and frame.prev == frame.entered_id:
            frame.prev = frame.entered_prev
    frame.record("EvaluationFailed", details)


def _retrier(frame: Frame, row: Row, failed: Failed) -> tuple[RetryRow, int] | None:
    """The first retrier that matches, with its next attempt; None when there is none or it is used up."""
    for i, retrier in enumerate(row.retry):
        if matches(retrier.errors, failed.error, failed.heartbeat):
            used = 0 if frame.retries is None else frame.retries[i]
            if used >= retrier.attempts:
                return None
            if frame.retries is None:
                frame.retries = [0] * len(row.retry)
            frame.retries[i] = used + 1
            return retrier, used + 1
    return None


def _retry(x: Execution, frame: Frame, retrier: RetryRow, attempt: int) -> Step:
    frame.retry_count += 1
    frame.fallen = None
    delay = retrier.delay(attempt)
    if retrier.jitter:
        delay *= x.entropy.random()
    x.timer(frame, RETRY, x.now + delay)
    return WAIT


def _catch(x: Execution, frame: Frame, row: Row, catcher: CatchRow, failed: Failed, position: int) -> Step:
    output = _error_output(failed)
    frame.fallen = None
    try:
        catcher.leave(frame, output)
    except StatesError as broken:
        return fail(x, frame, _locate(frame, row, broken))
    leave_state(frame, row)
    return catcher.next


def _error_output(failed: Failed) -> dict[str, JSON]:
    """Return what a catcher is given: a missing cause is the empty text, unless the error is missing too (observed)."""
    cause = "" if failed.cause is None and failed.error is not None else failed.cause
    return {"Error": failed.error, "Cause": cause}


def leave_state(frame: Frame, row: Row) -> None:
    """Record that a state is left; forget what belonged to its visit."""
    x = frame.x
    if x.history is None:
        x.events += 1
        frame.assigned = None
    else:
        details: dict[str, JSON] = {"name": row.name, "output": frame.data}
        if frame.assigned:  # an empty Assign tells nothing
            details["assignedVariables"] = frame.assigned
        frame.assigned = None
        frame.record(row.exited, details)
    if frame.retry_count:
        frame.retries = None
        frame.retry_count = 0


def fail(x: Execution, frame: Frame, failed: Failed) -> Step:
    """The scope of `frame` fails: stop its siblings and hand the error to the state that runs it."""
    join = frame.join
    frame.release()
    if join is None:
        if x.program.type == "STANDARD":
            x.last = frame
        finish(x, frame, Finish("FAILED", error=failed.error, cause=failed.cause))
        return WAIT
    parent = join.frame
    join.failed.append(frame)
    del join.running[frame.index]
    if join.row.kind == "Map":
        frame.record("MapIterationFailed", {"name": join.row.name, "index": frame.index}, advance=False)
    row = frame.rows[frame.at]
    if row.kind in OPEN and failed.error != RUNTIME:
        frame.record(f"{row.kind}StateAborted", {}, advance=False)
    _abort(x, join.frame)
    parent.prev = frame.prev
    step = recover(x, parent, join.row, failed)
    if step != WAIT:
        x.ready.append((parent, step))
    return WAIT


def _abort(x: Execution, parent: Frame) -> None:
    """Stop the other children of a Parallel or Map that has failed."""
    join = parent.children
    if join is None:
        return
    for child in join.running.values():
        _aborted(child)
    stopped = set(map(id, _below(parent)))
    x.ready = type(x.ready)(entry for entry in x.ready if id(entry[0]) not in stopped)
    for child in join.running.values():
        child.release()
    parent.children, parent.fallen = None, join


def _below(parent: Frame) -> list[Frame]:
    found: list[Frame] = []
    todo = [parent]
    while todo:
        frame = todo.pop()
        if frame.children is not None:
            children = list(frame.children.running.values())
            found.extend(children)
            todo.extend(children)
    return found


def _aborted(child: Frame) -> None:
    row = child.rows[child.at]
    if child.entered_id and row.kind in ("Task", "Wait", "Map", "Parallel"):
        if child.children is not None:
            for below in child.children.running.values():
                _aborted(below)
        child.record(f"{row.kind}StateAborted", {})
    join = child.join
    if join is not None and join.row.kind == "Map":
        child.record("MapIterationAborted", {"name": join.row.name, "index": child.index}, advance=False)


def finish(x: Execution, frame: Frame, end: Finish) -> None:
    """The execution is over: record it, cancel what still runs, and say so last."""
    if x.history is not None:
        frame.record(*_closing(end))
    x.ready.clear()
    if x.pending:
        x.effects.extend(map(Cancel, x.pending))
        x.pending.clear()
    x.finished = end
    x.effects.append(end)


_ENDS = {
    "SUCCEEDED": "ExecutionSucceeded",
    "FAILED": "ExecutionFailed",
    "TIMED_OUT": "ExecutionTimedOut",
    "ABORTED": "ExecutionAborted",
}


def _closing(end: Finish) -> tuple[str, dict[str, JSON]]:
    if end.status == "SUCCEEDED":
        return _ENDS[end.status], {"output": end.output}
    details: dict[str, JSON] = {}
    if end.error is not None:
        details["error"] = end.error
    if end.cause is not None:
        details["cause"] = end.cause
    return _ENDS[end.status], details
