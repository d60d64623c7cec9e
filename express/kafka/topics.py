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
"""Seconds that a topic may take to appear once it was made."""


async def create_topics(
    properties: Mapping[str, Any], topics: Iterable[str], partitions: int, mark: tuple[str, str] | None = None
) -> None:
    """Create topics with `partitions` each and one replica; those that are there already stay as they are.

    With `mark`, a setting and its value, topics are made with it, and where one of the names is there already
    without it, nothing is made and ConfigError is raised; so it is where somebody else makes one meanwhile.
    Returns when all of them have leaders. Raises SourceError.
    """
    repair_connections()
    names = list(topics)
    admin = AIOKafkaAdminClient(**known(AIOKafkaAdminClient, properties))
    try:
        with mapped(SourceError, f"no topics can be created at {properties['bootstrap_servers']}"):
            await admin.start()
            if mark:  # all topics are asked for: asking for one that is missing may create it
                there = {topic["topic"] for topic in await admin.describe_topics()}
                await _refuse_unmarked(admin, there.intersection(names), mark)
            made = [NewTopic(topic, partitions, 1, topic_configs=dict([mark] if mark else [])) for topic in names]
            kept = _not_created(await admin.create_topics(made))
            if mark:
                await _refuse_unmarked(admin, kept - there, mark)
            async with asyncio.timeout(APPEAR_SECONDS):
                while not await _are_led(admin, names):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.02)
    finally:
        await within(CLOSE_SECONDS, admin.close())


def _not_created(response: Any) -> set[str]:
    """Return the topics that were there already. Raises SourceError for those that can't be created."""
    kept = set()
    for topic, code, *_ in response.topic_errors:
        error = for_code(code)
        if error is TopicAlreadyExistsError:
            kept.add(topic)
        elif code:
            raise SourceError(f"the topic {topic} can't be created: {error.__name__}")
    return kept


async def _refuse_unmarked(admin: AIOKafkaAdminClient, topics: set[str], mark: tuple[str, str]) -> None:
    """Raise ConfigError for the first of `topics` that does not have the mark, or may not be asked for it."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {mark[0]: ""}) for topic in sorted(topics)]
    for response in await admin.describe_configs(asked) if asked else ():
        for code, _, _, name, entries in response.resources:
            if code:
                raise ConfigError(
                    f"the topic {name} is there already, and the brokers do not tell who has made it "
                    f"({for_code(code).__name__}): allow DescribeConfigs on it, or use another Kafka"
                )
            if mark not in [tuple(entry[:2]) for entry in entries]:
                raise ConfigError(
                    f"the topic {name} is there already and does not have {mark[0]}={mark[1]}, so it was made by "
                    "someone else: nothing was written; remove the topic, or use another Kafka"
                )


async def _are_led(admin: AIOKafkaAdminClient, topics: list[str]) -> bool:
    """Return whether every partition has a leader: Kafka says that a topic is made before it is."""
    described = await admin.describe_topics(topics)
    return all(
        not topic["error_code"] and topic["partitions"] and all(p["leader"] >= 0 for p in topic["partitions"])
        for topic in described
    )


async def ends(properties: Mapping[str, Any], topics: Iterable[str]) -> dict[Partition, int]:
    """The offset after the last committed record of every partition of `topics`. Raises SourceError."""
    async with Survey(properties) as survey:
        return {at: end for at, (_, end) in (await survey.bounds(list(topics))).items()}
