"""The second linking: rows that follow each other without blocking, fused into generated functions ("segments").

Segments are optimistic. They know the happy path only, and whatever they do not know ends in handing the execution
over to the table (`inflate`), at a point from which nothing is done twice: a segment is pure, so it can be run once
more from its start, and the call of a task always lies between two segments. Errors, their causes, Retry, Catch and
history therefore exist once, on the table; the two linkings can differ in speed only. The alternative, generated
code that also knows every failure, was rejected: it is a second engine.

What a segment returns, and what `drive` takes on, is a tuple whose first member says where the execution stands:

    (END, data, counts, variables, bound)                   it has ended
    (row, data, counts, variables, bound, payload)          a Task has its payload, or a Wait its seconds
    (-2 - row, data, counts, variables, bound)              goes on at the start of a row (a loop, a shared tail)
    (-2 - row, data, counts, variables, bound, None)        goes on at the start of a row, on the table
    (-2 - row, data, counts, variables, bound, result, 0)   goes on in a row's `resume`, on the table

`counts` packs three numbers: states of the root frame, states below it, history events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from orjson import dumps

from express.engine.advance import STEPS_PER_TURN, finish_turn
from express.engine.effects import Effect, Finish
from express.engine.events import Event, TaskFailed, TaskSucceeded
from express.engine.execution import HEARTBEAT, TASK, TIMEOUT, WAIT_OVER, About, Entropy, Execution, Frame
from express.engine.program import END, RESUME, Program, Row
from express.errors import StatesError
from express.values import JSON, PAYLOAD_LIMIT

Point: TypeAlias = tuple[Any, ...]
Segment: TypeAlias = Callable[..., Point]

CALL_STEPS = 8
"""What the call of a task takes of the turn's budget, in states."""

UNWRITABLE = PAYLOAD_LIMIT + 1
"""The size of a result that can't be written as JSON: over any limit."""

BELOW = 1 << 32
EVENTS = 1 << 64
_MASK = BELOW - 1

NOTHING: Mapping[str, JSON] = {}
FIRST = EVENTS
"""The counts of an execution that has begun: one event, ExecutionStarted."""


class _Pending:
    """The answer of a call that has none yet."""

    def __repr__(self) -> str:
        return "PENDING"


PENDING = _Pending()


class Ended:
    """An execution that ended without ever becoming an `Execution`: what its host wants to know of it."""

    __slots__ = ("about", "finished", "started", "transitions")

    bug = None

    def __init__(self, about: About, started: float, point: Point) -> None:
        self.about = about
        self.started = started
        self.transitions = transitions(point)
        self.finished: Finish | None = Finish("SUCCEEDED", point[1])


class Parked(Ended):
    """An execution that waits between two segments, in a few hundred bytes over its data.

    `point` has a row ≥ 0: where it waits. `deadline` is the engine time of its cap.
    """

    __slots__ = ("data", "deadline", "point", "program")

    def __init__(self, program: Program, data: JSON, about: About, started: float, deadline: float | None) -> None:
        self.program = program
        self.data = data
        self.about = about
        self.started = started
        self.deadline = deadline
        self.point: Point = ()
        self.transitions = 0
        self.finished = None

    def end(self, point: Point, finished: Finish) -> Finish:
        """It is over, at `point`."""
        self.transitions = transitions(point)
        self.finished = finished
        return finished


Call: TypeAlias = Callable[[Row, JSON, int], Any]
"""(row, payload, counts) → the task's result, or PENDING; raises StatesError when the task fails."""


class Segments(msgspec.Struct, frozen=True):
    """The generated functions of a machine, by row: `enter` starts at a row, `resume` after its answer."""

    enter: tuple[Segment | None, ...]
    resume: tuple[Segment | None, ...]
    source: str = ""


def step_key(row: Row, counts: int) -> str:
    """What names a call of the root frame, stable over replays: the same as on the table."""
    return f"{row.name}#{counts & _MASK}"


def transitions(point: Point) -> int:
    """States entered up to a point."""
    counts: int = point[2]
    return (counts & _MASK) + (counts >> 32 & _MASK)


def begin(program: Program, segments: Segments, data: JSON, bytes_: int, call: Call) -> Point:
    """Run an execution from its start as far as it goes without waiting."""
    start = program.scope.start
    enter = segments.enter[start]
    if enter is None:
        return (-2 - start, data, FIRST, NOTHING, 5 * bytes_, None)
    return drive(program, segments, enter(data, FIRST, NOTHING, 5 * bytes_), call)


