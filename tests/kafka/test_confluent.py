"""Compatibility: confluent-kafka (librdkafka) as client, on the development broker and on a real Kafka.

What the other checks ask with aiokafka is asked here once more with the other family of clients, which pipelines
differently, speaks other versions and verifies more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from tests.kafka.clients import producer as aiokafka_producer
from tests.kafka.clients import served
from tests.kafka.wire import unique
from tests.patience import PATIENCE

QUIET = {"log_level": 0, "socket.timeout.ms": 10_000}


def topic_with(address: str, partitions: int = 1, **configs: str) -> str:
    """A topic of its own for a test."""
    name = unique("topic")
    client = AdminClient({"bootstrap.servers": address, **QUIET})
    result(client.create_topics([NewTopic(name, partitions, 1, config=configs)])[name])
    asyncio.run(served(address, name, partitions))
    return name


def result(future: Future[Any]) -> Any:
    """What an admin call comes to."""
    return future.result(PATIENCE)


@contextmanager
def consumer(address: str, group: str | None = None, **options: Any) -> Iterator[Consumer]:
    """A consumer that reads from the start, commits nothing by itself and verifies checksums."""
    client = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group or unique("group"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "check.crcs": True,
            "heartbeat.interval.ms": 200,
            "fetch.wait.max.ms": 100,
            "topic.metadata.refresh.interval.ms": 500,
            **QUIET,
            **options,
        }
    )
    try:
        yield client
    finally:
        client.close()


def read(client: Consumer, count: int) -> list[Message]:
    """The next `count` messages."""
    messages: list[Message] = []
    end = time.monotonic() + PATIENCE
    while len(messages) < count:
        messages += client.consume(count - len(messages), timeout=0.5)
        assert time.monotonic() < end, f"{len(messages)} of {count} messages"
    assert [message.error() for message in messages] == [None] * count
    return messages


def write(address: str, topic: str, *values: bytes, **options: Any) -> list[int]:
    """Write records to partition 0, acknowledged; their offsets."""
    offsets: list[int] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        offsets.append(message.offset())

    client = Producer({"bootstrap.servers": address, "acks": "all", **QUIET, **options})
    for value in values:
        client.produce(topic, value, partition=0, on_delivery=delivered)
    assert client.flush(PATIENCE) == 0
    return offsets


def until(holds: Callable[[], bool], *polled: Consumer) -> None:
    """Wait until something holds, polling these consumers."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        for client in polled:
            client.poll(0.02)


def test_a_record_keeps_all_its_parts(address: str) -> None:
    """Key, value, headers and time; null and empty are told apart."""
    topic = topic_with(address, 3)
    client = Producer({"bootstrap.servers": address, **QUIET})
    client.produce(topic, b"value", b"key", 2, timestamp=1_700_000_000_000, headers=[("h", b"\xff"), ("n", None)])
    client.produce(topic, None, b"", 2)
    assert client.flush(PATIENCE) == 0
    with consumer(address) as reader:
        reader.assign([TopicPartition(topic, 2, OFFSET_BEGINNING)])
        full, empty = read(reader, 2)

    assert (full.key(), full.value(), full.headers()) == (b"key", b"value", [("h", b"\xff"), ("n", None)])
    assert (full.timestamp(), full.offset(), full.partition()) == ((1, 1_700_000_000_000), 0, 2)
    assert (empty.key(), empty.value()) == (b"", None)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_codecs_and_order(address: str, codec: str) -> None:
    """Ten thousand records keep their order under every codec."""
    topic = topic_with(address)
    values = [b"%06d" % number * 5 for number in range(10_000)]
    offsets = write(address, topic, *values, **{"compression.type": codec, "linger.ms": 5})
    with consumer(address) as reader:
        reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        messages = read(reader, 10_000)

    assert offsets == list(range(10_000))
    assert [message.value() for message in messages] == values


@pytest.mark.parametrize("codec", ["zstd", "lz4", "snappy", "gzip"])
def test_the_other_client_can_read_it(address: str, codec: str) -> None:
    """What aiokafka writes, librdkafka reads, checksums included."""
    topic = topic_with(address)

    async def send() -> None:
        async with aiokafka_producer(address, compression_type=codec, linger_ms=20) as client:
            await asyncio.gather(*[await client.send(topic, b"%d" % n * 50, partition=0) for n in range(300)])

    asyncio.run(send())
    with consumer(address) as reader:
        reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        assert [message.value() for message in read(reader, 300)] == [b"%d" % number * 50 for number in range(300)]


