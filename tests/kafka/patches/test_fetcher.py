"""Our decoder of fetched batches: record for record what aiokafka reads, and no batch stops a partition for ever."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count
from typing import Any

import aiokafka
import cramjam
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from express.kafka.patches import versions
from express.kafka.patches.decompress import TooLarge, unpacked
from express.kafka.patches.fetcher import CheckedRecords, ChecksumDoubts, FetchedBatches, consumer_class
from express.kafka.patches.record_batch import COMPRESS, WireBatch
from express.kafka.patches.unreadable import GIVEN_UP, HEADER
from express.ports import Unreadable
from tests.kafka.clients import new_topic, producer
from tests.kafka.wire import unique
from tests.sources.test_kafka_source import fill, member, take

TP = TopicPartition("t", 0)
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
COMPRESSED = [codec for codec in CODECS.values() if codec]


def batch(base: int, *values: bytes, codec: int = 0, producer_id: int = -1, transaction: bool = False) -> bytes:
    """A batch as a broker hands it out."""
    made = WireBatch(1 << 30, codec, transaction)
    for n, value in enumerate(values):
        made.add(1_000 + n, b"k%d" % n, value, [("h", b"v")])
    made._set_producer_state(producer_id, 0, 0)
    return struct.pack(">q", base) + bytes(made._build())[8:]


def edited(data: bytes, *, attributes: int | None = None, records: bytes | None = None, last: int = 0) -> bytes:
    """A batch with other contents, and the checksum that belongs to them."""
    fields = list(HEADER.unpack_from(data))
    body = data[HEADER.size :] if records is None else records
    fields[1] = HEADER.size - 12 + len(body)
    if attributes is not None:
        fields[5] = attributes
    if last:
        fields[6], fields[12] = last, last + 1
    made = bytearray(HEADER.pack(*fields) + body)
    struct.pack_into(">I", made, 17, calc_crc32c(bytes(made[21:])))
    return bytes(made)


def marker(base: int, producer_id: int, *, commit: bool) -> bytes:
    """The end of a transaction."""
    made = WireBatch(1_000, 0, True)
    made.add(1, struct.pack(">hh", 0, int(commit)), struct.pack(">hi", 0, 0), [])
    made._set_producer_state(producer_id, 0, -1)
    return edited(struct.pack(">q", base) + bytes(made._build())[8:], attributes=0x30)


def records_of(
    data: bytes, start: int = 0, aborted: Any = (), limit: int = 1 << 26, isolation: int = 1
) -> CheckedRecords:
    kind = type("Records", (CheckedRecords,), {"doubts": ChecksumDoubts(), "limit": limit})
    made: CheckedRecords = kind(TP, FetchedBatches(data), aborted, start, None, None, True, isolation)
    return made


def read(data: bytes, start: int = 0, **more: Any) -> list[Any]:
    return records_of(data, start, **more).take(1 << 30)


def plain(record: Any) -> tuple[Any, ...]:
    return record.offset, record.timestamp, record.timestamp_type, record.key, record.value, tuple(record.headers)


@st.composite
def logs(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, int]]]:
    """Batches of several producers in and out of transactions, and the broker's list of the aborted ones."""
    data, aborted, base = b"", [], draw(st.integers(0, 1 << 40))
    opened: dict[int, int] = {}
    for _ in range(draw(st.integers(1, 12))):
        base += draw(st.integers(0, 3))  # compaction
        who = draw(st.sampled_from([-1, 7, 8]))
        if who in opened and draw(st.booleans()):
            commit = draw(st.booleans())
            data += marker(base, who, commit=commit)
            first = opened.pop(who)
            if not commit:
                aborted.append((who, first))
            base += 1
            continue
        values = draw(st.lists(st.binary(max_size=30), min_size=1, max_size=6))
        if who >= 0:
            opened.setdefault(who, base)
        codec = draw(st.sampled_from(list(CODECS.values())))
        data += batch(base, *values, codec=codec, producer_id=who, transaction=who >= 0)
        base += len(values)
    return data, aborted


