"""Requests by hand: what the compatibility checks ask over the wire, and helpers to wait for what others do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import TopicPartition

from express.devbroker.codes import Code
from express.devbroker.messages.admin import (
    AlteredResource,
    ApiVersionsRequest,
    ConfigChange,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    DescribeConfigsRequest,
    IncrementalAlterConfigsRequest,
    MetadataRequest,
    MorePartitions,
)
from express.devbroker.messages.admin import ConfigResource as Resource
from express.devbroker.messages.admin import NewTopic as Topic
from express.devbroker.messages.groups import (
    DeleteGroupsRequest,
    DescribedGroup,
    DescribeGroupsRequest,
    FindCoordinatorRequest,
    HeartbeatRequest,
    JoinGroupRequest,
    JoinGroupResponse,
    JoinProtocol,
    LeaveGroupRequest,
    LeavingMember,
    ListGroupsRequest,
    MemberAssignment,
    SyncGroupRequest,
    SyncGroupResponse,
)
from express.devbroker.messages.offsets import (
    CommitPartition,
    CommitTopic,
    OffsetCommitRequest,
    OffsetFetchRequest,
    OffsetFetchTopic,
)
from express.devbroker.messages.records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
    FetchedPartition,
    FetchPartition,
    FetchRequest,
    FetchTopic,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
    ProducedPartition,
    ProducePartition,
    ProduceRequest,
    ProduceTopic,
)
from express.devbroker.messages.transactions import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    DescribeProducersRequest,
    DescribeTransactionsRequest,
    EndTxnRequest,
    InitProducerIdRequest,
    InitProducerIdResponse,
    TransactionTopic,
    TxnCommitPartition,
    TxnCommitTopic,
    TxnOffsetCommitRequest,
)
from express.devbroker.wire import Message
from tests.kafka.wire import TRANSACTION, Wire, record_batch, unique
from tests.patience import PATIENCE

START = 1_700_000_000_000


def produce(topic: str, batch: bytes | None, partition: int = 0, acks: int = -1) -> ProduceRequest:
    """A produce request with one batch."""
    asked = ProducePartition(index=partition, records=batch)
    topics = [ProduceTopic(name=topic, partitions=[asked])]
    return ProduceRequest(transactional_id=None, acks=acks, timeout_ms=10_000, topics=topics)


async def produced(wire: Wire, topic: str, batch: bytes | None, partition: int = 0) -> ProducedPartition:
    """What becomes of one batch."""
    response = await wire.call(produce(topic, batch, partition))
    answer: ProducedPartition = response.topics[0].partitions[0]
    return answer


def fetch(topic: str, offset: int, *, partitions: int = 1, wait_ms: int = 0, **limits: int) -> FetchRequest:
    """A fetch request for the same offset of the first partitions."""
    one = limits.get("partition_bytes", 1 << 20)
    asked = [FetchPartition(index=index, fetch_offset=offset, max_bytes=one) for index in range(partitions)]
    return FetchRequest(
        replica_id=-1,
        max_wait_ms=wait_ms,
        min_bytes=limits.get("min_bytes", 1),
        max_bytes=limits.get("max_bytes", 1 << 24),
        isolation_level=limits.get("isolation", 0),
        topics=[FetchTopic(name=topic, partitions=asked)],
    )


async def fetched(wire: Wire, request: FetchRequest) -> list[FetchedPartition]:
    """What is read of each partition."""
    response = await wire.call(request)
    partitions: list[FetchedPartition] = response.topics[0].partitions if response.topics else []
    return partitions


MEMBER_ID_REQUIRED = 79


def joining(group: str, member_id: str = "", instance_id: str | None = None, **more: object) -> JoinGroupRequest:
    """A join request with one assignor."""
    name, metadata = str(more.get("protocol", "range")), more.get("metadata", b"meta")
    assert isinstance(metadata, bytes)
    return JoinGroupRequest(
        group=group,
        session_timeout_ms=int(str(more.get("session_ms", 10_000))),
        rebalance_timeout_ms=int(str(more.get("rebalance_ms", 10_000))),
        member_id=member_id,
        instance_id=instance_id,
        protocol_type="consumer",
        protocols=[JoinProtocol(name=name, metadata=metadata)],
    )


async def join(wire: Wire, request: JoinGroupRequest) -> JoinGroupResponse:
    """Join, a second time with the id that a new member is given first."""
    await wire.find(request.group)
    response: JoinGroupResponse = await wire.settled(request)
    if response.error == MEMBER_ID_REQUIRED:
        request.member_id = response.member_id
        response = await wire.call(request)
    return response


async def sync(wire: Wire, group: str, joined: JoinGroupResponse, instance_id: str | None = None) -> SyncGroupResponse:
    """Assign as the leader (to each member its own id), or be told as a follower."""
    assignments = [
        MemberAssignment(member_id=member.member_id, assignment=member.member_id.encode()) for member in joined.members
    ]
    request = SyncGroupRequest(
        group=group,
        generation=joined.generation,
        member_id=joined.member_id,
        instance_id=instance_id,
        assignments=assignments,
    )
    response: SyncGroupResponse = await wire.call(request)
    return response


async def heartbeat(wire: Wire, group: str, joined: JoinGroupResponse, **other: object) -> int:
    """The code that a heartbeat is answered with."""
    generation, instance = other.get("generation", joined.generation), other.get("instance_id")
    assert isinstance(generation, int)
    request = HeartbeatRequest(
        group=group,
        generation=generation,
        member_id=joined.member_id,
        instance_id=str(instance) if instance else None,
    )
    return int((await wire.call(request)).error)


async def commit(wire: Wire, group: str, where: TopicPartition, offset: int, **who: object) -> int:
    """The code that a commit of a position is answered with."""
    asked = CommitPartition(index=where.partition, offset=offset, metadata=str(who.get("metadata", "")))
    request = OffsetCommitRequest(
        group=group,
        generation=int(str(who.get("generation", -1))),
        member_id=str(who.get("member_id", "")),
        topics=[CommitTopic(name=where.topic, partitions=[asked])],
    )
    return int((await wire.settled(request)).topics[0].partitions[0].error)


async def committed(wire: Wire, group: str, where: TopicPartition) -> tuple[int, str | None]:
    """Offset and metadata of a committed position."""
    asked = OffsetFetchTopic(name=where.topic, partitions=[where.partition])
    response = await wire.settled(OffsetFetchRequest(group=group, topics=[asked]))
    found = response.topics[0].partitions[0]
    assert found.error == Code.NONE
    return found.offset, found.metadata


async def described(wire: Wire, group: str) -> DescribedGroup:
    """The description of a group."""
    found: DescribedGroup = (await wire.settled(DescribeGroupsRequest(groups=[group]))).groups[0]
    return found


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Wait until something holds that others bring about."""
    async with asyncio.timeout(seconds):
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.02)


