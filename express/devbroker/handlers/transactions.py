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
    DescribedPartition,
    DescribedTopic,
    DescribedTransaction,
    DescribeProducersRequest,
    DescribeProducersResponse,
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    EndTxnRequest,
    EndTxnResponse,
    InitProducerIdRequest,
    InitProducerIdResponse,
    KnownProducer,
    TransactionTopic,
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


def describe_transactions(node: Node, request: DescribeTransactionsRequest, call: Call) -> Answer:
    """Say how the last transaction of each transactional id stands."""
    return DescribeTransactionsResponse(transactions=[_described(node, name) for name in request.transactional_ids])


def _described(node: Node, name: str) -> DescribedTransaction:
    found = node.transactions.find(name)
    if found is None:
        return DescribedTransaction(transactional_id=name, error=Code.TRANSACTIONAL_ID_NOT_FOUND, topics=[])
    topics: dict[str, list[int]] = {}
    for topic, index in sorted(found.partitions):
        topics.setdefault(topic, []).append(index)
    return DescribedTransaction(
        transactional_id=name,
        state=found.status,
        timeout_ms=found.timeout_ms,
        producer_id=found.producer_id,
        epoch=found.epoch,
        topics=[TransactionTopic(name=topic, partitions=indexes) for topic, indexes in topics.items()],
    )


def describe_producers(node: Node, request: DescribeProducersRequest, call: Call) -> Answer:
    """Say which producers have written to partitions, and where they have transactions open."""
    topics = [
        DescribedTopic(name=topic.name, partitions=[_producers(node, topic.name, index) for index in topic.partitions])
        for topic in request.topics
    ]
    return DescribeProducersResponse(topics=topics)


def _producers(node: Node, topic: str, index: int) -> DescribedPartition:
    if not node.topics.has(topic, index):
        return DescribedPartition(index=index, error=Code.UNKNOWN_TOPIC_OR_PARTITION, producers=[])
    producers = [
        KnownProducer(
            producer_id=producer_id,
            epoch=known.epoch,
            last_sequence=known.last_sequence,
            last_timestamp=known.timestamp,
            open_since=since,
        )
        for producer_id, known, since in node.topics.partition(topic, index).producers()
    ]
    return DescribedPartition(index=index, producers=producers)


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
