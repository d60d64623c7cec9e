"""Which executions become traces, and their way to the collector: a bounded queue and one thread.

The decision falls when an execution is over, so that failures and the slowest are always among the traces whatever
the share of the others. The host decides before it asks anybody (`ports.Tracing`):

    history is wanted    number * GOLDEN & MASK < tracer.threshold       when it begins
    is it a trace        sampled or failed or seconds > tracer.slow      when it is over

which is all that an execution that becomes no trace pays (`python -m benchmarks.tracing`). The hash of numbers that
follow each other is spread evenly, so even a few thousand executions meet the ratio closely, and a Kafka record that
is replayed decides as it did before.

Nothing here waits: what the queue has no room for, and what the collector does not take, is counted.
"""

from __future__ import annotations

import heapq
import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from express.engine import About
from express.engine.effects import Finish
from express.engine.history import History, HistoryEvent
from express.ports import MASK, Partition

BATCH = 128
"""Traces that are sent at once, at most."""

MOST_BYTES = 64 << 20
"""Bytes that the histories of all traces in the queue may take."""

WINDOW_SECONDS = 60.0
"""The slowest are those of so long."""

log = logging.getLogger(__name__)


class Trace(NamedTuple):
    """An execution that is to be told. `events` is empty where no history was kept: then it is one span.

    `about.trace` is the trace context of whoever caused it. `attributes` go to the span of the execution. `size` is
    about what the events take.
    """

    about: About
    finish: Finish
    seconds: float
    events: Sequence[HistoryEvent] = ()
    attributes: Mapping[str, str | int] = {}
    size: int = 0


def trace_of(
    about: About, finish: Finish, seconds: float, history: History | None, attributes: Mapping[str, str | int]
) -> Trace:
    """An ended execution as a trace."""
    if history is None:
        return Trace(about, finish, seconds, attributes=attributes)
    return Trace(about, finish, seconds, history.log, attributes, history.measure())


class Export(Protocol):
    """Sends traces. Called in a thread of its own."""

    def send(self, traces: Sequence[Trace]) -> bool:
        """Return whether the collector has taken them. Never raises."""

    def close(self) -> None:
        """Give up what is being sent."""


class Counts(msgspec.Struct):
    """Counts of traces by their outcome."""

    exported: int = 0
    dropped: int = 0
    """No room in the queue: more than the collector takes."""
    failed: int = 0
    """Refused by the collector, or it was not there."""


class Tracer:
    """Takes ended executions and sends those that are to be traces. Its methods are quick and never raise.

    `threshold` and `slow` are for the host to decide with (see above).
    """

    def __init__(self, export: Export, *, ratio: float, slowest: int, waiting: int) -> None:
        """`ratio`: share of all executions. `slowest`: of each minute. `waiting`: traces in the queue, at most."""
        self.threshold = round(ratio * (MASK + 1))
        self.slow = -1.0 if slowest else float("inf")
        self.counts = Counts()
        self._export = export
        self._slowest = slowest
        self._heap: list[float] = []
        self._room = waiting
        self._bytes = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Trace | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def offer(self, trace: Trace) -> None:
        """Take an execution that is to be a trace, if there is room."""
        with self._lock:
            if self._slowest and trace.seconds > self.slow:
                self._rise(trace.seconds)
            if not self._room or self._bytes > MOST_BYTES:
                self.counts.dropped += 1
                return
            self._room -= 1
            self._bytes += trace.size
        self._queue.put(trace)

    def ended(
        self, about: About, finish: Finish, seconds: float, history: History | None, partition: Partition, offset: int
    ) -> None:
        """Take the execution of a Kafka record (`ports.Tracing`)."""
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": partition.topic,
            "messaging.destination.partition.id": str(partition.number),
            "messaging.kafka.offset": offset,
        }
        self.offer(trace_of(about, finish, seconds, history, attributes))

    def close(self, seconds: float = 2.0) -> None:
        """Send what waits, for as long as that; then give up."""
        self._queue.put(None)
        self._thread.join(seconds)
        self._export.close()
        self._thread.join()

    def _rise(self, seconds: float) -> None:
        heapq.heappush(self._heap, seconds)
        if len(self._heap) > self._slowest:
            heapq.heappop(self._heap)
        if len(self._heap) == self._slowest:
            self.slow = self._heap[0]

    # In the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        due = time.monotonic() + WINDOW_SECONDS
        going = True
        while going:
            traces, going = self._next(max(due - time.monotonic(), 0.0))
            if time.monotonic() >= due:
                due = time.monotonic() + WINDOW_SECONDS
                self._forget()
            if traces:
                self._send(traces)

    def _next(self, seconds: float) -> tuple[list[Trace], bool]:
        """Return what there is after at most so long, and whether more may come."""
        traces: list[Trace] = []
        try:
            taken = self._queue.get(timeout=seconds)
            while taken is not None:
                traces.append(taken)
                if len(traces) == BATCH:
                    return traces, True
                taken = self._queue.get_nowait()
        except queue.Empty:
            return traces, True
        return traces, False

    def _forget(self) -> None:
        """A new window: other executions are the slowest of it."""
        with self._lock:
            self._heap.clear()
            self.slow = -1.0 if self._slowest else float("inf")

    def _send(self, traces: list[Trace]) -> None:
        before = self.counts.failed
        if self._export.send(traces):
            self.counts.exported += len(traces)
        else:
            self.counts.failed += len(traces)
            if not before:
                log.warning("traces can't be sent; they are counted from now on, not told")
        with self._lock:
            self._room += len(traces)
            self._bytes -= sum(trace.size for trace in traces)