async def begun(wire: Wire, name: str | None, timeout_ms: int = 60_000) -> InitProducerIdResponse:
    """A producer id and an epoch."""
    if name is not None:
        await wire.find(name, TRANSACTION)
    response: InitProducerIdResponse = await wire.settled(
        InitProducerIdRequest(transactional_id=name, timeout_ms=timeout_ms)
    )
    assert response.error == Code.NONE
    return response


async def add(wire: Wire, name: str, who: InitProducerIdResponse, topic: str, version: int = 2) -> int:
    """The code of adding partition 0 of a topic to the transaction."""
    topics = [TransactionTopic(name=topic, partitions=[0])]
    request = AddPartitionsToTxnRequest(
        transactional_id=name, producer_id=who.producer_id, epoch=who.epoch, topics=topics
    )
    return int((await wire.settled(request, version)).topics[0].partitions[0].error)


async def write(wire: Wire, topic: str, name: str | None, batch: bytes) -> Any:
    """What becomes of a batch."""
    topics = [ProduceTopic(name=topic, partitions=[ProducePartition(index=0, records=batch)])]
    request = ProduceRequest(transactional_id=name, acks=-1, timeout_ms=5000, topics=topics)
    return (await wire.settled(request)).topics[0].partitions[0]


async def end(wire: Wire, name: str, who: InitProducerIdResponse, committed: bool, version: int = 2) -> int:
    """The code of ending a transaction."""
    request = EndTxnRequest(transactional_id=name, producer_id=who.producer_id, epoch=who.epoch, committed=committed)
    return int((await wire.settled(request, version)).error)


def batch_of(who: InitProducerIdResponse, sequence: int, *values: bytes, transactional: bool = True) -> bytes:
    """A batch of this producer."""
    return record_batch(
        *values, producer_id=who.producer_id, epoch=who.epoch, sequence=sequence, transactional=transactional
    )


async def commit_positions(
    wire: Wire, name: str, who: InitProducerIdResponse, group: str, topic: str, offset: int, **member: Any
) -> int:
    """The code of sending a position to a transaction."""
    request = AddOffsetsToTxnRequest(transactional_id=name, producer_id=who.producer_id, epoch=who.epoch, group=group)
    assert (await wire.settled(request)).error == Code.NONE
    return await commit_untold(wire, name, who, group, topic, offset, **member)


