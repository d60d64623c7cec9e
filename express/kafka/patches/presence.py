"""Presence of a consumer's topics, asked before it joins its group.

aiokafka waits for each of them as long as for an answer, 40 s, and then does not say which one it was.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.errors import TopicAuthorizationFailedError

from express.errors import SourceError

PAUSES = (0.0, 0.1, 0.4)
"""Before a topic that is not there is asked for again: brokers that create what they are asked for need a moment."""


async def wait_topics(consumer: Any) -> None:
    """Raise SourceError with the names of all subscribed topics that are missing; in the place of `_wait_topics`."""
    subscription = consumer._subscription.subscription
    topics = [] if subscription is None else sorted(subscription.topics)
    client = consumer._client
    missing: list[str] = []
    for pause in PAUSES:
        await asyncio.sleep(pause)
        for topic in topics:
            client.add_topic(topic)
        await client.force_metadata_update()
        forbidden = sorted(client.cluster.unauthorized_topics & set(topics))
        if forbidden:
            raise TopicAuthorizationFailedError(", ".join(forbidden))
        missing = [topic for topic in topics if not client.cluster.partitions_for_topic(topic)]
        if not missing:
            return
    raise SourceError(f"there is no topic {', '.join(missing)}")
