"""The short way of a record: from its bytes to its result in one loop, as long as nothing is in the way.

It is for executions on the generated segments that succeed without waiting, of records whose value is the input.
Whatever is different ends the loop: before anything was done for the record, or handed to the dispatcher at the point
where it stands. So everything else has one way only. What the loop counts is entered when it ends; nobody can have
looked in between, for it does not give way.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from express.engine import About, Program
from express.engine.program import END, Row
from express.engine.segments import FIRST, NOTHING, Call, Point, drive, transitions
from express.metering import DURATION_STEP_MS, MEMORY_STEP_MB
from express.ports import GOLDEN, MASK, QUICK_SECONDS, Clock, ConsumedRecord, Direct, Sink, Tracing, Unreadable
from express.runtime.counters import Counters
from express.runtime.drain.assignment import AssignedPartition, OrderKey
from express.runtime.executor.executor import Executor
from express.runtime.executor.task_calls import JSON_TYPES, TaskCaller
from express.runtime.records.headers import NOTHING as NOTHING_CARRIED
from express.runtime.records.headers import Carrier, Trace
from express.runtime.records.json_input import Rejected, admit
from express.runtime.records.result_batch import BILLED, writer
from express.runtime.records.terminal_record import Naming
from express.values import JSON, dumps

STEP_SECONDS = DURATION_STEP_MS / 1000
STEP_BYTES = MEMORY_STEP_MB * 1_000_000

KEY_LIMIT = 1_024
"""Records with longer keys take the long way, where the size of a result is looked at more closely."""


class LazyAbout(msgspec.Struct, gc=False):
    """Who an execution is, told only when somebody asks: an `About` that is mostly never made."""

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
        """Nobody's: attached executions take the long way."""
        return self.machine.account

    def whole(self) -> About:
        """All there is to be told."""
        arn, name = self.naming.arn(self.offset), self.naming.name(self.offset)
        return msgspec.structs.replace(
            self.machine, execution_arn=arn, name=name, started=self.started, trace=self.trace
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole(), name)


class PipelineConstants(NamedTuple):
    """What is the same for all executions of a pipeline. `about` is what they have in common."""

    program: Program
    about: About
    memory: int
    holders: int
    seconds: float | None
    payload_limit: int
    headers_room: int
    topic: str


PAUSE = 15
"""How many records take the long way, which begins faster, once the loop has ended twice at its first: where every
execution waits for a handler there is nothing for it to do."""


class Takeover(Protocol):
    """Who does everything else: the dispatcher."""

    stamps: list[int]

    def take_over(
        self,
        lane: AssignedPartition,
        record: ConsumedRecord,
        data: JSON,
        about: About,
        began: float,
        point: Point,
        call: TaskCaller,
    ) -> None:
        """Go on with an execution from where its segments have left it."""


