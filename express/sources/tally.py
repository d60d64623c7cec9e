"""Counts terminal records by reading the topics, independent of whoever wrote them.

For each input record in a range of offsets there has to be a result or a dead letter that names it in its
headers. What the runtime says it has done plays no part here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from express.ports import Partition
from express.sources.topics import leave

RESULT = ("express.source-topic", "express.source-partition", "express.source-offset")
DEAD_LETTER = ("__express.errors.topic", "__express.errors.partition", "__express.errors.offset")
STATUS = "express.status"
STARTED, STOPPED = "express.start-time", "express.stop-time"

Range = tuple[int, int]
"""First offset, and the one after the last."""


class Tally(msgspec.Struct):
    """What a reader found. `statuses` counts results by status; `first_ms` to `last_ms` is when they ran."""

    expected: int = 0
    found: int = 0
    duplicates: int = 0
    strangers: int = 0
    dead_letters: int = 0
    statuses: dict[str, int] = {}
    first_ms: int = 0
    last_ms: int = 0

    @property
    def missing(self) -> int:
        """Input records without a terminal record."""
        return self.expected - self.found


async def tally(
    properties: Mapping[str, Any], inputs: Mapping[Partition, Range], outputs: Mapping[Partition, Range]
) -> Tally:
    """Read `outputs` and hold them against the records of `inputs`."""
    counting = _Counting(inputs)
    consumer = AIOKafkaConsumer(
        **{**properties, "isolation_level": "read_committed", "enable_auto_commit": False, "group_id": None},
        max_partition_fetch_bytes=1 << 20,
    )
    await consumer.start()
    try:
        left = {TopicPartition(*at): end for at, (start, end) in outputs.items() if start < end}
        consumer.assign(list(left))
        for at in left:
            consumer.seek(at, outputs[Partition(*at)][0])
        while left:
            for at, records in (await consumer.getmany(timeout_ms=200, max_records=2_000)).items():
                counting.add(record for record in records if record.offset < outputs[Partition(*at)][1])
            for at in list(left):
                if await consumer.position(at) >= left[at]:
                    del left[at]
                    consumer.pause(at)
    finally:
        await leave(consumer)
    return counting.result()


class _Counting:
    def __init__(self, inputs: Mapping[Partition, Range]) -> None:
        self._inputs = inputs
        self._seen = {at: bytearray(end - start) for at, (start, end) in inputs.items()}
        self._statuses: Counter[str] = Counter()
        self._tally = Tally(expected=sum(end - start for start, end in inputs.values()))

    def add(self, records: Iterable[Any]) -> None:
        """Take records of the output and dead-letter topics."""
        for record in records:
            headers = dict(record.headers)
            is_result = STATUS in headers
            self._mark(headers, RESULT if is_result else DEAD_LETTER)
            if is_result:
                self._statuses[headers[STATUS].decode()] += 1
                self._note_times(headers)
            else:
                self._tally.dead_letters += 1

    def _mark(self, headers: dict[str, bytes], names: tuple[str, str, str]) -> None:
        topic, number, offset = (headers.get(name, b"-1").decode() for name in names)
        at = Partition(topic, int(number))
        start, end = self._inputs.get(at, (0, 0))
        if not start <= int(offset) < end:
            self._tally.strangers += 1
            return
        seen = self._seen[at]
        self._tally.duplicates += seen[int(offset) - start]
        seen[int(offset) - start] = 1

    def _note_times(self, headers: dict[str, bytes]) -> None:
        started, stopped = int(headers[STARTED]), int(headers[STOPPED])
        tally = self._tally
        tally.first_ms = min(tally.first_ms or started, started)
        tally.last_ms = max(tally.last_ms, stopped)

    def result(self) -> Tally:
        """The sums."""
        self._tally.found = sum(sum(seen) for seen in self._seen.values())
        self._tally.statuses = dict(self._statuses)
        return self._tally
