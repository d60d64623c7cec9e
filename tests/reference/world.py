"""The world of a tier comparison: an executor in virtual time, and tasks that answer at once, late, twice, or never."""

from __future__ import annotations

import asyncio
import heapq
import random
import uuid
from collections.abc import Awaitable
from contextvars import Context
from typing import Any
from zlib import crc32

import msgspec

from express.engine import deliver
from express.engine.effects import Effect, StartTask
from express.engine.events import Event, Heartbeat, TaskFailed, TaskSucceeded
from express.engine.segments import Point, transitions
from express.errors import StatesError
from express.ports import Integration, TaskContext
from express.runtime.executor.executor import Executor
from express.runtime.executor.run import Run
from express.runtime.executor.task_calls import TaskCaller

JSON = Any
MONOTONIC = 1_000.0
WALL = 1_800_000_000.0


MOST_LOOKS = 3_000
"""How often an example may look at the clock: a loop that does not wait looks for ever, and the clock stands."""


class Endless(BaseException):
    """An example that does not end, or nothing is under way any more: no fault that the engine may take for its own."""


class Loop(asyncio.BaseEventLoop):
    """A loop and a Clock in one: where nothing is ready, the clock jumps to the next timer.

    Timers of one instant go off in the order in which they were set. asyncio leaves that to the shape of its heap, so
    that a timer that nobody waits for any more would change which of two answers is the first.
    """

    _ready: Any
    _scheduled: list[tuple[float, int, asyncio.TimerHandle]]

    def __init__(self) -> None:
        super().__init__()
        self._selector = self
        self.now = MONOTONIC
        self.turns = self.looks = self.timers = 0
        self.failures: list[str] = []
        self.set_exception_handler(lambda loop, context: self.failures.append(str(context)))

    def time(self) -> float:
        """Virtual seconds."""
        return self.now

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        """Set a timer, after those of its instant."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self.timers += 1
        heapq.heappush(self._scheduled, (when, self.timers, timer))
        return timer

    def monotonic(self) -> float:
        """Virtual seconds, for who may be in a loop."""
        self.looks += 1
        if self.looks > MOST_LOOKS:
            raise Endless("too many looks at the clock")
        return self.now

    def wall(self) -> float:
        """Virtual seconds since 1970."""
        return WALL + self.now - MONOTONIC

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not scheduled:
                raise Endless("everything waits and no timer is set")
            self.now = max(self.now, scheduled[0][0])
        while scheduled and scheduled[0][0] <= self.now:
            handle = heapq.heappop(scheduled)[2]
            if not handle._cancelled:
                ready.append(handle)
        self.turns += 1
        if self.turns > 5_000:
            raise Endless("too many turns")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers leave the heap when their time comes."""

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There are no threads."""


class Chance:
    """Chance and identities from a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self.random = self._random.random

    def uuid(self) -> str:
        """A version-4 UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def token(self, key: str) -> str:
        """A task token, made of the attempt's key."""
        return f"token:{key}"

    def spent(self) -> float:
        """No time."""
        return 0.0


class Reply(msgspec.Struct, frozen=True):
    """What one call meets with.

    `busy` are the seconds that the call itself takes outside of branches and iterations (the clock moves while the
    engine stands), `after` those until its answer comes, by a coroutine, or with `task` by a future. `stubborn`: it
    does not end when it is given up, and answers all the same. `silent`: no answer ever. `beats`: heartbeats, so
    many seconds after the call each.
    """

    output: JSON = None
    error: str | None = None
    cause: str | None = None
    busy: float = 0.0
    after: float | None = None
    task: bool = False
    stubborn: bool = False
    silent: bool = False
    beats: tuple[float, ...] = ()


class Called(msgspec.Struct, frozen=True):
    """One call as a task sees it."""

    at: float
    state: str
    resource: str
    input: JSON
    key: str
    attempt: int
    timeout: float | None
    heartbeat: float | None
    token: str | None
    credentials: JSON
    execution: str
    deadline: float


class Tasks(Integration):
    """The integration: answers by the name of the state, attempt by attempt.

    Which answer is the first hangs on the call alone: the order of those of one instant is nobody's promise.
    """

    def __init__(self, replies: dict[str, list[Reply]], loop: Loop) -> None:
        self._replies = replies
        self._loop = loop
        self.calls: list[Called] = []
        self.run: Run | None = None
        self.executor: Executor | None = None

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Take a call."""
        self.calls.append(_seen(task, context, self._loop.now))
        replies = self._replies.get(task.state) or [Reply(output=task.input)]
        reply = replies[(crc32(task.key.partition("/")[2].encode()) + task.attempt) % len(replies)]
        if "/" not in task.key:  # of branches and iterations nobody promises whose call holds up the others
            self._loop.now += reply.busy
        if reply.after is None and not reply.silent:
            return _given(reply)
        beats = [self._loop.call_later(beat, self._beat, task.seq) for beat in reply.beats]
        answer = self._answer(reply, beats)
        return asyncio.ensure_future(answer) if reply.task else answer

    def _beat(self, seq: int) -> None:
        if self.executor is not None and self.run is not None and self.run.x.finished is None:
            self.executor.tell(self.run, Heartbeat(seq))

    async def _answer(self, reply: Reply, beats: list[asyncio.TimerHandle]) -> JSON:
        try:
            return await self._answered(reply)
        finally:
            for beat in beats:  # who has answered does not beat any more
                beat.cancel()

    async def _answered(self, reply: Reply) -> JSON:
        until = self._loop.now + (1e9 if reply.silent else reply.after or 0.0)
        while True:
            try:
                await asyncio.sleep(until - self._loop.now)
            except asyncio.CancelledError:
                if not reply.stubborn or reply.silent:
                    raise
            else:
                return _given(reply)


def _given(reply: Reply) -> JSON:
    if reply.error is not None:
        raise StatesError(reply.error, reply.cause)
    return reply.output


def _seen(task: StartTask, context: TaskContext, now: float) -> Called:
    return Called(
        now - MONOTONIC,
        task.state,
        task.resource.arn,
        task.input,
        task.key,
        task.attempt,
        task.timeout,
        task.heartbeat,
        task.token,
        task.credentials,
        context.execution_arn,
        context.deadline,
    )


class Twice(Executor):
    """An executor whose answers all come twice, and that knows how many states it has left to segments.

    The second time must change nothing.
    """

    on_segments: int | None = None
    """States that segments had entered when the table took over; None as long as it has not."""

    def _deliver(self, x: Any, event: Event | None) -> list[Effect]:
        effects = super()._deliver(x, event)
        if isinstance(event, TaskSucceeded | TaskFailed):
            before = (x.transitions, x.events, x.finished)
            again = deliver(x, event, self._clock.monotonic())
            assert not again, f"an answer that came twice led to {again}"
            assert before == (x.transitions, x.events, x.finished), "an answer that came twice changed something"
        return effects

    def _inflate(self, run: Run, point: Point, call: TaskCaller) -> list[Effect]:
        if self.on_segments is None:
            self.on_segments = transitions(point)
        return super()._inflate(run, point, call)
