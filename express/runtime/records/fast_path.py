"""The fast path of a record: from its bytes to its result in one loop, as long as nothing is in the way.

It is for executions on the optimized tier that succeed without waiting, of records whose value is the input. Whatever
is different ends the loop: before anything was done for the record, or with a `Handover` to the dispatcher, at the
point where the execution stands. So everything else has one way only. What the loop counts is entered when it ends;
nobody can have looked in between, for it does not give way to the event loop.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, cast

import msgspec

from express.engine import About, Program
from express.engine.program import END, Row
from express.engine.segments import FIRST, NOTHING, Call, Point, drive, transitions
from express.metering import DURATION_STEP_MS
from express.ports import GOLDEN, MASK, QUICK_SECONDS, Clock, ConsumedRecord, Direct, Sink, Tracing, Unreadable
from express.runtime.drain.assignment import AssignedPartition, OrderKey
from express.runtime.executor.executor import Executor
from express.runtime.executor.task_calls import JSON_TYPES, TaskCaller
from express.runtime.meter import Meter
from express.runtime.records.headers import NOTHING as NOTHING_CARRIED
from express.runtime.records.headers import Carrier, Trace
from express.runtime.records.json_input import Rejected, admit
from express.runtime.records.result_batch import writer
from express.runtime.records.terminal_record import Naming
from express.values import JSON, dumps

STEP_SECONDS = DURATION_STEP_MS / 1000

KEY_LIMIT = 1_024
"""Records with longer keys leave the fast path: the size of their results has to be looked at more closely."""

PAUSE = 15
"""Records that go to the dispatcher, which begins faster, once the loop has ended twice at its first: where every
execution waits for a handler there is nothing for the loop to do."""


class LazyAbout(msgspec.Struct, gc=False):
    """Identity of an execution: what tasks may know of it is built on access, an `About` only when one is needed."""

    naming: Naming
    offset: int
    started: float
    machine: About
    trace: Trace | None

    @property
    def execution_arn(self) -> str:
        """The execution's ARN."""
        return self.naming.arn(self.offset)

    @property
    def state_machine_name(self) -> str:
        """The machine's name."""
        return self.machine.state_machine_name

    @property
    def account(self) -> int:
        """None: executions that start others do not take the fast path."""
        return self.machine.account

    def whole(self) -> About:
        """Build the `About` of the execution."""
        arn, name = self.naming.arn(self.offset), self.naming.name(self.offset)
        return msgspec.structs.replace(
            self.machine, execution_arn=arn, name=name, started=self.started, trace=self.trace
        )


class PipelineConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Constants for all records of a pipeline."""

    program: Program
    about: About
    """The part of their identities that all executions have in common."""
    meter: Meter
    seconds: float | None
    """The longest that an execution may take."""
    payload_limit: int
    headers_room: int
    """Bytes that the headers of a result take at most."""
    topic: str
    """Topic of results."""
    order: OrderKey
    carry: Carrier
    """The headers that are carried over from a record."""
    tracer: Tracing | None
    """Executions that it samples, and the slowest, leave the fast path."""


class Handover(NamedTuple):
    """An execution that the fast path has begun and does not end: what the dispatcher goes on with."""

    record: ConsumedRecord
    data: JSON
    about: About
    began: float
    point: Point
    call: TaskCaller


class Takeover(Protocol):
    """The dispatcher, as the fast path sees it."""

    def take_over(self, assigned: AssignedPartition, left: Handover) -> None:
        """Go on with an execution from where its segments have left it."""

    def passed(self, stamps: list[int]) -> None:
        """Note that records with these timestamps are finished."""


class CurrentRecord:
    """The record that the loop is at, and the calls of its execution.

    `caller` makes those that are not answered at once, and goes on with the execution later; None as long as there
    was none.
    """

    __slots__ = ("_about", "_executor", "_seconds", "began", "call", "caller", "naming", "offset", "shift", "trace")

    naming: Naming
    offset: int
    began: float
    shift: float
    trace: Trace | None
    caller: TaskCaller | None

    def __init__(self, executor: Executor, about: About, seconds: float | None) -> None:
        """`about` is what all executions have in common, `seconds` the longest they may take."""
        self._executor = executor
        self._about = about
        self._seconds = seconds
        self.call = self._calling()

    def identity(self) -> LazyAbout:
        """The identity of the execution."""
        return LazyAbout(self.naming, self.offset, self.began + self.shift, self._about, self.trace)

    def calling(self) -> TaskCaller:
        """The `caller`, now needed."""
        if self.caller is None:
            deadline = None if self._seconds is None else self.began + self._seconds
            self.caller = self._executor.caller(self.identity(), deadline)
        return self.caller

    def _calling(self) -> Call:
        about, seconds, direct_of = self._about, self._seconds, self._executor.direct
        directs: dict[str, Direct | None] = {}

        def call(row: Row, payload: JSON, counts: int, tries: int) -> JSON:
            try:
                direct = directs[row.name]
            except KeyError:
                direct = directs[row.name] = direct_of(row)
            if direct is None or tries:
                return self.calling()(row, payload, counts, tries)
            began = self.began
            identity = LazyAbout(self.naming, self.offset, began + self.shift, about, self.trace)
            try:
                output = direct(payload, (row, counts, identity, None if seconds is None else began + seconds))
            except (Exception, SystemExit, CancelledError) as error:
                return self.calling().raised(error, row, payload, counts)
            if type(output) in JSON_TYPES:
                return output
            return self.calling().taken(cast("Awaitable[JSON]", output), row, payload, counts)

        return call


class LoopTally:
    """Tally of one run of the loop. `slow` are the seconds of executions that took more than QUICK_SECONDS."""

    __slots__ = ("began", "close", "ended", "moved", "packs", "slow", "stamps", "written")

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.close: Callable[[], None] = _nothing
        self.stamps: list[int] = []
        self.packs: list[int] = []
        self.slow: list[float] = []
        self.moved: list[int] = []
        self.written: list[int] = []


def _nothing() -> None:
    """There is nothing to be closed yet."""


class FastPath:
    """The loop of one pipeline."""

    def __init__(
        self, rest: Takeover, constants: PipelineConstants, executor: Executor, sink: Sink, clock: Clock
    ) -> None:
        self._rest = rest
        self._constants = constants
        self._sink = sink
        self._clock = clock
        self._misses = self._pause = 0
        self._current = CurrentRecord(executor, constants.about, constants.seconds)

    def run(self, assigned: AssignedPartition, until: float) -> None:
        """Finish held records of a partition until there are none, time is up, or one has a surprise."""
        if self._pause:
            self._pause -= 1
            return
        if assigned.tracker.resuming:
            return
        done = LoopTally()
        left: Handover | None = None
        try:
            left = self._loop(assigned, until, done)
        finally:
            self._enter(assigned, done, 0 if left is None else 1)
        if done.stamps:
            self._misses = 0
        elif left is not None:
            self._misses += 1
            self._pause = PAUSE if self._misses > 1 else 0
        if left is not None:
            self._rest.take_over(assigned, left)

    def _loop(self, assigned: AssignedPartition, until: float, done: LoopTally) -> Handover | None:
        """Run the loop; return an execution that it could not bring to its end."""
        fixed, current, monotonic = self._constants, self._current, self._clock.monotonic
        program, payload_limit, allowed = fixed.program, fixed.payload_limit, fixed.meter.shortcut_bytes
        result_limit = min(payload_limit, self._sink.limit_of(fixed.topic) - fixed.headers_room)
        call, waiting, carry, tracer = current.call, assigned.waiting, fixed.carry, fixed.tracer
        segments = program.segments
        enter = segments.enter[program.scope.start]
        sampled, slow = (0, STEP_SECONDS) if tracer is None else (tracer.threshold, min(tracer.slow, STEP_SECONDS))
        done.began = done.ended = now = monotonic()
        shift = current.shift = self._clock.wall() - now
        current.naming = assigned.naming
        put, done.close = writer(assigned, fixed.topic, self._sink, int((now + shift) * 1000))
        note, count, move, write = (row.append for row in (done.stamps, done.packs, done.moved, done.written))
        for record in assigned.held:
            if now >= until:
                break
            key, value, offset = record.key, record.value, record.offset
            headers = record.headers
            if (headers or waiting or (key and len(key) > KEY_LIMIT)) and self._is_special(assigned, record):
                break
            if sampled and offset * GOLDEN & MASK < sampled:
                break
            try:
                data = admit(value, payload_limit)
            except Rejected:  # by the dispatcher
                break
            size = len(value)  # type: ignore[arg-type]  # what has none is not admitted
            trace, more = carry(headers) if headers else NOTHING_CARRIED
            current.offset, current.began, current.trace, current.caller = offset, now, trace, None
            point = enter(data, FIRST, NOTHING, 5 * size, call)
            if point[0] != END:
                point = drive(program, segments, point, call)
            try:
                text = dumps(point[1]) if point[0] == END else b""
            except TypeError:  # it can't be written: no result of this way
                text = b""
            end = monotonic()
            size += len(text)
            if not 0 < len(text) <= result_limit or end - now > slow or size > allowed:
                return Handover(record, data, current.identity().whole(), now, point, current.calling())
            put(offset, key, text, int((end + shift) * 1000), more)
            note(record.timestamp)
            count(point[2])
            move(size)
            write(len(text))
            if end - now > QUICK_SECONDS:
                done.slow.append(end - now)
            done.ended = now = end
        return None

    def _is_special(self, assigned: AssignedPartition, record: ConsumedRecord) -> bool:
        """Return whether a record can't be read, has a long key, or waits behind another."""
        long = len(record.key or b"") > KEY_LIMIT
        return long or type(record) is Unreadable or self._constants.order(record) in assigned.waiting

    def _enter(self, assigned: AssignedPartition, done: LoopTally, left: int) -> None:
        """Take what was finished off the partition, count it and note its offsets; `left`: one more is taken off."""
        done.close()
        held, count = assigned.held, len(done.stamps)
        if count:
            for _ in range(count - 1):
                held.popleft()
            assigned.tracker.passed(held.popleft().offset)
            meter = self._constants.meter
            meter.counters.output_bytes += sum(done.written)
            made = transitions((END, None, sum(done.packs)))
            meter.ended_at_once(count, sum(done.moved), done.ended - done.began, done.slow, made)
            self._rest.passed(done.stamps)
        for _ in range(left):
            held.popleft()
