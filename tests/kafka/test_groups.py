"""Compatibility: consumer groups. Every check runs against the development broker and against a real Kafka."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetMetadataTooLargeError

from express.devbroker.codes import Code
from express.devbroker.messages.groups import (
    DeleteGroupsRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeavingMember,
    ListGroupsRequest,
)
from express.devbroker.messages.offsets import (
    OffsetFetchRequest,
)
from tests.kafka.clients import consumer, new_topic, producer, read
from tests.kafka.requests import (
    MEMBER_ID_REQUIRED,
    commit,
    committed,
    described,
    heartbeat,
    join,
    joining,
    sync,
    until,
)
from tests.kafka.wire import Wire, unique
from tests.patience import PATIENCE


async def polling(client: AIOKafkaConsumer) -> None:
    """Keep a consumer in its group."""
    while True:
        await client.getmany(timeout_ms=50)


@contextlib.asynccontextmanager
async def members(*clients: AIOKafkaConsumer) -> AsyncIterator[None]:
    """Poll with these consumers meanwhile."""
    tasks = [asyncio.create_task(polling(client)) for client in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_consumer_resumes_at_its_position(address: str) -> None:
    """A committed position survives its consumer: the next one of the group goes on from there."""
    topic, group = await new_topic(address), unique("group")
    where = TopicPartition(topic, 0)
    async with producer(address) as writer:
        for number in range(10):
            await writer.send_and_wait(topic, b"%d" % number)
    async with consumer(address, topic, group_id=group) as first:
        await read(first, 10)
        assert await first.committed(where) is None
        await first.commit({where: (4, "metadata ü")})
        assert await first.committed(where) == 4
    async with consumer(address, topic, group_id=group) as second:
        assert (await second.getone()).offset == 4
    async with Wire(address) as wire:
        assert await committed(wire, group, where) == (4, "metadata ü")


async def test_partitions_are_shared_and_handed_over(address: str) -> None:
    """Twelve partitions go six and six to two members, and all to the one that stays."""
    topic, group = await new_topic(address, 12), unique("group")
    async with consumer(address, topic, group_id=group) as first:
        async with consumer(address, topic, group_id=group) as second, members(first, second):
            await until(lambda: len(first.assignment()) == len(second.assignment()) == 6)
            assert first.assignment().isdisjoint(second.assignment())
        async with members(first):
            await until(lambda: len(first.assignment()) == 12)


async def test_a_dead_member_is_evicted(address: str) -> None:
    """A member that stops sending heartbeats loses its partitions when its session is over, not before."""
    group = unique("group")
    async with Wire(address) as stays:
        async with Wire(address) as dies:
            both = joining(group, session_ms=6_000)
            dead = await join(dies, both)
            await sync(dies, group, dead)
            waiting = asyncio.create_task(join(stays, joining(group, session_ms=6_000)))
            await until(lambda: beats(dies, group, dead))
        began = asyncio.get_running_loop().time()
        alive = await asyncio.wait_for(waiting, PATIENCE)
        waited = asyncio.get_running_loop().time() - began

    assert [member.member_id for member in alive.members] == [alive.member_id]
    assert alive.generation == dead.generation + 1
    assert waited >= 4


async def beats(wire: Wire, group: str, joined: JoinGroupResponse) -> bool:
    """Whether a heartbeat tells of a rebalance."""
    return await heartbeat(wire, group, joined) == Code.REBALANCE_IN_PROGRESS


async def test_a_rebalance_goes_through_its_phases(address: str) -> None:
    """Join, sync, heartbeat: the leader learns of all members, each member its assignment, each phase its answers."""
    group = unique("group")
    async with Wire(address) as one, Wire(address) as two:
        first = await join(one, joining(group))
        assert (first.error, first.generation, first.leader, first.protocol) == (0, 1, first.member_id, "range")
        assert (await sync(one, group, first)).assignment == first.member_id.encode()
        assert await heartbeat(one, group, first) == Code.NONE
        second = asyncio.create_task(join(two, joining(group, metadata=b"other")))
        await until(lambda: beats(one, group, first))
        first = await join(one, joining(group, first.member_id))
        joined = await second
        assert (joined.generation, joined.members) == (2, [])
        assert {(m.member_id, m.metadata) for m in first.members} == {
            (first.member_id, b"meta"),
            (joined.member_id, b"other"),
        }
        waits = asyncio.create_task(sync(two, group, joined))
        assert (await sync(one, group, first)).assignment == first.member_id.encode()
        assert (await waits).assignment == joined.member_id.encode()


async def test_strangers_and_stale_generations_are_refused(address: str) -> None:
    """Heartbeats, syncs and commits of another generation or of nobody's member are refused."""
    topic, group = await new_topic(address), unique("group")
    where = TopicPartition(topic, 0)
    async with Wire(address) as wire:
        joined = await join(wire, joining(group))
        await sync(wire, group, joined)
        stranger = JoinGroupResponse(generation=joined.generation, member_id="nobody")
        stale = {"generation": joined.generation - 1, "member_id": joined.member_id}
        assert await heartbeat(wire, group, stranger) == Code.UNKNOWN_MEMBER_ID
        assert await heartbeat(wire, group, joined, generation=7) == Code.ILLEGAL_GENERATION
        assert (await join(wire, joining(group, "nobody"))).error == Code.UNKNOWN_MEMBER_ID
        assert (await sync(wire, group, stranger)).error == Code.UNKNOWN_MEMBER_ID
        assert await commit(wire, group, where, 1, **stale) == Code.ILLEGAL_GENERATION
        assert await commit(wire, group, where, 1, generation=1, member_id="nobody") == Code.UNKNOWN_MEMBER_ID
        assert await commit(wire, group, where, 1) == Code.UNKNOWN_MEMBER_ID
        assert await committed(wire, group, where) == (-1, "")
        good = {"generation": joined.generation, "member_id": joined.member_id}
        assert await commit(wire, group, where, 3, **good) == Code.NONE
        assert await committed(wire, group, where) == (3, "")


