"""Input topics as a queue: a record is put in, and known by its place once the broker has acknowledged it.

For the API's asynchronous start: what it has answered for is in the log and will be run by the workers that drain
the topic, whatever becomes of the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from express.errors import SinkError
from express.kafka import mapped
from express.kafka.limits import Limits, topic_limits
from express.kafka.patches.producer import cap_batches, kill
from express.ports import Headers, Outgoing, Partition, Placed
from express.sinks.producer import check_fits, close, count_now, new_producer

PUT_SECONDS = 15.0
"""Seconds that an acknowledgement may take; later nobody knows whether the record is there."""


class KafkaQueue:
    """Puts records into topics, one idempotent producer for all of them."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = properties
        self._producer: AIOKafkaProducer | None = None
        self._limits = Limits()
        self._asked: set[str] = set()

    async def start(self) -> None:
        """Connect. Raises SinkError where the cluster can't be reached."""
        producer = new_producer(self._properties)
        try:
            with mapped(SinkError, "connecting"):
                await producer.start()
        except BaseException:
            await kill(producer)
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Close."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer)

    async def put(self, topic: str, value: bytes, key: bytes | None = None, headers: Headers = ()) -> Placed:
        """Put one record in; returns once every in-sync replica has it.

        Raises SinkError where that can't be known: the record may be there or not.
        """
        return await self.produce(Outgoing(topic=topic, key=key, value=value, headers=headers))

    async def produce(self, record: Outgoing) -> Placed:
        """Put a record in, where it is told to, or where its key belongs. Raises SinkError as `put`."""
        producer, topic = self._producer, record.topic
        if producer is None:
            raise SinkError("the queue is closed")
        with mapped(SinkError, f"writing to {topic}"):
            async with asyncio.timeout(PUT_SECONDS):
                await self._check(producer, record)
                placed = await producer.send_and_wait(
                    topic, record.value, key=record.key, headers=list(record.headers), partition=record.partition
                )
        return Placed(Partition(topic, placed.partition), placed.offset, placed.timestamp / 1000)

    async def _check(self, producer: AIOKafkaProducer, record: Outgoing) -> None:
        """Aiokafka asserts what it should say, and waits in vain for topics that are not there."""
        count = await count_now(producer, record.topic)
        if not count:
            raise SinkError(f"there is no topic {record.topic}")
        if record.partition is not None and record.partition >= count:
            raise SinkError(f"{record.topic} has {count} partitions, and none {record.partition}")
        await self._learn(producer, record.topic)
        check_fits(record, self._limits)

    async def _learn(self, producer: AIOKafkaProducer, topic: str) -> None:
        """Ask what a topic takes when it is first written to; batches that are made of several records have to fit."""
        if topic not in self._asked:
            self._asked.add(topic)
            self._limits.learn(await topic_limits(producer.client, [topic]))
            cap_batches(producer, self._limits.batch(topic))


class LazyQueue:
    """A `KafkaQueue` that connects when the first record is put in."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._queue = KafkaQueue(properties)
        self._starting: asyncio.Task[None] | None = None

    async def produce(self, record: Outgoing) -> Placed:
        """Put a record in. Raises SinkError; a connection that failed is tried again by the next record."""
        if self._starting is None or (self._starting.done() and self._starting.exception() is not None):
            self._starting = asyncio.get_running_loop().create_task(self._queue.start())
        await asyncio.shield(self._starting)
        return await self._queue.produce(record)

    async def stop(self) -> None:
        """Close."""
        if self._starting is not None:
            await asyncio.gather(self._starting, return_exceptions=True)
        await self._queue.stop()
