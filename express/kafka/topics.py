"""Topics as an operator sees them: made, and measured."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from express.errors import ConfigError, SourceError
from express.kafka import CLOSE_SECONDS, mapped, repair_connections, within
from express.kafka.access import known
from express.kafka.survey import Survey
from express.ports import Partition

APPEAR_SECONDS = 15.0
"""What a topic may take to be there, once it was made."""


async def create_topics(
    properties: Mapping[str, Any], topics: Iterable[str], partitions: int, mark: tuple[str, str] | None = None
) -> None:
    """Create topics with `partitions` each and one replica; those that are there already stay as they are.

    With `mark`, a setting and its value, topics are made with it, and where one of the names is there already
    without it, nothing is made and ConfigError is raised. Returns when all of them have leaders. Raises SourceError.
    """
    repair_connections()
    names = list(topics)
    admin = AIOKafkaAdminClient(**known(AIOKafkaAdminClient, properties))
    try:
        with mapped(SourceError, f"no topics can be created at {properties['bootstrap_servers']}"):
            await admin.start()
            if mark:
                await _refuse_unmarked(admin, names, mark)
            configs = dict([mark] if mark else [])
            made = [NewTopic(topic, partitions, 1, topic_configs=configs) for topic in names]
            response = await admin.create_topics(made)
            for topic, code, *_ in response.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise SourceError(f"the topic {topic} can't be created: {error.__name__}")
            async with asyncio.timeout(APPEAR_SECONDS):
                while not await _are_led(admin, names):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.02)
    finally:
        await within(CLOSE_SECONDS, admin.close())


async def _refuse_unmarked(admin: AIOKafkaAdminClient, topics: list[str], mark: tuple[str, str]) -> None:
    # All topics are asked for: asking for one that is missing may create it.
    there = {topic["topic"] for topic in await admin.describe_topics()}.intersection(topics)
    if not there:
        return
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {mark[0]: ""}) for topic in sorted(there)]
    marked = {
        name
        for response in await admin.describe_configs(asked)
        for code, _, _, name, entries in response.resources
        if not code
        for entry in entries
        if tuple(entry[:2]) == mark
    }
    if foreign := sorted(there - marked):
        raise ConfigError(
            f"the topic {foreign[0]} is there already and does not have {mark[0]}={mark[1]}, so it was made by "
            "someone else: nothing was written; remove the topic, or use another Kafka"
        )


async def _are_led(admin: AIOKafkaAdminClient, topics: list[str]) -> bool:
    """Whether every partition has a leader: Kafka says that a topic is made before it is."""
    described = await admin.describe_topics(topics)
    return all(
        not topic["error_code"] and topic["partitions"] and all(p["leader"] >= 0 for p in topic["partitions"])
        for topic in described
    )


async def ends(properties: Mapping[str, Any], topics: Iterable[str]) -> dict[Partition, int]:
    """The offset after the last committed record of every partition of `topics`. Raises SourceError."""
    async with Survey(properties) as survey:
        return {at: end for at, (_, end) in (await survey.bounds(list(topics))).items()}
