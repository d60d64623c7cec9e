"""The state that the parts of an executor share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from express.budget import GENERATED, UNITS
from express.engine.execution import Entropy
from express.ports import Clock, Integration
from express.runtime.clock import SystemEntropy
from express.runtime.executor.callbacks import Callbacks
from express.runtime.executor.eager_task import EagerTask
from express.runtime.executor.run import Run
from express.runtime.executor.task_calls import ResourceCalls
from express.runtime.executor.timer_wheel import TICKS, TimerWheel


class ExecutorState:
    """Clock, timers and calls of one executor, and how many executions it runs."""

    def __init__(
        self,
        clock: Clock,
        integration: Integration,
        entropy: Entropy | None,
        callbacks: Callbacks | None,
        handler_ended: Callable[[EagerTask], None],
        fired: Callable[[Run, int], None],
        ticks: int = TICKS,
    ) -> None:
        GENERATED.units = UNITS  # a host begins anew, so that what it does depends on nothing before it
        self.clock = clock
        self.calls = ResourceCalls(integration, clock, handler_ended)
        self.callbacks = callbacks
        self.entropy = entropy or (SystemEntropy() if callbacks is None else callbacks.entropy)
        self.wheel = TimerWheel[Run](clock, fired, ticks)
        self.tasks: set[asyncio.Task[None] | EagerTask] = set()
        """Calls that are awaited, but for handlers that an execution is suspended behind."""
        self.running = 0
        """Executions that were submitted and have not ended."""

    def is_late(self, deadline: float | None) -> bool:
        """Tell whether a deadline has passed: whoever holds up the loop holds up its timers, too."""
        return deadline is not None and self.clock.monotonic() >= deadline

    def take_timer(self, run: Run) -> None:
        """Take back the timer of a suspended execution."""
        slot = run.slot
        if slot is None:
            return
        run.slot = None
        if type(slot) is set:
            slot.discard(run)
        else:
            self.wheel.remove(run, 0, slot)  # type: ignore[arg-type]  # which does nothing to one that was left there
