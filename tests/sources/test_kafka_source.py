"""The Kafka source against both brokers: what the `Source` port promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException

from express.devbroker.messages.groups import LeaveGroupRequest, LeavingMember
from express.errors import CommitRefused, ConfigError, SourceError
from express.ports import ConsumedRecord, Partition, Position, Source
from express.sources.kafka import KafkaSource
from tests.devbroker.test_persistence import Killable
from tests.kafka.clients import new_topic, producer
from tests.kafka.wire import Wire, unique

QUICK = {"heartbeat_interval_ms": 200, "retry_backoff_ms": 20, "session_timeout_ms": 6_000}


class Assigned:
    """Takes partitions as they come, and begins where the commit says, or at the start."""

    def __init__(self) -> None:
        self.source: Source
        self.mine: set[Partition] = set()
        self.revocations = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.fail: Exception | None = None

    async def assigned(self, partitions: Collection[Partition]) -> None:
        if self.fail is not None:
            raise self.fail
        committed = await self.source.committed(partitions)
        bounds = await self.source.bounds(partitions)
        for partition in partitions:
            position = committed.get(partition)
            self.source.seek(partition, bounds[partition][0] if position is None else position.offset)
        self.mine |= set(partitions)

    async def revoked(self, partitions: Collection[Partition]) -> None:
        await self.hold.wait()
        self.revocations += 1
        self.mine -= set(partitions)


@asynccontextmanager
async def member(address: str, group: str, *topics: str, **more: Any) -> AsyncIterator[tuple[KafkaSource, Assigned]]:
    """A started source."""
    assigned = Assigned()
    source = KafkaSource(topics, group, {"bootstrap_servers": address, **QUICK, **more})
    assigned.source = source
    await source.start(assigned)
    try:
        yield source, assigned
    finally:
        assigned.hold.set()
        await source.stop()


async def commit_one(source: KafkaSource, partition: Partition) -> None:
    """Commit the first record of a partition."""
    await source.commit({partition: Position(1)})


async def remove_member(address: str, group: str, instance: str) -> None:
    """Let the coordinator forget a static member, as it does when its session is over."""
    async with Wire(address) as wire:
        await wire.find(group)
        leaving = LeavingMember(member_id="", instance_id=instance)
        await wire.settled(LeaveGroupRequest(group=group, members=[leaving]))


async def fill(address: str, topic: str, *values: bytes, partition: int = 0) -> None:
    async with producer(address) as client:
        for value in values:
            await client.send_and_wait(topic, value, key=b"k", partition=partition, headers=[("h", b"v")])


async def take(
    source: KafkaSource, count: int, partitions: Collection[Partition] | None = None
) -> list[ConsumedRecord]:
    """Poll until `count` records have come."""
    records: list[ConsumedRecord] = []
    while len(records) < count:
        for _, found in await source.poll(partitions, 500, 0.1):
            records.extend(found)
    return records


async def polled_until(source: KafkaSource, condition: Any) -> None:
    """Poll, as the group expects of a member, until something holds."""
    while not condition():
        await source.poll(None, 500, 0.05)


async def test_records_come_in_order_with_all_they_have(address: str) -> None:
    """Offset, key, value, headers and timestamp, in the order of the log, no more than asked for."""
    topic = await new_topic(address)
    await fill(address, topic, *(b"%d" % n for n in range(20)))

    async with member(address, unique("g"), topic) as (source, _):
        first = (await take(source, 20))[0]
        assert (first.offset, first.key, first.value) == (0, b"k", b"0")
        assert list(first.headers) == [("h", b"v")]
        assert first.timestamp > 1_600_000_000_000


async def test_a_poll_returns_no_more_than_the_limit(address: str) -> None:
    """The limit holds over all partitions together."""
    topic = await new_topic(address, 2)
    for partition in (0, 1):
        await fill(address, topic, *[b"x"] * 10, partition=partition)

    async with member(address, unique("g"), topic) as (source, _):
        seen = 0
        while seen < 20:
            polled = await source.poll(None, 3, 0.1)
            count = sum(len(records) for _, records in polled)
            assert count <= 3
            seen += count


async def test_partitions_are_equal_to_ours(address: str) -> None:
    """What a poll names can be looked up in a dict of our partitions."""
    topic = await new_topic(address)
    await fill(address, topic, b"x")

    async with member(address, unique("g"), topic) as (source, _):
        polled: Any = []
        while not polled:
            polled = await source.poll(None, 10, 0.1)
        assert {Partition(topic, 0): "found"}[polled[0][0]] == "found"


async def test_only_the_wanted_partitions_are_polled(address: str) -> None:
    """A partition that has no room is left out, and nothing of it is lost."""
    topic = await new_topic(address, 2)
    await fill(address, topic, b"zero", partition=0)
    await fill(address, topic, b"one", partition=1)

    async with member(address, unique("g"), topic) as (source, _):
        one = await take(source, 1, [Partition(topic, 1)])
        assert [r.value for r in one] == [b"one"]
        assert await source.poll([], 500, 5) == []
        zero = await take(source, 1)
        assert [r.value for r in zero] == [b"zero"]


async def test_a_commit_comes_back_with_its_metadata(address: str) -> None:
    """The next member begins where the last one committed, and gets the map that was stored with it."""
    topic, group = await new_topic(address, 2), unique("g")
    partition = Partition(topic, 0)
    await fill(address, topic, b"a", b"b", b"c")

    async with member(address, group, topic) as (source, _):
        await take(source, 3)
        assert await source.committed([partition]) == {}
        await source.commit({partition: Position(1, "x1AQ==")})
        assert await source.committed([partition, Partition(topic, 1)]) == {partition: Position(1, "x1AQ==")}
    async with member(address, group, topic) as (source, _):
        assert [r.value for r in await take(source, 2)] == [b"b", b"c"]


async def test_bounds_are_the_ends_of_the_log(address: str) -> None:
    """First offset, and one after the last."""
    topic = await new_topic(address)
    await fill(address, topic, b"a", b"b")

    async with member(address, unique("g"), topic) as (source, _):
        assert await source.bounds([Partition(topic, 0)]) == {Partition(topic, 0): (0, 2)}


async def test_lag_counts_what_is_not_polled(address: str) -> None:
    """Known after the first fetch; 0 when all is polled."""
    topic = await new_topic(address)
    await fill(address, topic, *[b"x"] * 7)

    async with member(address, unique("g"), topic) as (source, _):
        await take(source, 7)
        assert source.lag() == {Partition(topic, 0): 0}


async def test_a_new_member_gets_its_share(address: str) -> None:
    """Who joins takes over partitions, after the others were told to give up all of theirs."""
    topic, group = await new_topic(address, 4), unique("g")

    async with member(address, group, topic) as (first, one):
        await polled_until(first, lambda: len(one.mine) == 4)
        async with member(address, group, topic) as (second, two):
            both = asyncio.gather(
                polled_until(first, lambda: len(one.mine) == 2), polled_until(second, lambda: len(two.mine) == 2)
            )
            await both
            assert one.mine | two.mine == {Partition(topic, n) for n in range(4)}
            assert one.revocations >= 1
        await polled_until(first, lambda: len(one.mine) == 4)


async def test_a_commit_for_somebody_elses_partition_is_refused(address: str) -> None:
    """CommitRefused, and what the owner has committed stays."""
    topic, group = await new_topic(address), unique("g")

    async with member(address, group, topic) as (source, _):
        with pytest.raises(CommitRefused):
            await source.commit({Partition(topic, 0): Position(1), Partition("other", 0): Position(1)})
        assert await source.committed([Partition(topic, 0)]) == {}


async def test_a_commit_of_an_older_generation_is_refused(address: str) -> None:
    """A member that was taken for dead commits nothing when it comes back."""
    topic, group = await new_topic(address), unique("g")

    async with member(address, group, topic) as (source, _):
        assert source._consumer is not None
        source._consumer._coordinator.generation -= 1
        with pytest.raises(CommitRefused):
            await source.commit({Partition(topic, 0): Position(5)})


async def test_what_goes_wrong_with_an_assignment_comes_out_of_the_poll(address: str) -> None:
    """aiokafka would only log it."""
    topic = await new_topic(address)
    assigned = Assigned()
    assigned.fail = SourceError("no committed offsets today")
    source = KafkaSource([topic], unique("g"), {"bootstrap_servers": address, **QUICK})
    assigned.source = source
    await source.start(assigned)
    try:
        with pytest.raises(SourceError, match="no committed offsets today"):
            await polled_until(source, lambda: False)
    finally:
        await source.stop()


async def test_a_source_starts_again_after_a_stop(address: str) -> None:
    """Stop and start make a new member; stopping twice does nothing."""
    topic, group = await new_topic(address), unique("g")
    await fill(address, topic, b"a")

    async with member(address, group, topic) as (source, assigned):
        await take(source, 1)
        await source.stop()
        await source.stop()
        await source.start(assigned)
        assert len(await take(source, 1)) == 1


async def test_an_unreachable_cluster_is_a_source_error() -> None:
    """Nobody listens: SourceError, not something of the client's."""
    source = KafkaSource(["t"], "g", {"bootstrap_servers": "127.0.0.1:9"})
    with pytest.raises(SourceError):
        await source.start(Assigned())
    await source.stop()
    with pytest.raises(SourceError):
        await source.poll(None, 1, 0)


