"""An event loop in virtual time whose order is drawn from a seed, and processes that can be stopped or killed.

The ready queue is shuffled at every turn: nothing may rely on the order in which asyncio happens to call what
became ready together. The clock jumps to the next timer as soon as nothing is ready. No selector, no sockets.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from contextvars import Context, ContextVar, copy_context
from typing import Any

RESOLUTION = 1e-6
"""What the clock is late by when a timer is due: one that has gone off is over for whoever looks at the clock."""


class Deadlock(Exception):
    """Everything waits and no timer is set."""


class Endless(Exception):
    """The simulation has taken more turns than any seed should."""


class Process:
    """What runs together and stops together: all callbacks scheduled from the same context."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.paused = False
        self.dead = False
        self.parked: list[asyncio.Handle] = []

    @property
    def stopped(self) -> bool:
        """Whether its callbacks are not to be run now."""
        return self.paused or self.dead

    def kill(self) -> None:
        """Run nothing of it any more, as after SIGKILL."""
        self.dead = True

    def pause(self) -> None:
        """Run nothing of it until `resume`, as after SIGSTOP."""
        self.paused = True

    def resume(self, loop: SimLoop) -> None:
        """Go on, with all that has become ready meanwhile."""
        self.paused = self.dead = False
        parked, self.parked = self.parked, []
        loop.enqueue(parked)


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class _Future(asyncio.Future[Any]):
    """A future whose place in a set is the same in every run."""

    def __init__(self, number: int, loop: SimLoop) -> None:
        super().__init__(loop=loop)
        self._number = number

    def __hash__(self) -> int:
        return self._number


class _Task(asyncio.Task[Any]):
    """A task of which the same is true."""

    def __init__(self, number: int, coroutine: Any, loop: SimLoop, context: Context | None) -> None:
        self._number = number
        super().__init__(coroutine, loop=loop, context=context)

    def __hash__(self) -> int:
        return self._number


class _Handle(asyncio.Handle):
    """A handle that asks nobody whether the loop is debugged: many are made in a run."""

    __slots__ = ()

    def __init__(self, callback: Any, arguments: Any, loop: SimLoop, context: Context | None) -> None:
        self._context = copy_context() if context is None else context
        self._loop, self._callback, self._args = loop, callback, arguments
        self._cancelled, self._repr, self._source_traceback = False, None, None


class _Timer(asyncio.TimerHandle):
    """The same of a timer."""

    __slots__ = ()

    def __init__(self, when: float, callback: Any, arguments: Any, loop: SimLoop, context: Context | None) -> None:
        _Handle.__init__(self, callback, arguments, loop, context)  # type: ignore[arg-type]
        self._when = when


class _NoSelector:
    """BaseEventLoop asks for one when it is closed."""

    def close(self) -> None:
        """Nothing is open."""


class SimLoop(asyncio.BaseEventLoop):
    """The loop. `trace` is a number that is the same for the same seed and differs as soon as anything does."""

    _ready: Any
    _scheduled: list[tuple[float, int, _Timer]]
    """By time, and then by number: tuples, because comparing handles is slow."""

    def __init__(self, seed: int, max_turns: int = 2_000_000) -> None:
        super().__init__()
        self._selector = _NoSelector()
        self._random = random.Random(f"loop {seed}")
        self._now = 1_000.0
        self.turns = 0
        self._max_turns = max_turns
        self.tick = 0.0
        """What looking at the clock takes: a slow machine."""
        self.trace = 0
        self.failures: list[str] = []
        """What nobody has caught."""
        self._numbers = itertools.count()
        self._timers = itertools.count()
        self.set_exception_handler(self._failed)

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def create_future(self) -> asyncio.Future[Any]:
        """A future."""
        return _Future(next(self._numbers), self)

    def new_task(self, coroutine: Any, context: Context | None) -> asyncio.Task[Any]:
        """A task, for the task factory."""
        return _Task(next(self._numbers), coroutine, self, context)

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        """As asyncio's, which looks at more."""
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        """As asyncio's, which looks at more."""
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, (when, next(self._timers), timer))
        return timer

    def look(self) -> float:
        """The time as a program on a slow machine sees it: looking takes `tick`."""
        self._now += self.tick
        return self._now

    def note(self, *what: float) -> None:
        """Fold numbers into the trace."""
        self.trace = hash((self.trace, *what))

    def enqueue(self, handles: list[asyncio.Handle]) -> None:
        """Run these in the next turn."""
        self._ready.extend(handles)

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0][2]._cancelled:
            heapq.heappop(scheduled)
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not scheduled:
                raise Deadlock("everything waits and no timer is set")
            self._now = max(self._now, scheduled[0][0]) + RESOLUTION
        while scheduled and scheduled[0][0] <= self._now:
            ready.append(heapq.heappop(scheduled)[2])
        self.turns += 1
        if self.turns > self._max_turns:
            raise Endless("too many turns")
        self._run_batch()

    def _run_batch(self) -> None:
        batch = list(self._ready)
        self._ready.clear()
        if len(batch) > 1:
            self._random.shuffle(batch)
        self.trace = hash((self.trace, self._now, len(batch)))
        for handle in batch:
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is not None and process.stopped:
                process.parked.append(handle)
            else:
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers leave the heap when their time comes."""

    def _process_events(self, event_list: object) -> None:
        raise AssertionError("no selector, no events")

    def _write_to_self(self) -> None:
        raise AssertionError("no threads here")

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")