@given(log=logs(), limits=st.lists(st.integers(1, 9), min_size=1), skip=st.integers(0, 5), isolation=st.integers(0, 1))
def test_records_are_aiokafkas(log: Any, limits: list[int], skip: int, isolation: int) -> None:
    """The same records and the same position after them, in slices of any size, from any offset."""
    data, aborted = log
    base, *_, last, _, _, _, _, _, _ = HEADER.unpack_from(data)
    start = base + min(skip, last)  # a broker begins with the batch that holds the offset
    theirs = PartitionRecords(TP, MemoryRecords(data), aborted, start, None, None, True, isolation)
    ours = records_of(data, start, aborted, isolation=isolation)

    expected = [plain(record) for record in theirs]
    found: list[Any] = []
    sizes: Iterator[int] = (limits[n % len(limits)] for n in count())
    while not ours.exhausted:
        part = ours.take(next(sizes))
        found += map(plain, part)
        assert not part or ours.next_fetch_offset > part[-1].offset

    assert found == expected
    assert ours.next_fetch_offset == theirs.next_fetch_offset


def test_a_batch_that_is_cut_off_comes_with_the_next_fetch() -> None:
    """A fetch ends where its bytes do."""
    whole, half = batch(0, b"a", b"b"), batch(2, b"c")[:-1]

    assert [r.offset for r in read(whole + half)] == [0, 1]
    assert not FetchedBatches(half).has_next()
    assert FetchedBatches(half).size_in_bytes() == len(half)


@pytest.mark.parametrize("codec", COMPRESSED)
def test_bombs_are_given_up(codec: int) -> None:
    """What is larger unpacked than the limit is not unpacked; what comes after it is read."""
    bomb = batch(0, b"x" * 3_000_000, b"y", codec=codec)
    assert len(bomb) < 300_000

    *given_up, after = read(bomb + batch(2, b"fine"), limit=1_000_000)

    assert [type(r) for r in given_up] == [Unreadable, Unreadable]
    assert [r.offset for r in given_up] == [0, 1]
    assert (given_up[0].value, given_up[1].value) == (bomb, None)
    assert given_up[0].why.startswith("its batch has more than")
    assert (after.offset, after.value) == (2, b"fine")
    assert len(read(bomb, limit=4_000_000)) == 2


@pytest.mark.parametrize("codec", COMPRESSED)
@settings(max_examples=30)
@given(data=st.binary(max_size=100_000), limit=st.integers(0, 100_000))
def test_unpacking_is_bounded(codec: int, data: bytes, limit: int) -> None:
    """All of it, or TooLarge: never a part."""
    squeezed = COMPRESS[codec](data)
    if len(data) <= limit:
        assert unpacked(codec, squeezed, limit) == data
    else:
        with pytest.raises(TooLarge):
            unpacked(codec, squeezed, limit)


@pytest.mark.parametrize("codec", [*COMPRESSED, 5, 7])
def test_broken_compression_is_given_up(codec: int) -> None:
    """Bytes that are not what the attributes say, and codecs that do not exist."""
    broken = edited(batch(0, b"a", b"b"), attributes=codec, records=b"\xff" * 40)

    found = read(broken + batch(2, b"fine"))

    assert [type(r) is Unreadable for r in found] == [True, True, False]
    assert "can't be unpacked" in found[0].why


def test_plain_snappy_is_read() -> None:
    """Not every client writes the blocks of the xerial library."""
    data = batch(0, b"a" * 500)
    packed = bytes(cramjam.snappy.compress_raw(data[HEADER.size :]))

    assert [r.value for r in read(edited(data, attributes=2, records=packed))] == [b"a" * 500]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
def test_names_of_headers_may_be_any_bytes(codec: int) -> None:
    """They are read as Java's client reads them; the record is run."""
    made = WireBatch(1 << 20, 0, False)
    made.add(5, b"k", b"v" * 200, [("name", b"1"), ("more", b"")])
    data = bytes(made._build()).replace(b"name", b"n\xffme")
    packed = data[HEADER.size :]
    if codec:
        packed = COMPRESS[codec](packed)

    (record,) = read(edited(data, attributes=codec, records=packed))

    assert plain(record) == (0, 5, 0, b"k", b"v" * 200, (("n\ufffdme", b"1"), ("more", b"")))


