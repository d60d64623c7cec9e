"""A clock that is moved by hand."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Call:
    """A call that is due at a time."""

    def __init__(self, at: float, number: int, callback: Callable[[], None]) -> None:
        self.key = (at, number)
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Do not make the call."""
        self.callback = None

    def __lt__(self, other: Call) -> bool:
        return self.key < other.key


class HandClock:
    """Time stands still until it is moved; what is due by then is called in order."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._calls: list[Call] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        """Now."""
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Call:
        """Call back once the time has been moved by `delay`."""
        call = Call(self._now + delay, next(self._numbers), callback)
        heapq.heappush(self._calls, call)
        return call

    def move(self, seconds: float) -> None:
        """Let time pass."""
        end = self._now + seconds
        while self._calls and self._calls[0].key[0] <= end:
            call = heapq.heappop(self._calls)
            self._now = call.key[0]
            if call.callback is not None:
                call.callback()
        self._now = end
