"""The transactional sink against both brokers: results and positions together, and only one owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition

from express.errors import PipelineStopped, SinkError
from express.ports import Partition, Position
from express.sinks.transactions import KafkaTransactions
from tests.kafka.clients import admin, consumer, end_offset, new_topic, read_all
from tests.kafka.wire import unique


class Setup:
    """An input, an output and a group."""

    def __init__(self, address: str, source: str, out: str) -> None:
        self.address = address
        self.origin = Partition(source, 0)
        self.out = out
        self.group = unique("g")
        self.kind: type[KafkaTransactions] = KafkaTransactions

    def sink(self) -> KafkaTransactions:
        return self.kind([self.out], self.group, {"bootstrap_servers": self.address, "retry_backoff_ms": 20})

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[KafkaTransactions]:
        sink = self.sink()
        await sink.start()
        try:
            await sink.open([self.origin])
            yield sink
        finally:
            await sink.stop()

    def add(self, sink: KafkaTransactions, value: bytes) -> None:
        sink.append(self.out, self.origin, 1_700_000_000_000, b"k", value, [("h", b"v")])

    async def visible(self, count: int) -> list[bytes]:
        """What a read_committed reader sees."""
        records = await read_all(self.address, self.out, count, isolation_level="read_committed")
        return [record.value for record in records]

    async def all_visible(self) -> list[bytes]:
        """The same, once nothing is open any more."""
        where = TopicPartition(self.out, 0)
        end = await end_offset(self.address, self.out)
        async with consumer(self.address, isolation_level="read_committed") as client:
            client.assign([where])
            await client.seek_to_beginning()
            values: list[bytes] = []
            while await client.position(where) < end:
                for batch in (await client.getmany(timeout_ms=100)).values():
                    values += [record.value for record in batch]
        return values

    async def committed(self) -> Any:
        async with admin(self.address) as client:
            found = await client.list_consumer_group_offsets(self.group)
        return {tuple(tp): tuple(at) for tp, at in found.items() if at.offset >= 0}


@pytest.fixture
async def setup(address: str) -> Setup:
    return Setup(address, await new_topic(address), await new_topic(address))


async def test_records_and_position_come_together(setup: Setup) -> None:
    """After `flush` both are there, with the map of finished offsets."""
    async with setup.opened() as sink:
        for n in range(50):
            setup.add(sink, b"%d" % n)
        assert sink.pending > 100
        await sink.flush({setup.origin: Position(7, "x1AQ==")})

        assert await setup.visible(50) == [b"%d" % n for n in range(50)]
        assert await setup.committed() == {tuple(setup.origin): (7, "x1AQ==")}


async def test_several_transactions_follow_each_other(setup: Setup) -> None:
    """Each flush is a transaction; one without records moves the position alone."""
    async with setup.opened() as sink:
        for n in range(3):
            setup.add(sink, b"%d" % n)
            await sink.flush({setup.origin: Position(n + 1)})
        await sink.flush({setup.origin: Position(9)})

        assert await setup.visible(3) == [b"0", b"1", b"2"]
        assert await setup.committed() == {tuple(setup.origin): (9, "")}


async def test_what_is_appended_after_the_call_is_not_in_the_transaction(setup: Setup) -> None:
    """The positions do not cover it: were it written now, a crash would write it twice."""
    async with setup.opened() as sink:
        setup.add(sink, b"first")
        flush = sink.flush({setup.origin: Position(1)})
        task = asyncio.get_running_loop().create_task(flush)
        asyncio.get_running_loop().call_soon(setup.add, sink, b"second")
        await task

        assert await setup.visible(1) == [b"first"]
        await sink.flush({setup.origin: Position(2)})
        assert await setup.visible(2) == [b"first", b"second"]


async def test_records_of_a_partition_without_a_position_are_not_written(setup: Setup) -> None:
    """A partition that was let go has no position: what it left behind goes nowhere."""
    async with setup.opened() as sink:
        setup.add(sink, b"orphan")
        await sink.flush({})
        await sink.close([setup.origin])
        await sink.open([setup.origin])
        setup.add(sink, b"kept")
        await sink.flush({setup.origin: Position(1)})

        assert await setup.visible(1) == [b"kept"]


async def test_a_new_owner_fences_the_old_one(setup: Setup) -> None:
    """Once somebody else has opened the partition, the former owner writes and commits nothing."""
    async with setup.opened() as old:
        setup.add(old, b"old")
        await old.flush({setup.origin: Position(1)})
        async with setup.opened() as new:
            setup.add(old, b"zombie")
            with pytest.raises(SinkError):
                await old.flush({setup.origin: Position(2)})
            setup.add(new, b"new")
            await new.flush({setup.origin: Position(5)})

        assert await setup.visible(2) == [b"old", b"new"]
        assert await setup.committed() == {tuple(setup.origin): (5, "")}


async def test_a_transaction_left_open_is_aborted_by_the_next_owner(setup: Setup) -> None:
    """A worker that died in the middle holds nobody up: readers go on as soon as the partition has an owner."""
    async with setup.opened() as dead:
        writer = dead._writers[setup.origin]
        await writer._producer.begin_transaction()
        await writer._producer.send_and_wait(setup.out, b"torn", partition=0)
        writer._settled = False
        async with setup.opened() as sink:
            setup.add(sink, b"whole")
            await sink.flush({setup.origin: Position(1)})

            assert await setup.visible(1) == [b"whole"]


async def test_a_failed_transaction_is_repaired_by_opening_anew(setup: Setup) -> None:
    """A batch that the topic refuses fails the flush; a new producer goes on, and nothing was committed."""
    small = await new_topic(setup.address, 1, **{"max.message.bytes": "2000"})
    setup.out = small
    async with setup.opened() as sink:
        setup.add(sink, b"x" * 5000)
        with pytest.raises(PipelineStopped):  # nobody says what to write instead
            await sink.flush({setup.origin: Position(1)})
        await sink.start()
        await sink.open([setup.origin])
        setup.add(sink, b"small")
        await sink.flush({setup.origin: Position(2)})

        assert await setup.visible(1) == [b"small"]
        assert await setup.committed() == {tuple(setup.origin): (2, "")}


async def test_an_unreachable_cluster_is_a_sink_error() -> None:
    """Nobody listens: SinkError from `open`."""
    sink = KafkaTransactions(["t"], "g", {"bootstrap_servers": "127.0.0.1:9"})
    await sink.start()
    with pytest.raises(SinkError):
        await sink.open([Partition("in", 0)])
    await sink.stop()


async def test_uncommitted_readers_are_not_meant(setup: Setup) -> None:
    """The promise is to read_committed readers: another one sees an aborted record, as Kafka says."""
    async with setup.opened() as dead:
        writer = dead._writers[setup.origin]
        await writer._producer.begin_transaction()
        await writer._producer.send_and_wait(setup.out, b"torn", partition=0)
        writer._settled = False
    async with setup.opened(), consumer(setup.address, setup.out) as client:
        record = await client.getone()
        assert record.value == b"torn"
