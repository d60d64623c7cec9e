"""Produce, Fetch, ListOffsets, DeleteRecords: the messages about records."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from express.devbroker.wire import Chunks, Int8, Int16, Int32, Int64, Message, since


class ProducePartition(Message, kw_only=True):
    """The record batch for one partition."""

    index: Int32
    records: bytes | None


class ProduceTopic(Message, kw_only=True):
    """The record batches for one topic."""

    name: str
    partitions: list[ProducePartition]


class ProduceRequest(Message, kw_only=True):
    """Produce, key 0."""

    transactional_id: str | None
    acks: Int16
    timeout_ms: Int32
    topics: list[ProduceTopic]


class RecordError(Message, kw_only=True):
    """The refusal of one record of a batch."""

    batch_index: Int32
    message: str | None


class ProducedPartition(Message, kw_only=True):
    """Outcome of the batch for one partition."""

    index: Int32
    error: Int16 = 0
    base_offset: Int64 = -1
    log_append_time_ms: Int64 = -1
    log_start_offset: Annotated[Int64, since(5)] = -1
    record_errors: Annotated[list[RecordError], since(8)] = field(default_factory=list)
    error_message: Annotated[str | None, since(8)] = None


class ProducedTopic(Message, kw_only=True):
    """Outcome of the batches for one topic."""

    name: str
    partitions: list[ProducedPartition]


class ProduceResponse(Message, kw_only=True):
    """Produce, key 0."""

    topics: list[ProducedTopic]
    throttle_ms: Int32 = 0


class FetchPartition(Message, kw_only=True):
    """From where, and how much at most, to read of a partition."""

    index: Int32
    current_leader_epoch: Annotated[Int32, since(9)] = -1
    fetch_offset: Int64
    log_start_offset: Annotated[Int64, since(5)] = -1
    max_bytes: Int32


class FetchTopic(Message, kw_only=True):
    """The partitions to read of a topic."""

    name: str
    partitions: list[FetchPartition]


class ForgottenTopic(Message, kw_only=True):
    """Partitions to drop from a fetch session; there are none here."""

    name: str
    partitions: list[Int32]


class FetchRequest(Message, kw_only=True):
    """Fetch, key 1."""

    replica_id: Int32
    max_wait_ms: Int32
    min_bytes: Int32
    max_bytes: Int32
    isolation_level: Int8
    session_id: Annotated[Int32, since(7)] = 0
    session_epoch: Annotated[Int32, since(7)] = -1
    topics: list[FetchTopic]
    forgotten: Annotated[list[ForgottenTopic], since(7)] = field(default_factory=list)
    rack_id: Annotated[str, since(11)] = ""


class AbortedTransaction(Message, kw_only=True):
    """Records of `producer_id` from `first_offset` up to its next abort marker are to be skipped."""

    producer_id: Int64
    first_offset: Int64


class FetchedPartition(Message, kw_only=True):
    """Records read from a partition."""

    index: Int32
    error: Int16 = 0
    high_watermark: Int64 = -1
    last_stable_offset: Int64 = -1
    log_start_offset: Annotated[Int64, since(5)] = -1
    aborted: list[AbortedTransaction] | None = None
    preferred_read_replica: Annotated[Int32, since(11)] = -1
    records: Chunks = field(default_factory=list)


class FetchedTopic(Message, kw_only=True):
    """Records read from a topic."""

    name: str
    partitions: list[FetchedPartition]


class FetchResponse(Message, kw_only=True):
    """Fetch, key 1. Session 0 says that there are no fetch sessions."""

    throttle_ms: Int32 = 0
    error: Annotated[Int16, since(7)] = 0
    session_id: Annotated[Int32, since(7)] = 0
    topics: list[FetchedTopic]


class ListOffsetsPartition(Message, kw_only=True):
    """A time to look up: -1 the end, -2 the start, -3 the record with the highest time."""

    index: Int32
    current_leader_epoch: Annotated[Int32, since(4)] = -1
    timestamp: Int64


class ListOffsetsTopic(Message, kw_only=True):
    """The times to look up in a topic."""

    name: str
    partitions: list[ListOffsetsPartition]


class ListOffsetsRequest(Message, kw_only=True):
    """ListOffsets, key 2."""

    replica_id: Int32
    isolation_level: Annotated[Int8, since(2)] = 0
    topics: list[ListOffsetsTopic]


class ListedPartition(Message, kw_only=True):
    """The first offset at or after the time asked for, -1 if there is none."""

    index: Int32
    error: Int16 = 0
    timestamp: Int64 = -1
    offset: Int64 = -1
    leader_epoch: Annotated[Int32, since(4)] = -1


class ListedTopic(Message, kw_only=True):
    """The offsets found in a topic."""

    name: str
    partitions: list[ListedPartition]


class ListOffsetsResponse(Message, kw_only=True):
    """ListOffsets, key 2."""

    throttle_ms: Annotated[Int32, since(2)] = 0
    topics: list[ListedTopic]


class DeleteRecordsPartition(Message, kw_only=True):
    """Delete what lies before `offset`; -1 means everything."""

    index: Int32
    offset: Int64


class DeleteRecordsTopic(Message, kw_only=True):
    """The offsets to delete up to in a topic."""

    name: str
    partitions: list[DeleteRecordsPartition]


class DeleteRecordsRequest(Message, kw_only=True):
    """DeleteRecords, key 21."""

    topics: list[DeleteRecordsTopic]
    timeout_ms: Int32


class DeletedPartition(Message, kw_only=True):
    """The first offset that is left."""

    index: Int32
    low_watermark: Int64 = -1
    error: Int16 = 0


class DeletedTopic(Message, kw_only=True):
    """The first offsets that are left in a topic."""

    name: str
    partitions: list[DeletedPartition]


class DeleteRecordsResponse(Message, kw_only=True):
    """DeleteRecords, key 21."""

    throttle_ms: Int32 = 0
    topics: list[DeletedTopic]
