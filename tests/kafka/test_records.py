"""Compatibility: records in and out. Every check runs against the development broker and against a real Kafka."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import MessageSizeTooLargeError, OffsetOutOfRangeError

from express.devbroker.batch import read_header
from express.devbroker.codes import Code
from express.devbroker.messages.records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
    FetchRequest,
)
from tests.kafka.clients import consumer, end_offset, new_topic, producer, read, read_all
from tests.kafka.requests import (
    START,
    fetch,
    fetched,
    produce,
    produced,
)
from tests.kafka.wire import Wire, record_batch, unique
from tests.patience import PATIENCE

CODECS = ["gzip", "snappy", "lz4", "zstd"]


async def test_a_topic_has_the_partitions_asked_for(address: str) -> None:
    """A topic created with twelve partitions has twelve."""
    topic = await new_topic(address, 12)
    async with consumer(address, topic) as client:
        assert client.partitions_for_topic(topic) == set(range(12))


async def test_a_record_keeps_all_its_parts(address: str) -> None:
    """Key, value, headers and time come back as they were sent; a null stays a null, not an empty text."""
    topic = await new_topic(address)
    headers = [("trace", b"\x00\xff"), ("empty", b""), ("trace", b"again")]
    async with producer(address) as client:
        sent = await client.send_and_wait(topic, b"value", key=b"key", headers=headers, timestamp_ms=START)
        await client.send_and_wait(topic, None, key=b"", timestamp_ms=START + 1)
    full, empty = await read_all(address, topic, 2)

    assert (sent.offset, full.offset, full.key, full.value) == (0, 0, b"key", b"value")
    assert (list(full.headers), full.timestamp, full.timestamp_type) == (headers, START, 0)
    assert (empty.offset, empty.key, empty.value) == (1, b"", None)


async def test_ten_thousand_records_keep_their_order(address: str) -> None:
    """A partition is read in the order in which it was written, without gaps."""
    topic = await new_topic(address)
    async with producer(address, max_batch_size=4096) as client:
        for number in range(10_000):
            await client.send(topic, b"%d" % number, partition=0)
    records = await read_all(address, topic, 10_000)

    assert [int(record.value or b"") for record in records] == list(range(10_000))
    assert [record.offset for record in records] == list(range(10_000))


@pytest.mark.parametrize("codec", CODECS)
async def test_compressed_batches_pass_through(address: str, codec: str) -> None:
    """What a producer compresses, a consumer can read, and records in it are found by time."""
    topic = await new_topic(address)
    where = TopicPartition(topic, 0)
    async with producer(address, compression_type=codec, linger_ms=50) as client:
        sends = [
            await client.send(topic, b"x" * 200 + b"%d" % number, partition=0, timestamp_ms=START + number * 10)
            for number in range(50)
        ]
        await asyncio.gather(*sends)
    async with consumer(address, topic) as client:
        records = await read(client, 50)
        found = await client.offsets_for_times({where: START + 255})

    assert [record.value[200:] for record in records if record.value] == [b"%d" % number for number in range(50)]
    assert (found[where].offset, found[where].timestamp) == (26, START + 260)


async def test_a_prepared_batch_is_written_as_one(address: str) -> None:
    """`create_batch` and `send_batch`, the pipeline's way to write: the offsets of a batch follow each other."""
    topic = await new_topic(address, 2)
    async with producer(address, enable_idempotence=True, max_batch_size=1 << 20) as client:
        first, second = client.create_batch(), client.create_batch()
        for number in range(500):
            first.append(key=b"k", value=b"%d" % number, timestamp=START + number)
        second.append(key=None, value=b"last", timestamp=START)
        sent = [await client.send_batch(batch, topic, partition=1) for batch in (first, second)]
        offsets = [metadata.offset for metadata in await asyncio.gather(*sent)]
    async with Wire(address) as wire:
        data = b"".join((await fetched(wire, fetch(topic, 0, partitions=2)))[1].records)

    assert offsets == [0, 500]
    assert [(read_header(data).base_offset, read_header(data).records)] == [(0, 500)]


