"""The loop: runs frames over their rows until everything waits, the execution ends, or the turn is used up.

No recursion for fork and join: children go to a work list. A step budget per call keeps an endless loop from
starving its host: the engine answers with Yield, and the host calls `advance` after others had their turn.
"""

from __future__ import annotations

from typing import cast

from express.budget import GENERATED, UNITS
from express.engine.effects import Effect, Finish, Yield
from express.engine.events import (
    UNSENT,
    Event,
    Heartbeat,
    Stopped,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
)
from express.engine.execution import (
    DEADLINE,
    HEARTBEAT,
    RETRY,
    SCHEDULED,
    TASK,
    TIMEOUT,
    UNITS_PER_STEP,
    About,
    Entropy,
    Execution,
    Frame,
    Join,
    Prepare,
)
from express.engine.history import MOST_EVENTS, History, HistoryFull
from express.engine.program import AGAIN, END, EXECUTION_SECONDS, RESUME, WAIT, Program, Row, Step, cap
from express.engine.recovery import Failed, fail, finish, leave_state, recover
from express.errors import RUNTIME, StatesError
from express.errors import TIMEOUT as STATES_TIMEOUT
from express.values import JSON

STEPS_PER_TURN = 500
"""States entered in one call before the engine yields: about half a millisecond of Python."""


_LOOK = 15
"""A turn looks at the clock where its budget has none of these bits: after 4 states, then after every 16."""


class _NoEntropy:
    """Refuses: a host that runs definitions with chance in them must pass its own."""

    def random(self) -> float:
        raise RuntimeError("this execution was started without entropy")

    def uuid(self) -> str:
        raise RuntimeError("this execution was started without entropy")

    def token(self, key: str) -> str:
        raise RuntimeError("this execution was started without entropy")

    def spent(self) -> float:
        return 0.0


_NO_ENTROPY = _NoEntropy()
_NOBODY = About()


def start(
    program: Program,
    data: JSON,
    now: float,
    *,
    about: About = _NOBODY,
    entropy: Entropy = _NO_ENTROPY,
    history: History | None = None,
    limit: float | None = EXECUTION_SECONDS,
    size: int = 0,
    prepare: Prepare | None = None,
) -> tuple[Execution, list[Effect]]:
    """Begin an execution. `limit` is the cap in seconds (None: no cap); TimeoutSeconds may make it less.

    `size` is the number of bytes of the input's JSON text where the caller knows it: an upper bound that saves
    measuring. `prepare` looks at the parameters of every call before it is asked for. The effects are to be
    performed in order; `deliver` takes the answers.
    """
    x = Execution(program, data, now, about, entropy, history, cap(program, limit, now), prepare)
    root = Frame(x, program.scope.rows, data)
    root.bound = 5 * size if size else 1 << 62
    root.record("ExecutionStarted", {"input": data, "roleArn": about.role_arn})
    root.prev = 0
    x.ready.append((root, program.scope.start))
    return x, finish_turn(x)


def finish_turn(x: Execution, event: Event | None = None) -> list[Effect]:
    """The first turn of an execution, after an answer that it may have got already. It asks for its deadline."""
    try:
        if event is not None:
            _dispatch(x, event, *x.pending[event.seq])  # type: ignore[union-attr]  # an answer, never Stopped
        _turn(x)
    except HistoryFull:
        _overflow(x)
    if x.finished is None and x.deadline is not None:
        x.timer(None, DEADLINE, x.deadline)
    return _take(x)


def advance(x: Execution, now: float) -> list[Effect]:
    """Go on after a Yield."""
    if x.finished is not None:
        return []
    x.now = now
    try:
        _turn(x)
    except HistoryFull:
        _overflow(x)
    return _take(x)


def deliver(x: Execution, event: Event, now: float) -> list[Effect]:
    """Take the answer to an effect. What is late or comes twice changes nothing and returns []."""
    if x.finished is not None:
        return []
    x.now = max(now, x.now)
    if type(event) is Stopped:
        x.last = _last(x)
        finish(x, _root(x), Finish("ABORTED", error=event.error, cause=event.cause))
        return _take(x)
    entry = x.pending.get(event.seq)  # type: ignore[union-attr]  # Stopped was answered above
    if entry is None:
        return []
    try:
        _dispatch(x, event, *entry)
        _turn(x)
    except HistoryFull:
        _overflow(x)
    return _take(x)


