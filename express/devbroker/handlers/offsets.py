"""The positions that groups commit."""

from __future__ import annotations

from express.devbroker.call import Answer, Call
from express.devbroker.codes import Code, RefusedError
from express.devbroker.groups import Positions, check_metadata
from express.devbroker.journal import OffsetCommitted
from express.devbroker.messages.offsets import (
    CommitPartition,
    CommittedPartition,
    CommittedTopic,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchTopic,
    PositionPartition,
    PositionTopic,
)
from express.devbroker.messages.transactions import TxnCommitPartition
from express.devbroker.node import Node


def offset_commit(node: Node, request: OffsetCommitRequest, call: Call) -> Answer:
    """Take positions from a member of the current generation."""
    refusal = Code.NONE
    try:
        node.groups.check_commit(request.group, request.generation, request.member_id, request.instance_id)
    except RefusedError as refused:
        refusal = refused.code
    topics = [
        CommittedTopic(
            name=topic.name,
            partitions=[
                CommittedPartition(index=asked.index, error=refusal or _commit(node, request.group, topic.name, asked))
                for asked in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    return OffsetCommitResponse(topics=topics)


def _commit(node: Node, group: str, topic: str, asked: CommitPartition) -> Code:
    try:
        node.groups.commit(position_of(node, group, topic, asked))
    except RefusedError as refused:
        return refused.code
    return Code.NONE


def position_of(node: Node, group: str, topic: str, asked: CommitPartition | TxnCommitPartition) -> OffsetCommitted:
    """A position as it is kept, or RefusedError."""
    node.topics.partition(topic, asked.index)
    check_metadata(asked.metadata)
    return OffsetCommitted(group, topic, asked.index, asked.offset, asked.leader_epoch, asked.metadata or "")


def offset_fetch(node: Node, request: OffsetFetchRequest, call: Call) -> Answer:
    """The positions of a group, those asked for or all."""
    positions = node.groups.positions(request.group)
    undecided = node.transactions.undecided(request.group) if request.require_stable else set()
    asked = request.topics if request.topics is not None else _all(positions)
    topics = [
        PositionTopic(
            name=topic.name,
            partitions=[_position(positions, undecided, (topic.name, index)) for index in topic.partitions],
        )
        for topic in asked
    ]
    return OffsetFetchResponse(topics=topics)


def _all(positions: Positions) -> list[OffsetFetchTopic]:
    names = sorted({topic for topic, _ in positions})
    return [
        OffsetFetchTopic(name=name, partitions=sorted(index for topic, index in positions if topic == name))
        for name in names
    ]


def _position(positions: Positions, undecided: set[tuple[str, int]], key: tuple[str, int]) -> PositionPartition:
    if key in undecided:
        return PositionPartition(index=key[1], error=Code.UNSTABLE_OFFSET_COMMIT)
    known = positions.get(key)
    if known is None:
        return PositionPartition(index=key[1])
    return PositionPartition(
        index=key[1], offset=known.offset, leader_epoch=known.leader_epoch, metadata=known.metadata
    )
