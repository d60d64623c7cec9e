"""The Kafka sink against both brokers: what the `Sink` port promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.partitioner import murmur2

from express.errors import PipelineStopped, SinkError
from express.ports import Partition
from express.sinks.batches import Routes
from express.sinks.kafka import KafkaSink
from tests.kafka.clients import new_topic, read_all


@asynccontextmanager
async def opened(address: str, *topics: str, origin: str, **more: int) -> AsyncIterator[KafkaSink]:
    """A started sink for records that come from partition 0 of `origin`."""
    sink = KafkaSink(topics, {"bootstrap_servers": address, **more})
    await sink.start()
    await sink.open([Partition(origin, 0)])
    try:
        yield sink
    finally:
        await sink.stop()


async def test_what_is_flushed_is_in_the_topic(address: str) -> None:
    """Key, value, headers and timestamp as they were appended, in order, once `flush` returns."""
    out = await new_topic(address)

    async with opened(address, out, origin=out) as sink:
        for n in range(100):
            sink.append(out, Partition(out, 0), 1_700_000_000_000 + n, b"k%d" % n, b"v%d" % n, [("h", b"%d" % n)])
        assert sink.pending > 500
        await sink.flush({})
        assert sink.pending < 100

    records = await read_all(address, out, 100)
    assert [r.value for r in records] == [b"v%d" % n for n in range(100)]
    assert (records[7].key, records[7].timestamp, records[7].headers) == (b"k7", 1_700_000_000_007, (("h", b"7"),))


async def test_null_keys_and_null_values_are_kept(address: str) -> None:
    """A dead letter may have neither."""
    out = await new_topic(address)

    async with opened(address, out, origin=out) as sink:
        sink.append(out, Partition(out, 0), 1, None, None, [("why", b"truncated")])
        await sink.flush({})

    (record,) = await read_all(address, out, 1)
    assert (record.key, record.value) == (None, None)


async def test_more_than_a_batch_goes_in_order(address: str) -> None:
    """What does not fit into one batch follows in the next ones, one after the other."""
    out = await new_topic(address)

    async with opened(address, out, origin=out, max_batch_size=10_000) as sink:
        for n in range(300):
            sink.append(out, Partition(out, 0), 1, b"k", b"%d" % n + b" " * 300, [])
        await sink.flush({})

    records = await read_all(address, out, 300)
    assert [int(r.value) for r in records] == list(range(300))


async def test_records_appended_during_a_flush_wait_for_the_next(address: str) -> None:
    """A flush covers exactly what was there when it began."""
    out = await new_topic(address)

    async with opened(address, out, origin=out) as sink:
        sink.append(out, Partition(out, 0), 1, None, b"first", [])
        flush = asyncio.create_task(sink.flush({}))
        await asyncio.sleep(0)
        sink.append(out, Partition(out, 0), 1, None, b"second", [])
        await flush
        assert sink.pending > 0
        await sink.flush({})

    assert [r.value for r in await read_all(address, out, 2)] == [b"first", b"second"]


async def test_a_missing_topic_is_a_sink_error(devbroker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that can't write does not start."""
    monkeypatch.setattr("express.sinks.producer.METADATA_SECONDS", 0.3)
    sink = KafkaSink(["nowhere"], {"bootstrap_servers": devbroker})
    with pytest.raises(SinkError, match="nowhere"):
        await sink.start()
    await sink.stop()


async def test_an_unreachable_cluster_is_a_sink_error() -> None:
    """Nobody listens: SinkError, not something of the client's."""
    sink = KafkaSink(["t"], {"bootstrap_servers": "127.0.0.1:9"})
    with pytest.raises(SinkError):
        await sink.start()
    await sink.stop()


async def test_a_refused_record_stops_whom_nobody_tells_what_to_write_instead(address: str) -> None:
    """And it takes no sequence number along: the partition takes what comes next from the same producer."""
    out = await new_topic(address, 1, **{"max.message.bytes": "2000"})

    async with opened(address, out, origin=out) as sink:
        sink.append(out, Partition(out, 0), 1, None, b"x" * 5000, [])
        with pytest.raises(PipelineStopped, match="MESSAGE_TOO_LARGE"):
            await sink.flush({})
        sink.append(out, Partition(out, 0), 1, None, b"small", [])
        await sink.flush({})

    assert [r.value for r in await read_all(address, out, 1)] == [b"small"]


def routes(**counts: int) -> Routes:
    found = Routes()
    for topic, count in counts.items():
        found.learn(topic, count)
    return found


def test_equal_topics_keep_the_partition() -> None:
    """Same number of partitions: the output partition is the input's, whatever the key."""
    found = routes(a=12, out=12)
    assert [found.target("out", Partition("a", n), b"key%d" % n).partition for n in range(12)] == list(range(12))


def test_other_topics_go_by_key_as_kafka_does() -> None:
    """Different numbers: murmur2 of the key, the input partition without a key, 0 where there is one only."""
    found = routes(a=12, out=5, one=1)
    for key in (b"dev-1", b"dev-2", b""):
        expected = (murmur2(key) & 0x7FFFFFFF) % 5
        assert [found.target("out", Partition("a", n), key).partition for n in (0, 7)] == [expected] * 2
    assert found.target("out", Partition("a", 7), None).partition == 2
    assert found.target("one", Partition("a", 7), b"k").partition == 0


def test_a_topic_that_grew_is_routed_anew() -> None:
    """Learning another number of partitions forgets what was remembered."""
    found = routes(a=4, out=4)
    assert found.target("out", Partition("a", 3), b"k").partition == 3
    found.learn("out", 8)
    assert found.target("out", Partition("a", 3), b"k").partition == (murmur2(b"k") & 0x7FFFFFFF) % 8
