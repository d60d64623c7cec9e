"""Requests about transactional ids that aiokafka's producer does not make.

Every call is one attempt. What fails only for now raises `LaterError`; everything else raises what aiokafka has for
the error code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from aiokafka import errors
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    InitProducerIdRequest,
)
from aiokafka.structs import TopicPartition

from express.errors import ExpressError
from express.kafka.messages import (
    UNKNOWN,
    DescribeProducers,
    DescribeTransactions,
    Features,
    StableOffsetFetch,
    supported,
)


class ErrorCode(IntEnum):
    """Error codes of the protocol that are told apart here."""

    NONE = 0
    UNKNOWN_TOPIC_OR_PARTITION = 3
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    TOPIC_AUTHORIZATION_FAILED = 29
    CONCURRENT_TRANSACTIONS = 51
    OPERATION_NOT_ATTEMPTED = 55
    KAFKA_STORAGE_ERROR = 56
    UNSTABLE_OFFSET_COMMIT = 88
    TRANSACTIONAL_ID_NOT_FOUND = 105


LATER = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.OPERATION_NOT_ATTEMPTED,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)
"""Codes of what may go well a moment later."""


FORGETFUL = {30: "4.3", 33: "4.4"}
"""The newest metadata.version that a release supports, for those with KAFKA-20734: 4.3.0, 4.3.1 and 4.4.0."""


class LaterError(ExpressError):
    """A request that can't be answered now: its broker is away, busy, or not the right one any more."""


class BusyError(LaterError):
    """The coordinator still ends the last transaction of the id."""


class Producer(NamedTuple):
    """A producer id and its epoch."""

    id: int
    epoch: int


class LastTransaction(NamedTuple):
    """The last transaction of an id, as its coordinator knows it."""

    state: str
    timeout_ms: int
    producer: Producer


class OpenTransactions(NamedTuple):
    """Open transactions: partitions by producer id, and those that nobody could ask."""

    transactions: Mapping[TopicPartition, set[int]]
    unseen: Collection[TopicPartition]
    """Without a leader."""
    refused: Collection[TopicPartition]
    """Partitions whose producers we may not see."""

    def of(self, producer: Producer) -> set[TopicPartition]:
        """The partitions with an open transaction of a producer."""
        return {tp for tp, ids in self.transactions.items() if producer.id in ids}


class TransactionalId:
    """Requests to the coordinator of one transactional id."""

    def __init__(self, client: AIOKafkaClient, name: str) -> None:
        self.client = client
        self.name = name
        self._coordinator: int | None = None

    async def describe(self) -> LastTransaction | None:
        """The last transaction; None where there was none, or the broker is too old to tell (before Kafka 3.0)."""
        try:
            answer = await self._ask(DescribeTransactions(self.name))
        except UNKNOWN:
            return None
        code, _, state, timeout_ms, _, producer_id, epoch, *_ = answer.transactions[0]
        if code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
            return None
        self._check(code)
        return LastTransaction(state, timeout_ms, Producer(producer_id, epoch))

    async def begin(self, timeout_ms: int) -> Producer:
        """Get a producer id and a new epoch; whoever had the one before is fenced, his open transaction aborted."""
        answer = await self._ask(InitProducerIdRequest(self.name, timeout_ms))
        self._check(answer.error_code)
        return Producer(answer.producer_id, answer.producer_epoch)

    async def add_partitions(self, producer: Producer, partitions: Collection[TopicPartition]) -> None:
        """Add partitions to the transaction, all or none; it begins with the first."""
        topics: dict[str, list[int]] = {}
        for topic, number in sorted(partitions):
            topics.setdefault(topic, []).append(number)
        request = AddPartitionsToTxnRequest(self.name, producer.id, producer.epoch, list(topics.items()))
        answer = await self._ask(request)
        codes = {code for _, found in answer.errors for _, code in found}
        for code in sorted(codes, key=lambda code: code in LATER):  # what is for ever first
            self._check(code)

    async def add_offsets(self, producer: Producer, group: str) -> None:
        """Add the positions of a group to the transaction."""
        answer = await self._ask(AddOffsetsToTxnRequest(self.name, producer.id, producer.epoch, group))
        self._check(answer.error_code)

    async def end(self, producer: Producer, *, commit: bool) -> None:
        """Commit or abort the transaction."""
        answer = await self._ask(EndTxnRequest(self.name, producer.id, producer.epoch, commit))
        self._check(answer.error_code)

    async def _ask(self, request: Any) -> Any:
        """Send a request to the coordinator, which is looked for first where it is not known."""
        if self._coordinator is None:
            self._coordinator = await coordinator(self.client, CoordinationType.TRANSACTION, self.name)
        try:
            return await ask(self.client, self._coordinator, request, ConnectionGroup.COORDINATION)
        except LaterError:
            self._coordinator = None
            raise

    def _check(self, code: int) -> None:
        if code in (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE):
            self._coordinator = None
        check(code, self.name)


