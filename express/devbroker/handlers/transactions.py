"""Producer ids and transactions."""

from __future__ import annotations

from express.devbroker.call import Answer, Call
from express.devbroker.codes import Code, RefusedError
from express.devbroker.handlers.offsets import position_of
from express.devbroker.messages.offsets import CommittedPartition, CommittedTopic
from express.devbroker.messages.transactions import (
    AddOffsetsToTxnRequest,
    AddOffsetsToTxnResponse,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    EndTxnRequest,
    EndTxnResponse,
    InitProducerIdRequest,
    InitProducerIdResponse,
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
)
from express.devbroker.node import Node

KNOWS_FENCED = 2  # the version from which on clients know PRODUCER_FENCED (KIP-588)
KNOWS_FENCED_INIT = 4


def _told(code: Code, knows_fenced: bool) -> Code:
    """The code as the client's version knows it."""
    return Code.INVALID_PRODUCER_EPOCH if code is Code.PRODUCER_FENCED and not knows_fenced else code


def init_producer_id(node: Node, request: InitProducerIdRequest, call: Call) -> Answer:
    """Give out a producer id and an epoch."""
    if request.transactional_id is None:
        return InitProducerIdResponse(producer_id=node.transactions.new_producer_id(), epoch=0)
    try:
        transaction = node.transactions.begin(
            request.transactional_id, request.timeout_ms, request.producer_id, request.epoch
        )
    except RefusedError as refused:
        return InitProducerIdResponse(error=_told(refused.code, call.version >= KNOWS_FENCED_INIT))
    return InitProducerIdResponse(producer_id=transaction.producer_id, epoch=transaction.epoch)


def add_partitions(node: Node, request: AddPartitionsToTxnRequest, call: Call) -> Answer:
    """Name the partitions a transaction writes to: all of them are added, or none."""
    named = [(topic.name, index) for topic in request.topics for index in topic.partitions]
    missing = {pair for pair in named if not node.topics.has(*pair)}
    refusal = Code.OPERATION_NOT_ATTEMPTED if missing else Code.NONE
    try:
        transaction = node.transactions.current(request.transactional_id, request.producer_id, request.epoch)
        if not missing:
            node.transactions.add_partitions(transaction, named)
    except RefusedError as refused:
        refusal, missing = _told(refused.code, call.version >= KNOWS_FENCED), set()

    def code(pair: tuple[str, int]) -> Code:
        return Code.UNKNOWN_TOPIC_OR_PARTITION if pair in missing else refusal

    topics = [
        CommittedTopic(
            name=topic.name,
            partitions=[CommittedPartition(index=index, error=code((topic.name, index))) for index in topic.partitions],
        )
        for topic in request.topics
    ]
    return AddPartitionsToTxnResponse(topics=topics)


def add_offsets(node: Node, request: AddOffsetsToTxnRequest, call: Call) -> Answer:
    """Name a group whose positions the transaction commits."""
    try:
        transaction = node.transactions.current(request.transactional_id, request.producer_id, request.epoch)
        node.transactions.add_group(transaction, request.group)
    except RefusedError as refused:
        return AddOffsetsToTxnResponse(error=_told(refused.code, call.version >= KNOWS_FENCED))
    return AddOffsetsToTxnResponse()


def end_transaction(node: Node, request: EndTxnRequest, call: Call) -> Answer:
    """Commit or abort."""
    try:
        transaction = node.transactions.current(request.transactional_id, request.producer_id, request.epoch)
        node.transactions.end(transaction, request.committed)
    except RefusedError as refused:
        return EndTxnResponse(error=_told(refused.code, call.version >= KNOWS_FENCED))
    return EndTxnResponse()


def offset_commit(node: Node, request: TxnOffsetCommitRequest, call: Call) -> Answer:
    """Take positions that count once the transaction is committed; all of them, or none."""
    try:
        codes = _commit(node, request)
    except RefusedError as refused:
        codes = dict.fromkeys(_named(request), _told(refused.code, knows_fenced=False))
    topics = [
        CommittedTopic(
            name=topic.name,
            partitions=[
                CommittedPartition(index=asked.index, error=codes[topic.name, asked.index])
                for asked in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    return TxnOffsetCommitResponse(topics=topics)


def _named(request: TxnOffsetCommitRequest) -> list[tuple[str, int]]:
    return [(topic.name, asked.index) for topic in request.topics for asked in topic.partitions]


def _commit(node: Node, request: TxnOffsetCommitRequest) -> dict[tuple[str, int], Code]:
    """The code of each partition; RefusedError if none of them can be taken."""
    node.groups.check_commit(
        request.group, request.generation, request.member_id or "", request.instance_id, transactional=True
    )
    transaction = node.transactions.current(request.transactional_id, request.producer_id, request.epoch)
    positions, codes = [], {}
    for topic in request.topics:
        for asked in topic.partitions:
            try:
                positions.append(position_of(node, request.group, topic.name, asked))
                codes[topic.name, asked.index] = Code.NONE
            except RefusedError as refused:
                codes[topic.name, asked.index] = refused.code
    node.transactions.add_positions(transaction, request.group, positions)
    return codes
