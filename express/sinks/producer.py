"""One aiokafka producer: its settings, how its batches are sent, and how it ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation

from express.errors import SinkError
from express.kafka import CLOSE_SECONDS, mapped, repair_connections, within

DEFAULTS: dict[str, Any] = {
    # aiokafka's 16 KiB make batches of a few dozen records.
    "max_batch_size": 1 << 20,
    "max_request_size": 16 << 20,
}
"""May be overridden by properties."""

FIXED: dict[str, Any] = {"acks": "all", "enable_idempotence": True}
"""What the promise of at-least-once without doubles on retry stands on."""

RECORD_LIMIT = 1_048_588 - 512
"""Most bytes of a record: Kafka's default `max.message.bytes`, less what a batch adds."""

METADATA_SECONDS = 15.0
"""How long a topic may take to appear."""


APPEAR_SECONDS = (0.1, 0.4)
"""Pauses before a topic that is not there is asked for again."""


def new_producer(properties: Mapping[str, Any], **own: Any) -> AIOKafkaProducer:
    """A producer with our settings, not yet started; must be made on the loop it runs on."""
    repair_connections()
    return AIOKafkaProducer(**{**DEFAULTS, **properties, **FIXED, **own})


async def partition_count(producer: AIOKafkaProducer, topic: str) -> int:
    """How many partitions `topic` has. Raises SinkError where it does not exist."""
    with mapped(SinkError, f"looking for the topic {topic}"):
        async with asyncio.timeout(METADATA_SECONDS):
            return len(await producer.partitions_for(topic))


async def count_now(producer: AIOKafkaProducer, topic: str) -> int:
    """How many partitions `topic` has; 0 where it does not exist, which takes half a second to say.

    Brokers that create topics when they are asked for them need a moment for it.
    """
    client = producer.client
    for pause in (0.0, *APPEAR_SECONDS):
        await asyncio.sleep(pause)
        await (client.force_metadata_update() if pause else client.add_topic(topic))
        found = client.cluster.partitions_for_topic(topic)
        if found:
            return len(found)
    return 0


def count_known(producer: AIOKafkaProducer, topic: str) -> int:
    """The same as far as it is known; where it is not, the next call may know."""
    client = producer.client
    found = client.cluster.partitions_for_topic(topic)
    if not found:
        client.force_metadata_update()
    return len(found or ())


async def send(producer: AIOKafkaProducer, chains: Mapping[TopicPartition, deque[Any]]) -> None:
    """Send all batches and wait for their acknowledgements.

    One batch per partition is under way at a time: several waiting ones wake each other in vain (aiokafka issue
    528), and their order could change. Raises SinkError where one was not taken.
    """
    with mapped(SinkError, "writing"):
        while chains:
            acknowledgements = []
            for (topic, partition), chain in chains.items():
                try:
                    sent = await producer.send_batch(chain.popleft(), topic, partition=partition)
                except (AssertionError, IllegalOperation) as error:
                    raise SinkError(f"writing to {topic} {partition}: {error}") from error
                acknowledgements.append(sent)
            await asyncio.gather(*acknowledgements)
            chains = {target: chain for target, chain in chains.items() if chain}


async def close(producer: AIOKafkaProducer) -> None:
    """End a producer of which everything is acknowledged."""
    if not await within(CLOSE_SECONDS, producer.stop()):
        await kill(producer)


async def kill(producer: AIOKafkaProducer) -> None:
    """End a producer without sending what it still holds. `stop` would wait for that."""
    producer._closed = True
    task = producer._sender.sender_task
    if task is not None:
        task.cancel()
    await within(CLOSE_SECONDS, producer.client.close())
    if task is not None:
        await within(CLOSE_SECONDS, asyncio.gather(task, return_exceptions=True))