async def commit_untold(
    wire: Wire, name: str, who: InitProducerIdResponse, group: str, topic: str, offset: int, **member: Any
) -> int:
    """The same without telling the coordinator, which a broker takes that does not verify."""
    topics = [TxnCommitTopic(name=topic, partitions=[TxnCommitPartition(index=0, offset=offset)])]
    commit = TxnOffsetCommitRequest(
        transactional_id=name, group=group, producer_id=who.producer_id, epoch=who.epoch, topics=topics, **member
    )
    return int((await wire.settled(commit)).topics[0].partitions[0].error)


TOPIC = 2


def creating(name: str, partitions: int = 1, **more: Any) -> CreateTopicsRequest:
    """A request to create one topic."""
    topic = Topic(
        name=name,
        partitions=partitions,
        replication_factor=more.get("replicas", 1),
        assignments=more.get("assignments", []),
        configs=[],
    )
    return CreateTopicsRequest(topics=[topic], timeout_ms=10_000, validate_only=more.get("dry", False))


async def created(wire: Wire, request: CreateTopicsRequest) -> int:
    """The code that creating a topic is answered with."""
    return int((await wire.call(request)).topics[0].error)


def sample(kind: type[Message], topic: str) -> Message:
    """A request of this kind, with every list filled."""
    partition = TransactionTopic(name=topic, partitions=[0])
    stranger: dict[str, Any] = {"group": "versions", "generation": 1, "member_id": "nobody"}
    transaction: dict[str, Any] = {"transactional_id": "versions", "producer_id": 1, "epoch": 0}
    requests: list[Message] = [
        produce(topic, record_batch(b"x")),
        fetch(topic, 0),
        ListOffsetsRequest(
            replica_id=-1,
            topics=[ListOffsetsTopic(name=topic, partitions=[ListOffsetsPartition(index=0, timestamp=-2)])],
        ),
        MetadataRequest(topics=[topic]),
        OffsetCommitRequest(
            **stranger, topics=[CommitTopic(name=topic, partitions=[CommitPartition(index=0, offset=1)])]
        ),
        OffsetFetchRequest(group="versions", topics=[OffsetFetchTopic(name=topic, partitions=[0])]),
        FindCoordinatorRequest(key="versions"),
        JoinGroupRequest(
            group="versions",
            session_timeout_ms=1,
            member_id="nobody",
            protocol_type="consumer",
            protocols=[JoinProtocol(name="range", metadata=b"")],
        ),
        HeartbeatRequest(**stranger),
        LeaveGroupRequest(group="versions", member_id="nobody", members=[LeavingMember(member_id="nobody")]),
        SyncGroupRequest(**stranger, assignments=[MemberAssignment(member_id="nobody", assignment=b"x")]),
        DescribeGroupsRequest(groups=["versions"]),
        ListGroupsRequest(states=["Stable"]),
        ApiVersionsRequest(),
        creating(topic, assignments=[]),
        DeleteTopicsRequest(names=[unique("missing")], timeout_ms=1000),
        DeleteRecordsRequest(
            topics=[DeleteRecordsTopic(name=topic, partitions=[DeleteRecordsPartition(index=0, offset=0)])],
            timeout_ms=1000,
        ),
        InitProducerIdRequest(transactional_id=None, timeout_ms=1000),
        AddPartitionsToTxnRequest(**transaction, topics=[partition]),
        AddOffsetsToTxnRequest(**transaction, group="versions"),
        EndTxnRequest(**transaction, committed=True),
        TxnOffsetCommitRequest(
            **transaction,
            group="versions",
            topics=[TxnCommitTopic(name=topic, partitions=[TxnCommitPartition(index=0, offset=1)])],
        ),
        DescribeConfigsRequest(resources=[Resource(kind=TOPIC, name=topic, keys=None)]),
        CreatePartitionsRequest(
            topics=[MorePartitions(name=topic, count=2, assignments=[[1]])], timeout_ms=1000, validate_only=True
        ),
        DeleteGroupsRequest(groups=["missing"]),
        DescribeProducersRequest(topics=[partition]),
        DescribeTransactionsRequest(transactional_ids=["versions"]),
        IncrementalAlterConfigsRequest(
            resources=[
                AlteredResource(
                    kind=TOPIC,
                    name=topic,
                    changes=[ConfigChange(name="retention.bytes", operation=0, value="1000")],
                )
            ],
            validate_only=True,
        ),
    ]
    return next(request for request in requests if type(request) is kind)