def break_off(x: Execution, bug: Exception) -> list[Effect]:
    """End an execution by a fault of ours."""
    x.bug = bug
    x.effects = []
    finish(x, _root(x), Finish("FAILED", error=RUNTIME, cause=f"Internal error: {type(bug).__name__}: {bug}"))
    return _take(x)


def _take(x: Execution) -> list[Effect]:
    effects = x.effects
    x.effects = []
    return effects


def _last(x: Execution) -> Frame | None:
    """The root frame of a Standard execution that is about to be ended from outside."""
    if x.program.type != "STANDARD":
        return None
    frame = next((frame for frame, _ in x.pending.values() if frame is not None), None)
    if frame is None and x.ready:
        frame = x.ready[0][0]
    while frame is not None and frame.join is not None:
        frame = frame.join.frame
    return frame


def _root(x: Execution) -> Frame:
    """A frame to hang a closing event on when no single state is the reason: its previous event is 0 (observed)."""
    return Frame(x, x.program.scope.rows, x.input)


_GOES_ON = frozenset({Heartbeat, TaskSubmitted, TaskStarted})
"""The events after which a task still runs."""


def _dispatch(x: Execution, event: Event, frame: Frame | None, role: int) -> None:
    """Find what an event means for its frame, and queue the frame where it can go on."""
    if frame is None:
        if type(event) is TimerFired:
            del x.pending[event.seq]
            _time_out(x)
        return
    if x.deadline is not None and x.now >= x.deadline:  # whoever holds up its host holds up its timers, too
        if type(event) not in _GOES_ON:
            del x.pending[event.seq]  # type: ignore[union-attr]  # an answer or a timer
        _time_out(x)
        return
    row = frame.rows[frame.at]
    if type(event) is TimerFired:
        if role != TASK:
            _fired(x, frame, row, event.seq, role)
    elif role == TASK:
        _answered(x, frame, row, event)
    elif role == SCHEDULED:
        row.plan.started(x, frame, event)
        _answered(x, frame, row, event)


def _fired(x: Execution, frame: Frame, row: Row, seq: int, role: int) -> None:
    del x.pending[seq]
    if role in (TIMEOUT, HEARTBEAT):
        frame.release()
        row.plan.timed_out(frame)
        _guarded(x, frame, row, Failed(STATES_TIMEOUT, None, heartbeat=role == HEARTBEAT))
        return
    frame.waits.clear()
    x.ready.append((frame, AGAIN if role == RETRY else RESUME))


def _answered(x: Execution, frame: Frame, row: Row, event: Event) -> None:
    if type(event) is TaskStarted:
        return
    if type(event) is Heartbeat or type(event) is TaskSubmitted:
        row.plan.still_running(x, frame, event)
        return
    x.pending.pop(event.seq)  # type: ignore[union-attr]  # only task answers come here
    for seq in frame.waits:
        x.cancel(seq)
    frame.waits.clear()
    if type(event) is TaskFailed:
        if event.stage == UNSENT:
            _unsent(x, frame)
            _guarded(x, frame, row, StatesError(event.error, event.cause, located=True))
            return
        row.plan.failed(frame, event)
        _guarded(x, frame, row, Failed(event.error, event.cause))
        return
    _run(x, frame, RESUME, cast(TaskSucceeded, event))


def _unsent(x: Execution, frame: Frame) -> None:
    """Take back the Scheduled and Started of a call that was never made: the last two events, in a single frame."""
    x.events -= 2
    frame.prev = frame.entered_id
    if x.history is not None:
        x.history.take_back(2)


def _guarded(x: Execution, frame: Frame, row: Row, failure: StatesError) -> None:
    step = recover(x, frame, row, failure)
    if step != WAIT:
        x.ready.append((frame, step))


def _time_out(x: Execution) -> None:
    """End an execution at its deadline, whenever that is noticed."""
    if x.deadline is not None:
        x.now = x.deadline
    x.last = _last(x)
    finish(x, _root(x), Finish("TIMED_OUT", error=STATES_TIMEOUT))


