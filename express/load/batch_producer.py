"""Produces records in whole batches, at most one of each partition under way.

`send()` with its future per record would cost four times as much, and many senders waiting for one partition wake
each other (aiokafka #528). Nothing here waits for the broker: what it has not taken yet is counted in `waiting`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from express.errors import SinkError
from express.kafka import repair_connections
from express.kafka.limits import topic_limits
from express.kafka.patches.producer import cap_batches

BATCH_BYTES = 256 * 1024
RECORD_BYTES = 4 << 20
"""Batches grow to BATCH_BYTES; a single record may be so large."""

Acknowledged = Callable[[int, int, list[float]], None]
"""Told of each batch that the broker has: partition, offset of its first record, the marks of its records."""

_KEYS = 100_000


async def feeding_producer(properties: Mapping[str, Any]) -> AIOKafkaProducer:
    """A started producer for feeds. Raises SinkError."""
    repair_connections()
    fixed = {"acks": "all", "enable_idempotence": True, "max_batch_size": BATCH_BYTES, "max_request_size": RECORD_BYTES}
    producer = AIOKafkaProducer(**{**properties, **fixed})
    try:
        await producer.start()
    except BaseException as error:
        await producer.stop()
        if isinstance(error, KafkaError):
            raise SinkError(f"connecting to {properties['bootstrap_servers']}: {error}") from error
        raise
    return producer


async def fit_batches(producer: AIOKafkaProducer, topics: Collection[str]) -> None:
    """Make no batch that one of `topics` would refuse as too large, as far as the brokers say what they take."""
    cap_batches(producer, min((await topic_limits(producer.client, topics)).values(), default=BATCH_BYTES))


class BatchProducer:
    """Batches for the partitions of one topic. `made` records were added, `acknowledged` ones the broker has.

    With `on_acknowledged` the next batch of a partition goes out with the answer to the one before, however small it
    is: for whoever measures. Without, a batch grows until `send` is called.
    """

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, partitions: int, on_acknowledged: Acknowledged | None = None
    ) -> None:
        self.made = 0
        self.acknowledged = 0
        self._producer = producer
        self._topic = topic
        self._count = partitions
        self._told = on_acknowledged
        self._open: dict[int, tuple[Any, list[float]]] = {}
        self._full: dict[int, deque[tuple[Any, list[float]]]] = {number: deque() for number in range(partitions)}
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._partition_of: dict[bytes, int] = {}
        self._failed: BaseException | None = None

    @classmethod
    async def open(cls, properties: Mapping[str, Any], topic: str, on_acknowledged: Acknowledged) -> BatchProducer:
        """A feed with a producer of its own. Raises SinkError."""
        producer = await feeding_producer(properties)
        try:
            await fit_batches(producer, [topic])
            return cls(producer, topic, len(await producer.partitions_for(topic)), on_acknowledged)
        except BaseException:
            await producer.stop()
            raise

    async def close(self) -> None:
        """Stop the producer."""
        await self._producer.stop()

    @property
    def waiting(self) -> int:
        """Records that the broker has not acknowledged yet."""
        return self.made - self.acknowledged

    def add(self, key: bytes | None, value: bytes | None, timestamp_ms: int, mark: float = 0.0) -> None:
        """Put a record into the batch of its partition: that of its key, or the next in turn."""
        partition = self.made % self._count if key is None else self._partition(key)
        self.made += 1
        opened = self._open.get(partition)
        if opened is not None and self._append(opened, key, value, timestamp_ms, mark):
            return
        if opened is not None:
            self._full[partition].append(opened)
        fresh = self._open[partition] = (self._producer.create_batch(), [])
        if not self._append(fresh, key, value, timestamp_ms, mark):
            raise SinkError(f"a record of {len(value or b'')} bytes is too large for a batch")

    def send(self) -> None:
        """Send a batch of each partition that has none under way. Raises what broke an earlier one."""
        if self._failed is not None:
            raise SinkError(f"producing to {self._topic}: {self._failed}") from self._failed
        for partition in range(self._count):
            if partition not in self._sending:
                self._start(partition)

    async def room(self, most: int) -> None:
        """Wait until at most `most` records wait for the broker."""
        while self.waiting > most:
            self.send()
            await asyncio.wait(self._sending.values(), return_when=asyncio.FIRST_COMPLETED)

    def _append(
        self, opened: tuple[Any, list[float]], key: bytes | None, value: bytes | None, timestamp_ms: int, mark: float
    ) -> bool:
        batch, marks = opened
        if batch.append(key=key, value=value, timestamp=timestamp_ms) is None:
            return False
        marks.append(mark)
        return True

    def _partition(self, key: bytes) -> int:
        partition = self._partition_of.get(key)
        if partition is None:
            if len(self._partition_of) > _KEYS:
                self._partition_of.clear()
            partition = self._partition_of[key] = (murmur2(key) & 0x7FFFFFFF) % self._count
        return partition

    def _start(self, partition: int) -> None:
        full = self._full[partition]
        batch = full.popleft() if full else self._open.pop(partition, None)
        if batch is not None:
            self._sending[partition] = asyncio.create_task(self._deliver(partition, *batch))

    async def _deliver(self, partition: int, batch: Any, marks: list[float]) -> None:
        batch.close()
        try:
            taken = await (await self._producer.send_batch(batch, self._topic, partition=partition))
        except KafkaError as error:
            self._failed = error
        else:
            self.acknowledged += len(marks)
            if self._told is not None:
                self._told(partition, taken.offset, marks)
        del self._sending[partition]
        if self._failed is None and (self._told is not None or self._full[partition]):
            self._start(partition)
