"""Clients for the compatibility checks, set up and torn down in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from express.devbroker.messages.records import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from tests.kafka.wire import NOT_LED, Wire, unique


@asynccontextmanager
async def admin(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """aiokafka's admin client."""
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def new_topic(address: str, partitions: int = 1, **configs: str) -> str:
    """A topic of its own for a test, ready to be used."""
    name = unique("topic")
    async with admin(address) as client:
        response = await client.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        assert response.topic_errors[0][1] == 0, response
    await served(address, name, partitions)
    return name


async def served(address: str, topic: str, partitions: int) -> None:
    """Wait until every partition has a leader: a real Kafka says that a topic is created before it is."""
    asked = [ListOffsetsPartition(index=index, timestamp=-1) for index in range(partitions)]
    topics = [ListOffsetsTopic(name=topic, partitions=asked)]
    async with Wire(address) as wire:
        await wire.settled(ListOffsetsRequest(replica_id=-1, topics=topics), not_yet=NOT_LED)


@asynccontextmanager
async def producer(address: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that flushes in the end."""
    client = AIOKafkaProducer(bootstrap_servers=address, **{"acks": "all", **options})
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def consumer(address: str, *topics: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that reads from the start and commits nothing by itself."""
    chosen = {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "heartbeat_interval_ms": 200,
        "retry_backoff_ms": 20,
        "fetch_max_wait_ms": 100,
    }
    client = AIOKafkaConsumer(*topics, bootstrap_servers=address, **{**chosen, **options})
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def read(client: AIOKafkaConsumer, count: int) -> list[ConsumerRecord]:
    """The next `count` records, in the order in which they come."""
    records: list[ConsumerRecord] = []
    while len(records) < count:
        for batch in (await client.getmany(timeout_ms=500)).values():
            records.extend(batch)
    assert len(records) == count, f"{len(records)} records instead of {count}"
    return records


async def read_all(address: str, topic: str, count: int, **options: Any) -> list[ConsumerRecord]:
    """The first `count` records of a topic, read without a group."""
    async with consumer(address, topic, **options) as client:
        return await read(client, count)


async def end_offset(address: str, topic: str, partition: int = 0, **options: Any) -> int:
    """The end of a partition."""
    where = TopicPartition(topic, partition)
    async with consumer(address, **options) as client:
        ends: dict[TopicPartition, int] = await client.end_offsets([where])
    return ends[where]
