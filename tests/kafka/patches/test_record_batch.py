"""Batches of our own making: byte for byte what aiokafka makes, and never for a client that is not known."""

from __future__ import annotations

from typing import Any

import aiokafka
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given, settings
from hypothesis import strategies as st

from express.kafka.limits import Limits
from express.kafka.patches.record_batch import WireBatch, batch_maker
from express.record_format import HeaderBlock, encode_headers, read_sized, read_varint, sized, varint

TEXT = st.text(max_size=20)
BYTES = st.none() | st.binary(max_size=200)
TIMES = st.integers(-(1 << 40), 1 << 42)
RECORDS = st.lists(
    st.tuples(TIMES, BYTES, BYTES, st.lists(st.tuples(TEXT, BYTES), max_size=4)), min_size=1, max_size=20
)


def built(batch: Any) -> bytes:
    batch._set_producer_state(7_000_000_001, 3, 1_000)
    return bytes(batch._build())


def read(data: bytes) -> list[Any]:
    """What aiokafka's consumer reads in a batch."""
    batch = DefaultRecordBatch(data)
    assert batch.validate_crc()
    about = (batch.is_transactional, batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.next_offset)
    return [about, *((r.offset, r.timestamp, r.key, r.value, r.headers) for r in batch)]


@pytest.mark.parametrize("transactional", [False, True])
@given(records=RECORDS)
def test_batches_are_aiokafkas(transactional: bool, records: list[Any]) -> None:
    """The same bytes for any records, in transactions and without."""
    ours, theirs = (
        WireBatch(1 << 20, 0, transactional),
        BatchBuilder(1 << 20, 0, is_transactional=transactional),
    )

    for timestamp, key, value, headers in records:
        assert ours.add(timestamp, key, value, headers)
        theirs.append(timestamp=timestamp, key=key, value=value, headers=headers)

    assert (ours.size(), ours.record_count()) == (theirs.size(), theirs.record_count())
    assert built(ours) == built(theirs)


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
@settings(max_examples=30)
@given(records=RECORDS, times=st.integers(1, 50))
def test_compressed_batches_can_be_read(codec: int, records: list[Any], times: int) -> None:
    """What is smaller compressed goes compressed; what is read is the same."""
    ours, plain = WireBatch(1 << 24, codec, True), WireBatch(1 << 24, 0, True)

    for timestamp, key, value, headers in records * times:
        ours.add(timestamp, key, value, headers)
        plain.add(timestamp, key, value, headers)

    assert read(built(ours)) == read(built(plain))
    assert ours.size() <= plain.size()


def test_long_batches_are_aiokafkas() -> None:
    """Numbers beyond the table of varints: offsets, sizes of values, sizes of records, years between timestamps."""
    ours, theirs = WireBatch(8 << 20, 4, False), BatchBuilder(8 << 20, 4)

    for n in range(10_000):
        value = b"x" * (20_000 if n % 1_000 == 0 else 1)
        ours.add(n * 10, b"k", value, [])
        theirs.append(timestamp=n * 10, key=b"k", value=value)

    assert read(built(ours)) == read(built(theirs))


def test_a_full_batch_refuses() -> None:
    """What does not fit any more is refused and leaves no trace; the first record always fits."""
    batch, alone = WireBatch(1_000, 0, False), WireBatch(1_000, 0, False)

    taken = [batch.add(1, None, b"x" * 400, []) for _ in range(3)]

    assert taken == [True, True, False]
    assert (batch.record_count(), batch.size() == len(built(batch))) == (2, True)
    assert alone.add(1, None, b"x" * 5_000, [])
    assert (batch.closed(), alone.closed()) == (True, False)


def test_a_batch_is_built_once() -> None:
    """A request that is repeated sends the same bytes: another sequence number would double its records."""
    batch = WireBatch(1_000, 0, False)
    batch.add(1, b"k", b"v", [])

    first = built(batch)
    batch._set_producer_state(1, 1, 1)

    assert bytes(batch._build()) == first


@given(headers=st.lists(st.tuples(TEXT, st.binary(max_size=200)), max_size=5))
def test_encoded_headers_read_as_a_sequence(headers: list[tuple[str, bytes]]) -> None:
    """Whoever does not know that they are encoded sees a sequence of names and values."""
    block = HeaderBlock(encode_headers(headers))
    ours, plain = WireBatch(1 << 20, 0, False), WireBatch(1 << 20, 0, False)
    ours.add(1, None, b"v", block)
    plain.add(1, None, b"v", headers)

    assert (list(block), len(block), block[:1]) == (headers, len(headers), headers[:1])
    assert built(ours) == built(plain)


@given(number=st.integers(-(1 << 63), (1 << 63) - 1), data=BYTES)
def test_what_is_written_can_be_read(number: int, data: bytes | None) -> None:
    """Numbers of 64 bits, and bytes with their length."""
    assert read_varint(b"." + varint(number), 1) == (number, 1 + len(varint(number)))
    assert read_sized(b"." + sized(data), 1) == (data, 1 + len(sized(data)))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80" * 12])
def test_broken_numbers_are_refused(data: bytes) -> None:
    """Cut off, or longer than 64 bits."""
    with pytest.raises(ValueError, match="varint"):
        read_varint(data, 0)


async def test_other_clients_get_documented_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our batches are for producers of a version that is known to take them."""
    producer = AIOKafkaProducer(compression_type="zstd", transactional_id="t", max_batch_size=500)

    ours, documented = batch_maker(producer, Limits())("out"), producer.create_batch()
    ours.add(1, b"k", b"v" * 200, [])
    documented.append(timestamp=1, key=b"k", value=b"v" * 200)
    assert isinstance(ours, WireBatch)
    assert read(built(ours)) == read(built(documented))
    monkeypatch.setattr(aiokafka, "__version__", "0.15.0")
    assert isinstance(batch_maker(producer, Limits())("out"), BatchBuilder)
    await producer.stop()