async def test_positions_without_members(address: str) -> None:
    """Without members anyone may commit; a generation that never was, or a partition that is not there, is refused."""
    topic, group = await new_topic(address), unique("group")
    where = TopicPartition(topic, 0)
    async with Wire(address) as wire:
        await wire.find(group)
        assert await commit(wire, group, where, 5, generation=3, member_id="x") == Code.ILLEGAL_GENERATION
        assert await commit(wire, group, where, 5) == Code.NONE
        assert await committed(wire, group, where) == (5, "")
        missing = TopicPartition(unique("missing"), 0)
        assert await commit(wire, group, missing, 5) == Code.UNKNOWN_TOPIC_OR_PARTITION


async def test_all_positions_of_a_group(address: str) -> None:
    """Asking for no topic in particular gives every position of the group; a partition without one has -1."""
    topic, group = await new_topic(address, 3), unique("group")
    async with Wire(address) as wire:
        await wire.find(group)
        for index in (2, 0):
            assert await commit(wire, group, TopicPartition(topic, index), 10 + index) == Code.NONE
        response = await wire.settled(OffsetFetchRequest(group=group, topics=None))
        assert await committed(wire, group, TopicPartition(topic, 1)) == (-1, "")

    (only,) = response.topics
    assert only.name == topic
    assert sorted((found.index, found.offset) for found in only.partitions) == [(0, 10), (2, 12)]


async def test_metadata_of_positions_is_bounded(address: str) -> None:
    """4096 characters of metadata are kept with a position, one more is refused; the map of done offsets must fit."""
    topic, group = await new_topic(address), unique("group")
    where = TopicPartition(topic, 0)
    async with consumer(address, group_id=group) as client:
        client.assign([where])
        await client.commit({where: (1, "x" * 4096)})
        with pytest.raises(OffsetMetadataTooLargeError):
            await client.commit({where: (2, "x" * 4097)})
    async with Wire(address) as wire:
        assert await committed(wire, group, where) == (1, "x" * 4096)


async def test_leaving_makes_room_at_once(address: str) -> None:
    """A member that leaves is gone: the group is empty, its heartbeats are a stranger's, its position stays."""
    topic, group = await new_topic(address), unique("group")
    where = TopicPartition(topic, 0)
    async with Wire(address) as wire:
        joined = await join(wire, joining(group))
        await sync(wire, group, joined)
        await commit(wire, group, where, 9, generation=joined.generation, member_id=joined.member_id)
        response = await wire.call(LeaveGroupRequest(group=group, members=[LeavingMember(member_id=joined.member_id)]))
        assert (response.error, response.members[0].error) == (Code.NONE, Code.NONE)
        assert await heartbeat(wire, group, joined) == Code.UNKNOWN_MEMBER_ID
        again = await wire.call(LeaveGroupRequest(group=group, member_id=joined.member_id), 2)
        assert again.error == Code.UNKNOWN_MEMBER_ID
        assert (await described(wire, group)).state == "Empty"
        assert await committed(wire, group, where) == (9, "")


