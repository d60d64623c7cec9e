"""An event loop in virtual time: where nothing is ready, the clock jumps to the next timer.

Waits, timeouts, retries and the `asyncio.sleep` of a mock take no time. What is called for real does: while a
thread works, or a call that is no mock waits for a socket, the clock goes as fast as any other.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Given = TypeVarTuple("Given")

MONOTONIC = 1_000.0
"""Where the monotonic clock of every execution begins."""


class Deadlock(RuntimeError):
    """Everything waits and no timer is set: it would wait for ever."""


class _Selector(selectors.DefaultSelector):
    """Waits only for what is outside of the process's own time."""

    now = MONOTONIC
    calls = 0
    threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; without any, virtual time passes."""
        ready = super().select(0)
        if ready:
            return ready
        if self.threads or (self.calls and len(self.get_map()) > 1):  # one is the loop's own
            began = time.monotonic()
            ready = super().select(timeout)
            self.now += time.monotonic() - began
            return ready
        if timeout is None:
            raise Deadlock("everything waits, and nothing that could come is under way")
        self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop and a Clock in one. `wall` is where the wall clock begins, in seconds since 1970."""

    def __init__(self, wall: float) -> None:
        self._virtual = _Selector()
        self._offset = wall - MONOTONIC
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual.now

    monotonic = time

    def wall(self) -> float:
        """Virtual seconds since 1970."""
        return self._virtual.now + self._offset

    @contextmanager
    def calling(self) -> Iterator[None]:
        """A call that is no mock runs: sockets are waited for."""
        self._virtual.calls += 1
        try:
            yield
        finally:
            self._virtual.calls -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Given]], T], *args: *Given
    ) -> asyncio.Future[T]:
        """Run in a thread, which is waited for."""
        self._virtual.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _future: object) -> None:
        self._virtual.threads -= 1