def _overflow(x: Execution) -> None:
    """End an execution whose next event must be its last (Step Functions Developer Guide, "Service quotas")."""
    x.events = MOST_EVENTS - 1
    root = _root(x)
    root.prev = x.events
    cause = f"The execution reached the maximum number of history events ({MOST_EVENTS})."
    finish(x, root, Finish("FAILED", error=RUNTIME, cause=cause))


def _turn(x: Execution) -> None:
    """Work off the ready frames within one budget."""
    if x.deadline is not None and x.now >= x.deadline and x.finished is None:
        _time_out(x)
    x.budget = STEPS_PER_TURN
    x.turn_until = 0.0
    ready = x.ready
    while ready and x.finished is None:
        if x.budget <= 0:
            x.effects.append(Yield())
            return
        frame, step = ready.popleft()
        _run(x, frame, step, None)
        ready = x.ready


def _run(x: Execution, frame: Frame, step: Step, event: Event | None) -> None:
    """Run one frame until it waits or ends."""
    try:
        while step != WAIT:
            if step == END:
                _ended(x, frame)
                return
            if x.budget <= 0 and event is None:
                x.ready.append((frame, step))  # behind the others: a loop must not starve its siblings
                return
            try:
                step = _step(x, frame, step, event)
            except StatesError as failure:
                step = recover(x, frame, frame.rows[frame.at], failure)
            event = None
    except HistoryFull:
        raise
    except Exception as bug:  # a fault of ours may end the execution, never the process
        x.bug = bug
        failed = Failed(RUNTIME, f"Internal error: {type(bug).__name__}: {bug}")
        while frame.join is not None:
            frame = frame.join.frame
        fail(x, frame, failed)


def _step(x: Execution, frame: Frame, step: Step, event: Event | None) -> Step:
    if step >= 0:
        row = frame.rows[step]
        frame.at = step
        frame.steps += 1
        frame.entered_at = x.now
        x.transitions += 1
        x.events = frame.entered_id = id_ = x.events + 1
        if x.history is not None:
            frame.entered_prev = frame.prev
            x.history.add((id_, frame.prev, row.entered, x.now, {"name": row.name, "input": frame.data}))
            frame.prev = id_
        x.budget = budget = x.budget - 1
        if not budget & _LOOK:
            x.look()
        GENERATED.units = UNITS  # a full budget for generated code
        following = row.enter(x, frame, row)
        if GENERATED.units != UNITS or x.allowance is not None:
            _charge(x, frame)
    else:
        row = frame.rows[frame.at]
        if step == RESUME:
            assert row.resume is not None
            following = row.resume(x, frame, row, event)
        else:
            assert step == AGAIN
            x.transitions += 1
            x.budget -= 1
            GENERATED.units = UNITS
            following = row.enter(x, frame, row)
            if GENERATED.units != UNITS or x.allowance is not None:
                _charge(x, frame)
    if following != WAIT:
        leave_state(frame, row)
    return following


def _charge(x: Execution, frame: Frame) -> None:
    """Count what entering a state has spent as steps of the turn."""
    spent = UNITS - GENERATED.units
    if spent >= UNITS_PER_STEP:
        x.budget -= spent // UNITS_PER_STEP
    if x.allowed[0] is frame and x.allowed[1] == frame.steps:  # it evaluated something that was large
        x.look()


def _ended(x: Execution, frame: Frame) -> None:
    join = frame.join
    if join is None:
        finish(x, frame, Finish("SUCCEEDED", frame.data))
        return
    child_ended(x, frame, join)


def child_ended(x: Execution, frame: Frame, join: Join) -> None:
    """A branch or iteration has its output: start the next one, or let the parent go on when all are done."""
    parent = join.frame
    del join.running[frame.index]
    join.results[frame.index] = frame.data
    join.todo -= 1
    parent.prev = frame.prev
    if join.row.kind == "Map":
        id_ = frame.record("MapIterationSucceeded", {"name": join.row.name, "index": frame.index}, advance=False)
        if not join.todo:
            parent.prev = id_
    if join.todo == 0:
        x.ready.append((parent, RESUME))
    elif join.started < len(join.items):
        try:
            join.plan.start_child(x, join)
        except StatesError as failure:
            _fail_join(x, join, failure)


def _fail_join(x: Execution, join: Join, failure: StatesError) -> None:
    parent = join.frame
    step = recover(x, parent, join.row, failure)
    if step != WAIT:
        x.ready.append((parent, step))
