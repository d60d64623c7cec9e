"""Fetched record batches, decoded whole, where aiokafka is of a version that is known to let us.

aiokafka makes a `ConsumerRecord` of eleven fields for each record, one at a time. Its own decoder (Cython) gives slim
records, a batch at once, at a fraction of the CPU; and with the batches in hand, those that can't be read need not
stop a partition for ever:

- names of headers that are no UTF-8 are read as Java's client reads them, with U+FFFD in the place of what is wrong;
- a batch whose checksum is wrong is fetched once more, and if it still is, given up;
- a batch that is larger unpacked than BATCH_LIMIT, or can't be unpacked or taken apart, is given up at once.

Each record that is given up comes as an `Unreadable` with what bytes there are, and becomes a dead letter.

It is aiokafka's fetcher still: `consumer_class` gives a consumer whose fetcher runs aiokafka's own code with the names
of three classes replaced. With other versions it gives `AIOKafkaConsumer` itself.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher as theirs
from aiokafka.errors import CorruptRecordException
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from express.kafka.patches.checksum import checksum
from express.kafka.patches.decompress import TooLarge, unpacked
from express.kafka.patches.presence import wait_topics
from express.kafka.patches.unreadable import HEADER, give_up, read_carefully
from express.kafka.patches.versions import is_known
from express.ports import ConsumedRecord

BATCH_LIMIT = 64 << 20
"""Most bytes of a batch once it is unpacked."""

DOUBTS = 10_000
"""Doubtful batches that are remembered, at most."""

_SIZE = struct.Struct(">i")
_ATTRIBUTES = struct.Struct(">h")
_ATTRIBUTES_AT = struct.calcsize(">qiibI")
_OVERHEAD = struct.calcsize(">qi")
_MAGIC_AT = struct.calcsize(">qii")
_CODEC = 0x07
_READ_COMMITTED = 1


class ChecksumDoubts:
    """Batches whose checksum was wrong when they were fetched.

    All of them: each doubt begins the session anew, from before the batches that were given up and not yet committed.
    """

    def __init__(self) -> None:
        self._wrong: dict[tuple[TopicPartition, int], None] = {}

    def again(self, tp: TopicPartition, offset: int) -> bool:
        """Return whether the batch at `offset` was wrong before."""
        known = (tp, offset) in self._wrong
        if not known and len(self._wrong) >= DOUBTS:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[tp, offset] = None
        return known


class FetchedBatches:
    """The batches of one fetch and partition: aiokafka's `MemoryRecords`, which keeps its bytes to itself."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def has_next(self) -> bool:
        """Return whether there is a whole batch."""
        return batch_end(self.data, 0) > 0

    def size_in_bytes(self) -> int:
        """Bytes."""
        return len(self.data)


class CheckedRecords:
    """The records of a fetched partition, handed out in order; aiokafka's `PartitionRecords`."""

    limit = BATCH_LIMIT
    doubts: ChecksumDoubts

    def __init__(
        self,
        tp: TopicPartition,
        records: FetchedBatches,
        aborted_transactions: list[tuple[int, int]] | None,
        fetch_offset: int,
        _key_deserializer: None,
        _value_deserializer: None,
        check_crcs: bool,
        isolation_level: int,
    ) -> None:
        self.next_fetch_offset = fetch_offset
        self._tp = tp
        self._data = records.data
        self._at = 0
        self._aborted = sorted(aborted_transactions or (), key=lambda transaction: transaction[1], reverse=True)
        self._aborting: set[int] = set()
        self._check = check_crcs
        self._committed_only = isolation_level == _READ_COMMITTED
        self._ready: list[ConsumedRecord] = []
        self._taken = 0
        self._after = fetch_offset

    def take(self, limit: int) -> list[ConsumedRecord]:
        """At most `limit` records; fewer only at the end. `next_fetch_offset` is moved behind them."""
        found: list[ConsumedRecord] = []
        while len(found) < limit:
            if self._taken == len(self._ready):
                self.next_fetch_offset = self._after
                if not self._read_batch():
                    break
                continue
            part = self._ready[self._taken : self._taken + limit - len(found)]
            self._taken += len(part)
            self.next_fetch_offset = self._after if self._taken == len(self._ready) else part[-1].offset + 1
            found = found + part if found else part
        return found

    @property
    def exhausted(self) -> bool:
        """Return whether everything was handed out."""
        return self._taken == len(self._ready) and not batch_end(self._data, self._at)

    def _read_batch(self) -> bool:
        """Get the records of the next batch ready, if there is one."""
        data, start = self._data, self._at
        end = batch_end(data, start)
        if not end:
            return False
        self._at = end
        self._taken, self._ready = 0, []
        if data[start + _MAGIC_AT] < 2:
            self._ready, self._after = _old_batch(data[start:end], self._after)
            return True
        raw = memoryview(data)[start:end]
        batch = DefaultRecordBatch(raw)
        if self._check and checksum(raw[_ATTRIBUTES_AT:]) != batch.crc:
            self._doubt(raw, batch)
            return True
        if not self._is_skipped(batch):
            ready, first = readable(raw, batch, self.limit), self._after
            self._ready = ready if ready and ready[0].offset >= first else [r for r in ready if r.offset >= first]
        self._after = max(self._after, batch.next_offset)
        return True

    def _doubt(self, raw: memoryview, batch: Any) -> None:
        """A checksum that is wrong: on the wire, or in the log for good."""
        if not self.doubts.again(self._tp, batch.base_offset):
            raise CorruptRecordException(f"Invalid CRC - {self._tp} at {batch.base_offset}")
        header = HEADER.unpack_from(raw)
        trusted = 0 <= header[6] == header[12] - 1  # two fields that agree; nothing else in it can be trusted
        after = batch.next_offset if trusted else self._after + 1
        first = max(self._after, batch.base_offset) if trusted else self._after
        self._ready = give_up(bytes(raw), first, after, 0, "the checksum of its batch is wrong")
        self._after = after

    def _is_skipped(self, batch: Any) -> bool:
        """Return whether nobody is to see a batch: markers of transactions, and what was aborted."""
        control = batch.is_control_batch
        if self._committed_only and batch.producer_id != -1:
            while self._aborted and self._aborted[-1][1] <= batch.base_offset:
                self._aborting.add(self._aborted.pop()[0])
            if control and _aborts(batch):
                self._aborting.discard(batch.producer_id)
            elif batch.is_transactional and batch.producer_id in self._aborting:
                return True
        return bool(control)


