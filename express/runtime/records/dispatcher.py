"""From a record to its terminal record: check, run, and write the result where the next flush takes it.

Each record is run to its end, or to where it waits, before the next one is looked at: parsing 500, then running 500,
then writing 500 costs nearly three times as much. What needs neither headers nor waiting takes the `FastPath`; all
else is here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from express.engine import About, Execution, History
from express.engine.effects import Finish
from express.engine.program import END, cap, lasted
from express.engine.segments import Ended, ended
from express.errors import RUNTIME
from express.ports import GOLDEN, MASK, Clock, ConsumedRecord, Sink, Unreadable
from express.runtime.counters import Counters
from express.runtime.drain.admission import Admission
from express.runtime.drain.assignment import ORDER_KEYS, AssignedPartition
from express.runtime.drain.pipeline import Pipeline
from express.runtime.executor.executor import Executor, Run
from express.runtime.executor.run import around
from express.runtime.executor.suspended import TOO_LATE
from express.runtime.records.envelope import opener
from express.runtime.records.fast_path import FastPath, Handover, PipelineConstants
from express.runtime.records.headers import NOTHING, TRACEPARENT, TRACESTATE, Carried, Carrier, trace, trace_headers
from express.runtime.records.in_flight import InFlight
from express.runtime.records.json_input import POISON, Rejected, admit, heap_bytes
from express.runtime.records.routing import Machine, Router
from express.runtime.records.terminal_record import HEADERS_ROOM, OWN_HEADERS_ROOM, Naming
from express.runtime.records.terminal_writer import TerminalWriter, result_of
from express.values import JSON

WAITING_PER_TURN = 16
"""Records of one key that waited, run before the event loop has its turn."""


class Dispatcher:
    """Runs the records of one pipeline. `wake` is called when something is there to be flushed or has ended."""

    def __init__(
        self,
        pipeline: Pipeline,
        executor: Executor,
        sink: Sink,
        clock: Clock,
        counters: Counters,
        wake: Callable[[], None],
    ) -> None:
        self._pipeline = pipeline
        self._executor = executor
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self._wake = wake
        self._attached = pipeline.attached
        self._tracer = pipeline.tracer
        self._order = ORDER_KEYS[pipeline.settings.ordering]
        self._limit = int(pipeline.settings.payload_limit)
        self._time_limit = float(pipeline.settings.time_limit)
        self._carry = Carrier(pipeline.settings.results.copy_headers)
        self._open = opener(
            pipeline.settings.input.envelope, pipeline.settings.payload_limit, pipeline.bootstrap_servers
        )
        self._always_opens = (
            pipeline.settings.input.envelope != "value"
            or bool(pipeline.settings.input.workflow_header)
            or pipeline.settings.results.cloudevents != "off"
        )
        """True if even records without headers are more than a value for the workflow of the pipeline."""
        self._named_by_event = pipeline.settings.input.execution_name == "event"
        self._router = Router(pipeline, counters)
        self._default = self._router.default
        self._writer = TerminalWriter(pipeline, sink, clock, counters)
        self.room = Admission(pipeline.settings.concurrency, pipeline.settings.memory, counters)
        self.fast_path = self._make_fast_path(clock)
        """The loop for records without surprises; None where every record has one."""

    @property
    def machines(self) -> dict[str, Counters]:
        """The further workflows of the pipeline, and what each of them counts."""
        return {machine.name: machine.counters for machine in self._router.machines[1:]}

    def _make_fast_path(self, clock: Clock) -> FastPath | None:
        program, workflow = self._default.program, self._default.workflow
        segments = program.segments
        special = self._always_opens or self._attached is not None
        if special or segments is None or segments.enter[program.scope.start] is None:
            return None
        constants = PipelineConstants(
            program=program,
            about=About(role_arn=workflow.role_arn, state_machine_arn=workflow.arn, state_machine_name=workflow.name),
            meter=self._default.meter,
            seconds=cap(program, self._time_limit, 0.0),
            payload_limit=self._limit,
            headers_room=HEADERS_ROOM if self._pipeline.settings.results.copy_headers else OWN_HEADERS_ROOM,
            topic=self._pipeline.settings.output,
            order=self._order,
            carry=self._carry,
            tracer=self._tracer,
        )
        return FastPath(self, constants, self._executor, self._sink, clock)

    # Records ----------------------------------------------------------------------------------------

    def take(self, assigned: AssignedPartition, record: ConsumedRecord) -> None:
        """Run a record that was just tracked, or let it wait behind an earlier one of its order key."""
        if type(record) is Unreadable:
            self._reject(assigned, record, Rejected(POISON, RUNTIME, f"The record can't be read: {record.why}"))
            return
        order = self._order(record)
        if order is None or order not in assigned.waiting:
            self._run(assigned, record, order)
            return
        records = assigned.waiting[order]
        if records is None:
            records = assigned.waiting[order] = deque()
        records.append((record, self._clock.monotonic()))
        self._counters.waiting += 1
        self.room.enter(len(record.value or b""))

    def waited(self, since: float) -> None:
        """A record is started that was polled, or set back behind another of its key, at `since`."""
        self._counters.admission_ms.add((self._clock.monotonic() - since) * 1000)

    def skip(self) -> None:
        """A record was polled that had finished before the restart."""
        self._counters.skipped += 1

    def take_stamps(self) -> list[int]:
        """Return the timestamps of the records whose terminal records were appended since the last call."""
        return self._writer.take_stamps()

    def passed(self, stamps: list[int]) -> None:
        """The fast path has finished records with these timestamps."""
        self._writer.stamps += stamps

    def take_over(self, assigned: AssignedPartition, left: Handover) -> None:
        """Go on with a record that the fast path has begun, from where its segments have left it."""
        record, about, point, call = left.record, left.about, left.point, left.call
        assigned.tracker.track(record.offset)
        self._counters.started += 1
        value = record.value or b""
        carried = self._carry(record.headers) if record.headers else NOTHING
        job = self._job(assigned, record, value, self._default, assigned.naming, carried, self._order(record))
        if point[0] == END:
            over = ended(about, left.began, point)
            if call.deadline is not None and self._clock.monotonic() >= call.deadline:
                over.finished = TOO_LATE
            self._emit(job, over)
            return
        limit, program = self._time_limit, self._default.program
        x, run = self._executor.go_on(program, left.data, about, self._ended, left.began, limit, point, call, job)
        self._begun(job, x, run, value)

    def drop(self, assigned: AssignedPartition) -> None:
        """Give up what a partition still runs: no terminal record; whoever has the partition next replays it."""
        assigned.live = False
        self.forget_waiting(assigned)
        for run in assigned.runs:
            self._executor.drop(run)
            if self._attached is not None:
                self._attached.forget(run.x.about.account, self._executor)
            job: InFlight = run.item
            self.room.leave(job.heap)
            job.machine.counters.aborted += 1
            job.machine.counters.abandoned += 1
            _release(run.x)
        assigned.runs.clear()

    def forget_waiting(self, assigned: AssignedPartition) -> None:
        """Let no waiting record of a partition start any more."""
        assigned.dispatching = False
        assigned.held.clear()
        for order, records in assigned.waiting.items():
            for record, _ in records or ():
                self._counters.waiting -= 1
                self.room.leave(len(record.value or b""))
            assigned.waiting[order] = None

    # One execution ----------------------------------------------------------------------------------

    def _run(self, assigned: AssignedPartition, record: ConsumedRecord, order: bytes | None) -> None:
        machine, naming, carried = self._default, assigned.naming, NOTHING
        try:
            if record.headers or self._always_opens:
                machine = self._router.choose(record.headers)
                data, text = self._open(assigned.partition, record)
                carried = self._carried(record, data)
                if machine is not self._default:
                    naming = machine.naming(assigned.partition)
            else:
                text = record.value or b""
                data = admit(record.value, self._limit)
        except Rejected as rejected:
            self._reject(assigned, record, rejected)
            return
        account = 0 if self._attached is None else self._attached.open(assigned.partition, self._sink)
        name, arn = self._name(machine, naming, record.offset, data)
        started = self._clock.wall()
        about = About(
            arn, name, machine.role_arn, machine.arn, machine.name, started, trace=carried.trace, account=account
        )
        machine.counters.started += 1
        job = self._job(assigned, record, text, machine, naming, carried, order)
        x, run = self._executor.submit(
            machine.program,
            data,
            about,
            self._ended,
            job,
            limit=self._time_limit,
            size=len(text),
            history=self._history(record.offset),
        )
        if run is None and self._attached is not None:
            run = self._waits_for_children(x, job)
        self._begun(job, x, run, text)

    def _job(
        self,
        assigned: AssignedPartition,
        record: ConsumedRecord,
        text: bytes,
        machine: Machine,
        naming: Naming,
        carried: Carried,
        order: bytes | None,
    ) -> InFlight:
        return InFlight(
            assigned, record.offset, record.timestamp, record.key, len(text), machine, naming, carried, order
        )

    def _begun(self, job: InFlight, x: Execution | Ended, run: Run | None, text: bytes) -> None:
        """Write the result of an execution that has ended; note whose it is if it waits, and what waits behind it."""
        if run is None:
            self._emit(job, x)
            return
        job.heap = heap_bytes(text, job.machine.program.width)
        job.assigned.runs.add(run)
        self.room.enter(job.heap)
        if job.order is not None:
            job.assigned.waiting.setdefault(job.order)

    def _carried(self, record: ConsumedRecord, data: JSON) -> Carried:
        """Return what goes on of the headers; a CloudEvent may have its trace context among its attributes."""
        carried = self._carry(record.headers)
        if carried.trace is None and self._pipeline.settings.input.envelope == "cloudevents" and TRACEPARENT in data:
            found = trace(str(data[TRACEPARENT]).encode(), str(data.get(TRACESTATE, "")).encode())
            if found is not None:
                return Carried(found, (*trace_headers(found), *carried.headers))
        return carried

    def _name(self, machine: Machine, naming: Naming, offset: int, data: JSON) -> tuple[str, str]:
        """Name and ARN of an execution. Records that hold the same event share them where the event decides."""
        if self._named_by_event:
            return machine.event_arn(data["source"], data["id"])
        return naming.name(offset), naming.arn(offset)

    def _history(self, offset: int) -> History | None:
        """A history for executions that are to be traces whatever becomes of them."""
        tracer = self._tracer
        wanted = tracer is not None and offset * GOLDEN & MASK < tracer.threshold
        return History(self.room.grow) if wanted else None

    def _ended(self, run: Run, finish: Finish) -> None:
        """An execution that waited is over."""
        if self._waits(run, finish):
            return
        job: InFlight = run.item
        job.assigned.runs.discard(run)
        self.room.leave(job.heap)
        self._emit(job, run.x)
        if job.order is not None:
            self._run_waiting(job.assigned, job.order)
        self._wake()

    def _waits_for_children(self, x: Execution | Ended, job: InFlight) -> Run | None:
        """A run for an execution that ended at once while executions it has started still run; None if none does."""
        run = around(x, self._ended, job)
        assert x.finished is not None
        return run if self._waits(run, x.finished) else None

    def _waits(self, run: Run, finish: Finish) -> bool:
        """Return whether an ended execution waits for those that it has started."""
        if self._attached is None:
            return False
        return self._attached.wait(run.x.about.account, partial(self._ended, run, finish))

    def _run_waiting(self, assigned: AssignedPartition, order: bytes) -> None:
        """Run what waits behind an execution that has ended, until one of them waits itself."""
        for _ in range(WAITING_PER_TURN):
            records = assigned.waiting[order]
            if not records:
                del assigned.waiting[order]
                return
            record, since = records.popleft()
            self._counters.waiting -= 1
            self.waited(since)
            self.room.leave(len(record.value or b""))
            before = len(assigned.runs)
            self._run(assigned, record, order)
            if len(assigned.runs) > before:
                return
        asyncio.get_running_loop().call_soon(self._go_on_waiting, assigned, order)

    def _go_on_waiting(self, assigned: AssignedPartition, order: bytes) -> None:
        self._run_waiting(assigned, order)
        self._wake()

    # Its end ----------------------------------------------------------------------------------------

    def _emit(self, job: InFlight, x: Execution | Ended) -> None:
        """Count, bill, trace and write the result of an execution that has ended."""
        finish, value = result_of(x, self._limit)
        about = x.about
        elapsed = lasted(job.machine.program, self._time_limit, finish.status, self._clock.monotonic() - x.started)
        stopped_ms = int((about.started + elapsed) * 1000)  # not the wall clock, which may have been set in between
        billed = job.machine.meter.ended(finish.status, job.size + len(value), elapsed, x.transitions)
        if self._attached is not None:
            self._attached.write(about.account, stopped_ms)
        if self._tracer is not None:
            history = _release(x)
            if history is not None or finish.status != "SUCCEEDED" or elapsed > self._tracer.slow:
                self._tracer.ended(about, finish, elapsed, history, job.assigned.partition, job.offset)
        self._writer.result(job, about, finish, value, stopped_ms, billed)

    def _reject(self, assigned: AssignedPartition, record: ConsumedRecord, rejected: Rejected) -> None:
        """No execution can be started with this record."""
        self._writer.rejected(assigned, record, rejected)
        self._wake()


def _release(x: Execution | Ended) -> History | None:
    """The history of an execution that is over, no longer counted as in flight."""
    history = x.history if isinstance(x, Execution) else None
    if history is not None:
        history.release()
    return history
