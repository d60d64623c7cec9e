"""A Standard execution in memory: what the journal has of it, and the turns that are being written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from express.engine import About, Execution, Program
from express.engine.effects import Cancel, Effect, Finish, StartTask, StartTimer
from express.engine.events import Event, TaskStarted, TaskSubmitted
from express.engine.history import CappedHistory
from express.engine.redrive import gather
from express.engine.snapshot import Stages, Timers, encode, writable
from express.engine.turns import encode_events
from express.errors import StoreError
from express.ports.journal import Begun, Ended, Redriven, Status, Turn
from express.values import JSON, text

CALLED, SUBMITTED, WAITING, OFFERED = range(4)
"""Stages of a pending task: its call is under way; it has a job that goes on (`.sync`); it waits for its token; it is
an activity's and waits for a worker."""

_BUSY = (CALLED, SUBMITTED)

MOST_REDRIVEN = 24_999
"""Events from which on an execution can't be redriven (Step Functions Developer Guide, "Redriving executions")."""

Reply: TypeAlias = "asyncio.Future[bool] | None"
"""Told once the turn is committed: true if the event meant something to the execution, else false."""

TERMINAL: dict[str, Status] = {
    "SUCCEEDED": "SUCCEEDED",
    "FAILED": "FAILED",
    "TIMED_OUT": "TIMED_OUT",
    "ABORTED": "ABORTED",
}


class Revision(msgspec.Struct, frozen=True):
    """The program that an execution runs on, and the execution's identity."""

    program: Program
    about: About


FindRevision = Callable[[Begun], Awaitable[Revision]]
"""The revision of an execution. Raises ExpressError where it is gone or does not compile any more."""


class Asked(msgspec.Struct, frozen=True):
    """An event and who waits for what comes of it. `event` None: the start, or a turn that goes on."""

    event: Event | None
    reply: Reply = None


class QueuedTurn(msgspec.Struct, frozen=True):
    """A turn that the journal is to commit, and what is to be done then. `late` have asked too late because of it."""

    asked: Asked
    effects: list[StartTask | Cancel]
    offered: tuple[tuple[int, str], ...]
    finish: Finish | None
    first: Begun | Redriven | None
    transitions: int
    late: list[Reply] = []


class LiveExecution:
    """One execution that its host holds. `version` is that of the last turn, committed or queued."""

    __slots__ = (
        "begun",
        "bytes",
        "calls",
        "counted",
        "dropped",
        "first",
        "id",
        "stages",
        "timers",
        "transitions",
        "turns",
        "version",
        "x",
    )

    def __init__(self, id_: int, begun: Begun, x: Execution, version: int, timers: Timers, stages: Stages) -> None:
        self.id = id_
        self.begun = begun
        self.x = x
        self.version = version
        self.timers = timers
        self.stages = stages
        self.calls: dict[int, asyncio.Task[None]] = {}
        self.turns: deque[QueuedTurn] = deque()
        self.dropped = False
        self.transitions = 0 if version == 0 else x.transitions
        self.first: Begun | Redriven | None = None
        """The reason for which its first turn here makes a row of its own."""
        self.bytes = 0
        self.counted = 0

    @property
    def is_idle(self) -> bool:
        """Return whether the journal has all of it, so that it may be forgotten."""
        return not (self.turns or self.calls)

    def due(self) -> float | None:
        """The wall-clock time at which its first timer is due."""
        return min(self.timers.values(), default=None)

    def take(self, asked: Asked, effects: list[Effect]) -> tuple[QueuedTurn, Turn]:
        """Close a turn: what it asks for once it is committed, and what the journal is to write."""
        kept: list[StartTask | Cancel] = []
        offered: dict[int, str] = {}
        waited = {seq for seq, stage in self.stages.items() if stage == OFFERED}
        event = asked.event
        if type(event) is TaskSubmitted:
            self.stages[event.seq] = self._submitted(event.seq)
        elif type(event) is TaskStarted:
            self.stages[event.seq] = WAITING
        self._forget(getattr(event, "seq", 0))
        for effect in effects:
            if isinstance(effect, StartTask) and effect.resource.kind == "activity":
                offered[effect.seq] = effect.resource.arn
                self.stages[effect.seq] = OFFERED
            elif isinstance(effect, StartTask):
                kept.append(effect)
                self.stages[effect.seq] = CALLED
            elif isinstance(effect, StartTimer):
                self.timers[effect.seq] = effect.at
            elif isinstance(effect, Cancel) and self._forget(effect.seq):
                kept.append(effect)
        still = {seq for seq, stage in self.stages.items() if stage == OFFERED}
        places = tuple((seq, arn) for seq, arn in offered.items() if seq in still)
        made, self.transitions = self.x.transitions - self.transitions, self.x.transitions
        queued = QueuedTurn(asked, kept, places, self.x.finished, self.first, made)
        return queued, self._written(places, tuple(waited - still))

    def _submitted(self, seq: int) -> int:
        """The stage of a task whose first request was accepted."""
        frame = self.x.pending[seq][0] if seq in self.x.pending else None
        waits = frame is not None and frame.rows[frame.at].plan.resource.pattern == "waitForTaskToken"
        return WAITING if waits else SUBMITTED

    def _forget(self, seq: int) -> bool:
        """A task or a timer that is not pending any more; whether it was a task."""
        if seq in self.x.pending:
            return False  # a heartbeat, or a job that was submitted
        self.timers.pop(seq, None)
        return self.stages.pop(seq, None) is not None

    def _written(self, offered: tuple[tuple[int, str], ...], withdrawn: tuple[int, ...]) -> Turn:
        x = self.x
        events = [] if x.history is None else x.history.log
        x.history = CappedHistory()
        self.version += 1
        first, self.first = self.first, None
        state = None if x.finished is not None else encode(x, self.timers, self.stages)
        coded = encode_events(events, x.input) if events else b""
        self.bytes = len(self.begun.input) + 4 * len(state or b"")
        return Turn(
            id=self.id,
            version=self.version,
            first=events[0][0] if events else 0,
            events=coded,
            state=state,
            due=self.due() if state is not None else None,
            busy=0 if state is None else sum(stage in _BUSY for stage in self.stages.values()) + len(x.ready),
            begun=first if isinstance(first, Begun) else None,
            redriven=first if isinstance(first, Redriven) else None,
            tomb=self._tomb(),
            offered=offered,
            withdrawn=withdrawn,
            ended=None if x.finished is None else ended(x.finished, x.wall()),
        )

    def _tomb(self) -> bytes | None:
        """The state from which it can be redriven, if it has ended and can be."""
        x = self.x
        if x.finished is None or x.last is None or x.events >= MOST_REDRIVEN:
            return None
        gather(x.last)
        x.pending.clear()
        return encode(x, {}, {})


def ended(finish: Finish, stopped: float) -> Ended:
    """The end of an execution as the journal keeps it."""
    return Ended(
        status=TERMINAL[finish.status],
        stopped=stopped,
        output=_text(finish.output) if finish.status == "SUCCEEDED" else None,
        error=writable(finish.error),
        cause=writable(finish.cause),
    )


def _text(output: JSON) -> str:
    try:
        return text(output)
    except TypeError:
        return text(writable(output))


def answer(reply: Reply, value: bool) -> None:
    """Tell whoever waits, if anybody still does."""
    if reply is not None and not reply.done():
        reply.set_result(value)


def refuse(reply: Reply, error: StoreError) -> None:
    """Tell whoever waits that the journal could not write."""
    if reply is not None and not reply.done():
        reply.set_exception(error)
