"""What a worker measures of itself: its tasks, its loop, its garbage collections, its process."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import Awaitable
from pathlib import Path

import msgspec

from express.engine.effects import StartTask
from express.integrations import Integrations, resource_key
from express.ports import TaskContext
from express.runtime.counters import Histogram
from express.values import JSON

LAG_EVERY = 0.1
"""Seconds between two looks at how late the loop is."""

_PAGE = resource.getpagesize()


class TaskCounts(msgspec.Struct):
    """The calls of one integration that have ended."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    duration_ms: Histogram = msgspec.field(default_factory=Histogram)


class MeasuredIntegrations:
    """An `Integration` around the table of all: counts calls and how long they take."""

    def __init__(self, inner: Integrations) -> None:
        self._inner = inner
        self._by_arn: dict[str, TaskCounts] = {}
        self.counts: dict[str, TaskCounts] = {}

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Perform the call."""
        counts = self._by_arn.get(task.resource.arn) or self._counts(task)
        began = time.perf_counter()
        try:
            answer = self._inner.start(task, context)
        except BaseException:
            counts.failed += 1
            counts.duration_ms.add((time.perf_counter() - began) * 1000)
            raise
        if type(answer) is not dict and isinstance(answer, Awaitable):
            return _measured(answer, counts, began)
        counts.succeeded += 1
        counts.duration_ms.add((time.perf_counter() - began) * 1000)
        return answer

    def _counts(self, task: StartTask) -> TaskCounts:
        name = resource_key(task.resource).removeprefix("optimized:")
        counts = self.counts.setdefault(name, TaskCounts())
        self._by_arn[task.resource.arn] = counts
        return counts


async def _measured(answer: Awaitable[JSON], counts: TaskCounts, began: float) -> JSON:
    try:
        output = await answer
        counts.succeeded += 1
        return output
    except asyncio.CancelledError:
        counts.cancelled += 1
        raise
    except BaseException:
        counts.failed += 1
        raise
    finally:
        counts.duration_ms.add((time.perf_counter() - began) * 1000)


class LoopWatch:
    """How late the loop runs what is due, and how long collections of garbage stop it."""

    def __init__(self) -> None:
        self.lag = Histogram()
        self.gc = Histogram()
        self._collecting = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        gc.callbacks.append(self._collection)
        loop = asyncio.get_running_loop()
        try:
            while True:
                due = loop.time() + LAG_EVERY
                await asyncio.sleep(LAG_EVERY)
                self.lag.add(max(0.0, loop.time() - due) * 1000)
        finally:
            gc.callbacks.remove(self._collection)

    def _collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self.gc.add((time.perf_counter() - self._collecting) * 1000)


def resident_bytes() -> int:
    """Resident memory of this process; its peak where the system does not tell more."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
