"""The second linking: rows that follow each other without blocking, fused into generated functions ("segments").

Segments are optimistic. They know the happy path and the ways out of it that a definition names (Retry, Catch), and
whatever they do not know ends in handing the execution over to the table (`inflate`), at a point from which nothing
is done twice: a segment is pure, so it can be run once more from its start, and the call of a task always lies
between two segments. Causes, timeouts and heartbeats therefore exist once, on the table; the two linkings can differ
in speed only. The alternative, generated code that also knows every failure, was rejected: it is a second engine.

What a segment returns, and what `drive` takes on, is a tuple whose first member says where the execution stands, and
whose length says what is to be done:

    (END, data, counts, variables, bound)                            it has ended
    (-2 - row, data, counts, variables, bound)                       goes on at the start of a row
    (-2 - row, data, counts, variables, bound, None)                 goes on at the start of a row, on the table
    (-2 - row, data, counts, variables, bound, answer, tries)        goes on in a row's `resume`, on the table
    (row, data, counts, variables, bound, payload, tries)            waits for a task's answer, or a Wait's seconds
    (row, data, counts, variables, bound, payload, tries, delay)     a task to be asked: now, or again after a delay

`counts` packs three numbers: states of the root frame, states below it (retries too), history events. `tries` packs
the retries of the visit, 32 bits a retrier. A `delay` is in seconds; one below zero is to be multiplied with chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import msgspec

from express.engine.effects import Finish
from express.engine.events import TaskFailed
from express.engine.execution import About
from express.engine.interpreter import STEPS_PER_TURN
from express.engine.program import END, Program, Row, cap
from express.values import JSON

Point: TypeAlias = tuple[Any, ...]
Segment: TypeAlias = Callable[..., Point]

TURN = 3 * STEPS_PER_TURN
"""Budget of one turn, in thirds of a state. The call of a task takes as much as eight states: both follow from
the counts, since a state has two history events and a task's has five."""

BELOW = 1 << 32
EVENTS = 1 << 64
_MASK = BELOW - 1

AGAIN = BELOW + 2 * EVENTS
"""Counts that a retry adds: one transition, and the task's Scheduled and Started."""

NOTHING: Mapping[str, JSON] = {}
FIRST = EVENTS
"""The counts of an execution that has begun: one event, ExecutionStarted."""


class _Pending:
    """The answer of a call that has none yet."""

    def __repr__(self) -> str:
        return "PENDING"


PENDING = _Pending()


class Ended(msgspec.Struct, eq=False):
    """An execution that ended without ever becoming an `Execution`: what its host wants to know of it.

    A Struct, as it is made in one call of C: by an `__init__` it would take three times as long.
    """

    about: About
    started: float
    transitions: int
    finished: Finish | None

    bug: ClassVar[None] = None


class Suspended(Ended, eq=False):
    """An execution that waits between two segments, in a few hundred bytes over its data.

    `limit` is the cap in seconds as its host gave it. Whatever is the same for all that wait at a place is shared.
    """

    program: Program
    data: JSON
    limit: float | None
    held: JSON
    site: tuple[Any, ...]

    def rest(self, point: Point) -> None:
        """Wait at `point`, whose row is ≥ 0."""
        if point[3] is not NOTHING or self.program.scope.rows[point[0]].kind != "Wait":
            self.held, self.site = None, point
            return
        row, self.held, counts, variables, bound, payload = point[:6]
        about = bound.bit_length()
        key = (row, counts, about, payload)
        site = _SITES.get(key)
        if site is None:
            if len(_SITES) >= MOST_SITES:
                _SITES.clear()
            site = _SITES[key] = (row, counts, variables, 1 << about, payload, 0)
        self.site = site

    @property
    def point(self) -> Point:
        """The point where it waits."""
        site = self.site
        return site if len(site) > 6 else (site[0], self.held, *site[1:])

    @property
    def deadline(self) -> float | None:
        """The engine time of its cap."""
        return cap(self.program, self.limit, self.started)

    def end(self, point: Point, finished: Finish) -> Finish:
        """It is over, at `point`."""
        counts: int = point[2]
        self.transitions = (counts & _MASK) + (counts >> 32 & _MASK)
        self.finished = finished
        return finished


MOST_SITES = 4096

_SITES: dict[tuple[Any, ...], tuple[Any, ...]] = {}
"""Places in machines where executions wait, with the counts and the order of size they come with."""


Call: TypeAlias = Callable[[Row, JSON, int, int], Any]
"""(row, payload, counts, tries) → the task's result, a TaskFailed, or PENDING. It never raises."""


