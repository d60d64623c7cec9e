"""Produce, ListOffsets and DeleteRecords."""

from __future__ import annotations

from express.devbroker.accepting import check_keys, check_times
from express.devbroker.batch import check_produced
from express.devbroker.call import Answer, Call
from express.devbroker.codes import Code, RefusedError
from express.devbroker.messages.records import (
    DeletedPartition,
    DeletedTopic,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    ListedPartition,
    ListedTopic,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ProducedPartition,
    ProducedTopic,
    ProducePartition,
    ProduceRequest,
    ProduceResponse,
)
from express.devbroker.node import Node
from express.devbroker.partition import Partition
from express.devbroker.records import first_at_time
from express.devbroker.topics import MAX_MESSAGE_BYTES

READ_COMMITTED = 1
LATEST, EARLIEST, HIGHEST_TIME = -1, -2, -3


def produce(node: Node, request: ProduceRequest, call: Call) -> Answer:
    """Append batches. With one node, `acks` decides only whether there is an answer."""
    topics = [
        ProducedTopic(
            name=topic.name,
            partitions=[_produce(node, topic.name, batch, request) for batch in topic.partitions],
        )
        for topic in request.topics
    ]
    return ProduceResponse(topics=topics) if request.acks != 0 else None


def _produce(node: Node, name: str, batch: ProducePartition, request: ProduceRequest) -> ProducedPartition:
    try:
        if request.acks not in (-1, 0, 1):
            raise RefusedError(Code.INVALID_REQUIRED_ACKS)
        return _append(node, name, batch)
    except RefusedError as refused:
        return ProducedPartition(index=batch.index, error=refused.code, error_message=refused.message)


def _append(node: Node, name: str, batch: ProducePartition) -> ProducedPartition:
    partition = node.topics.partition(name, batch.index)
    topic = node.topics.find(name)
    header = check_produced(batch.records, topic.limit("max.message.bytes", MAX_MESSAGE_BYTES))
    assert batch.records is not None  # check_produced refuses it
    check_times(header, topic)
    if topic.compacted:
        check_keys(batch.records, header)
    if header.is_transactional:
        node.transactions.check_write(header, (name, batch.index))
    base_offset = partition.append(header, batch.records)
    node.trouble = ""
    node.topics.retain(name, batch.index)
    return ProducedPartition(index=batch.index, base_offset=base_offset, log_start_offset=partition.log.start_offset)


def list_offsets(node: Node, request: ListOffsetsRequest, call: Call) -> Answer:
    """Find offsets by time."""
    stable = request.isolation_level == READ_COMMITTED
    topics = [
        ListedTopic(
            name=topic.name, partitions=[_listed(node, topic.name, asked, stable) for asked in topic.partitions]
        )
        for topic in request.topics
    ]
    return ListOffsetsResponse(topics=topics)


def _listed(node: Node, name: str, asked: ListOffsetsPartition, stable: bool) -> ListedPartition:
    try:
        partition = node.topics.partition(name, asked.index)
    except RefusedError as refused:
        return ListedPartition(index=asked.index, error=refused.code)
    timestamp, offset = _look_up(partition, asked.timestamp, stable)
    return ListedPartition(index=asked.index, timestamp=timestamp, offset=offset, leader_epoch=0 if offset >= 0 else -1)


def _look_up(partition: Partition, timestamp: int, stable: bool) -> tuple[int, int]:
    """(time, offset) of what is asked for; -1 for what there is none of."""
    log = partition.log
    if timestamp == LATEST:
        return -1, partition.stable_offset if stable else log.next_offset
    if timestamp == EARLIEST:
        return -1, log.start_offset
    batch = log.latest() if timestamp == HIGHEST_TIME else log.at_time(timestamp)
    return (-1, -1) if batch is None else first_at_time(batch, timestamp, log.start_offset)


def delete_records(node: Node, request: DeleteRecordsRequest, call: Call) -> Answer:
    """Delete records from the front of partitions."""
    topics = [
        DeletedTopic(name=topic.name, partitions=[_deleted(node, topic.name, asked) for asked in topic.partitions])
        for topic in request.topics
    ]
    return DeleteRecordsResponse(topics=topics)


def _deleted(node: Node, name: str, asked: DeleteRecordsPartition) -> DeletedPartition:
    try:
        return DeletedPartition(
            index=asked.index, low_watermark=node.topics.delete_records(name, asked.index, asked.offset)
        )
    except RefusedError as refused:
        return DeletedPartition(index=asked.index, error=refused.code)