async def test_seek_reads_from_there(address: str) -> None:
    """A consumer reads from the offset it seeks to, from the beginning, and from the end only what comes later."""
    topic = await new_topic(address)
    where = TopicPartition(topic, 0)
    async with producer(address) as writer, consumer(address) as client:
        for number in range(10):
            await writer.send_and_wait(topic, b"%d" % number)
        client.assign([where])
        client.seek(where, 7)
        assert [record.offset for record in await read(client, 3)] == [7, 8, 9]
        await client.seek_to_beginning(where)
        assert (await client.getone()).offset == 0
        await client.seek_to_end(where)
        assert await client.position(where) == 10
        await writer.send_and_wait(topic, b"late")
        assert (await client.getone()).value == b"late"


async def test_offsets_of_begin_and_end(address: str) -> None:
    """An empty partition begins and ends at 0; the end is the next offset to be written."""
    topic = await new_topic(address, 2)
    empty, used = TopicPartition(topic, 0), TopicPartition(topic, 1)
    async with producer(address) as writer:
        for _ in range(3):
            await writer.send_and_wait(topic, b"x", partition=1)
    async with consumer(address) as client:
        assert await client.beginning_offsets([empty, used]) == {empty: 0, used: 0}
        assert await client.end_offsets([empty, used]) == {empty: 0, used: 3}


async def test_offsets_by_time(address: str) -> None:
    """The first record at or after a time is found, also in the middle of a batch; after the last there is none."""
    topic = await new_topic(address)
    where = TopicPartition(topic, 0)
    async with producer(address) as client:
        for start in (0, 1000):
            batch = client.create_batch()
            for number in range(10):
                batch.append(key=None, value=b"x", timestamp=START + start + number * 10)
            await (await client.send_batch(batch, topic, partition=0))
    async with consumer(address) as client:

        async def at(delta: int) -> tuple[int, int] | None:
            found = (await client.offsets_for_times({where: START + delta}))[where]
            return found and (found.offset, found.timestamp - START)

        assert [await at(delta) for delta in (-5, 0, 41, 500, 1090)] == [
            (0, 0),
            (0, 0),
            (5, 50),
            (10, 1000),
            (19, 1090),
        ]
        assert await at(1091) is None


async def test_an_idle_fetch_waits(address: str) -> None:
    """A fetch without data is answered after `max_wait_ms`, not at once: an idle consumer costs nothing."""
    topic = await new_topic(address)
    async with Wire(address) as wire:
        began = time.monotonic()
        (answer,) = await fetched(wire, fetch(topic, 0, wait_ms=400))
        waited = time.monotonic() - began

    assert (answer.error, answer.records, answer.high_watermark) == (Code.NONE, [b""], 0)
    assert waited >= 0.38


async def test_a_fetch_ends_with_the_first_data(address: str) -> None:
    """A waiting fetch is answered as soon as there are `min_bytes`, long before its time is up."""
    topic = await new_topic(address)
    async with Wire(address) as reader, Wire(address) as writer:
        await reader.send(fetch(topic, 0, wait_ms=2_000 * int(PATIENCE)), 11)
        assert (await produced(writer, topic, record_batch(b"x"))).base_offset == 0
        async with asyncio.timeout(PATIENCE):
            response = await reader.receive(FetchRequest, 11)

    assert response.topics[0].partitions[0].high_watermark == 1


async def test_a_fetch_waits_for_min_bytes(address: str) -> None:
    """Less than `min_bytes` does not end the wait, but is handed over in the end."""
    topic = await new_topic(address)
    async with Wire(address) as wire:
        batch = record_batch(b"x" * 1000)
        await produced(wire, topic, batch)
        began = time.monotonic()
        (answer,) = await fetched(wire, fetch(topic, 0, wait_ms=400, min_bytes=5000))
        waited = time.monotonic() - began

    assert len(answer.records[0]) == len(batch)
    assert waited >= 0.38


async def test_a_fetch_is_bounded_per_partition(address: str) -> None:
    """`max_bytes` of a partition bounds what is read of it, but one batch always passes, or nobody could go on."""
    topic = await new_topic(address)
    async with Wire(address) as wire:
        batch = record_batch(b"x" * 10_000)
        for _ in range(5):
            await produced(wire, topic, batch)
        (some,) = await fetched(wire, fetch(topic, 0, partition_bytes=25_000))
        (one,) = await fetched(wire, fetch(topic, 1, partition_bytes=10))

    assert 2 * len(batch) <= len(some.records[0]) <= 25_000
    assert (len(one.records[0]), read_header(one.records[0]).base_offset) == (len(batch), 1)


