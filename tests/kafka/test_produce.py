"""What goes over the wire is what aiokafka sends, made with less copying; and its own code where it is not known."""

from __future__ import annotations

import asyncio
from typing import Any

import aiokafka
import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from express.kafka.patches.checksum import checksum
from express.kafka.patches.produce import parts, sending_in_parts

BATCHES = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=50).map(bytearray)), min_size=1, max_size=4)
TOPICS = st.lists(st.tuples(st.text(max_size=9), BATCHES), min_size=1, max_size=3)
LARGE = [("t", [(0, bytearray(b"a" * 70_000)), (1, bytearray(b"b"))])]


class Transport:
    """Keeps what is written, or breaks."""

    def __init__(self, failure: OSError | None = None) -> None:
        self.written = b""
        self._failure = failure

    def write(self, data: bytes) -> None:
        self.writelines([data])

    def writelines(self, pieces: list[bytes]) -> None:
        if self._failure is not None:
            raise self._failure
        self.written += b"".join(pieces)

    def close(self) -> None:
        pass


def connection(transport: Transport, highest: int) -> AIOKafkaConnection:
    made = AIOKafkaConnection("broker", 1)
    made._writer, made._versions = transport, {0: (0, highest)}
    return made


def request(topics: Any, transactional_id: str | None = None, acks: int = -1) -> ProduceRequest:
    return ProduceRequest(transactional_id=transactional_id, required_acks=acks, timeout=40_000, topics=topics)


@given(topics=TOPICS, transactional_id=st.none() | st.text(max_size=9), version=st.integers(3, 7))
def test_the_parts_are_aiokafkas_bytes(topics: Any, transactional_id: str | None, version: int) -> None:
    """For any topics and batches, in transactions and without; each batch is the very object."""
    built = request(topics, transactional_id).prepare({0: (0, version)})

    found = list(parts(built))

    assert b"".join(found) == built.encode()
    assert [id(part) for part in found[1::2]] == [id(batch) for _, batches in topics for _, batch in batches]


@pytest.mark.parametrize("topics", [LARGE, [("t", [(0, bytearray(b"a"))])]], ids=["large", "small"])
@pytest.mark.parametrize("highest", [2, 7])
async def test_a_connection_sends_aiokafkas_bytes(topics: Any, highest: int) -> None:
    """Large and small requests, to brokers new and old; and the answer is waited for in the same way."""
    ours, theirs = Transport(), Transport()
    send = AIOKafkaConnection.send
    one, other = connection(ours, highest), connection(theirs, highest)

    waiting = [
        asyncio.ensure_future(sending_in_parts(send)(one, request(topics))),
        asyncio.ensure_future(send(other, request(topics))),
    ]

    assert ours.written == theirs.written
    assert [number for number, _, _ in one._requests] == [number for number, _, _ in other._requests] == [1]
    for each in (one, other):
        each._requests[0][2].set_result("taken")
    assert await asyncio.gather(*waiting) == ["taken", "taken"]


async def test_a_transport_that_breaks_is_an_error_aiokafka_knows() -> None:
    """It sends the batches again over another connection."""
    broken = connection(Transport(BrokenPipeError("gone")), 7)
    broken._reader = None

    with pytest.raises(KafkaConnectionError, match="gone"):
        sending_in_parts(AIOKafkaConnection.send)(broken, request(LARGE))


def test_unknown_versions_keep_their_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Private parts of another version may be others."""
    monkeypatch.setattr(aiokafka, "__version__", "0.15.0")

    assert sending_in_parts(AIOKafkaConnection.send) is AIOKafkaConnection.send


@given(st.binary(max_size=5_000), st.integers(0, 30))
def test_checksums_are_aiokafkas(data: bytes, start: int) -> None:
    """Of any part of any bytes, those that change included."""
    assert checksum(memoryview(bytearray(data))[start:]) == calc_crc32c(data[start:])
