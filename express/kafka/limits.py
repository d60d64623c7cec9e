"""The largest record batch, by topic: from what brokers say, and from refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DescribeConfigsRequest

MESSAGE_BYTES = "max.message.bytes"

DEFAULT = 1_048_588
"""Kafka's default for it."""

OVERHEAD = 512
"""More than a batch adds to a record."""

ASK_SECONDS = 5.0
"""Seconds that a broker may take to answer."""

LEAST = 1_024
"""A batch is never split below this for want of knowledge: a record has its own size."""


class Limits:
    """Largest batches by topic. A topic that nothing is known of takes what Kafka's default allows."""

    def __init__(self) -> None:
        self._topics: dict[str, int] = {}
        self._learned: dict[str, int] = {}

    def learn(self, found: Mapping[str, int]) -> None:
        """Note what the brokers say; what was learned from refusals before is out of date."""
        self._topics.update(found)
        for topic in found:
            self._learned.pop(topic, None)

    def knows(self, topic: str) -> bool:
        """Return whether a broker has said what the topic takes."""
        return topic in self._topics

    def batch(self, topic: str) -> int:
        """Most bytes of a batch."""
        return min(self._topics.get(topic, DEFAULT), self._learned.get(topic, DEFAULT << 10))

    def record(self, topic: str) -> int:
        """Most bytes of key, value and headers of a single record."""
        return self._topics.get(topic, DEFAULT) - OVERHEAD

    def refused(self, topic: str, size: int) -> None:
        """Note that a batch of `size` bytes was too large."""
        self._learned[topic] = max(LEAST, min(self.batch(topic), size // 2))


async def topic_limits(client: Any, topics: Collection[str]) -> dict[str, int]:
    """Return what brokers say of `topics`, their own defaults included; nothing of those that they don't tell us about.

    `client` is aiokafka's. Describing a configuration takes a permission that writing does not.
    """
    asked = [(ConfigResourceType.TOPIC, topic, [MESSAGE_BYTES]) for topic in topics]
    try:
        async with asyncio.timeout(ASK_SECONDS):
            answer = await client.send(client.get_random_node(), DescribeConfigsRequest(asked, False))
    except (KafkaError, OSError, TimeoutError):
        return {}
    return {
        name: int(entry[1])
        for code, _, _, name, entries in answer.resources
        if not code
        for entry in entries
        if entry[0] == MESSAGE_BYTES and entry[1]
    }
