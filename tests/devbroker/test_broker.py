"""The broker against clients that are broken, hostile or slow, and its own knobs."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

import pytest
import uvloop
from aiokafka import AIOKafkaProducer
from hypothesis import given, settings
from hypothesis import strategies as st

from express.devbroker import Broker, Settings
from express.devbroker.apis import APIS
from express.devbroker.call import Answer, Call
from express.devbroker.member import Client
from express.devbroker.messages.admin import ApiVersionsRequest, MetadataRequest
from express.devbroker.messages.records import FetchRequest, FetchResponse
from express.devbroker.node import Node
from express.devbroker.wire import Message, encode
from tests.kafka.clients import consumer, end_offset, new_topic, producer, read_all
from tests.kafka.requests import (
    created,
    creating,
    fetch,
    produce,
    produced,
    sample,
    until,
)
from tests.kafka.wire import API_OF, Wire, record_batch
from tests.patience import PATIENCE

GARBAGE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,  # a TLS greeting
    struct.pack(">i", 1 << 30),
    struct.pack(">i", -1),
    struct.pack(">i", 0),
    struct.pack(">ihhih", 10, 999, 0, 1, 0),  # no such API
    struct.pack(">ihhih", 10, 3, 99, 1, 0),  # no such version
    struct.pack(">ihhih", 10, 3, 1, 1, 30000),  # a client id that is not there
    struct.pack(">ihhih", 11, 3, 1, 1, 1) + b"\xff",  # a client id that is no text
]


async def hung_up(address: str, data: bytes) -> bool:
    """Whether the broker closes the connection on these bytes."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE):
            return await reader.read() == b""
    except ConnectionResetError:
        return True
    finally:
        writer.close()


async def alive(address: str) -> bool:
    """Whether the broker answers on a new connection."""
    async with Wire(address) as wire:
        return bool((await wire.call(ApiVersionsRequest())).apis)


@pytest.mark.parametrize("data", GARBAGE, ids=lambda data: repr(data[:12]))
async def test_garbage_ends_the_connection_only(devbroker: str, data: bytes) -> None:
    """A client that speaks nonsense is hung up on, and nobody else notices."""
    async with Wire(devbroker) as other:
        assert await hung_up(devbroker, data)
        assert (await other.call(ApiVersionsRequest())).apis


class Errors(logging.Handler):
    """Collects what the broker logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append(record)


@contextmanager
def no_errors() -> Iterator[None]:
    """The broker logs no error meanwhile: whatever comes in is foreseen."""
    errors, logger = Errors(), logging.getLogger("express.devbroker")
    logger.addHandler(errors)
    try:
        yield
    finally:
        logger.removeHandler(errors)
    assert [record.getMessage() for record in errors.records] == []


def frame(key: int, version: int, body: bytes, *, flexible: bool = False) -> bytes:
    """A request as it goes over the wire."""
    data = struct.pack(">hhih", key, version, 1, 4) + b"fuzz" + (b"\0" if flexible else b"") + body
    return struct.pack(">i", len(data)) + data


async def survives(*sent: bytes) -> None:
    """Send these on one connection to a broker that has a topic; it lives on."""
    async with Broker() as broker:
        async with Wire(broker.address) as wire:
            assert await created(wire, creating("fuzzed")) == 0
        host, _, port = broker.address.partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        for data in sent:
            writer.write(data)
        writer.close()
        assert await alive(broker.address)


@given(st.lists(st.binary(max_size=300), max_size=5))
@settings(max_examples=60)
def test_any_bytes_are_survived(sent: list[bytes]) -> None:
    """No sequence of bytes ends the broker or makes it log an error."""
    with no_errors():
        asyncio.run(survives(*sent))


@given(st.sampled_from(APIS), st.binary(max_size=120), st.data())
@settings(max_examples=150)
def test_any_body_is_survived(api: object, body: bytes, pick: st.DataObject) -> None:
    """Nor does any body under a sound header."""
    chosen = next(one for one in APIS if one is api)
    version = pick.draw(st.integers(chosen.first, chosen.last))
    with no_errors():
        asyncio.run(survives(frame(chosen.key, version, body, flexible=version >= chosen.flexible)))


@given(st.sampled_from(APIS), st.data())
@settings(max_examples=150)
def test_any_flipped_byte_is_survived(api: object, pick: st.DataObject) -> None:
    """Nor a sound request with some of its bytes changed."""
    chosen = next(one for one in APIS if one is api)
    version = pick.draw(st.integers(chosen.first, chosen.last))
    flexible = version >= chosen.flexible
    out: list[bytes] = []
    encode(sample(chosen.request, "fuzzed"), version, flexible, out)
    body = bytearray(b"".join(out))
    for _ in range(pick.draw(st.integers(0, 3)) if body else 0):
        body[pick.draw(st.integers(0, len(body) - 1))] = pick.draw(st.integers(0, 255))
    with no_errors():
        asyncio.run(survives(frame(chosen.key, version, bytes(body), flexible=flexible)))


async def test_requests_may_be_sent_ahead(devbroker: str) -> None:
    """Requests sent without waiting are answered in order, also behind one that waits."""
    topic = await new_topic(devbroker)
    async with Wire(devbroker) as wire:
        await wire.send(fetch(topic, 0, wait_ms=200), 11)
        for _ in range(50):
            await wire.send(MetadataRequest(topics=[topic]), 5)
        first = await wire.receive(FetchRequest, 11)
        rest = [await wire.receive(MetadataRequest, 5) for _ in range(50)]

    assert first.topics[0].partitions[0].error == 0
    assert {answer.topics[0].name for answer in rest} == {topic}


async def test_a_frame_may_come_in_pieces(devbroker: str) -> None:
    """A request that trickles in byte by byte is a request."""
    host, _, port = devbroker.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for byte in frame(API_OF[ApiVersionsRequest].key, 0, b""):
        writer.write(bytes([byte]))
        await writer.drain()
    size = int.from_bytes(await reader.readexactly(4))
    assert len(await reader.readexactly(size)) == size
    writer.close()


async def test_a_client_that_does_not_read_is_not_served_further() -> None:
    """Answers that nobody takes do not pile up: the broker stops working for that client, and goes on when it reads."""
    async with Broker() as broker:
        topic = await new_topic(broker.address)
        async with Wire(broker.address) as wire:
            await produced(wire, topic, record_batch(b"x" * 1_000_000))
            for _ in range(100):
                await wire.send(fetch(topic, 0), 11)
            (connection,) = broker._connections
            transport = connection._transport
            await until(lambda: transport.get_write_buffer_size() > 0)
            assert transport.get_write_buffer_size() < 3_000_000
            answers = [await wire.receive(FetchRequest, 11) for _ in range(100)]

    assert {len(answer.topics[0].partitions[0].records[0]) for answer in answers} == {
        len(record_batch(b"x" * 1_000_000))
    }


async def test_a_request_over_the_limit_is_not_read() -> None:
    """The size in front of a frame is looked at before anything is kept of it."""
    async with Broker(settings=Settings(max_request_bytes=10_000)) as broker:
        assert await hung_up(broker.address, frame(0, 8, b"\0" * 20_000))
        assert await alive(broker.address)


async def test_a_client_that_hangs_up_while_it_waits(devbroker: str) -> None:
    """A waiting fetch or join ends with its connection."""
    topic = await new_topic(devbroker)
    with no_errors():
        async with Wire(devbroker) as wire:
            await wire.send(fetch(topic, 0, wait_ms=60_000), 11)
        async with Wire(devbroker) as wire:
            assert (await produced(wire, topic, record_batch(b"x"))).base_offset == 0


async def test_records_that_come_before_a_fetch_waits() -> None:
    """Records of a request that is handled between a fetch's first look and its wait end that wait at once."""
    node = Node(asyncio.get_running_loop(), Settings())
    call = Call(11, Client("test", "/127.0.0.1"))

    def handled(request: Message) -> Answer:
        return API_OF[type(request)].handle(node, request, call)

    handled(creating("events"))
    waiting = handled(fetch("events", 0, wait_ms=2_000 * int(PATIENCE)))
    handled(produce("events", record_batch(b"x")))
    assert isinstance(waiting, Awaitable)
    async with asyncio.timeout(PATIENCE):
        response = await waiting
    assert isinstance(response, FetchResponse)
    assert response.topics[0].partitions[0].high_watermark == 1
    node.close()