class CurrentRecord:
    """The record that the loop is at, and the calls of its execution.

    `caller` makes those that are not straightforward, and is who goes on with the execution later; None as long as
    there was none.
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

    def seat(self) -> LazyAbout:
        """Who the execution is."""
        return LazyAbout(self.naming, self.offset, self.began + self.shift, self._about, self.trace)

    def calling(self) -> TaskCaller:
        """The `caller`, now needed."""
        if self.caller is None:
            deadline = None if self._seconds is None else self.began + self._seconds
            self.caller = self._executor.caller(cast(About, self.seat()), deadline)
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
            seat = LazyAbout(self.naming, self.offset, began + self.shift, about, self.trace)
            try:
                output = direct(payload, (row, counts, seat, None if seconds is None else began + seconds))
            except (Exception, SystemExit, CancelledError) as error:
                return self.calling().raised(error, row, payload, counts)
            if type(output) in JSON_TYPES:
                return output
            return self.calling().taken(cast("Awaitable[JSON]", output), row, payload, counts)

        return call


class LoopTally:
    """What one run of the loop has finished. `slow` are the seconds of those that took more than QUICK_SECONDS."""

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
        self,
        rest: Takeover,
        fixed: PipelineConstants,
        executor: Executor,
        sink: Sink,
        clock: Clock,
        counters: Counters,
        order: OrderKey,
        carry: Carrier,
        tracer: Tracing | None = None,
    ) -> None:
        """`carry` says what goes on of a record's headers.

        `tracer`: executions that it samples, and the slowest, are not for the short way.
        """
        self._rest = rest
        self._tracer = tracer
        self._fixed = fixed
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._order = order
        self._carry = carry
        self._misses = self._pause = 0
        self._turn = CurrentRecord(executor, fixed.about, fixed.seconds)
        self._allowed = (STEP_BYTES - fixed.memory) // fixed.holders
        """Bytes of input and result that still make an execution of the least memory that is billed."""

    def run(self, lane: AssignedPartition, until: float) -> None:
        """Finish held records of a lane until there are none, time is up, or one is not straightforward."""
        if self._pause:
            self._pause -= 1
            return
        if lane.tracker.resuming:
            return
        done = LoopTally()
        left: tuple[Any, ...] | None = None
        try:
            left = self._loop(lane, until, done)
        finally:
            self._enter(lane, done, 0 if left is None else 1)
        if done.stamps:
            self._misses = 0
        elif left is not None:
            self._misses += 1
            self._pause = PAUSE if self._misses > 1 else 0
        if left is not None:
            self._rest.take_over(lane, *left)

    def _loop(self, lane: AssignedPartition, until: float, done: LoopTally) -> tuple[Any, ...] | None:
        """The loop; an execution that it could not bring to its end."""
        fixed = self._fixed
        program, payload_limit = fixed.program, fixed.payload_limit
        result_limit = min(payload_limit, self._sink.limit_of(fixed.topic) - fixed.headers_room)
        turn, call, monotonic, allowed = self._turn, self._turn.call, self._clock.monotonic, self._allowed
        waiting, carry, tracer = lane.waiting, self._carry, self._tracer
        segments = program.segments
        enter = segments.enter[program.scope.start]
        sampled, slow = (0, STEP_SECONDS) if tracer is None else (tracer.threshold, min(tracer.slow, STEP_SECONDS))
        done.began = done.ended = now = monotonic()
        shift = turn.shift = self._clock.wall() - now
        turn.naming = lane.naming
        put, done.close = writer(lane, fixed.topic, self._sink, int((now + shift) * 1000))
        note, count, move, write = (row.append for row in (done.stamps, done.packs, done.moved, done.written))
        for record in lane.held:
            if now >= until:
                break
            key, value, offset = record.key, record.value, record.offset
            headers = record.headers
            if (headers or waiting or (key and len(key) > KEY_LIMIT)) and self._is_special(lane, record):
                break
            if sampled and offset * GOLDEN & MASK < sampled:
                break
            try:
                data = admit(value, payload_limit)
            except Rejected:  # by the dispatcher
                break
            size = len(value)  # type: ignore[arg-type]  # what has none is not admitted
            trace, more = carry(headers) if headers else NOTHING_CARRIED
            turn.offset, turn.began, turn.trace, turn.caller = offset, now, trace, None
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
                return record, data, turn.seat().whole(), now, point, turn.calling()
            put(offset, key, text, int((end + shift) * 1000), more)
            note(record.timestamp)
            count(point[2])
            move(size)
            write(len(text))
            if end - now > QUICK_SECONDS:
                done.slow.append(end - now)
            done.ended = now = end
        return None

    def _is_special(self, lane: AssignedPartition, record: ConsumedRecord) -> bool:
        """Whether a record can't be read, has a long key, or waits behind another."""
        long = len(record.key or b"") > KEY_LIMIT
        return long or type(record) is Unreadable or self._order(record) in lane.waiting

    def _enter(self, lane: AssignedPartition, done: LoopTally, left: int) -> None:
        """Take what was finished off the lane, count it and note its offsets; `left`: one more is taken off."""
        done.close()
        held, count, counters, fixed = lane.held, len(done.stamps), self._counters, self._fixed
        if count:
            for _ in range(count - 1):
                held.popleft()
            lane.tracker.passed(held.popleft().offset)
            counters.started += count
            counters.succeeded += count
            counters.memory_used_bytes += count * fixed.memory + sum(done.moved) * fixed.holders
            counters.output_bytes += sum(done.written)
            counters.execution_ms.add_quick(count - len(done.slow), (done.ended - done.began - sum(done.slow)) * 1000)
            for seconds in done.slow:
                counters.execution_ms.add(seconds * 1000)
            counters.totals.add_many(count, *BILLED, transitions((END, None, sum(done.packs))))
            self._rest.stamps += done.stamps
        for _ in range(left):
            held.popleft()
