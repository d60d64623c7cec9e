"""Counting and billing the end of an execution: status, duration, memory, transitions."""

from __future__ import annotations

from express.metering import DURATION_STEP_MS, MEMORY_STEP_MB, billed_duration_ms
from express.runtime.counters import Counters
from express.runtime.drain.pipeline import Workflow

_STEP_SECONDS = DURATION_STEP_MS / 1000
_STEP_BYTES = MEMORY_STEP_MB * 1_000_000

LEAST_BILLED = DURATION_STEP_MS, MEMORY_STEP_MB
"""Milliseconds and MB that most executions are billed: the first step of both."""


class Meter:
    """Counts and bills the executions of one workflow."""

    __slots__ = ("_holders", "_memory", "counters", "shortcut_bytes")

    def __init__(self, workflow: Workflow, counters: Counters) -> None:
        self.counters = counters
        self._memory = workflow.memory
        self._holders = workflow.program.width.holders
        self.shortcut_bytes = (_STEP_BYTES - self._memory) // self._holders
        """Bytes of input and result up to which an execution uses no more than the first step of memory."""

    def ended(self, status: str, data_bytes: int, seconds: float, transitions: int) -> tuple[int, int]:
        """Count an execution that has ended; return the milliseconds and MB that it is billed.

        `data_bytes`: its input and its result.
        """
        counters = self.counters
        used = self._memory + data_bytes * self._holders
        ms = DURATION_STEP_MS if seconds <= _STEP_SECONDS else billed_duration_ms(seconds)
        mb = MEMORY_STEP_MB if used <= _STEP_BYTES else counters.count_memory(used)
        counters.totals.add(ms, mb, transitions)
        counters.memory_used_bytes += used
        counters.execution_ms.add(seconds * 1000)
        if status == "SUCCEEDED":
            counters.succeeded += 1
        else:
            counters.count_failure(status)
        return ms, mb

    def ended_at_once(
        self, executions: int, data_bytes: int, seconds: float, slow: list[float], transitions: int
    ) -> None:
        """Count executions that have succeeded within the first step of both; `slow`: those that get a bucket each."""
        counters = self.counters
        counters.started += executions
        counters.succeeded += executions
        counters.memory_used_bytes += executions * self._memory + data_bytes * self._holders
        counters.execution_ms.add_quick(executions - len(slow), (seconds - sum(slow)) * 1000)
        for one in slow:
            counters.execution_ms.add(one * 1000)
        counters.totals.add_many(executions, *LEAST_BILLED, transitions)
