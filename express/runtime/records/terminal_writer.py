"""Writes the terminal record of each input record: its result, or the dead letter that takes its place."""

from __future__ import annotations

from express.engine import About, Execution
from express.engine.effects import Finish
from express.engine.segments import Ended
from express.errors import DATA_LIMIT_EXCEEDED, RUNTIME
from express.ports import Clock, ConsumedRecord, Record, Sink, Unreadable
from express.runtime.counters import Counters
from express.runtime.drain.assignment import AssignedPartition
from express.runtime.drain.pipeline import Pipeline
from express.runtime.records import cloudevents
from express.runtime.records.in_flight import InFlight
from express.runtime.records.json_input import OVERSIZE, POISON, Rejected
from express.runtime.records.terminal_record import (
    HEADERS_ROOM,
    OWN_HEADERS_ROOM,
    DeadLetter,
    dead_letter_headers,
    record_bytes,
    without_headers,
    without_value,
)
from express.values import dumps


class TerminalWriter:
    """Hands terminal records to the sink of one pipeline and marks their offsets as finished."""

    def __init__(self, pipeline: Pipeline, sink: Sink, clock: Clock, counters: Counters) -> None:
        self._pipeline = pipeline
        self._topic = pipeline.settings.output
        self._sink = sink
        self._clock = clock
        self._counters = counters
        self.stamps: list[int] = []
        """Timestamps of the input records whose terminal records were appended since `take_stamps`."""

    def take_stamps(self) -> list[int]:
        """Return the timestamps of the records that were finished since the last call."""
        stamps, self.stamps = self.stamps, []
        return stamps

    def result(
        self, job: InFlight, about: About, finish: Finish, value: bytes, stopped_ms: int, billed: tuple[int, int]
    ) -> None:
        """Write the result of an execution; where its topic can not take it, a dead letter that leads to the input."""
        arn, carried = about.execution_arn, job.carried.headers
        headers = job.naming.result_headers(job.offset, arn, finish, int(about.started * 1000), stopped_ms, billed)
        written = len(value)
        room = OWN_HEADERS_ROOM
        mode = self._pipeline.settings.results.cloudevents
        if carried or mode != "off":
            room = HEADERS_ROOM
            headers += carried
            if mode != "off":
                attributes = cloudevents.result_attributes(arn, job.machine.arn, finish.status, stopped_ms)
                value, more = cloudevents.write_result(mode, attributes, value, job.carried.trace)
                headers += more
                written = len(value)
        key, partition = job.key, job.assigned.partition
        limit = self._sink.limit_of(self._topic)
        if written + len(key or b"") + room > limit and record_bytes(key, value, headers) > limit:
            self._refuse(job, arn, written, limit)
            return
        self._counters.output_bytes += written
        self._sink.append(self._topic, partition, stopped_ms, key, value, headers)
        self._finished(job.assigned, job.offset, job.timestamp)

    def rejected(self, assigned: AssignedPartition, record: ConsumedRecord, why: Rejected) -> None:
        """Write the dead letter of a record that no execution can be started with."""
        poison = why.disposition == POISON
        if poison:
            self._counters.poison += 1
        else:
            self._counters.oversize += 1
        arn, machine = assigned.naming.arn(record.offset), self._pipeline.workflow.arn
        letter = self._letter("deserialize" if poison else "validate", why, arn, machine)
        self._dead_letter(assigned, record, letter)

    def _refuse(self, job: InFlight, arn: str, size: int, limit: int) -> None:
        """The result is too large for its topic: a dead letter without a value leads to the input."""
        self._counters.unwritable += 1
        cause = f"The result has {size} bytes; a record of its topic may have {limit}."
        why = Rejected(OVERSIZE, DATA_LIMIT_EXCEEDED, cause)
        record = Record(*job.assigned.partition, job.offset, job.timestamp, job.key, None, job.carried.headers)
        letter = self._letter("produce", why, arn, job.machine.arn)
        self._dead_letter(job.assigned, record, letter, absent=True)

    def _letter(self, stage: str, why: Rejected, arn: str, machine_arn: str) -> DeadLetter:
        return DeadLetter(
            stage=stage,
            disposition=why.disposition,
            error=why.error,
            cause=why.cause,
            arn=arn,
            state_machine_arn=machine_arn,
            worker=self._pipeline.worker,
        )

    def _dead_letter(
        self, assigned: AssignedPartition, record: ConsumedRecord, letter: DeadLetter, *, absent: bool = False
    ) -> None:
        """`absent`: the value of the record is not at hand any more."""
        cut = type(record) is Unreadable  # its value is not the whole record's: whoever compares shall know
        headers = dead_letter_headers(assigned.partition, record, letter, truncated=cut)
        key, value = record.key, record.value
        topic, now = self._pipeline.settings.dead_letter, int(self._clock.wall() * 1000)
        limit = self._sink.limit_of(topic)
        if absent or record_bytes(key, value, headers) > limit:
            headers, value = without_value(headers, value), None
            if record_bytes(key, value, headers) > limit:
                headers, key = without_headers(headers, key), None
        self._sink.append(topic, assigned.partition, now, key, value, headers)
        self._finished(assigned, record.offset, record.timestamp)

    def _finished(self, assigned: AssignedPartition, offset: int, timestamp: int) -> None:
        assigned.tracker.finish(offset)
        self.stamps.append(timestamp)


def result_of(x: Execution | Ended, limit: int) -> tuple[Finish, bytes]:
    """Return how an execution ended, and the value of its result. An output that can't be written is a failure."""
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


def _clean(text: str | None) -> str | None:
    """`text` with lone surrogates, which no UTF-8 can hold, written out."""
    return text if text is None else text.encode("utf-8", "backslashreplace").decode()
