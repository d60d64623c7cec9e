"""The short way of a record: from its bytes to its result in one loop, as long as nothing is in the way.

It is for executions on the generated segments that succeed without waiting, of records that are a value and nothing
else. Whatever is different ends the loop: before anything was done for the record, or handed to the dispatcher at the
point where it stands. So everything else has one way only. What the loop counts is entered when it ends; nobody can
have looked in between, for it does not give way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from express.engine import About, Program
from express.engine.fast import Point, begin, transitions
from express.engine.program import END
from express.metering import DURATION_STEP_MS, MEMORY_STEP_MB
from express.ports import GOLDEN, MASK, Clock, Event, Sink, Tracing
from express.runtime.counters import LATENCY_BOUNDS_MS, Counters
from express.runtime.executor import Caller, Executor
from express.runtime.lane import Lane, OrderKey
from express.runtime.payload import Rejected, admit
from express.runtime.records import Naming
from express.values import JSON, dumps
from express.wire import HeaderBlock

BILLED = DURATION_STEP_MS, MEMORY_STEP_MB
"""What every execution of the loop is billed: the least there is."""

STEP_SECONDS = DURATION_STEP_MS / 1000
STEP_BYTES = MEMORY_STEP_MB * 1_000_000

KEY_LIMIT = 1_024
"""Records with longer keys take the long way, where the size of a result is looked at more closely."""

RESULT_OVERHEAD = 4_096
"""More than the headers of a result ever take."""

QUICK_SECONDS = LATENCY_BOUNDS_MS[0] / 1000
"""What takes no longer is in the first bucket of its histogram."""

_UUID_BITS = 0xFFFF_FFFF_FFFF


class Seat(msgspec.Struct, gc=False):
    """Who an execution is, told only when somebody asks: an `About` that is mostly never made."""

    naming: Naming
    offset: int
    started: float
    machine: About

    @property
    def execution_arn(self) -> str:
        """The execution's ARN."""
        return self.naming.arn(self.offset)

    def whole(self) -> About:
        """All there is to be told."""
        arn, name = self.naming.arn(self.offset), self.naming.name(self.offset)
        return msgspec.structs.replace(self.machine, execution_arn=arn, name=name, started=self.started)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole(), name)


class Fixed(NamedTuple):
    """What is the same for all executions of a pipeline. `about` is what they have in common."""

    program: Program
    about: About
    memory: int
    seconds: float | None
    payload_limit: int
    result_limit: int
    topic: str


class Rest(Protocol):
    """Who does everything else: the dispatcher."""

    stamps: list[int]

    def take_over(
        self, lane: Lane, record: Event, data: JSON, about: About, began: float, point: Point, call: Caller
    ) -> None:
        """Go on with an execution from where its segments have left it."""


