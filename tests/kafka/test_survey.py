"""The independent reader, on the development broker and on a real Kafka."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from express.errors import SourceError
from express.kafka.survey import Range, Survey
from express.ports import Partition, Position
from tests.kafka.clients import new_topic, producer
from tests.kafka.wire import unique


async def _read(address: str, ranges: dict[Partition, Range]) -> dict[Partition, list[int]]:
    """The offsets of all records."""
    found: dict[Partition, list[int]] = {at: [] for at in ranges}
    async with Survey({"bootstrap_servers": address}) as survey:
        async for at, records in survey.read(ranges):
            found[at] += [record.offset for record in records]
    return found


async def test_only_committed_records_are_read(address: str) -> None:
    """Aborted records and markers are passed, at the end of a partition too."""
    topic = await new_topic(address)
    async with producer(address, transactional_id=unique("id")) as client:
        for is_kept in (True, False, True, False):
            await client.begin_transaction()
            await client.send_and_wait(topic, b"1")
            await (client.commit_transaction() if is_kept else client.abort_transaction())
    at = Partition(topic, 0)
    async with Survey({"bootstrap_servers": address}) as survey:
        ranges = await survey.bounds([topic])

    assert ranges == {at: (0, 8)}
    assert await _read(address, ranges) == {at: [0, 4]}


async def test_open_transactions_are_waited_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was in the log is decided before its end is told: the markers of a commit may come after its answer."""
    topic = await new_topic(address)
    asked = asyncio.Event()
    async with (
        producer(address, transactional_id=unique("id")) as client,
        Survey({"bootstrap_servers": address}) as survey,
    ):
        bounds = survey.bounds

        async def first(topics: list[str]) -> dict[Partition, Range]:
            found = await bounds(topics)
            asked.set()
            return found

        monkeypatch.setattr(survey, "bounds", first)
        await client.begin_transaction()
        await client.send_and_wait(topic, b"1")
        settled = asyncio.create_task(survey.settled([topic]))
        await asked.wait()
        await client.commit_transaction()

        assert await settled == {Partition(topic, 0): (0, 2)}


async def test_a_transaction_that_stays_open_ends_the_range(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for for ever."""
    monkeypatch.setattr("express.kafka.survey.SETTLE_SECONDS", 0.0)
    topic = await new_topic(address)
    async with producer(address, transactional_id=unique("id")) as client:
        await client.begin_transaction()
        await client.send_and_wait(topic, b"1")
        async with Survey({"bootstrap_servers": address}) as survey:
            assert await survey.settled([topic]) == {Partition(topic, 0): (0, 0)}
        await client.abort_transaction()


async def test_a_range_ends_where_it_says(address: str) -> None:
    """What comes after the end that was asked for is left out; empty ranges end at once."""
    topic = await new_topic(address, partitions=2)
    async with producer(address) as client:
        for _ in range(5):
            await client.send_and_wait(topic, b"1", partition=0)
    full, empty = Partition(topic, 0), Partition(topic, 1)

    assert await _read(address, {full: (1, 4), empty: (0, 0)}) == {full: [1, 2, 3], empty: []}


async def test_commits_come_with_their_metadata(address: str) -> None:
    """Every partition that was committed, and none else."""
    topic, group = await new_topic(address, partitions=2), unique("group")
    client = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
    await client.start()
    client.assign([TopicPartition(topic, 1)])
    await client.commit({TopicPartition(topic, 1): OffsetAndMetadata(7, "x1BQM=")})
    await client.stop()
    async with Survey({"bootstrap_servers": address}) as survey:
        assert await survey.committed(group) == {Partition(topic, 1): Position(7, "x1BQM=")}


async def test_compacted_topics_are_known(address: str) -> None:
    """As their configuration says."""
    plain, compacted = await new_topic(address), await new_topic(address, 1, **{"cleanup.policy": "compact"})
    async with Survey({"bootstrap_servers": address}) as survey:
        assert await survey.compacted([plain, compacted]) == {compacted}


async def test_a_missing_topic_is_not_created(address: str) -> None:
    """It is an error each time."""
    name = unique("nowhere")
    async with Survey({"bootstrap_servers": address}) as survey:
        for _ in range(2):
            with pytest.raises(SourceError, match=f"there is no topic {name}"):
                await survey.bounds([name])


async def test_no_cluster_is_an_error() -> None:
    """At a port where nobody listens."""
    with pytest.raises(SourceError, match="connecting to 127"):
        async with Survey({"bootstrap_servers": "127.0.0.1:1"}):
            pass
