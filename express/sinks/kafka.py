"""Kafka topics as a sink, at least once: one idempotent producer, `acks=all`, whole record batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from express.errors import SinkError
from express.kafka import mapped
from express.kafka.answers import judged
from express.kafka.limits import Limits, topic_limits
from express.kafka.patches.producer import kill
from express.kafka.patches.record_batch import batch_maker
from express.ports import Block, Headers, Outgoing, Partition, Position, Refused
from express.sinks.batches import Batches, Routes
from express.sinks.mending import Mender, waiting
from express.sinks.producer import close, new_producer, partition_count


class KafkaSink:
    """A `Sink` into `topics`. Positions are the source's business.

    An idempotent producer repeats what the broker did not acknowledge for ever, so a topic that is down makes
    `flush` wait, not fail. What does fail (a fenced or confused producer, a refused batch) can't be repaired
    in place: `start` makes a new producer.
    """

    transactional = False
    doubtful: Collection[Partition] = ()

    def __init__(self, topics: Collection[str], properties: Mapping[str, Any]) -> None:
        self._topics = tuple(topics)
        self._properties = properties
        self._routes = Routes()
        self._limits = Limits()
        self._mender = Mender(self._routes, self._limits)
        self._producer: AIOKafkaProducer | None = None
        self._batches = Batches(self._no_batch)
        self._settled = True

    async def start(self) -> None:
        """Connect. Raises SinkError where the cluster can't be reached or a topic is missing."""
        await self.stop()
        producer = self._producer = new_producer(self._properties)
        with judged(), mapped(SinkError, "connecting"):
            await producer.start()
        for topic in self._topics:
            self._routes.learn(topic, await partition_count(producer, topic))
        self._limits.learn(await topic_limits(producer.client, self._topics))
        self._batches = Batches(batch_maker(producer, self._limits))

    async def stop(self) -> None:
        """Close; what is not acknowledged by now is given up."""
        producer = self._producer
        self._batches = Batches(self._no_batch)
        if producer is not None:
            settled, self._settled = self._settled, False  # who is cut off here kills it the next time
            await (close(producer) if settled else kill(producer))
        self._producer = None
        self._settled = True

    async def open(self, partitions: Collection[Partition]) -> None:
        """Compare the numbers of partitions of input and output."""
        for topic in {partition.topic for partition in partitions}:
            self._routes.learn(topic, await partition_count(self._running(), topic))

    async def close(self, partitions: Collection[Partition]) -> None:
        """Nothing is kept per input partition."""

    def append(
        self,
        topic: str,
        origin: Partition,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        """Add a record to the batch of its output partition."""
        self._batches.add(self._routes.target(topic, origin, key), timestamp, key, value, headers)

    def block(self, topic: str, origin: Partition) -> Block | None:
        """Takes encoded records of what comes from `origin`, until it is full or the next flush begins."""
        return self._batches.block(self._routes.fixed(topic, origin))

    @property
    def pending(self) -> int:
        """Bytes in the batches that the next flush sends."""
        return self._batches.size

    async def flush(self, positions: Mapping[Partition, Position]) -> None:
        """Send all batches; `positions` are committed by the source afterwards."""
        chains = self._batches.take()
        self._settled = False
        await self._mender.send(self._running(), chains)
        self._settled = True

    @property
    def replace(self) -> Callable[[Refused], Outgoing]:
        """Return what is written instead of a record that its topic does not take."""
        return self._mender.replace

    @replace.setter
    def replace(self, replace: Callable[[Refused], Outgoing]) -> None:
        self._mender.replace = replace

    def limit_of(self, topic: str) -> int:
        """Return the limit that the topic is configured with; Kafka's default where its brokers don't say."""
        return self._limits.record(topic)

    @property
    def waits_for(self) -> str:
        """Return what brokers have answered to what is under way."""
        return waiting(self._producer)

    def _running(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise SinkError("the sink is not started")
        return self._producer

    def _no_batch(self, topic: str) -> Any:
        raise SinkError("the sink is not started")