async def test_a_fetch_is_bounded_as_a_whole(address: str) -> None:
    """`max_bytes` of the request bounds what is read of all partitions together."""
    topic = await new_topic(address, 6)
    async with Wire(address) as wire:
        batch = record_batch(b"x" * 10_000)
        for index in range(6):
            await produced(wire, topic, batch, index)
        answers = await fetched(wire, fetch(topic, 0, partitions=6, max_bytes=25_000))

    assert len(answers) == 6
    assert 2 * len(batch) <= sum(len(answer.records[0]) for answer in answers) <= 25_000 + len(batch)


async def test_reading_past_the_end_is_refused(address: str) -> None:
    """An offset that never was is out of range, for the wire and for a consumer that is told not to reset."""
    topic = await new_topic(address)
    where = TopicPartition(topic, 0)
    async with Wire(address) as wire:
        (answer,) = await fetched(wire, fetch(topic, 5))
    async with consumer(address, auto_offset_reset="none") as client:
        client.assign([where])
        client.seek(where, 5)
        with pytest.raises(OffsetOutOfRangeError):
            await client.getone()

    assert answer.error == Code.OFFSET_OUT_OF_RANGE


async def test_too_large_a_message_is_refused(address: str) -> None:
    """A batch over `max.message.bytes` is refused, and the partition goes on."""
    topic = await new_topic(address, **{"max.message.bytes": "2000"})
    async with producer(address) as client:
        with pytest.raises(MessageSizeTooLargeError):
            await client.send_and_wait(topic, b"x" * 3000)
        assert (await client.send_and_wait(topic, b"x" * 1000)).offset == 0


async def test_topics_do_not_appear_by_being_used(address: str) -> None:
    """Writing to and reading from a topic that is not there is refused."""
    missing = unique("missing")
    async with Wire(address) as wire:
        assert (await produced(wire, missing, record_batch(b"x"))).error == Code.UNKNOWN_TOPIC_OR_PARTITION
        assert (await fetched(wire, fetch(missing, 0)))[0].error == Code.UNKNOWN_TOPIC_OR_PARTITION


async def test_a_missing_partition_is_refused(address: str) -> None:
    """So is writing to a partition beyond the last."""
    topic = await new_topic(address, 2)
    async with Wire(address) as wire:
        assert (await produced(wire, topic, record_batch(b"x"), 2)).error == Code.UNKNOWN_TOPIC_OR_PARTITION


async def test_acks_zero_is_not_answered(address: str) -> None:
    """A producer that wants no acknowledgement gets none, and its records are there."""
    topic = await new_topic(address)
    async with Wire(address) as wire:
        await wire.send(produce(topic, record_batch(b"unheard"), acks=0), 8)
        second = await produced(wire, topic, record_batch(b"heard"))

    assert second.base_offset == 1


async def test_broken_batches_are_refused(address: str) -> None:
    """A batch that is cut off, of an old format, or two at once do not get into the log."""
    topic = await new_topic(address)
    batch = record_batch(b"a", b"b")
    cut, old = batch[:-3], batch[:16] + b"\x01" + batch[17:]
    async with Wire(address) as wire:
        codes = [(await produced(wire, topic, data)).error for data in (cut, old, batch + batch)]

    assert Code.NONE not in codes
    assert codes[2] == Code.INVALID_RECORD
    assert await end_offset(address, topic) == 0


async def test_records_can_be_deleted(address: str) -> None:
    """Deleting up to an offset moves the beginning there; what was before is out of range; -1 deletes everything."""
    topic = await new_topic(address)
    async with producer(address) as client:
        for number in range(10):
            await client.send_and_wait(topic, b"%d" % number)

    def request(offset: int) -> DeleteRecordsRequest:
        asked = DeleteRecordsPartition(index=0, offset=offset)
        return DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=[asked])], timeout_ms=5000)

    async with Wire(address) as wire:
        some = (await wire.call(request(4))).topics[0].partitions[0]
        beyond = (await wire.call(request(11))).topics[0].partitions[0]
        (before,) = await fetched(wire, fetch(topic, 3))
        kept = [record.offset for record in await read_all(address, topic, 6)]
        everything = (await wire.call(request(-1))).topics[0].partitions[0]

    assert (some.error, some.low_watermark) == (Code.NONE, 4)
    assert beyond.error == before.error == Code.OFFSET_OUT_OF_RANGE
    assert kept == [4, 5, 6, 7, 8, 9]
    assert (everything.error, everything.low_watermark) == (Code.NONE, 10)
    assert await end_offset(address, topic) == 10
