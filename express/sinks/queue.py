"""Input topics as a queue: a record is put in, and known by its place once the broker has acknowledged it.

For the API's asynchronous start: what it has answered for is in the log and will be run by the workers that drain
the topic, whatever becomes of the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from express.errors import SinkError
from express.kafka import mapped
from express.ports import Headers, Partition
from express.sinks.producer import close, new_producer

PUT_SECONDS = 15.0
"""How long an acknowledgement may take; then nobody knows whether the record is there."""


class Placed(NamedTuple):
    """Where a record lies, and when the broker says it came, in wall-clock seconds."""

    partition: Partition
    offset: int
    timestamp: float


class KafkaQueue:
    """Puts records into topics, one idempotent producer for all of them."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = properties
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises SinkError where the cluster can't be reached."""
        self._producer = new_producer(self._properties)
        with mapped(SinkError, "connecting"):
            await self._producer.start()

    async def stop(self) -> None:
        """Close."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer)

    async def put(self, topic: str, value: bytes, key: bytes | None = None, headers: Headers = ()) -> Placed:
        """Put one record in; returns once every in-sync replica has it.

        Raises SinkError where that can't be known: the record may be there or not.
        """
        if self._producer is None:
            raise SinkError("the queue is closed")
        with mapped(SinkError, f"writing to {topic}"):
            async with asyncio.timeout(PUT_SECONDS):
                placed = await self._producer.send_and_wait(topic, value, key=key, headers=list(headers))
        return Placed(Partition(topic, placed.partition), placed.offset, placed.timestamp / 1000)