class Through:
    """The loop of one pipeline."""

    def __init__(
        self,
        rest: Rest,
        fixed: Fixed,
        executor: Executor,
        sink: Sink,
        clock: Clock,
        counters: Counters,
        order: OrderKey,
        tracer: Tracing | None = None,
    ) -> None:
        """`tracer`: executions that it samples, and the slowest, are not for the short way."""
        self._rest = rest
        self._tracer = tracer
        self._fixed = fixed
        self._caller = executor.caller
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._order = order

    def run(self, lane: Lane, until: float) -> None:
        """Finish held records of a lane until there are none, time is up, or one is not straightforward."""
        if lane.tracker.resuming:
            return
        results = _Results(lane, self._fixed.topic, self._sink)
        try:
            left = self._loop(lane, until, results)
        finally:
            self._enter(lane, results)
        if left is not None:
            self._rest.take_over(lane, *left)

    def _loop(self, lane: Lane, until: float, results: _Results) -> tuple[Any, ...] | None:
        """The loop; an execution that it could not bring to its end."""
        program, about, memory, seconds, payload_limit, result_limit, _ = self._fixed
        held, naming, waiting, order = lane.held, lane.naming, lane.waiting, self._order
        segments, caller, put, monotonic = program.segments, self._caller, results.put, self._clock.monotonic
        holders = program.width.holders
        sampled, tracer = 0 if self._tracer is None else self._tracer.threshold, self._tracer
        now = monotonic()
        shift = self._clock.wall() - now
        results.begin(int((now + shift) * 1000))
        while held and now < until:
            record = held[0]
            key, value, offset = record.key, record.value, record.offset
            if record.headers or (key and len(key) > KEY_LIMIT) or (waiting and order(record) in waiting):
                return None
            if sampled and offset * GOLDEN & MASK < sampled:
                return None
            try:
                data = admit(value, payload_limit)
            except Rejected:  # by the dispatcher
                return None
            size = len(cast(bytes, value))
            seat = cast(About, Seat(naming, offset, now + shift, about))
            call = caller(seat, None if seconds is None else now + seconds)
            point = begin(program, segments, data, size, call)
            text = _written(point) if point[0] == END else b""
            end = monotonic()
            used = memory + (size + len(text)) * holders
            held.popleft()
            if not 0 < len(text) <= result_limit or end - now > STEP_SECONDS or used > STEP_BYTES:
                return record, data, cast(Seat, seat).whole(), now, point, call
            if tracer is not None and end - now > tracer.slow:
                return record, data, cast(Seat, seat).whole(), now, point, call
            put(offset, key, text, record.timestamp, int((end + shift) * 1000), end - now, used, point[2])
            now = end
        return None

    def _enter(self, lane: Lane, results: _Results) -> None:
        """Count what was finished, and note its offsets."""
        count, counters = len(results.stamps), self._counters
        if not count:
            return
        counters.started += count
        counters.succeeded += count
        counters.memory_used_bytes += results.used
        counters.output_bytes += results.written
        counters.execution_ms.add_quick(count - len(results.slow), results.spent * 1000)
        for seconds in results.slow:
            counters.execution_ms.add(seconds * 1000)
        counters.totals.add_many(count, *BILLED, transitions((END, None, results.packed)))
        self._rest.stamps += results.stamps
        lane.tracker.passed(results.last)


class _Results:
    """The results of one run of the loop, and what is to be counted of them."""

    def __init__(self, lane: Lane, topic: str, sink: Sink) -> None:
        self._lane = lane
        self._topic = topic
        self._sink = sink
        self._add = self._adder()
        self._now_ms = self._template_ms = self._ceiling = -1
        self._template = b""
        self.stamps: list[int] = []
        self.slow: list[float] = []
        """Seconds of those that took longer than a millisecond; `spent` is the sum of the others."""
        self.spent = 0.0
        self.last = -1
        self.packed = self.used = self.written = 0

    def begin(self, now_ms: int) -> None:
        """The first execution begins; each of the others when the one before has ended."""
        self._now_ms = now_ms

    def put(
        self,
        offset: int,
        key: bytes | None,
        text: bytes,
        timestamp: int,
        stopped_ms: int,
        seconds: float,
        used: int,
        counts: int,
    ) -> None:
        """Append the result of an execution."""
        started_ms, self._now_ms = self._now_ms, stopped_ms
        if stopped_ms != self._template_ms or started_ms != stopped_ms or offset >= self._ceiling:
            self._template, self._ceiling = self._lane.naming.succeeded(offset, started_ms, stopped_ms, BILLED)
            self._template_ms = stopped_ms if started_ms == stopped_ms else -1
        headers = HeaderBlock(self._template % (offset, offset & _UUID_BITS, offset))
        if self._add(stopped_ms, key, text, headers) is False:
            self._sink.append(self._topic, self._lane.partition, stopped_ms, key, text, headers)
            self._add = self._adder()
        self.last = offset
        self.stamps.append(timestamp)
        if seconds > QUICK_SECONDS:
            self.slow.append(seconds)
        else:
            self.spent += seconds
        self.packed += counts
        self.used += used
        self.written += len(text)

    def _adder(self) -> Callable[..., Any]:
        """What appends a result to its batch, and answers False where that is full."""
        adder = getattr(self._sink, "adder", None)
        found = None if adder is None else adder(self._topic, self._lane.partition)
        return found or partial(self._sink.append, self._topic, self._lane.partition)


def _written(point: Point) -> bytes:
    """The output as text; empty where it can't be written."""
    try:
        return dumps(point[1])
    except TypeError:
        return b""
