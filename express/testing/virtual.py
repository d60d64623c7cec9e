"""An event loop in virtual time: where nothing is ready, the clock jumps to the next timer.

Waits, timeouts, retries and the `asyncio.sleep` of a mock take no time. What is called for real does: while a
thread works, or a call waits for what is outside of this loop, the clock goes as fast as any other.

Where something is always ready, as in a loop of states that never waits, no time would pass at all. Once so much was
done at one moment that nothing real takes as little time, the clock jumps to the next timer as well, most often that
of a timeout.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Given = TypeVarTuple("Given")

MONOTONIC = 1_000.0
"""Start of the monotonic clock of every execution."""

MOST_STATES = MOST_TURNS = 100_000
"""States entered, or turns of the loop taken, at one moment: after that, time passes."""


class Deadlock(RuntimeError):
    """It would go on for ever: everything waits, or something loops, and no timer is set that would end it."""


class _Selector(selectors.DefaultSelector):
    """Waits only for what is outside of the process's own time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = MONOTONIC
        self.calls = 0
        self.real = 0
        self.entered: Callable[[], int] = int
        self.next_timer: Callable[[], float | None] = lambda: None
        self.workers: set[threading.Thread] = set(threading.enumerate())
        self._since: float | None = None
        self._turns = self._states = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; without any, virtual time passes."""
        if self._is_real():
            return self._wait(timeout)
        self._since = None
        ready = super().select(0)
        if ready or timeout == 0:
            self._turns += 1
            if self._turns > MOST_TURNS or self.entered() - self._states > MOST_STATES:
                self._pass_to(self.next_timer(), f"more than {MOST_STATES:,} steps were taken in no time")
        else:
            self._pass_to(None if timeout is None else self.now + timeout, "everything waits")
        return ready

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait in real time, which passes since the last wait."""
        since = time.monotonic() if self._since is None else self._since
        ready = super().select(timeout)
        self._since = time.monotonic()
        self._pass_to(self.now + self._since - since, "")
        return ready

    def _pass_to(self, moment: float | None, why: str) -> None:
        self._turns, self._states = 0, self.entered()
        if moment is None:
            raise Deadlock(f"{why}, and no timer is set that would end it")
        self.now = round(moment, 9)  # sums and differences of timers leave traces of 1e-13

    def _is_real(self) -> bool:
        """Return whether something is under way that this loop does not drive itself.

        That is a call from outside; a function that has opened a socket, a pipe or a thread while it is awaited.
        """
        if self.real:
            return True
        if not self.calls:
            return False
        return len(self.get_map()) > 1 or any(thread not in self.workers for thread in threading.enumerate())


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop and a Clock in one. `wall` is where the wall clock begins, in seconds since 1970."""

    def __init__(self, wall: float) -> None:
        self._virtual = _Selector()
        self._virtual.next_timer = self._next_timer
        self._offset = wall - MONOTONIC
        self.begun: dict[int, Awaitable[Any]] = {}
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual.now

    monotonic = time

    def wall(self) -> float:
        """Virtual seconds since 1970."""
        return self._virtual.now + self._offset

    def watch(self, entered: Callable[[], int]) -> None:
        """Let time pass when `entered`, the number of states so far, grows too fast."""
        self._virtual.entered = entered

    def waited(self, answer: Awaitable[T], *, outside: bool = False) -> Waited[T]:
        """The same answer; while it is awaited, `calling`."""
        self.begun[id(answer)] = answer
        return Waited(answer, self, outside)

    def close(self) -> None:
        """Close the answers, too, that nobody has come to wait for: their executions have ended before."""
        for answer in self.begun.values():
            if isinstance(answer, Coroutine):
                answer.close()
        super().close()

    @contextmanager
    def calling(self, *, outside: bool = False) -> Iterator[None]:
        """A function is awaited: what it waits for `outside` of the loop, or with sockets and threads, is real."""
        virtual = self._virtual
        virtual.calls += 1
        virtual.real += outside
        try:
            yield
        finally:
            virtual.calls -= 1
            virtual.real -= outside

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Given]], T], *args: *Given
    ) -> asyncio.Future[T]:
        """Run in a thread, which is waited for."""
        workers = self._virtual.workers

        def run(*args: *Given) -> T:
            workers.add(threading.current_thread())  # it stays, and does nothing then
            return func(*args)

        self._virtual.real += 1
        future = super().run_in_executor(executor, run, *args)
        future.add_done_callback(self._came_back)
        return future

    async def shutdown_default_executor(self, *given: Any, **named: Any) -> None:
        """Wait for the threads, in a thread."""
        with self.calling(outside=True):
            await super().shutdown_default_executor(*given, **named)

    def _came_back(self, _future: object) -> None:
        self._virtual.real -= 1

    def _next_timer(self) -> float | None:
        """Return when the next timer is due that was set with this loop."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # of every BaseEventLoop
        return timers[0].when() if timers else None


class Waited(Generic[T]):
    """An answer that comes later; the loop knows while it is awaited."""

    def __init__(self, answer: Awaitable[T], loop: VirtualLoop, outside: bool) -> None:
        self._answer = answer
        self._loop = loop
        self._outside = outside

    def __await__(self) -> Generator[Any, Any, T]:
        self._loop.begun.pop(id(self._answer), None)
        with self._loop.calling(outside=self._outside):
            return (yield from self._answer.__await__())
