"""The long way from a record to its terminal record: records with headers, and inputs that are more than a value.

A record without headers, in a pipeline whose input is the plain value, never comes here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from express.engine import About, Execution
from express.engine.effects import Finish
from express.engine.program import END
from express.engine.segments import Ended, Point, ended
from express.ports import Clock, ConsumedRecord, Record, Sink
from express.runtime.counters import Counters
from express.runtime.drain.assignment import AssignedPartition
from express.runtime.drain.pipeline import Pipeline
from express.runtime.executor.executor import Executor, Run, TaskCaller
from express.runtime.records import cloudevents
from express.runtime.records.dispatcher import Dispatcher, bill, result_of
from express.runtime.records.envelope import opener
from express.runtime.records.headers import NOTHING, TRACEPARENT, TRACESTATE, Carried, Carrier, trace, trace_headers
from express.runtime.records.json_input import Rejected, heap_bytes
from express.runtime.records.routing import Machine, Router
from express.runtime.records.terminal_record import HEADERS_ROOM, Naming, record_bytes
from express.values import JSON


class RoutedJob(NamedTuple):
    """What is remembered of a record while its execution runs: as `lane.Job`, and what its headers said."""

    lane: AssignedPartition
    offset: int
    timestamp: int
    key: bytes | None
    size: int
    heap: int
    order: bytes | None
    machine: Machine
    naming: Naming
    carried: Carried


class RoutedDispatcher(Dispatcher):
    """A dispatcher that knows the long way, too."""

    def __init__(
        self,
        pipeline: Pipeline,
        executor: Executor,
        sink: Sink,
        clock: Clock,
        counters: Counters,
        wake: Callable[[], None],
    ) -> None:
        super().__init__(pipeline, executor, sink, clock, counters, wake)
        self.router = Router(pipeline, self._counters)
        self._carry = Carrier(pipeline.copy_headers)
        self._open = opener(pipeline.envelope, pipeline.payload_limit, pipeline.bootstrap_servers)
        self._named_by_event = pipeline.execution_name == "event"

    @property
    def machines(self) -> dict[str, Counters]:
        """The further workflows of the pipeline, and what each of them counts."""
        return {machine.name: machine.counters for machine in self.router.machines[1:]}

    def drop(self, lane: AssignedPartition) -> None:
        """As it is; what further workflows started is theirs to have aborted."""
        for run in lane.runs:
            machine = getattr(run.item, "machine", self.router.default)
            if machine is not self.router.default:
                for counters, change in ((machine.counters, 1), (self._counters, -1)):
                    counters.aborted += change
                    counters.abandoned += change
        super().drop(lane)

    def _run_with_headers(self, lane: AssignedPartition, record: ConsumedRecord, order: bytes | None) -> None:
        try:
            machine = self.router.choose(record.headers)
            data, text = self._open(lane.partition, record)
        except Rejected as rejected:
            self._reject(lane, record, rejected)
            return
        carried = self._carried(record, data)
        naming = lane.naming if machine is self.router.default else machine.naming(lane.partition)
        account = 0 if self._attached is None else self._attached.open(lane.partition, self._sink)
        name, arn = self._name(machine, naming, record, data)
        started = self._clock.wall()
        about = About(
            arn, name, machine.role_arn, machine.arn, machine.name, started, trace=carried.trace, account=account
        )
        machine.counters.started += 1
        size = len(text)
        job = RoutedJob(
            lane,
            record.offset,
            record.timestamp,
            record.key,
            size,
            heap_bytes(text, machine.program.width),
            order,
            machine,
            naming,
            carried,
        )
        x, run = self._executor.submit(
            machine.program,
            data,
            about,
            self._ended_routed,
            job,
            limit=self._pipeline.time_limit,
            size=size,
            history=self._record(record.offset),
        )
        if run is None and self._attached is not None:
            run = self._kept(x, self._ended_routed)
            if run is not None:
                run.item = job
        self._begun(job, x, run)

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
        """As it is; what goes on of the record's headers goes on here too."""
        carried = self._carry(record.headers) if record.headers else NOTHING
        if carried is NOTHING:
            super().take_over(lane, record, data, about, began, point, call)
            return
        lane.tracker.track(record.offset)
        self._counters.started += 1
        machine, value = self.router.default, record.value or b""
        heap, order = heap_bytes(value, self._width), self._order(record)
        job = RoutedJob(
            lane, record.offset, record.timestamp, record.key, len(value), heap, order, machine, lane.naming, carried
        )
        if point[0] == END:
            self._emit_routed(job, ended(about, began, point))
            return
        limit = self._pipeline.time_limit
        self._begun(
            job, *self._executor.go_on(self._program, data, about, self._ended_routed, began, limit, point, call, job)
        )

    def _begun(self, job: RoutedJob, x: Execution | Ended, run: Run | None) -> None:
        """Write the result of an execution that has ended; note whose it is if it waits, and what waits behind it."""
        if run is None:
            self._emit_routed(job, x)
            return
        job.lane.runs.add(run)
        self.room.enter(job.heap)
        if job.order is not None:
            job.lane.waiting.setdefault(job.order)

    def _carried(self, record: ConsumedRecord, data: JSON) -> Carried:
        """What goes on of the headers; a CloudEvent may have its trace context among its attributes."""
        carried = self._carry(record.headers)
        if carried.trace is None and self._pipeline.envelope == "cloudevents" and TRACEPARENT in data:
            found = trace(str(data[TRACEPARENT]).encode(), str(data.get(TRACESTATE, "")).encode())
            if found is not None:
                return Carried(found, (*trace_headers(found), *carried.headers))
        return carried

    def _name(self, machine: Machine, naming: Naming, record: ConsumedRecord, data: JSON) -> tuple[str, str]:
        """Name and ARN of an execution. Records that hold the same event share them where the event decides."""
        if self._named_by_event:
            return machine.event_arn(data["source"], data["id"])
        return naming.name(record.offset), naming.arn(record.offset)

    def _ended_routed(self, run: Run, finish: Finish) -> None:
        """An execution that waited is over."""
        if self._is_kept(run, finish, self._ended_routed):
            return
        job: RoutedJob = run.item
        job.lane.runs.discard(run)
        self.room.leave(job.heap)
        self._emit_routed(job, run.x)
        if job.order is not None:
            self._run_waiting(job.lane, job.order)
        self._wake()

    def _emit_routed(self, job: RoutedJob, x: Execution | Ended) -> None:
        """Write the result of an execution that has ended."""
        finish, value = result_of(x, self._limit)
        about = x.about
        elapsed = self._clock.monotonic() - x.started
        stopped = about.started + elapsed
        billed = self._count(job, finish, x.transitions, len(value), elapsed)
        stopped_ms = int(stopped * 1000)
        arn = about.execution_arn
        if self._attached is not None:
            self._attached.write(about.account, stopped_ms)
        headers = job.naming.result_headers(job.offset, arn, finish, int(about.started * 1000), stopped_ms, billed)
        headers += job.carried.headers
        if self._tracer is not None:
            self._trace(x, finish, elapsed, job.lane.partition, job.offset)
        value, more = self._formed(job, finish, arn, stopped_ms, value)
        headers += more
        self._write(job, arn, stopped_ms, value, headers)

    def _count(self, job: RoutedJob, finish: Finish, transitions: int, written: int, elapsed: float) -> tuple[int, int]:
        """Count an execution that has ended for its machine; what it is billed."""
        counters = job.machine.counters
        used = job.machine.memory + (job.size + written) * job.machine.program.width.holders
        billed = bill(elapsed, used, counters)
        counters.totals.add(*billed, transitions)
        counters.memory_used_bytes += used
        counters.execution_ms.add(elapsed * 1000)
        if finish.status == "SUCCEEDED":
            counters.succeeded += 1
        else:
            counters.count_failure(finish.status)
        return billed

    def _formed(
        self, job: RoutedJob, finish: Finish, arn: str, stopped_ms: int, value: bytes
    ) -> tuple[bytes, list[tuple[str, bytes]]]:
        """The result in the form that the pipeline is to have, and what headers belong to it."""
        mode = self._pipeline.cloudevents
        if mode == "off":
            return value, []
        attributes = cloudevents.result_attributes(arn, job.machine.arn, finish.status, stopped_ms)
        return cloudevents.write_result(mode, attributes, value, job.carried.trace)

    def _write(self, job: RoutedJob, arn: str, stopped_ms: int, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        lane = job.lane
        limit, key_size = self._sink.limit_of(self._pipeline.output), len(job.key or b"")
        if len(value) + key_size + HEADERS_ROOM > limit and record_bytes(job.key, value, headers) > limit:
            record = Record(*lane.partition, job.offset, job.timestamp, job.key, None, job.carried.headers)
            self._refuse_result(lane, record, len(value), arn, job.machine.arn)
            return
        self._counters.output_bytes += len(value)
        self._sink.append(self._pipeline.output, lane.partition, stopped_ms, job.key, value, headers)
        self._finished(lane, job.offset, job.timestamp)


class OpeningDispatcher(RoutedDispatcher):
    """For pipelines that take every record the long way."""

    _run = RoutedDispatcher._run_with_headers


def dispatcher_kind(pipeline: Pipeline) -> type[RoutedDispatcher]:
    """The dispatcher of a pipeline. Decided once: what a pipeline does not use costs its records nothing."""
    special = pipeline.envelope != "value" or pipeline.workflow_header or pipeline.cloudevents != "off"
    return OpeningDispatcher if special else RoutedDispatcher
