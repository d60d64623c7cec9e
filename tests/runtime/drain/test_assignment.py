"""What is known of a partition before any of its records has ended, on both brokers and for both promises."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from express.errors import SourceError
from express.ports import Position
from express.sources.kafka import KafkaSource
from tests.kafka.clients import admin, consumer, new_topic, producer
from tests.kafka.wire import unique
from tests.runtime.test_delivery import PARTITIONS, flow, seconds


@pytest.fixture(params=["at_least_once", "exactly_once"])
def promise(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


async def test_a_partition_without_records_is_committed(address: str, promise: str) -> None:
    """The group has a position in every partition as soon as it has it: a scaler by lag gets to 0."""
    async with flow(address, promise) as f:
        await f.put({"n": 0})
        f.worker()

        found = await f.until_committed(lambda at: len(at) == PARTITIONS and at[0].offset == 1)
        assert found == {0: Position(1), 1: Position(0), 2: Position(0)}


async def test_a_partition_whose_first_record_never_ends_is_committed(address: str, promise: str) -> None:
    """At the record that runs, so that the lag counts it and all after it, and a restart begins with it."""
    async with flow(address, promise, seconds, drain_seconds=0.1) as f:
        await f.put(*[{"seconds": 60}] * PARTITIONS)
        f.worker()

        found = await f.until_committed(lambda at: len(at) == PARTITIONS)
        assert found == {n: Position(0) for n in range(PARTITIONS)}


async def test_the_position_of_a_log_that_begins_later(address: str, promise: str) -> None:
    """What retention has deleted is not waited for: the first position is where the log begins."""
    async with flow(address, promise) as f:
        await f.put(*[{"n": n} for n in range(30)])
        async with admin(address) as client:
            await client.delete_records({TopicPartition(f.input, 1): RecordsToDelete(10)})
        f.worker()

        found = await f.until_committed(lambda at: 1 in at)
        assert found[1] == Position(10)


async def test_what_is_committed_never_goes_back(address: str, promise: str) -> None:
    """A group that has a position keeps it, also where nothing is left to do and members come and go."""
    async with flow(address, promise) as f:
        await f.put(*[{"n": n} for n in range(9)])
        async with consumer(address, group_id=f.group) as client:
            client.assign([TopicPartition(f.input, 0)])
            await client.commit({TopicPartition(f.input, 0): (2, "")})
        for _ in range(2):
            f.worker()
            await f.until_committed(lambda at: at == {n: Position(3) for n in range(PARTITIONS)})
            await f.stop()

        terminal = await f.terminal()
        assert terminal == {(n, offset): 1 for n in range(PARTITIONS) for offset in range(3) if (n, offset) > (0, 1)}


async def test_a_record_without_a_time_is_no_56_years_old(address: str, promise: str) -> None:
    """A timestamp of -1 says that there is none; nothing is added to the end-to-end times for it."""
    async with flow(address, promise) as f:
        async with producer(address) as client:
            for stamp in (-1, 0, int(time.time() * 1000)):
                batch = client.create_batch()
                assert batch.append(key=None, value=b'{"n": 1}', timestamp=stamp) is not None
                await (await client.send_batch(batch, f.input, partition=0))
        worker = f.worker()
        await f.until_committed(lambda at: at.get(0) == Position(3))

        assert worker.counters.succeeded == 3
        assert sum(worker.counters.end_to_end_ms.counts) == 1
        assert worker.counters.end_to_end_ms.sum_ms < 600_000


async def test_a_missing_input_topic_is_named(address: str) -> None:
    """At once, not when a client has lost its patience; the one that is there is not."""
    there, missing = await new_topic(address), [unique("nowhere-a"), unique("nowhere-b")]
    source = KafkaSource([*missing, there], unique("g"), {"bootstrap_servers": address})
    async with asyncio.timeout(35):  # aiokafka waits for 40
        with pytest.raises(SourceError, match=f"there is no topic {', '.join(missing)}$"):
            await source.start(None)  # type: ignore[arg-type]  # nobody is told anything
    await source.stop()
