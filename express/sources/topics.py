"""Topics as an operator sees them: made, and measured."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from express.errors import SourceError
from express.ports import Partition


async def create_topics(properties: Mapping[str, Any], topics: Iterable[str], partitions: int) -> None:
    """Create topics with `partitions` each and one replica; those that are there already stay as they are.

    Raises SourceError.
    """
    admin = AIOKafkaAdminClient(**properties)
    try:
        await admin.start()
        made = [NewTopic(name=topic, num_partitions=partitions, replication_factor=1) for topic in topics]
        response = await admin.create_topics(made)
        for topic, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise SourceError(f"the topic {topic} can't be created: {error.__name__}")
    except (KafkaError, OSError) as error:
        raise SourceError(f"no topics can be created at {properties['bootstrap_servers']}: {error}") from error
    finally:
        await admin.close()


async def ends(properties: Mapping[str, Any], topics: Iterable[str]) -> dict[Partition, int]:
    """The offset after the last record of every partition of `topics`."""
    names = list(topics)
    consumer = AIOKafkaConsumer(*names, **properties)
    await consumer.start()
    try:
        known = {topic: sorted(consumer.partitions_for_topic(topic) or ()) for topic in names}
        partitions = [TopicPartition(topic, number) for topic, numbers in known.items() for number in numbers]
        found = await consumer.end_offsets(partitions)
        return {Partition(at.topic, at.partition): offset for at, offset in found.items()}
    except KafkaError as error:
        raise SourceError(f"the topics can't be measured: {error}") from error
    finally:
        await leave(consumer)


async def leave(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer. One that is stopped at once raises CancelledError for a task of its own that had not begun."""
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait([stopping])
    if not stopping.cancelled():
        stopping.result()
