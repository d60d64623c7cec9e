"""Kafka topics as a sink, exactly once: results and positions of a partition in one transaction.

One transactional producer per *input* partition, as its transactional id says. One per worker, the obvious
choice, doubles records when a partition moves: aiokafka's transactions carry neither member nor generation
(no KIP-447), so that only the producer id can fence an old owner, and that must then belong to the partition
(reliability.md §0.1).

A transaction is never open while executions run: it begins when its records are all there. Whatever goes
wrong in one, nobody knows how it ended, and aiokafka can't abort it reliably: the producer is thrown away.
The next one with the same id ends the transaction before it gets its own producer epoch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Collection, Iterable, Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, OffsetMetadataTooLargeError
from aiokafka.structs import OffsetAndMetadata

from express.errors import ConfigError, SinkError
from express.kafka import mapped
from express.ports import Block, Headers, Outgoing, Partition, Position
from express.sinks.batches import Batches, Routes
from express.sinks.producer import (
    RECORD_LIMIT,
    close,
    count_known,
    count_now,
    kill,
    new_producer,
    partition_count,
    send,
)
from express.sinks.wire import batch_maker

TRANSACTION_SECONDS = 10.0
"""After this time brokers abort a transaction by themselves, and read_committed readers go on."""

OPEN_SECONDS = 30.0
"""What getting a producer id may take; an open transaction of the former owner has to be ended first."""

log = logging.getLogger(__name__)


class KafkaTransactions:
    """A `Sink` into `topics` that commits positions of `group` itself.

    `produce`: topics that executions may write to. One that is missing fails them, not the sink, until it is there.
    """

    transactional = True
    limit = RECORD_LIMIT

    def __init__(
        self, topics: Collection[str], group: str, properties: Mapping[str, Any], produce: Collection[str] = ()
    ) -> None:
        self._topics = tuple(topics)
        self._produce = tuple(produce)
        self._group = group
        self._properties = properties
        self._routes = Routes()
        self._writers: dict[Partition, _Writer] = {}

    async def start(self) -> None:
        """Give up all producers; `open` makes new ones."""
        await self.stop()

    async def stop(self) -> None:
        """Close; a transaction that is open is aborted by the next owner, or after TRANSACTION_SECONDS."""
        await self.close(list(self._writers))

    async def open(self, partitions: Collection[Partition]) -> None:
        """Get a producer for each input partition. From now on its former owner can't write or commit."""
        await _all(self._open(partition) for partition in partitions)

    async def close(self, partitions: Collection[Partition]) -> None:
        """Give up the producers of these partitions, with what was not flushed."""
        writers = {partition: self._writers[partition] for partition in partitions if partition in self._writers}
        await asyncio.gather(*(writer.close() for writer in writers.values()))
        for partition in writers:  # not before: who is cut off here has to be closed by `stop`
            self._writers.pop(partition, None)

    def append(
        self,
        topic: str,
        origin: Partition,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        """Add a record to the next transaction of its input partition."""
        writer = self._writers[origin]
        writer.batches.add(self._routes.target(topic, origin, key), timestamp, key, value, headers)

    def produce(self, origin: Partition, record: Outgoing, timestamp: int) -> None:
        """Add a record that an execution has produced to the next transaction of its input partition."""
        target = TopicPartition(*self.chosen(origin, record))
        self._writers[origin].batches.add(target, timestamp, record.key, record.value, record.headers)

    def chosen(self, origin: Partition, record: Outgoing) -> Partition:
        """The partition that a record goes to. Raises SinkError for one that the topic does not have.

        What no topic takes is refused here, before it is part of a transaction that would fail for ever.
        """
        count = self._routes.count(record.topic) or self._learn(origin, record.topic)
        if record.partition is None and count:
            return Partition(*self._routes.by_key(record.topic, origin, record.key))
        if record.partition is None or record.partition >= count:
            raise SinkError(f"{record.topic} has {count} partitions, and none {record.partition}")
        return Partition(record.topic, record.partition)

    def _learn(self, origin: Partition, topic: str) -> int:
        """The partitions of a topic that was missing. Raises SinkError while it is."""
        count = self._writers[origin].count(topic)
        if not count:
            raise SinkError(f"there is no topic {topic}, which kafka.produce lists")
        self._routes.learn(topic, count)
        return count

    def block(self, topic: str, origin: Partition) -> Block | None:
        """Takes encoded records of what comes from `origin`, until it is full or the next flush begins."""
        return self._writers[origin].batches.block(self._routes.fixed(topic, origin))

    @property
    def pending(self) -> int:
        """Bytes that the next transactions write."""
        return sum(writer.batches.size for writer in self._writers.values())

    async def flush(self, positions: Mapping[Partition, Position]) -> None:
        """One transaction for each of `positions`, side by side.

        The batches are taken here, in the same step in which the positions were: `gather` starts its
        coroutines a turn of the loop later, and results that end in between are in none of the positions.
        """
        commits = []
        for partition, position in positions.items():
            writer = self._writers.get(partition)
            if writer is not None:
                offsets = {TopicPartition(*partition): OffsetAndMetadata(*position)}
                commits.append(writer.commit(self._group, offsets, writer.batches.take()))
        await _all(commits)

    async def _open(self, partition: Partition) -> None:
        await self.close([partition])
        producer = new_producer(
            self._properties,
            transactional_id=self._transactional_id(partition),
            transaction_timeout_ms=int(TRANSACTION_SECONDS * 1000),
        )
        self._writers[partition] = _Writer(producer)
        with mapped(SinkError, f"getting a producer id for {partition}"):
            async with asyncio.timeout(OPEN_SECONDS):
                await producer.start()
        for topic in {partition.topic, *self._topics}:
            self._routes.learn(topic, await partition_count(producer, topic))
        for topic in self._produce:
            with mapped(SinkError, f"looking for the topic {topic}"):
                count = await count_now(producer, topic)
            if not count:
                log.error("there is no topic %s, which kafka.produce lists: tasks that write to it fail", topic)
            self._routes.learn(topic, count)

    def _transactional_id(self, partition: Partition) -> str:
        """The same for whoever owns the partition, so that a new owner fences the old one."""
        return f"express-{self._group}-{partition.topic}-{partition.number}"


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    """Make a map that the brokers don't take a mistake in their configuration or ours: it would fail again for ever.

    Without the map, what has finished out of order would be done twice after a restart, against the promise.
    """
    try:
        yield
    except SinkError as failure:
        error: BaseException | None = failure
        while error is not None and not isinstance(error, OffsetMetadataTooLargeError):
            error = error.__cause__ or error.__context__
        if error is None:
            raise
        raise ConfigError(
            "exactly_once needs brokers with Kafka's default of offset.metadata.max.bytes, 4096: "
            "these have less, and refuse what tells finished records from unfinished ones"
        ) from failure


async def _all(doings: Iterable[Awaitable[None]]) -> None:
    """Let all end, then raise the first failure: those that go well should not be torn by one that does not."""
    for result in await asyncio.gather(*doings, return_exceptions=True):
        if result is not None:
            raise result


class _Writer:
    """The producer of one input partition."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._settled = True
        self.batches = Batches(batch_maker(producer))

    def count(self, topic: str) -> int:
        """How many partitions a topic has, as far as that is known."""
        return count_known(self._producer, topic)

    async def commit(
        self,
        group: str,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        chains: Mapping[TopicPartition, deque[Any]],
    ) -> None:
        """Write batches and offsets. Raises SinkError; the transaction may have been committed all the same.

        Raises ConfigError where the brokers will never take the offsets' metadata.
        """
        self._settled = False
        with _refused(), mapped(SinkError, f"transaction of {list(offsets)}"):
            try:
                async with asyncio.timeout(TRANSACTION_SECONDS):
                    await self._producer.begin_transaction()
                    await send(self._producer, chains)
                    await self._producer.send_offsets_to_transaction(offsets, group)
                    await self._producer.commit_transaction()
            except (AssertionError, IllegalOperation) as error:  # aiokafka's state machine
                raise SinkError(f"transaction of {list(offsets)}: {error}") from error
        self._settled = True

    async def close(self) -> None:
        """Close; once more, and at once, where the first time was cut off."""
        settled, self._settled = self._settled, False
        await (close(self._producer) if settled else kill(self._producer))