async def look(client: AIOKafkaClient, partitions: Iterable[TopicPartition]) -> OpenTransactions:
    """Ask the leaders of partitions for open transactions. Brokers before Kafka 2.8 know of none."""
    leaders: dict[int, list[TopicPartition]] = {}
    unseen = set()
    for tp in partitions:
        leader = client.cluster.leader_for_partition(tp)
        if leader is None or leader < 0:
            unseen.add(tp)
        else:
            leaders.setdefault(leader, []).append(tp)
    transactions: dict[TopicPartition, set[int]] = {}
    refused = set()
    for leader, led in leaders.items():
        try:
            answer = await ask(client, leader, DescribeProducers(led))
        except UNKNOWN:
            continue
        except LaterError:
            unseen.update(led)
            continue
        for tp, code, producers in _partitions(answer):
            if code == ErrorCode.TOPIC_AUTHORIZATION_FAILED:
                refused.add(tp)
            elif code in LATER:
                unseen.add(tp)
            else:
                check(code, f"{tp.topic} {tp.partition}")
                transactions[tp] = {number for number, _, _, _, _, since, _ in producers if since >= 0}
    if unseen:
        client.force_metadata_update()
    return OpenTransactions({tp: ids for tp, ids in transactions.items() if ids}, unseen, refused)


def _partitions(answer: Any) -> Iterable[tuple[TopicPartition, int, Any]]:
    for topic, partitions, _ in answer.topics:
        for number, code, _, producers, _ in partitions:
            yield TopicPartition(topic, number), code, producers


async def undecided(client: AIOKafkaClient, group: str, partitions: Collection[TopicPartition]) -> set[TopicPartition]:
    """The partitions for which an open transaction holds a position. Brokers before Kafka 2.5 know of none."""
    node = await coordinator(client, CoordinationType.GROUP, group)
    try:
        answer = await ask(client, node, StableOffsetFetch(group, partitions), ConnectionGroup.COORDINATION)
    except UNKNOWN:
        return set()
    check(answer.error_code, group)
    found = set()
    for topic, positions, _ in answer.topics:
        for number, _, _, _, code, _ in positions:
            if code == ErrorCode.UNSTABLE_OFFSET_COMMIT:
                found.add(TopicPartition(topic, number))
            else:
                check(code, group)
    return found


async def forgets_markers(client: AIOKafkaClient) -> str:
    """The release of Kafka that a broker is of, if that has versions which drop transaction markers; empty if not.

    Brokers tell no version of their own, but the newest metadata.version they support, which each release raises.
    """
    node = client.get_random_node()
    try:
        return FORGETFUL.get(supported(await ask(client, node, Features())).get("metadata.version", 0), "")
    except (LaterError, *UNKNOWN):
        return ""


async def coordinator(client: AIOKafkaClient, kind: CoordinationType, key: str) -> int:
    """The broker that coordinates a group or a transactional id."""
    if client.get_random_node() is None:
        await client.force_metadata_update()
        raise LaterError("no broker is known")
    try:
        found: int = await client.coordinator_lookup(kind, key)
    except (errors.TransactionalIdAuthorizationFailed, errors.GroupAuthorizationFailedError) as refused:
        raise type(refused)(key) from refused
    except errors.BrokerResponseError as error:
        check(error.errno, key)
        raise
    except (errors.KafkaError, OSError) as error:
        client.force_metadata_update()
        raise LaterError(f"looking for the coordinator of {key}: {error!r}") from error
    return found


async def ask(client: AIOKafkaClient, node: int, request: Any, group: ConnectionGroup = ConnectionGroup.DEFAULT) -> Any:
    """Send a request to a broker. Raises LaterError where it can't be reached."""
    try:
        return await client.send(node, request, group=group)
    except UNKNOWN:
        raise
    except (errors.KafkaError, OSError) as error:
        client.force_metadata_update()
        raise LaterError(f"asking broker {node}: {error!r}") from error


def check(code: int, what: str) -> None:
    """Raise what an error code means."""
    if code == ErrorCode.NONE:
        return
    if code in LATER:
        kind = BusyError if code == ErrorCode.CONCURRENT_TRANSACTIONS else LaterError
        raise kind(f"{what}: {ErrorCode(code).name}")
    raise errors.for_code(code)(what)