async def test_a_static_member_keeps_its_place(address: str) -> None:
    """Who comes back with its instance id gets its old assignment without a rebalance; the old one is fenced."""
    group = unique("group")
    async with Wire(address) as one, Wire(address) as two:
        old = await join(one, joining(group, instance_id="worker-1"))
        assignment = (await sync(one, group, old, "worker-1")).assignment
        new = await join(two, joining(group, instance_id="worker-1"))
        assert (new.error, new.generation) == (Code.NONE, old.generation)
        assert new.member_id != old.member_id
        assert (await sync(two, group, new, "worker-1")).assignment == assignment
        assert await heartbeat(two, group, new, instance_id="worker-1") == Code.NONE
        assert await heartbeat(one, group, old, instance_id="worker-1") == Code.FENCED_INSTANCE_ID
        leaving = LeavingMember(member_id="", instance_id="worker-1")
        response = await two.call(LeaveGroupRequest(group=group, members=[leaving]))
        assert (response.error, response.members[0].error) == (Code.NONE, Code.NONE)
        assert await heartbeat(two, group, new) == Code.UNKNOWN_MEMBER_ID


async def test_static_consumers_restart_without_a_rebalance(address: str) -> None:
    """aiokafka with `group_instance_id`: a restart moves no partition and leaves the generation as it was."""
    topic, group = await new_topic(address, 4), unique("group")
    options = {"group_id": group, "session_timeout_ms": 15_000}
    async with consumer(address, topic, group_instance_id="a", **options) as stays:
        async with consumer(address, topic, group_instance_id="b", **options) as restarts, members(stays, restarts):
            await until(lambda: len(stays.assignment()) == len(restarts.assignment()) == 2)
            kept = (stays.assignment(), restarts.assignment())
        async with consumer(address, topic, group_instance_id="b", **options) as again, members(stays, again):
            await until(lambda: len(again.assignment()) == 2)
            assert (stays.assignment(), again.assignment()) == kept


async def test_unfit_members_are_refused(address: str) -> None:
    """A session that is too short, an assignor nobody else knows, an unknown id at first: refused, each its way."""
    group = unique("group")
    async with Wire(address) as wire:
        await wire.find(group)
        assert (await wire.settled(joining(unique("group")))).error == MEMBER_ID_REQUIRED
        assert (await wire.settled(joining(group, session_ms=10))).error == Code.INVALID_SESSION_TIMEOUT
        joined = await join(wire, joining(group))
        await sync(wire, group, joined)
        other = await join(wire, joining(group, protocol="unheard-of"))
        assert other.error == Code.INCONSISTENT_GROUP_PROTOCOL


async def test_groups_are_listed_described_and_deleted(address: str) -> None:
    """A group is listed with its state, described with its members, and deleted once it has none."""
    group = unique("group")
    async with Wire(address) as wire:
        joined = await join(wire, joining(group))
        await sync(wire, group, joined)
        found = await described(wire, group)
        (member,) = found.members
        assert (found.error, found.state, found.protocol_type, found.protocol) == (0, "Stable", "consumer", "range")
        assert (member.member_id, member.client_id, member.metadata) == (joined.member_id, "wire", b"meta")
        assert (member.client_host, member.assignment) == ("/127.0.0.1", joined.member_id.encode())
        listed = (await wire.call(ListGroupsRequest(states=["Stable"]))).groups
        assert (group, "consumer", "Stable") in [(one.group, one.protocol_type, one.state) for one in listed]
        assert (await wire.call(DeleteGroupsRequest(groups=[group]))).groups[0].error == Code.NON_EMPTY_GROUP
        await wire.call(LeaveGroupRequest(group=group, members=[LeavingMember(member_id=joined.member_id)]))
        assert (await wire.settled(DeleteGroupsRequest(groups=[group]))).groups[0].error == Code.NONE
        assert (await wire.call(DeleteGroupsRequest(groups=[group]))).groups[0].error == Code.GROUP_ID_NOT_FOUND
        assert (await described(wire, group)).state == "Dead"


async def test_a_commit_after_losing_a_partition_fails(address: str) -> None:
    """A consumer that slept through a rebalance cannot move the position of what it lost."""
    topic, group = await new_topic(address, 2), unique("group")
    where = TopicPartition(topic, 0)
    options = {"group_id": group, "session_timeout_ms": 6_000, "heartbeat_interval_ms": 60_000}
    async with consumer(address, topic, **options) as sleeper:
        await until(lambda: len(sleeper.assignment()) == 2)
        async with consumer(address, topic, group_id=group) as awake, members(awake):
            await until(lambda: len(awake.assignment()) == 2)
            with pytest.raises(KafkaError):
                await sleeper.commit({where: 5})
            async with Wire(address) as wire:
                assert await committed(wire, group, where) == (-1, "")