def drive(program: Program, segments: Segments, point: Point, call: Call) -> Point:
    """Take an execution on from a point: call its tasks, run its segments, until it ends, waits or needs the table.

    A point with a row ≥ 0 is only returned for a Wait, or for a Task whose call answered PENDING.
    """
    rows, resumes = program.scope.rows, segments.resume
    budget = STEPS_PER_TURN
    while True:
        row = point[0]
        if row >= 0:
            what = rows[row]
            if what.kind != "Task":
                return point
            _, data, counts, variables, bound, payload = point
            try:
                result = call(what, payload, counts)
            except StatesError as failure:
                return (-2 - row, data, counts, variables, bound, failure, 0)
            if result is PENDING:
                return point
            resume = resumes[row]
            try:
                bytes_ = len(dumps(result))
            except (TypeError, RecursionError):
                bytes_ = UNWRITABLE
            budget -= CALL_STEPS
            if resume is None or bytes_ > PAYLOAD_LIMIT or budget < 0:
                return (-2 - row, data, counts, variables, bound, result, 0)
            point = resume(data, counts, variables, bound, result, bytes_)
        elif row == END or len(point) > 5:
            return point
        else:
            enter = segments.enter[-2 - row]
            budget -= 16
            if enter is None or budget < 0:
                return (*point, None)
            point = enter(*point[1:])


def resumed(segments: Segments, point: Point, result: JSON) -> Point:
    """Go on from a point with a row ≥ 0: with the answer of its Task, or at the end of its Wait (`result` None)."""
    row, data, counts, variables, bound, _ = point
    resume = segments.resume[row]
    try:
        bytes_ = len(dumps(result))
    except (TypeError, RecursionError):
        bytes_ = UNWRITABLE
    if resume is None or bytes_ > PAYLOAD_LIMIT:
        return (-2 - row, data, counts, variables, bound, result, 0)
    return resume(data, counts, variables, bound, result, bytes_)


# To the table -------------------------------------------------------------------------------------------


def inflate(
    program: Program,
    point: Point,
    data: JSON,
    now: float,
    about: About,
    entropy: Entropy,
    deadline: float | None,
    started: float,
) -> tuple[Execution, list[Effect]]:
    """An execution on the table that stands where `point` says; `data` is its input, `started` its engine time.

    For a point with a row ≥ 0 the task has been asked for already: its seq is 1, and no StartTask is among the
    effects. A Wait's timer is among them.
    """
    x = Execution(program, data, started, about, entropy, None, deadline)
    x.now = now
    counts = point[2]
    x.events = counts >> 64
    steps = counts & _MASK
    x.transitions = steps + (counts >> 32 & _MASK)
    frame = Frame(x, program.scope.rows, point[1])
    frame.steps = steps
    frame.vars = point[3]
    frame.bound = point[4]
    if point[0] >= 0:
        _waiting(x, frame, point)
        return x, finish_turn(x)
    return x, finish_turn(x, _going(x, frame, point))


def _waiting(x: Execution, frame: Frame, point: Point) -> None:
    """The frame waits in a Task or a Wait that a segment has entered."""
    row = _entered(x, frame, point[0])
    if row.kind == "Wait":
        x.timer(frame, WAIT_OVER, x.now + point[5])
        return
    x.seq = 1
    x.pending[1] = (frame, TASK)
    frame.waits.append(1)
    plan = row.plan
    timeout = plan.timeout(frame) if plan.timeout is not None else None
    heartbeat = plan.heartbeat(frame) if plan.heartbeat is not None else None
    if timeout is not None:
        x.timer(frame, TIMEOUT, x.now + timeout)
    if heartbeat is not None and (timeout is None or heartbeat < timeout):
        x.timer(frame, HEARTBEAT, x.now + heartbeat)


def _going(x: Execution, frame: Frame, point: Point) -> Event | None:
    """The frame is about to enter a row, or has just got the answer of one."""
    at = -2 - point[0]
    if len(point) < 7:
        x.ready.append((frame, at))
        return None
    answer = point[5]
    if _entered(x, frame, at).kind == "Wait":
        x.ready.append((frame, RESUME))
        return None
    x.seq = 1
    x.pending[1] = (frame, TASK)
    frame.waits.append(1)
    return TaskFailed(1, answer.error, answer.cause) if isinstance(answer, StatesError) else TaskSucceeded(1, answer)


def _entered(x: Execution, frame: Frame, at: int) -> Row:
    """Put a frame into a row whose entry, and for a Task whose Scheduled and Started, are counted already."""
    row = frame.rows[at]
    frame.at = at
    frame.entered_at = x.now
    frame.entered_id = x.events - (2 if row.kind == "Task" else 0)
    return row
