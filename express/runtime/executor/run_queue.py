"""The run queue: executions that have come due wait here for their turn of the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from express.engine.events import Event
from express.ports import Clock
from express.runtime.executor.run import Run

TURN_SECONDS = 0.005
"""Seconds that the run queue may take of one turn of the loop, whatever the number of executions in it."""

AGAIN_SECONDS = 0.002
"""The same for those who have used up a turn before: whoever comes due meanwhile waits for two of these."""


class RunQueue:
    """Calls `step(run, event)` for each run in it, in turns of the loop that are bounded in time."""

    def __init__(self, clock: Clock, step: Callable[[Run, Event | None], None]) -> None:
        self._clock = clock
        self._step = step
        self._due: deque[tuple[Run, Event | None]] = deque()
        self._used_up: deque[tuple[Run, Event | None]] = deque()
        self._turning = False

    def due(self, run: Run, event: Event | None) -> None:
        """Let a run go on whose timer has come due."""
        self._due.append((run, event))
        self._schedule()

    def again(self, run: Run, event: Event | None) -> None:
        """Let a run go on that has used up a turn."""
        self._used_up.append((run, event))
        self._schedule()

    def _schedule(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Let queued executions go on for one budget, then let the loop have its turn.

        Timers that came due go first. Who has used up a turn goes on in what is left, one at least: a thousand
        endless loops would hold up a timer for half a second if it stood in line behind them.
        """
        due, again, monotonic = self._due, self._used_up, self._clock.monotonic
        began = monotonic()
        until = began + TURN_SECONDS
        while due:
            self._step(*due.popleft())
            if monotonic() >= until:
                break
        until = began + AGAIN_SECONDS
        for _ in range(len(again)):  # each once: the clock may be a virtual one, which stands still meanwhile
            self._step(*again.popleft())
            if monotonic() >= until:
                break
        if due or again:
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._turning = False
