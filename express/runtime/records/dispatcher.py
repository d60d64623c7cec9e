"""From a record to its terminal record: check, run, and write the result where the next flush takes it.

Each record is run to its end, or to where it waits, before the next one is looked at: parsing 500, then
running 500, then writing 500 costs nearly three times as much (kafka.md §3.2).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial

from express.engine import About, Execution, History
from express.engine.effects import Finish
from express.engine.program import END, cap
from express.engine.segments import Ended, Point, ended
from express.errors import DATA_LIMIT_EXCEEDED, RUNTIME
from express.metering import DURATION_STEP_MS, MEMORY_STEP_MB, billed_duration_ms
from express.ports import GOLDEN, MASK, Clock, ConsumedRecord, Partition, Record, Sink, Unreadable
from express.runtime.counters import Counters
from express.runtime.drain.admission import Admission
from express.runtime.drain.assignment import ORDER_KEYS, AssignedPartition, InFlight
from express.runtime.drain.pipeline import Pipeline
from express.runtime.executor.executor import Done, Executor, Run, TaskCaller
from express.runtime.executor.run import around
from express.runtime.executor.suspended import TOO_LATE
from express.runtime.records.fast_path import FastPath, PipelineConstants
from express.runtime.records.headers import Carrier
from express.runtime.records.json_input import OVERSIZE, POISON, Rejected, admit, heap_bytes
from express.runtime.records.terminal_record import (
    HEADERS_ROOM,
    OWN_HEADERS_ROOM,
    DeadLetter,
    dead_letter_headers,
    record_bytes,
    without_headers,
    without_value,
)
from express.values import JSON, dumps

WAITING_PER_TURN = 16
"""How many records of one key that waited are run before the loop has its turn."""


class Dispatcher(ABC):
    """Runs the records of one pipeline. `wake` is called when something is there to be flushed or has ended.

    Here is the short way, for records that are a value and nothing else. Those with headers, and those of pipelines
    that look at more than the value, take `_run_with_headers` (`runtime.routed`).
    """

    def __init__(
        self,
        pipeline: Pipeline,
        executor: Executor,
        sink: Sink,
        clock: Clock,
        counters: Counters,
        wake: Callable[[], None],
    ) -> None:
        workflow = pipeline.workflow
        self._pipeline = pipeline
        self._executor = executor
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._wake = wake
        self._attached = pipeline.attached
        self._tracer = pipeline.tracer
        self._program = workflow.program
        self._machine_arn = workflow.arn
        self._memory = workflow.memory
        self._width = workflow.program.width
        self._holders = self._width.holders
        self._order = ORDER_KEYS[pipeline.ordering]
        self._limit = pipeline.payload_limit
        self.room = Admission(pipeline.concurrency, pipeline.heap_bytes, counters)
        self.stamps: list[int] = []
        self.through = self._through(clock)
        """The loop for what is straightforward; None where nothing is."""

    def take(self, lane: AssignedPartition, record: ConsumedRecord) -> None:
        """Run a record that was just tracked, or let it wait behind an earlier one of its order key."""
        if type(record) is Unreadable:
            self._reject(lane, record, Rejected(POISON, RUNTIME, f"The record can't be read: {record.why}"))
            return
        order = self._order(record)
        if order is None or order not in lane.waiting:
            self._run(lane, record, order)
            return
        records = lane.waiting[order]
        if records is None:
            records = lane.waiting[order] = deque()
        records.append((record, self._clock.monotonic()))
        self._counters.waiting += 1
        self.room.enter(len(record.value or b""))

    def waited(self, since: float) -> None:
        """A record is started that was polled, or set back behind another of its key, at `since`."""
        self._counters.admission_ms.add((self._clock.monotonic() - since) * 1000)

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
        """Go on with a record that was begun by `through`, from where its segments have left it."""
        lane.tracker.track(record.offset)
        self._counters.started += 1
        size = len(record.value or b"")
        if point[0] == END:
            over = ended(about, began, point)
            if call.deadline is not None and self._clock.monotonic() >= call.deadline:
                over.finished = TOO_LATE
            self._emit(lane, over, record.offset, record.timestamp, record.key, size)
            return
        x, run = self._executor.go_on(
            self._program, data, about, self._ended, began, self._pipeline.time_limit, point, call
        )
        if run is None:
            self._emit(lane, x, record.offset, record.timestamp, record.key, size)
        else:
            self._wait(lane, run, record, self._order(record))

    def skip(self) -> None:
        """A record was polled that had finished before the restart."""
        self._counters.skipped += 1

    def take_stamps(self) -> list[int]:
        """The timestamps of the records whose terminal records were appended since the last call."""
        stamps, self.stamps = self.stamps, []
        return stamps

    def drop(self, lane: AssignedPartition) -> None:
        """Give up what a lane still runs: no terminal record; whoever has the partition next replays it."""
        lane.live = False
        self.forget_waiting(lane)
        for run in lane.runs:
            self._executor.drop(run)
            if self._attached is not None:
                self._attached.forget(run.x.about.account, self._executor)
            self.room.leave(run.item.heap)
            _release(run.x)
        self._counters.aborted += len(lane.runs)
        self._counters.abandoned += len(lane.runs)
        lane.runs.clear()

    def forget_waiting(self, lane: AssignedPartition) -> None:
        """Let no waiting record of a lane start any more."""
        lane.dispatching = False
        lane.held.clear()
        for order, records in lane.waiting.items():
            for record, _ in records or ():
                self._counters.waiting -= 1
                self.room.leave(len(record.value or b""))
            lane.waiting[order] = None

    # One execution ----------------------------------------------------------------------------------

    @abstractmethod
    def _run_with_headers(self, lane: AssignedPartition, record: ConsumedRecord, order: bytes | None) -> None:
        """The same as `_run` for a record with headers."""

    def _through(self, clock: Clock) -> FastPath | None:
        segments, workflow = self._program.segments, self._pipeline.workflow
        special = type(self)._run is not Dispatcher._run or self._attached is not None
        if special or segments is None or segments.enter[self._program.scope.start] is None:
            return None
        seconds = cap(self._program, self._pipeline.time_limit, 0.0)
        copied = self._pipeline.copy_headers
        room = HEADERS_ROOM if copied else OWN_HEADERS_ROOM
        about = About(role_arn=workflow.role_arn, state_machine_arn=workflow.arn, state_machine_name=workflow.name)
        fixed = PipelineConstants(
            self._program, about, workflow.memory, self._holders, seconds, self._limit, room, self._pipeline.output
        )
        return FastPath(
            self, fixed, self._executor, self._sink, clock, self._counters, self._order, Carrier(copied), self._tracer
        )

    def _run(self, lane: AssignedPartition, record: ConsumedRecord, order: bytes | None) -> None:
        if record.headers:
            self._run_with_headers(lane, record, order)
            return
        value = record.value
        offset = record.offset
        try:
            data = admit(value, self._limit)
        except Rejected as rejected:
            self._reject(lane, record, rejected)
            return
        assert value is not None
        size = len(value)
        naming = lane.naming
        started = self._clock.wall()
        workflow = self._pipeline.workflow
        arn, name, role = naming.arn(offset), naming.name(offset), workflow.role_arn
        if self._attached is None:
            about = About(arn, name, role, self._machine_arn, workflow.name, started)
        else:
            account = self._attached.open(lane.partition, self._sink)
            about = About(arn, name, role, self._machine_arn, workflow.name, started, account=account)
        self._counters.started += 1
        x, run = self._executor.submit(
            self._program,
            data,
            about,
            self._ended,
            limit=self._pipeline.time_limit,
            size=size,
            history=self._record(offset),
        )
        if run is None and self._attached is not None:
            run = self._kept(x, self._ended)
        if run is None:
            self._emit(lane, x, offset, record.timestamp, record.key, size)
        else:
            self._wait(lane, run, record, order)

    def _record(self, offset: int) -> History | None:
        """A history for executions that are to be traces whatever becomes of them."""
        tracer = self._tracer
        wanted = tracer is not None and offset * GOLDEN & MASK < tracer.threshold
        return History(self.room.grow) if wanted else None

    def _trace(self, x: Execution | Ended, finish: Finish, seconds: float, partition: Partition, offset: int) -> None:
        """Hand an ended execution to the tracer if it is one to be told."""
        tracer = self._tracer
        assert tracer is not None, "the caller has looked"
        history = _release(x)
        if history is not None or finish.status != "SUCCEEDED" or seconds > tracer.slow:
            tracer.ended(x.about, finish, seconds, history, partition, offset)

    def _wait(self, lane: AssignedPartition, run: Run, record: ConsumedRecord, order: bytes | None) -> None:
        """An execution waits: note whose it is, and what waits behind it."""
        value = record.value or b""
        heap = heap_bytes(value, self._width)
        run.item = InFlight(lane, record.offset, record.timestamp, record.key, len(value), heap, order)
        lane.runs.add(run)
        self.room.enter(heap)
        if order is not None:
            lane.waiting.setdefault(order)

    def _ended(self, run: Run, finish: Finish) -> None:
        """An execution that waited is over."""
        if self._is_kept(run, finish, self._ended):
            return
        job: InFlight = run.item
        lane = job.lane
        lane.runs.discard(run)
        self.room.leave(job.heap)
        self._emit(lane, run.x, job.offset, job.timestamp, job.key, job.size)
        if job.order is not None:
            self._run_waiting(lane, job.order)
        self._wake()

    def _kept(self, x: Execution | Ended, ended: Done) -> Run | None:
        """A run for an execution that ended at once while executions it has started still run; None if none does."""
        run = around(x, ended, None)
        assert x.finished is not None
        return run if self._is_kept(run, x.finished, ended) else None

    def _is_kept(self, run: Run, finish: Finish, ended: Done) -> bool:
        """Whether an ended execution waits for those that it has started."""
        if self._attached is None:
            return False
        return self._attached.wait(run.x.about.account, partial(ended, run, finish))

    def _run_waiting(self, lane: AssignedPartition, order: bytes) -> None:
        """Run what waits behind an execution that has ended, until one of them waits itself."""
        for _ in range(WAITING_PER_TURN):
            records = lane.waiting[order]
            if not records:
                del lane.waiting[order]
                return
            record, since = records.popleft()
            self._counters.waiting -= 1
            self.waited(since)
            self.room.leave(len(record.value or b""))
            before = len(lane.runs)
            self._run(lane, record, order)
            if len(lane.runs) > before:
                return
        asyncio.get_running_loop().call_soon(self._go_on_waiting, lane, order)

    def _go_on_waiting(self, lane: AssignedPartition, order: bytes) -> None:
        self._run_waiting(lane, order)
        self._wake()

    # Terminal records -------------------------------------------------------------------------------

    def _emit(
        self, lane: AssignedPartition, x: Execution | Ended, offset: int, timestamp: int, key: bytes | None, size: int
    ) -> None:
        """Write the result of an execution that has ended."""
        finish, value = result_of(x, self._limit)
        counters = self._counters
        about = x.about
        elapsed = self._clock.monotonic() - x.started
        stopped = about.started + elapsed  # not the wall clock, which may have been set in between
        used = self._memory + (size + len(value)) * self._holders
        billed = bill(elapsed, used, counters)
        counters.totals.add(*billed, x.transitions)
        counters.memory_used_bytes += used
        counters.execution_ms.add(elapsed * 1000)
        if finish.status == "SUCCEEDED":
            counters.succeeded += 1
        else:
            counters.count_failure(finish.status)
        stopped_ms = int(stopped * 1000)
        arn = about.execution_arn
        if self._attached is not None:
            self._attached.write(about.account, stopped_ms)
        headers = lane.naming.result_headers(offset, arn, finish, int(about.started * 1000), stopped_ms, billed)
        if self._tracer is not None:
            self._trace(x, finish, elapsed, lane.partition, offset)
        limit = self._sink.limit_of(self._pipeline.output)
        if len(value) + len(key or b"") + OWN_HEADERS_ROOM > limit and record_bytes(key, value, headers) > limit:
            self._refuse_result(lane, Record(*lane.partition, offset, timestamp, key, None), len(value))
            return
        counters.output_bytes += len(value)
        self._sink.append(self._pipeline.output, lane.partition, stopped_ms, key, value, headers)
        self._finished(lane, offset, timestamp)

    def _refuse_result(
        self, lane: AssignedPartition, record: Record, size: int, arn: str = "", machine: str = ""
    ) -> None:
        """The result is too large for its topic: a dead letter without a value leads to the input."""
        self._counters.unwritable += 1
        most = self._sink.limit_of(self._pipeline.output)
        cause = f"The result has {size} bytes; a record of its topic may have {most}."
        self._dead_letter(lane, record, "produce", OVERSIZE, DATA_LIMIT_EXCEEDED, cause, arn, machine, absent=True)

    def _reject(self, lane: AssignedPartition, record: ConsumedRecord, rejected: Rejected) -> None:
        """No execution can be started with this record."""
        if rejected.disposition == POISON:
            self._counters.poison += 1
        else:
            self._counters.oversize += 1
        stage = "deserialize" if rejected.disposition == POISON else "validate"
        self._dead_letter(lane, record, stage, rejected.disposition, rejected.error, rejected.cause)
        self._wake()

    def _dead_letter(
        self,
        lane: AssignedPartition,
        record: ConsumedRecord,
        stage: str,
        disposition: str,
        error: str,
        cause: str,
        arn: str = "",
        machine: str = "",
        *,
        absent: bool = False,
    ) -> None:
        """`absent`: the value of the record is not at hand any more."""
        letter = DeadLetter(
            stage=stage,
            disposition=disposition,
            error=error,
            cause=cause,
            arn=arn or lane.naming.arn(record.offset),
            state_machine_arn=machine or self._machine_arn,
            worker=self._pipeline.worker,
        )
        cut = type(record) is Unreadable  # what value there is, is not the record's: whoever compares shall know
        headers = dead_letter_headers(lane.partition, record, letter, truncated=cut)
        key, value = record.key, record.value
        topic, now = self._pipeline.dead_letters, int(self._clock.wall() * 1000)
        limit = self._sink.limit_of(topic)
        if absent or record_bytes(key, value, headers) > limit:
            headers, value = without_value(headers, value), None
            if record_bytes(key, value, headers) > limit:
                headers, key = without_headers(headers, key), None
        self._sink.append(topic, lane.partition, now, key, value, headers)
        self._finished(lane, record.offset, record.timestamp)

    def _finished(self, lane: AssignedPartition, offset: int, timestamp: int) -> None:
        lane.tracker.finish(offset)
        self.stamps.append(timestamp)


def result_of(x: Execution | Ended, limit: int) -> tuple[Finish, bytes]:
    """How an execution ended, and the value of its result. An output that can't be written is a failure."""
    finish = x.finished
    assert finish is not None
    if finish.status == "SUCCEEDED":
        try:
            value = dumps(finish.output)
        except TypeError as error:
            finish = Finish("FAILED", error=RUNTIME, cause=f"The output can't be written as JSON: {error}")
        else:
            if len(value) <= limit:
                return finish, value
            cause = f"The output has {len(value)} bytes, which exceeds the maximum of {limit} bytes."
            finish = Finish("FAILED", error=DATA_LIMIT_EXCEEDED, cause=cause)
    return finish, dumps({"Error": _clean(finish.error), "Cause": _clean(finish.cause)})


def bill(elapsed: float, used: int, counters: Counters) -> tuple[int, int]:
    """Milliseconds and MB that are charged; most executions are within the first step of both."""
    ms = DURATION_STEP_MS if elapsed <= DURATION_STEP_MS / 1000 else billed_duration_ms(elapsed)
    mb = MEMORY_STEP_MB if used <= MEMORY_STEP_MB * 1_000_000 else counters.count_memory(used)
    return ms, mb


def _release(x: Execution | Ended) -> History | None:
    """The history of an execution that is over, no longer counted as in flight."""
    history = x.history if isinstance(x, Execution) else None
    if history is not None:
        history.release()
    return history


def _clean(text: str | None) -> str | None:
    """`text` with lone surrogates, which no UTF-8 can hold, written out."""
    return text if text is None else text.encode("utf-8", "backslashreplace").decode()
