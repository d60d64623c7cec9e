"""From a point between two segments to the table: an `Execution` whose one frame stands where the point says."""

from __future__ import annotations

from express.engine.effects import Effect, Finish
from express.engine.events import Event, TaskFailed, TaskSucceeded
from express.engine.execution import (
    HEARTBEAT,
    RETRY,
    TASK,
    TIMEOUT,
    WAIT_OVER,
    About,
    Entropy,
    Execution,
    Frame,
    Prepare,
)
from express.engine.history import History
from express.engine.interpreter import finish_turn
from express.engine.program import END, EXECUTION_SECONDS, RESUME, Program, Row, cap
from express.engine.segments import Call, Point, Segments, attempts, begin, transitions
from express.values import JSON

_MASK = (1 << 32) - 1


def inflate(
    program: Program,
    point: Point,
    data: JSON,
    now: float,
    about: About,
    entropy: Entropy,
    deadline: float | None,
    started: float,
    history: History | None = None,
    prepare: Prepare | None = None,
    asked: float | None = None,
) -> tuple[Execution, list[Effect]]:
    """An execution on the table that stands where `point` says; `data` is its input, `started` its engine time.

    `asked` is when the task that it waits for was called, from which its timers count; None: now.
    For a point that waits for a task, the task has been asked for already: its seq is 1, and no StartTask is among
    the effects. The timer of a Wait or a retry is among them.
    """
    x = Execution(program, data, started, about, entropy, history, deadline, prepare)
    x.now = now
    counts = point[2]
    x.events = counts >> 64
    x.transitions = transitions(point)
    frame = Frame(x, program.scope.rows, point[1])
    frame.prev = 0 if x.events == 1 else x.events
    frame.steps = counts & _MASK
    frame.vars = point[3]
    frame.bound = point[4]
    if point[0] >= 0:
        _waiting(x, frame, point, now if asked is None else asked)
        return x, finish_turn(x)
    return x, finish_turn(x, _going(x, frame, point))


def _waiting(x: Execution, frame: Frame, point: Point, asked: float) -> None:
    """The frame waits in a Task or a Wait that a segment has entered."""
    row = _entered(x, frame, point[0], point)
    if row.kind == "Wait":
        x.timer(frame, WAIT_OVER, x.now + point[5])
        return
    if len(point) == 8:
        delay = point[7]
        x.timer(frame, RETRY, x.now + (delay if delay >= 0 else -delay * x.entropy.random()))
        return
    _asked(x, frame)
    plan = row.plan
    timeout = plan.timeout(frame) if plan.timeout is not None else None
    heartbeat = plan.heartbeat(frame) if plan.heartbeat is not None else None
    if timeout is not None:
        x.timer(frame, TIMEOUT, asked + timeout)
    if heartbeat is not None and (timeout is None or heartbeat < timeout):
        x.timer(frame, HEARTBEAT, asked + heartbeat)


def _going(x: Execution, frame: Frame, point: Point) -> Event | None:
    """The frame is about to enter a row, or has just got the answer of one."""
    at = -2 - point[0]
    if len(point) < 7:
        x.ready.append((frame, at))
        return None
    answer = point[5]
    if _entered(x, frame, at, point).kind == "Wait":
        x.ready.append((frame, RESUME))
        return None
    _asked(x, frame)
    return answer if isinstance(answer, TaskFailed) else TaskSucceeded(1, answer)


def _asked(x: Execution, frame: Frame) -> None:
    """The task of the frame's state was asked for: its answer is expected under seq 1."""
    x.seq = 1
    x.pending[1] = (frame, TASK)
    frame.waits.append(1)


def _entered(x: Execution, frame: Frame, at: int, point: Point) -> Row:
    """Put a frame into a row whose entry, and for a Task whose Scheduled and Started, are counted already."""
    row = frame.rows[at]
    frame.at = at
    frame.entered_at = x.now
    counted = attempts(point[6])
    if counted:
        frame.retries = counted + [0] * (len(row.retry) - len(counted))
        frame.retry_count = sum(counted)
    after = 3 * frame.retry_count + (2 if row.kind == "Task" else 0)
    if len(point) == 8:
        after -= 2  # the failure is counted, its retry is not
    frame.entered_id = x.events - after
    frame.entered_prev = frame.entered_id - 1 if frame.entered_id > 2 else 0
    return row


def start_recorded(
    program: Program,
    segments: Segments,
    data: JSON,
    now: float,
    call: Call,
    *,
    about: About,
    entropy: Entropy,
    history: History,
    limit: float | None = EXECUTION_SECONDS,
    size: int,
    prepare: Prepare | None = None,
) -> tuple[Execution, list[Effect]]:
    """Start an execution as `interpreter.start` does, on the `recording` segments of a program as far as they go.

    `call` performs a task and sets `history.asked` to its time and `history.now` to that of its answer; what it left
    PENDING has the seq 1.
    """
    history.now = history.asked = now
    history.call = call
    history.added.append((1, 0, "ExecutionStarted", now, {"input": data, "roleArn": about.role_arn}))
    point = begin(program, segments, data, size, history)
    history.call = None
    deadline = cap(program, limit, now)
    if point[0] != END:
        return inflate(
            program, point, data, history.now, about, entropy, deadline, now, history, prepare, history.asked
        )
    x = Execution(program, data, now, about, entropy, history, deadline)
    x.now = history.now
    x.transitions = transitions(point)
    x.finished = finish = Finish("SUCCEEDED", point[1])
    return x, [finish]