def test_a_broken_record_gives_up_the_rest_of_its_batch() -> None:
    """What stands before it is read; it and what follows are dead letters with what bytes there are."""
    data = batch(10, b"first", b"second", b"third")
    broken = edited(data, records=data[HEADER.size :].replace(b"second", b"sec"))

    first, second, third, after = read(broken + batch(13, b"fine"), start=10)

    assert (first.value, after.value) == (b"first", b"fine")
    assert (second.offset, third.offset) == (11, 12)
    assert b"third" in second.value
    assert "can't be taken apart" in third.why


def test_a_wrong_checksum_is_fetched_once_more() -> None:
    """It may have happened on the wire. The second time the batch is given up, and the next one read."""
    wrong = batch(0, b"a", b"b")[:-1] + b"!"
    records = records_of(wrong + batch(2, b"fine"))

    with pytest.raises(CorruptRecordException):
        records.take(10)
    again = type(records)(TP, FetchedBatches(wrong + batch(2, b"fine")), [], 0, None, None, True, 1)
    found = again.take(10)

    assert [type(r) is Unreadable for r in found] == [True, True, False]
    assert found[0].value == wrong


def test_several_wrong_checksums_of_a_partition_are_given_up_in_turn() -> None:
    """Each doubt begins the session anew, from before what was given up: nothing is doubted for ever."""
    log = batch(0, b"a")[:-1] + b"!" + batch(1, b"b")[:-1] + b"!" + batch(2, b"fine")
    kind = type(records_of(log))
    doubts = 0
    while doubts < 10:
        try:
            found = kind(TP, FetchedBatches(log), [], 0, None, None, True, 1).take(10)
            break
        except CorruptRecordException:
            doubts += 1

    assert doubts == 2
    assert [type(r) is Unreadable for r in found] == [True, True, False]


def test_counts_of_a_wrong_batch_are_not_trusted() -> None:
    """Where the fields of its header contradict each other, one record is given up, not those of other batches."""
    wrong = bytearray(batch(0, b"a"))
    struct.pack_into(">i", wrong, 23, 1_000_000)
    records = records_of(bytes(wrong))
    with pytest.raises(CorruptRecordException):
        records.take(10)

    found = type(records)(TP, FetchedBatches(bytes(wrong)), [], 0, None, None, True, 1).take(10)

    assert [r.offset for r in found] == [0]


def test_a_batch_that_claims_millions_is_bounded() -> None:
    """Each place becomes a dead letter, up to a number; the last one tells the rest."""
    broken = edited(batch(0, b"a"), attributes=5, last=1_000_000)

    found = read(broken)

    assert len(found) == GIVEN_UP
    assert found[-1].why.endswith(f"so are the {1_000_001 - GIVEN_UP} records after it")


async def test_other_versions_and_clients_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The documented API is what there is then."""

    class Other:
        pass

    assert consumer_class(Other, ChecksumDoubts()) is Other
    assert consumer_class(AIOKafkaConsumer, ChecksumDoubts()) is not AIOKafkaConsumer
    monkeypatch.setattr(aiokafka, "__version__", "0.15.0")
    assert consumer_class(AIOKafkaConsumer, ChecksumDoubts()) is AIOKafkaConsumer


@pytest.mark.parametrize("tested", [versions.VERSIONS, ("none",)], ids=["ours", "documented"])
async def test_both_ways_read_a_topic(address: str, tested: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """In slices, all compressions, what was aborted left out, from where a seek says."""
    monkeypatch.setattr(versions, "VERSIONS", tested)
    topic = await new_topic(address)
    await fill(address, topic, b"0", b"1", b"2")
    for kind in ("gzip", "snappy", "lz4", "zstd"):
        async with producer(address, compression_type=kind) as client:
            await client.send_and_wait(topic, kind.encode() * 100, partition=0)
    async with producer(address, transactional_id=unique("tx")) as client:
        for end in (client.abort_transaction, client.commit_transaction):
            await client.begin_transaction()
            await client.send_and_wait(topic, end.__name__.encode(), partition=0)
            await end()

    async with member(address, unique("group"), topic) as (source, assigned):
        records = await take(source, 8)
        source.seek(next(iter(assigned.mine)), 1)
        again = await take(source, 7)

    values = [record.value for record in records]
    assert values[:3] == [b"0", b"1", b"2"]
    assert values[3:7] == [kind * 100 for kind in (b"gzip", b"snappy", b"lz4", b"zstd")]
    assert values[7:] == [b"commit_transaction"]
    assert [r.value for r in again] == values[1:]
