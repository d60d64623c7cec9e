"""Kafka topics as a sink, exactly once: results and positions of a partition in one transaction.

One transactional producer per *input* partition, as its transactional id says. One per worker, the obvious
choice, doubles records when a partition moves: aiokafka's transactions carry neither member nor generation
(no KIP-447), so that only the producer id can fence an old owner, and that must then belong to the partition
(see `docs/guarantees.md`).

A transaction is never open while executions run: it begins when its records are all there. Whatever goes
wrong in one, nobody knows how it ended, and aiokafka can't abort it reliably: the producer is thrown away.
The next one with the same id ends the transaction before it gets its own producer epoch, and looks whether that is so
(`takeover`). A producer that goes on after a connection has broken looks, too, and gives up if it is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from express.errors import SinkError
from express.kafka import mapped
from express.kafka.answers import judged
from express.kafka.limits import Limits, topic_limits
from express.ports import Block, Headers, Outgoing, Partition, Position, Refused
from express.sinks.batches import Routes
from express.sinks.mending import Mender
from express.sinks.producer import check_fits, new_producer
from express.sinks.takeover import Claim, gather, take_over
from express.sinks.writer import OPEN_SECONDS, TRANSACTION_SECONDS, Writer

TRANSACTION_MS = int(TRANSACTION_SECONDS * 1000)
"""After this time brokers abort a transaction by themselves, and read_committed readers go on."""

log = logging.getLogger(__name__)


class KafkaTransactions:
    """A `Sink` into `topics` that commits positions of `group` itself.

    `produce`: topics that executions may write to. One that is missing fails them, not the sink, until it is there.
    """

    transactional = True
    writer: type[Writer] = Writer

    def __init__(
        self, topics: Collection[str], group: str, properties: Mapping[str, Any], produce: Collection[str] = ()
    ) -> None:
        self._topics = tuple(topics)
        self._produce = tuple(produce)
        self._group = group
        self._properties = properties
        self._routes = Routes()
        self._warned = False
        self._limits = Limits()
        self._mender = Mender(self._routes, self._limits)
        self._writers: dict[Partition, Writer] = {}
        self._asked = False
        """True once the brokers were asked what the topics take."""

    async def start(self) -> None:
        """Give up all producers; `open` makes new ones."""
        await self.stop()
        self._asked = False

    async def stop(self) -> None:
        """Close; a transaction that is open is aborted by the next owner, or after TRANSACTION_SECONDS."""
        await self.close(list(self._writers))

    async def open(self, partitions: Collection[Partition]) -> None:
        """Get a producer for each input partition. From now on its former owner can't write or commit."""
        await self.close(partitions)
        writers = {partition: self._new_writer(TopicPartition(*partition)) for partition in partitions}
        self._writers.update(writers)
        with judged():
            await self._take_over(writers.values())
        if writers and not self._asked:
            client = next(iter(writers.values())).id.client
            self._limits.learn(await topic_limits(client, [*self._topics, *self._produce]))
            self._asked = True

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
        check_fits(record, self._limits)
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

    @property
    def doubtful(self) -> Collection[Partition]:
        """Return where a connection broke: a writer looks after its last transaction when it is given another."""
        return [partition for partition, writer in self._writers.items() if writer.doubtful]

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
        with judged():
            await gather(commits)

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
        return "; ".join(filter(None, (writer.waits_for for writer in self._writers.values())))

    async def _take_over(self, writers: Collection[Writer]) -> None:
        """Connect the producers of writers and get their ids. Raises SinkError with what keeps it from being done."""
        if not writers:
            return
        names = ", ".join(f"{writer.origin.topic} {writer.origin.partition}" for writer in writers)
        try:
            with mapped(SinkError, f"getting a producer id for {names}"):
                async with _telling(writers), asyncio.timeout(OPEN_SECONDS):
                    await gather(writer.connect() for writer in writers)
                    await gather(self._learn_topics(writer) for writer in writers)
                    await self._warn(*writers)
                    await self._settle(writers)
                    await gather(writer.start() for writer in writers)
        finally:
            await gather(writer.stay_closed() for writer in writers)

    async def _warn(self, writer: Writer, *_: Writer) -> None:
        """Say once where brokers may be of those that forget to end transactions."""
        if self._warned:
            return
        self._warned = True
        release = await writer.forgetful()
        if release:
            log.warning(
                "the brokers are Kafka %s: 4.3.0, 4.3.1 and 4.4.0 may leave transactions open when they start "
                "(KAFKA-20734), which was not seen with three replicas, and %s has %d; "
                "what they leave open is looked for and ended here",
                release,
                self._topics[0],
                writer.replicas(self._topics[0]),
            )

    async def _settle(self, writers: Collection[Writer]) -> None:
        """Get the ids, and end what their last transactions have left open."""
        claims = []
        for writer in writers:
            needed, wanted = self._targets(writer.origin)
            writer.claim = Claim(writer.id, self._group, writer.origin, TRANSACTION_MS, needed, wanted)
            claims.append(writer.claim)
        await take_over(claims)

    def _targets(self, origin: TopicPartition) -> tuple[set[TopicPartition], set[TopicPartition]]:
        """The partitions that transactions of `origin` write results to, and those that executions may write to."""
        needed = set()
        for topic in self._topics:
            fixed = self._routes.fixed(topic, Partition(*origin))
            needed |= {fixed} if fixed is not None else self._all_of(topic)
        return needed, {tp for topic in self._produce for tp in self._all_of(topic)} - needed

    def _all_of(self, topic: str) -> set[TopicPartition]:
        return {TopicPartition(topic, number) for number in range(self._routes.count(topic))}

    async def _learn_topics(self, writer: Writer) -> None:
        """Note how many partitions there are; the producer needs to know the topics, too."""
        for topic, count in (await writer.counts({writer.origin.topic, *self._topics})).items():
            self._routes.learn(topic, count)
        for topic in self._produce:
            count = await writer.count_now(topic)
            if not count:
                log.error("there is no topic %s, which kafka.produce lists: tasks that write to it fail", topic)
            self._routes.learn(topic, count)

    def _new_writer(self, origin: TopicPartition) -> Writer:
        name = self._transactional_id(Partition(*origin))
        producer = new_producer(self._properties, transactional_id=name, transaction_timeout_ms=TRANSACTION_MS)
        return self.writer(origin, producer, self._mender)

    def _transactional_id(self, partition: Partition) -> str:
        """The same for whoever owns the partition, so that a new owner fences the old one."""
        return f"express-{self._group}-{partition.topic}-{partition.number}"


@contextlib.asynccontextmanager
async def _telling(writers: Collection[Writer]) -> AsyncIterator[None]:
    """Say what was waited for where the time is over."""
    try:
        yield
    except TimeoutError as error:
        reasons = {writer.claim.waits_for for writer in writers if writer.claim is not None}
        if not any(reasons):
            raise
        raise TimeoutError("; ".join(sorted(filter(None, reasons)))) from error