def test_properties_cannot_undo_what_delivery_stands_on() -> None:
    """Auto-commit, "latest" and read_uncommitted would each lose or double records."""
    bad = {"enable_auto_commit": True, "auto_offset_reset": "latest", "isolation_level": "read_uncommitted"}

    chosen = KafkaSource(["t"], "g", {**bad, "fetch_max_bytes": 1 << 20})._properties

    assert (chosen["enable_auto_commit"], chosen["auto_offset_reset"]) == (False, "earliest")
    assert chosen["isolation_level"] == "read_committed"
    assert chosen["fetch_max_bytes"] == 1 << 20


async def test_a_static_member_comes_back_without_a_rebalance(address: str) -> None:
    """With a group.instance.id, a restart within the session timeout takes nothing from the others."""
    topic, group = await new_topic(address, 4), unique("g")

    async with (
        member(address, group, topic, group_instance_id="one") as (first, one),
        member(address, group, topic, group_instance_id="two") as (second, two),
    ):
        await asyncio.gather(
            polled_until(first, lambda: len(one.mine) == 2), polled_until(second, lambda: len(two.mine) == 2)
        )
        before, had = one.revocations, two.mine
        await second.stop()
        two.mine = set()
        await asyncio.gather(second.start(two), polled_until(first, lambda: second._consumer is not None))
        await polled_until(second, lambda: len(two.mine) == 2)

        assert two.mine == had
        assert one.revocations == before