def batch_end(data: bytes, start: int) -> int:
    """Return where the batch that begins at `start` ends; 0 where it is cut off."""
    if start + _MAGIC_AT >= len(data):
        return 0
    end: int = start + _OVERHEAD + _SIZE.unpack_from(data, start + _OVERHEAD - _SIZE.size)[0]
    return end if end <= len(data) else 0


def readable(raw: memoryview, batch: Any, limit: int) -> list[ConsumedRecord]:
    """The records of a batch; those that can't be read as `Unreadable`."""
    plain = raw
    try:
        if batch.attributes & _CODEC:
            plain = _plain(raw, batch.attributes, limit)
            batch = DefaultRecordBatch(plain)
        return list(batch)
    except TooLarge as error:
        why = str(error)
    except (UnicodeDecodeError, CorruptRecordException):
        return read_carefully(bytes(plain))
    except Exception as error:  # codecs raise what they like
        why = f"its batch can't be unpacked: {type(error).__name__}: {error}"
    return give_up(bytes(raw), batch.base_offset, batch.next_offset, batch.max_timestamp, why)


def _plain(raw: memoryview, attributes: int, limit: int) -> memoryview:
    """A compressed batch as one that is not."""
    head = bytearray(raw[: HEADER.size])
    _ATTRIBUTES.pack_into(head, _ATTRIBUTES_AT, attributes & ~_CODEC)
    return memoryview(bytes(head) + unpacked(attributes & _CODEC, bytes(raw[HEADER.size :]), limit))


def _old_batch(data: bytes, first: int) -> tuple[list[ConsumedRecord], int]:
    """A batch of the formats before Kafka 0.11, which aiokafka reads, and the offset after it."""
    batch = MemoryRecords(data).next_batch()
    if not batch.validate_crc():
        raise CorruptRecordException("Invalid CRC")
    found = [record for record in batch if record.offset >= first]
    return found, max(first, batch.next_offset)


def _aborts(batch: Any) -> bool:
    """Return whether a control batch ends a transaction that was aborted."""
    marker = next(iter(batch), None)
    return marker is not None and bool(ControlRecord.parse(marker.key) == ABORT_MARKER)


class CheckedFetch(theirs.FetchResult):  # type: ignore[misc]  # aiokafka has no types
    """The records of one partition until they are handed out."""

    _partition_records: Any

    def getall(self, max_records: int | None = None) -> list[ConsumedRecord]:
        """At most `max_records`, and the position behind them."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        records = self._partition_records
        found: list[ConsumedRecord] = records.take(max_records or sys.maxsize)
        self._update_position()
        if records.exhausted:
            self._partition_records = None
        return found


def consumer_class(kind: Any, doubts: ChecksumDoubts, limit: int = BATCH_LIMIT) -> Any:
    """`kind` with our decoder, if it is aiokafka's consumer of a version that is known; else `kind`."""
    if kind is not AIOKafkaConsumer or not is_known():
        return kind
    records = type("Records", (CheckedRecords,), {"doubts": doubts, "limit": limit})
    names = {"MemoryRecords": FetchedBatches, "PartitionRecords": records, "FetchResult": CheckedFetch}
    methods = {name: _renamed(theirs.Fetcher, name, names) for name in ("_proc_fetch_request", "fetched_records")}
    fetcher = type("Fetcher", (theirs.Fetcher,), methods)
    start = _renamed(AIOKafkaConsumer, "start", {"Fetcher": fetcher})
    return type("Consumer", (AIOKafkaConsumer,), {"start": start, "_wait_topics": wait_topics})


def _renamed(owner: type, method: str, names: Mapping[str, Any]) -> FunctionType:
    """A method of aiokafka's in which some global names mean something else."""
    function: FunctionType = getattr(owner, method)
    scope = {**function.__globals__, **names}
    copy = FunctionType(function.__code__, scope, method, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