class Segments:
    """The generated functions of a machine, by row: from its start, after its answer, after its failure.

    `recording` are those that keep a history, made when they are first asked for; None where there are none.
    """

    __slots__ = ("_make_recording", "enter", "failed", "resume", "source")

    def __init__(
        self,
        enter: tuple[Segment | None, ...],
        resume: tuple[Segment | None, ...],
        failed: tuple[Segment | None, ...],
        source: str = "",
        make_recording: Callable[[], Segments | None] | None = None,
    ) -> None:
        self.enter = enter
        self.resume = resume
        self.failed = failed
        self.source = source
        self._make_recording: Callable[[], Segments | None] | None = make_recording

    @property
    def recording(self) -> Segments | None:
        """The segments that keep a history."""
        if self._make_recording is None:
            return None
        made = self._make_recording()
        self._make_recording = lambda: made
        return made


def step_key(row: Row, counts: int) -> str:
    """Return what names a call of the root frame, stable over replays: the same as on the table."""
    return f"{row.name}#{counts & _MASK}"


def transitions(point: Point) -> int:
    """States entered up to a point."""
    counts: int = point[2]
    return (counts & _MASK) + (counts >> 32 & _MASK)


def ended(about: About, started: float, point: Point) -> Ended:
    """An execution that has ended at `point`, without having waited."""
    counts: int = point[2]
    return Ended(about, started, (counts & _MASK) + (counts >> 32 & _MASK), Finish("SUCCEEDED", point[1]))


def attempts(tries: int) -> list[int]:
    """Return how often each retrier of a row has let it be tried again, up to the last that has."""
    counted = []
    while tries:
        counted.append(tries & _MASK)
        tries >>= 32
    return counted


class _Everywhere:
    """A row of segments that has none anywhere."""

    def __getitem__(self, row: int) -> None:
        return None


_NOWHERE: Any = _Everywhere()
_NO_SEGMENTS = Segments(_NOWHERE, _NOWHERE, _NOWHERE)
"""Segments for an execution whose turn is used up: none, so that it goes on in the interpreter, which yields."""


def begin(program: Program, segments: Segments, data: JSON, bytes_: int, call: Call) -> Point:
    """Run an execution from its start as far as it goes without waiting."""
    start = program.scope.start
    enter = segments.enter[start]
    if enter is None:
        return (-2 - start, data, FIRST, NOTHING, 5 * bytes_, None)
    point = enter(data, FIRST, NOTHING, 5 * bytes_, call)
    waits = len(point) == 7 or (len(point) == 8 and point[6])
    return point if waits or point[0] == END else drive(program, segments, point, call)


def drive(program: Program, segments: Segments, point: Point, call: Call) -> Point:
    """Take an execution on from a point: call its tasks, run its segments, until it ends, waits or needs the table.

    A point with a row ≥ 0 is only returned for what waits: a Wait, a call that answered PENDING, a retry.
    """
    row = point[0]
    if row == END or (row >= 0 and (len(point) < 8 or point[6])):
        return point
    events = point[2] >> 64
    steps = point[2] & _MASK
    while row != END:
        spent = 7 * ((point[2] >> 64) - events) - 11 * ((point[2] & _MASK) - steps)
        if row >= 0:
            if len(point) < 8 or point[6]:
                break
            point = _asked(program.scope.rows[row], segments if spent < TURN else _NO_SEGMENTS, point, call)
        elif len(point) > 5:
            break
        else:
            enter = segments.enter[-2 - row]
            if enter is None or spent > TURN:
                return (*point, None)
            point = enter(*point[1:], call)
        row = point[0]
    return point


def again(program: Program, segments: Segments, point: Point, call: Call) -> Point:
    """The delay of a retry is over: ask once more, and go on."""
    row, data, counts, variables, bound, payload, tries, _ = point
    counts += AGAIN
    answer = call(program.scope.rows[row], payload, counts, tries)
    if answer is PENDING:
        return (row, data, counts, variables, bound, payload, tries)
    failed, resume = segments.failed[row], segments.resume[row]
    assert failed is not None, "it made the point"
    assert resume is not None, "a task that is asked for has both"
    if answer.__class__ is TaskFailed:
        point = failed(data, counts, variables, bound, answer, payload, tries, call)
    else:
        point = resume(data, counts, variables, bound, answer, tries, call)
    return point if point[0] == END or (len(point) == 8 and point[6]) else drive(program, segments, point, call)


def _asked(what: Row, segments: Segments, point: Point, call: Call) -> Point:
    """Call a task for the first time and run what follows its answer."""
    answer = call(what, point[5], point[2], 0)
    point = point[:7]
    return point if answer is PENDING else answered(segments, point, answer, call)


def answered(segments: Segments, point: Point, answer: JSON, call: Call) -> Point:
    """Go on from a point with a row ≥ 0: with the answer or the failure of its Task, at the end of its Wait (None).

    The point has seven members. `drive` takes on what this returns.
    """
    row, data, counts, variables, bound, payload, tries = point
    if answer.__class__ is TaskFailed:
        failed = segments.failed[row]
        if failed is not None:
            return failed(data, counts, variables, bound, answer, payload, tries, call)
    else:
        resume = segments.resume[row]
        if resume is not None:
            return resume(data, counts, variables, bound, answer, tries, call)
    return (-2 - row, data, counts, variables, bound, answer, tries)