def test_an_idempotent_producer(address: str) -> None:
    """Every record once and in order."""
    topic = topic_with(address)
    options = {"enable.idempotence": True, "batch.num.messages": 20}
    assert write(address, topic, *[b"x"] * 1000, **options) == list(range(1000))


def test_seek_and_watermarks(address: str) -> None:
    """A consumer starts where it is assigned, and learns begin and end."""
    topic = topic_with(address)
    write(address, topic, *[b"%d" % number for number in range(10)])
    with consumer(address) as reader:
        reader.assign([TopicPartition(topic, 0, 7)])
        assert [message.value() for message in read(reader, 3)] == [b"7", b"8", b"9"]
        reader.seek(TopicPartition(topic, 0, 2))
        assert read(reader, 1)[0].offset() == 2
        assert reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=PATIENCE) == (0, 10)


def test_offsets_by_time(address: str) -> None:
    """The first record at or after a time; after the last the end."""
    topic = topic_with(address)
    client = Producer({"bootstrap.servers": address, "linger.ms": 50, **QUIET})
    for number in range(20):
        client.produce(topic, b"x", partition=0, timestamp=1_700_000_000_000 + number * 10)
    assert client.flush(PATIENCE) == 0
    with consumer(address) as reader:
        found = [
            reader.offsets_for_times([TopicPartition(topic, 0, 1_700_000_000_000 + delta)], timeout=PATIENCE)[0].offset
            for delta in (0, 95, 1000)
        ]

    assert found == [0, 10, OFFSET_END]


def test_positions_are_kept(address: str) -> None:
    """A committed position with its metadata survives the consumer."""
    topic, group = topic_with(address), unique("group")
    write(address, topic, *[b"%d" % number for number in range(10)])
    with consumer(address, group) as first:
        first.subscribe([topic])
        read(first, 10)
        (done,) = first.commit(offsets=[TopicPartition(topic, 0, 6, "metadata")], asynchronous=False)
        assert done.error is None
    with consumer(address, group) as second:
        (kept,) = second.committed([TopicPartition(topic, 0)], timeout=PATIENCE)
        second.subscribe([topic])
        assert (kept.offset, kept.metadata, read(second, 1)[0].offset()) == (6, "metadata", 6)


@pytest.mark.parametrize("assignor", ["range", "cooperative-sticky"])
def test_partitions_are_shared_and_handed_over(address: str, assignor: str) -> None:
    """Two members share twelve partitions, under the eager and the incremental protocol; one that leaves frees its."""
    topic, group = topic_with(address, 12), unique("group")
    options = {"partition.assignment.strategy": assignor}
    with consumer(address, group, **options) as first:
        first.subscribe([topic])
        until(lambda: len(first.assignment()) == 12, first)
        with consumer(address, group, **options) as second:
            second.subscribe([topic])
            until(lambda: len(first.assignment()) == len(second.assignment()) == 6, first, second)
            together = {part.partition for part in first.assignment() + second.assignment()}
            assert together == set(range(12))
        until(lambda: len(first.assignment()) == 12, first)


def test_a_static_member_keeps_its_place(address: str) -> None:
    """A member that restarts under its instance id has its partitions back, and the other has never lost its own."""
    topic, group = topic_with(address, 4), unique("group")
    revoked: list[Any] = []
    with consumer(address, group, **{"group.instance.id": "a"}) as stays:
        stays.subscribe([topic], on_revoke=lambda _, partitions: revoked.append(partitions))
        with consumer(address, group, **{"group.instance.id": "b"}) as restarts:
            restarts.subscribe([topic])
            until(lambda: len(stays.assignment()) == len(restarts.assignment()) == 2, stays, restarts)
            revoked.clear()
            kept = {part.partition for part in restarts.assignment()}
        with consumer(address, group, **{"group.instance.id": "b"}) as again:
            again.subscribe([topic])
            until(lambda: len(again.assignment()) == 2, stays, again)
            assert {part.partition for part in again.assignment()} == kept
            assert len(stays.assignment()) == 2
            assert revoked == []


def transactional(address: str, name: str) -> Producer:
    """A producer that is ready for transactions."""
    client = Producer({"bootstrap.servers": address, "transactional.id": name, **QUIET})
    client.init_transactions(PATIENCE)
    return client


