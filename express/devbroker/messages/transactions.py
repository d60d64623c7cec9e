"""InitProducerId and the messages of a transaction."""

from __future__ import annotations

from typing import Annotated

from express.devbroker.messages.offsets import CommittedTopic
from express.devbroker.wire import Int16, Int32, Int64, Message, since


class InitProducerIdRequest(Message, kw_only=True):
    """InitProducerId, key 22. Without a transactional id it serves an idempotent producer."""

    transactional_id: str | None
    timeout_ms: Int32
    producer_id: Annotated[Int64, since(3)] = -1
    epoch: Annotated[Int16, since(3)] = -1


class InitProducerIdResponse(Message, kw_only=True):
    """InitProducerId, key 22."""

    throttle_ms: Int32 = 0
    error: Int16 = 0
    producer_id: Int64 = -1
    epoch: Int16 = -1


class TransactionTopic(Message, kw_only=True):
    """The partitions of a topic that join a transaction."""

    name: str
    partitions: list[Int32]


class AddPartitionsToTxnRequest(Message, kw_only=True):
    """AddPartitionsToTxn, key 24."""

    transactional_id: str
    producer_id: Int64
    epoch: Int16
    topics: list[TransactionTopic]


class AddPartitionsToTxnResponse(Message, kw_only=True):
    """AddPartitionsToTxn, key 24."""

    throttle_ms: Int32 = 0
    topics: list[CommittedTopic]


class AddOffsetsToTxnRequest(Message, kw_only=True):
    """AddOffsetsToTxn, key 25."""

    transactional_id: str
    producer_id: Int64
    epoch: Int16
    group: str


class AddOffsetsToTxnResponse(Message, kw_only=True):
    """AddOffsetsToTxn, key 25."""

    throttle_ms: Int32 = 0
    error: Int16 = 0


class EndTxnRequest(Message, kw_only=True):
    """EndTxn, key 26."""

    transactional_id: str
    producer_id: Int64
    epoch: Int16
    committed: bool


class EndTxnResponse(Message, kw_only=True):
    """EndTxn, key 26."""

    throttle_ms: Int32 = 0
    error: Int16 = 0


class TxnCommitPartition(Message, kw_only=True):
    """A position that counts once the transaction is committed."""

    index: Int32
    offset: Int64
    leader_epoch: Annotated[Int32, since(2)] = -1
    metadata: str | None = None


class TxnCommitTopic(Message, kw_only=True):
    """The positions of a topic in a transaction."""

    name: str
    partitions: list[TxnCommitPartition]


class TxnOffsetCommitRequest(Message, kw_only=True):
    """TxnOffsetCommit, key 28. From version 3 on it names the member, so that zombies are fenced (KIP-447)."""

    transactional_id: str
    group: str
    producer_id: Int64
    epoch: Int16
    generation: Annotated[Int32, since(3)] = -1
    member_id: Annotated[str, since(3)] = ""
    instance_id: Annotated[str | None, since(3)] = None
    topics: list[TxnCommitTopic]


class TxnOffsetCommitResponse(Message, kw_only=True):
    """TxnOffsetCommit, key 28."""

    throttle_ms: Int32 = 0
    topics: list[CommittedTopic]


class DescribeProducersRequest(Message, kw_only=True):
    """DescribeProducers, key 61 (KIP-664)."""

    topics: list[TransactionTopic]


class KnownProducer(Message, kw_only=True):
    """A producer that has written to a partition; `open_since` is the first offset of its transaction, or -1."""

    producer_id: Int64
    epoch: Int32
    last_sequence: Int32 = -1
    last_timestamp: Int64 = -1
    coordinator_epoch: Int32 = -1
    open_since: Int64 = -1


class DescribedPartition(Message, kw_only=True):
    """The producers of a partition."""

    index: Int32
    error: Int16 = 0
    message: str | None = None
    producers: list[KnownProducer]


class DescribedTopic(Message, kw_only=True):
    """The producers of a topic's partitions."""

    name: str
    partitions: list[DescribedPartition]


class DescribeProducersResponse(Message, kw_only=True):
    """DescribeProducers, key 61."""

    throttle_ms: Int32 = 0
    topics: list[DescribedTopic]


class DescribeTransactionsRequest(Message, kw_only=True):
    """DescribeTransactions, key 65 (KIP-664)."""

    transactional_ids: list[str]


class DescribedTransaction(Message, kw_only=True):
    """The last transaction of a transactional id."""

    error: Int16 = 0
    transactional_id: str
    state: str = ""
    timeout_ms: Int32 = 0
    started_ms: Int64 = -1
    producer_id: Int64 = -1
    epoch: Int16 = -1
    topics: list[TransactionTopic]


class DescribeTransactionsResponse(Message, kw_only=True):
    """DescribeTransactions, key 65."""

    throttle_ms: Int32 = 0
    transactions: list[DescribedTransaction]