async def test_a_member_whose_name_another_one_has_taken_ends_with_a_sentence(address: str) -> None:
    """Two with one group_instance_id: the first one is told so, and does not take its place back."""
    topic, group = await new_topic(address, 2), unique("g")

    async with member(address, group, topic, group_instance_id="one") as (first, one):
        await polled_until(first, lambda: len(one.mine) == 2)
        async with member(address, group, topic, group_instance_id="one") as (second, two):
            polling = asyncio.create_task(_poll_for_ever(second))
            with pytest.raises(ConfigError, match=r"group_instance_id 'one' and taken this one's place \(FENCED_"):
                await _poll_for_ever(first)
            await first.stop()
            await fill(address, topic, b"a")
            assert len(two.mine) == 2
            assert not polling.done()
            await commit_one(second, Partition(topic, 0))
            polling.cancel()


async def test_a_member_whose_session_has_expired_joins_anew(address: str) -> None:
    """Its name belongs to nobody by then: the same answer to its heartbeat, and another one to its joining."""
    topic, group = await new_topic(address, 2), unique("g")

    async with member(address, group, topic, group_instance_id="one") as (source, mine):
        await polled_until(source, lambda: len(mine.mine) == 2)
        coordinator = source._running()._coordinator
        member_id = coordinator.member_id
        await remove_member(address, group, "one")
        before = mine.revocations
        await polled_until(source, lambda: mine.revocations > before and len(mine.mine) == 2)
        assert coordinator.unknown_as == member_id != coordinator.member_id


async def test_a_poll_that_fails_leaves_no_position_to_commit(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that were taken from one partition when a batch of another could not be read were handed to nobody."""
    topic = await new_topic(address)
    await fill(address, topic, b"a", b"b")

    async with member(address, unique("g"), topic) as (source, assigned):
        getmany = source._running().getmany

        async def fails(*partitions: Any, **how: Any) -> Any:
            if await getmany(*partitions, **how):
                raise CorruptRecordException("a batch of another partition")
            return {}

        monkeypatch.setattr(source._running(), "getmany", fails)
        with pytest.raises(SourceError):
            await _poll_for_ever(source)
        assert source.position(Partition(topic, 0)) == -1
        await source.stop()
        await source.start(assigned)
        assert [record.value for record in await take(source, 2)] == [b"a", b"b"]
        assert source.position(Partition(topic, 0)) == 2


async def _poll_for_ever(source: KafkaSource) -> None:
    while True:
        await source.poll(None, 10, 0.1)


async def test_a_source_that_is_killed_leaves_no_task_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that hangs keeps client and connections from closing; fetches under way end with the source anyway."""
    monkeypatch.setattr("express.sources.kafka.CLOSE_SECONDS", 0.2)
    monkeypatch.setattr("express.kafka.patches.consumer.CLOSE_SECONDS", 0.2)
    broker = Killable(tmp_path / "data")
    try:
        address = broker.start()
        topic = await new_topic(address, 3)
        before = asyncio.all_tasks()
        async with member(address, unique("g"), topic, fetch_max_wait_ms=5_000) as (source, assigned):
            await polled_until(source, lambda: len(assigned.mine) == 3)
            assert source._consumer is not None
            client = source._consumer._client
            close = client.close
            monkeypatch.setattr(client, "close", asyncio.Event().wait)
            broker.suspend()
            await source.poll(None, 500, 0.1)
            await source.stop()
            tasks = {task.get_name(): task.get_coro() for task in asyncio.all_tasks() - before}
            await close()
        assert [str(coro) for coro in tasks.values() if "Fetcher" in str(coro)] == []
    finally:
        broker.stop()