async def test_retention_bounds_a_partition() -> None:
    """With `retention.bytes` old batches go as new ones come, the broker's own limit or the topic's."""
    async with Broker(settings=Settings(retention_bytes=20_000)) as broker:
        address = broker.address
        bounded = await new_topic(address)
        larger = await new_topic(address, **{"retention.bytes": "50000"})
        for topic in (bounded, larger):
            async with producer(address) as client:
                for _ in range(100):
                    await client.send_and_wait(topic, b"x" * 1000)
        async with Wire(address) as wire:
            sizes = []
            for topic in (bounded, larger):
                response = (await wire.call(produce(topic, record_batch(b"last")))).topics[0].partitions[0]
                sizes.append(response.base_offset - response.log_start_offset)

    assert 15 <= sizes[0] <= 20
    assert 40 <= sizes[1] <= 50


async def test_topics_can_be_created_on_first_use() -> None:
    """With `auto_create`, and with as many partitions as the broker is told."""
    async with Broker(settings=Settings(auto_create=True, partitions=5)) as broker:
        async with AIOKafkaProducer(bootstrap_servers=broker.address) as client:
            await client.send_and_wait("fresh", b"x")
            assert len(await client.partitions_for("fresh")) == 5
        async with consumer(broker.address, "fresh") as reader:
            assert (await reader.getone()).value == b"x"


async def test_a_broker_can_be_started_again(devbroker: str) -> None:
    """Stopped twice is fine, and nothing of the old life is left without a data folder."""
    broker = Broker()
    await broker.start()
    topic = await new_topic(broker.address)
    await broker.stop()
    await broker.stop()
    await broker.start()
    async with Wire(broker.address) as wire:
        assert (await wire.call(MetadataRequest(topics=[topic]))).topics[0].error == 3
    await broker.stop()


async def test_a_taken_port_is_an_error(devbroker: str) -> None:
    """Starting on a port that is in use fails and leaves nothing behind."""
    port = int(devbroker.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await Broker(port=port).start()
    assert await alive(devbroker)


def test_it_runs_on_uvloop() -> None:
    """The broker works on uvloop as well, records in and out."""

    async def main() -> int:
        async with Broker() as broker:
            topic = await new_topic(broker.address)
            async with producer(broker.address) as client:
                for _ in range(100):
                    await client.send(topic, b"x" * 1000, partition=0)
            await read_all(broker.address, topic, 100)
            return await end_offset(broker.address, topic)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == 100
