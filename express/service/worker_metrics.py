"""Measurements of a worker by itself: its tasks, its loop, its garbage collections, its process."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import Awaitable
from pathlib import Path

import msgspec

from express.asl.resources import Resource
from express.engine.effects import StartTask
from express.errors import TIMEOUT, StatesError
from express.integrations import Integrations
from express.integrations.circuit_breaker import BREAKER_OPEN, QUEUE_FULL
from express.integrations.queue_time import SCHEDULE, QueueTime
from express.ports import Describe, Direct, Integration, Tally, TaskContext
from express.runtime.counters import Histogram
from express.values import JSON

LAG_EVERY = 0.1
"""Seconds between two looks at how late the loop is."""

CLOCK_SLACK = 0.005
"""Seconds that the timer of a state may be ahead of the call that it ends."""

_PAGE = resource.getpagesize()


OTHER = "other"
"""The label of calls that nothing here performs, and of those beyond MOST_LABELS."""

MOST_LABELS = 200
"""Labels are services and actions that the service's own model knows; still, a server takes definitions for years."""

TIMEOUTS = frozenset({TIMEOUT, "Sandbox.Timedout"})
REFUSED = frozenset({BREAKER_OPEN, QUEUE_FULL})


class TaskCounts(msgspec.Struct):
    """The calls of one integration. scheduled = refused + started; started - what has ended runs or waits."""

    scheduled: int = 0
    refused: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    duration_ms: Histogram = msgspec.field(default_factory=Histogram)
    schedule_ms: Histogram = msgspec.field(default_factory=Histogram)
    """Waiting times of calls for a place, those that are answered at once left out."""

    def end(self, error: str | None, began: float) -> None:
        """A call has failed."""
        if error in REFUSED:
            self.refused += 1
            return
        if error in TIMEOUTS:
            self.timed_out += 1
        else:
            self.failed += 1
        self.duration_ms.add((time.perf_counter() - began) * 1000)


class MeasuredTally:
    """The `Tally` of a resource: what its direct way has counted goes into the counts when somebody reads them."""

    clock = staticmethod(time.perf_counter)

    def __init__(self, counts: TaskCounts) -> None:
        self.at_once = [0, 0.0]
        self._counts = counts

    def settle(self) -> None:
        """Enter the calls that were answered at once."""
        calls, seconds = self.at_once
        self.at_once[:] = 0, 0.0
        counts = self._counts
        counts.scheduled += int(calls)
        counts.succeeded += int(calls)
        counts.duration_ms.add_quick(int(calls), seconds * 1000)

    def succeeded(self, began: float) -> None:
        """A call that took longer than QUICK_SECONDS."""
        self._counts.scheduled += 1
        self._counts.succeeded += 1
        self._counts.duration_ms.add((self.clock() - began) * 1000)

    def failed(self, error: StatesError, began: float) -> None:
        """A call raised."""
        self._counts.scheduled += 1
        self._counts.end(error.error, began)

    def awaited(self, answer: Awaitable[JSON], began: float) -> Awaitable[JSON]:
        """A call has yet to be awaited."""
        self._counts.scheduled += 1
        return _measured(answer, self._counts, began, None)


class MeasuredIntegrations(Integration):
    """An `Integration` around the table of all: counts calls and how long they take."""

    def __init__(self, inner: Integrations) -> None:
        self._inner = inner
        self._by_arn: dict[str, TaskCounts] = {}
        self._by_label: dict[str, TaskCounts] = {}
        self._tallies: list[MeasuredTally] = []

    @property
    def counts(self) -> dict[str, TaskCounts]:
        """Return what was counted until now, by label."""
        for tally in self._tallies:
            tally.settle()
        return self._by_label

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Perform the call."""
        counts = self._by_arn.get(task.resource.arn) or self._counts(task.resource)
        counts.scheduled += 1
        began = time.perf_counter()
        try:
            answer = self._inner.start(task, context)
        except BaseException as error:
            counts.end(error.error if isinstance(error, StatesError) else None, began)
            raise
        if type(answer) is not dict and isinstance(answer, Awaitable):
            return _measured(answer, counts, began, task.timeout)
        counts.succeeded += 1
        counts.duration_ms.add((time.perf_counter() - began) * 1000)
        return answer

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task with what its parameters make; raises Unsendable where they make no request."""
        return self._inner.prepare(task, context)

    def bind(self, resource: Resource, describe: Describe, tally: Tally | None = None) -> Direct | None:
        """Return what calls a resource directly and counts its calls here."""
        measured = MeasuredTally(self._counts(resource))
        direct = self._inner.bind(resource, describe, measured)
        if direct is not None:
            self._tallies.append(measured)
        return direct

    def _counts(self, resource: Resource) -> TaskCounts:
        name = OTHER if self._inner.refusals([resource]) else label(resource)
        if name not in self._by_label and len(self._by_label) >= MOST_LABELS:
            name = OTHER
        counts = self._by_label.setdefault(name, TaskCounts())
        self._by_arn[resource.arn] = counts
        return counts


def label(resource: Resource) -> str:
    """Return what a resource is called in metrics: service and action, without what belongs to one function or account.

    >>> from express.asl.resources import parse_resource
    >>> label(parse_resource("arn:aws:states:::aws-sdk:s3:putObject"))
    'aws-sdk:s3:putObject'
    >>> label(parse_resource("arn:aws:lambda:us-east-1:123456789012:function:score"))
    'lambda'
    """
    if resource.kind in ("lambda", "other"):
        return "lambda"
    return f"{resource.resource_type}:{resource.action}"


async def _measured(answer: Awaitable[JSON], counts: TaskCounts, began: float, limit: float | None) -> JSON:
    schedule = QueueTime(began)
    SCHEDULE.set(schedule)
    try:
        output = await answer
    except asyncio.CancelledError:
        if limit is not None and time.perf_counter() - began >= limit - CLOCK_SLACK:
            counts.end(TIMEOUT, began)
        else:
            counts.cancelled += 1
            counts.duration_ms.add((time.perf_counter() - began) * 1000)
        raise
    except BaseException as error:
        counts.end(error.error if isinstance(error, StatesError) else None, began)
        raise
    finally:
        counts.schedule_ms.add(schedule.seconds * 1000)
    counts.succeeded += 1
    counts.duration_ms.add((time.perf_counter() - began) * 1000)
    return output


class LoopWatch:
    """Measures how late the loop runs what is due, and how long collections of garbage stop it."""

    def __init__(self) -> None:
        self.lag = Histogram()
        self.gc = Histogram()
        self.turns = 0
        """Grows for as long as the loop is not blocked."""
        self._collecting = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        gc.callbacks.append(self._collection)
        loop = asyncio.get_running_loop()
        try:
            while True:
                due = loop.time() + LAG_EVERY
                await asyncio.sleep(LAG_EVERY)
                self.turns += 1
                self.lag.add(max(0.0, loop.time() - due) * 1000)
        finally:
            gc.callbacks.remove(self._collection)

    def _collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self.gc.add((time.perf_counter() - self._collecting) * 1000)


YOUNG_OBJECTS = 5_000
"""Objects made before the garbage collector looks at them. Python's own 700 visit what waits again and again."""


def settle_garbage() -> None:
    """Take what the start has made out of garbage collection for good, and collect more rarely from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 10)


def resident_bytes() -> int:
    """Resident memory of this process; its peak where the system does not tell more."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
