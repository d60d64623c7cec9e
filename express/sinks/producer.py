"""One aiokafka producer: its settings, the topics it knows, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from express.errors import SinkError
from express.kafka import CLOSE_SECONDS, mapped, repair_connections, within
from express.kafka.limits import Limits
from express.kafka.patches.producer import kill
from express.ports import Outgoing

DEFAULTS: dict[str, Any] = {
    # aiokafka's 16 KiB make batches of a few dozen records.
    "max_batch_size": 1 << 20,
    "max_request_size": 16 << 20,
}
"""May be overridden by properties."""

FIXED: dict[str, Any] = {"acks": "all", "enable_idempotence": True}
"""Properties that the promise of at-least-once without doubles on retry stands on."""

METADATA_SECONDS = 15.0
"""Seconds that a topic may take to appear."""


APPEAR_SECONDS = (0.1, 0.4)
"""Pauses before a topic that is not there is asked for again."""


def new_producer(properties: Mapping[str, Any], **own: Any) -> AIOKafkaProducer:
    """A producer with our settings, not yet started; must be made on the loop it runs on."""
    repair_connections()
    return AIOKafkaProducer(**{**DEFAULTS, **properties, **FIXED, **own})


async def partition_count(producer: AIOKafkaProducer, topic: str) -> int:
    """Return how many partitions `topic` has. Raises SinkError where it does not exist."""
    with mapped(SinkError, f"looking for the topic {topic}"):
        async with asyncio.timeout(METADATA_SECONDS):
            count = await count_now(producer, topic)
    if not count:
        raise SinkError(f"there is no topic {topic}")
    return count


async def count_now(producer: AIOKafkaProducer, topic: str) -> int:
    """Return how many partitions `topic` has; 0 where it does not exist, which takes half a second to say.

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


def check_fits(record: Outgoing, limits: Limits) -> None:
    """Raise SinkError for a record that is larger than its topic takes."""
    headers = sum(10 + len(name.encode()) + len(value or b"") for name, value in record.headers)
    size, most = 64 + len(record.key or b"") + len(record.value or b"") + headers, limits.record(record.topic)
    if size > most:
        raise SinkError(f"a record of {size} bytes does not fit into {record.topic}, which takes {most}")


async def close(producer: AIOKafkaProducer) -> None:
    """End a producer of which everything is acknowledged."""
    if not await within(CLOSE_SECONDS, producer.stop()):
        await kill(producer)