def test_transactions(address: str) -> None:
    """Committed records are seen, aborted ones are not, and the position of the input goes with them."""
    topic, group = topic_with(address), unique("group")
    client = transactional(address, unique("tx"))
    with consumer(address, group) as reader:
        reader.subscribe([topic])
        until(lambda: len(reader.assignment()) == 1, reader)
        for number in range(4):
            client.begin_transaction()
            client.produce(topic, b"%d" % number, partition=0)
            where = [TopicPartition(topic, 0, number)]
            client.send_offsets_to_transaction(where, reader.consumer_group_metadata(), PATIENCE)
            if number % 2:
                client.abort_transaction(PATIENCE)
            else:
                client.commit_transaction(PATIENCE)
        assert reader.committed([TopicPartition(topic, 0)], timeout=PATIENCE)[0].offset == 2
    with consumer(address, **{"isolation.level": "read_committed"}) as reader:
        reader.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        assert [message.value() for message in read(reader, 2)] == [b"0", b"2"]
        assert reader.consume(1, timeout=0.3) == []


def test_a_zombie_is_fenced(address: str) -> None:
    """The first of two producers with one transactional id can't commit any more."""
    topic, name = topic_with(address), unique("tx")
    zombie = transactional(address, name)
    zombie.begin_transaction()
    zombie.produce(topic, b"zombie", partition=0)
    assert zombie.flush(PATIENCE) == 0
    transactional(address, name)
    with pytest.raises(KafkaException) as refused:
        zombie.commit_transaction(PATIENCE)

    assert refused.value.args[0].code() == KafkaError._FENCED


def test_too_large_and_unknown(address: str) -> None:
    """A record over the topic's limit and one for a topic that is not there are not delivered."""
    topic = topic_with(address, **{"max.message.bytes": "2000"})
    errors: list[int | None] = []
    client = Producer({"bootstrap.servers": address, "message.timeout.ms": 1500, **QUIET})
    for name, size in ((topic, 3000), (topic, 100), (unique("missing"), 1)):
        client.produce(name, b"x" * size, on_delivery=lambda error, _: errors.append(error and error.code()))
        assert client.flush(PATIENCE) == 0

    assert errors[:2] == [KafkaError.MSG_SIZE_TOO_LARGE, None]
    assert errors[2] in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._MSG_TIMED_OUT)


def test_topics_are_administered(address: str) -> None:
    """Created, listed, configured, grown, trimmed and deleted by librdkafka's admin client."""
    topic = topic_with(address, 2, **{"retention.bytes": "1000000"})
    client = AdminClient({"bootstrap.servers": address, **QUIET})
    assert len(client.list_topics(topic, timeout=PATIENCE).topics[topic].partitions) == 2
    resource = ConfigResource(ResourceType.TOPIC, topic)
    assert result(client.describe_configs([resource])[resource])["retention.bytes"].value == "1000000"
    entry = ConfigEntry("retention.bytes", "2000000", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    result(client.incremental_alter_configs([changed])[changed])
    until(lambda: result(client.describe_configs([resource])[resource])["retention.bytes"].value == "2000000")
    result(client.create_partitions([NewPartitions(topic, 3)])[topic])
    until(lambda: len(client.list_topics(topic, timeout=PATIENCE).topics[topic].partitions) == 3)
    write(address, topic, *[b"x"] * 10)
    where = TopicPartition(topic, 0, 4)
    assert result(client.delete_records([where])[where]).low_watermark == 4
    spec = {TopicPartition(topic, 0): OffsetSpec.earliest()}
    assert [result(found).offset for found in client.list_offsets(spec).values()] == [4]
    result(client.delete_topics([topic])[topic])
    until(lambda: topic not in client.list_topics(timeout=PATIENCE).topics)


def test_groups_are_administered(address: str) -> None:
    """Listed, described, their positions read and set, and deleted by librdkafka's admin client."""
    topic, group = topic_with(address), unique("group")
    client = AdminClient({"bootstrap.servers": address, **QUIET})
    with consumer(address, group) as member:
        member.subscribe([topic])
        until(lambda: len(member.assignment()) == 1, member)
        found = result(client.describe_consumer_groups([group])[group])
        assert (found.state.name, len(found.members), found.is_simple_consumer_group) == ("STABLE", 1, False)
        assert [part.topic for part in found.members[0].assignment.topic_partitions] == [topic]
    listed = result(client.list_consumer_groups()).valid
    assert group in [one.group_id for one in listed]
    positions = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 42)])
    result(client.alter_consumer_group_offsets([positions])[group])
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
    answer = result(client.list_consumer_group_offsets([asked])[group])
    assert [part.offset for part in answer.topic_partitions] == [42]
    result(client.delete_consumer_groups([group])[group])
    assert group not in [one.group_id for one in result(client.list_consumer_groups()).valid]
