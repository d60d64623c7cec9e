"""The transactions of one input partition: a producer of its own, which looks after what brokers leave open.

aiokafka's producer says nothing of a connection that breaks under it: it repeats what was asked. Where the brokers may
have forgotten to end a transaction (`takeover`), that is not good enough. So it is watched here, and what joins a
transaction is added to it here, before anything is written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IllegalOperation, OffsetMetadataTooLargeError
from aiokafka.structs import OffsetAndMetadata

from express.errors import ConfigError, SinkError
from express.kafka import mapped
from express.kafka.patches.producer import (
    begin_sending,
    kill,
    note_in_transaction,
    on_broken_connection,
    transactional_id,
)
from express.kafka.patches.record_batch import batch_maker
from express.kafka.transactional import BusyError, LaterError, TransactionalId, forgets_markers, look, undecided
from express.sinks.batches import Batches
from express.sinks.mending import Mender, waiting
from express.sinks.producer import close, count_known, count_now, partition_count
from express.sinks.takeover import OVER, Claim

TRANSACTION_SECONDS = 10.0
"""After this time brokers abort a transaction by themselves, and read_committed readers go on."""

OPEN_SECONDS = 30.0
"""Seconds that getting a producer id may take; an open transaction of the former owner has to be ended first."""

BUSY_SECONDS = 0.02
"""Before the next transaction is tried again while the coordinator still ends the last one."""


class Writer:
    """The producer of one input partition."""

    def __init__(self, origin: TopicPartition, producer: AIOKafkaProducer, mender: Mender) -> None:
        self.origin = origin
        self.id = TransactionalId(producer.client, transactional_id(producer))
        self.claim: Claim | None = None
        self._producer = producer
        self._settled = True
        self._closed = self._broken = self._joined = False
        self._mender = mender
        self._written: set[TopicPartition] = set()
        self._unseen: dict[TopicPartition, bool] = {}
        """Partitions that had no leader when it was looked for open transactions, and whether those were committed."""
        self._watch(producer.client)
        self.batches = Batches(batch_maker(producer, mender.limits))

    def _watch(self, client: AIOKafkaClient) -> None:
        """Note when a connection of this client breaks."""

        def note() -> None:
            self._broken = True

        on_broken_connection(client, note)

    @property
    def doubtful(self) -> bool:
        """Return whether a connection broke after something was written: brokers may have forgotten to end that."""
        return self._broken and bool(self._written)

    async def connect(self) -> None:
        """Find the brokers."""
        await self._producer.client.bootstrap()

    async def start(self) -> None:
        """Use the id that was claimed. aiokafka would ask for one of its own otherwise."""
        assert self.claim is not None
        self._unseen = dict.fromkeys(self.claim.unseen, self.claim.commit)
        await begin_sending(self._producer, self.claim.producer)

    async def counts(self, topics: Collection[str]) -> Mapping[str, int]:
        """Return how many partitions topics have. Raises SinkError where one does not exist."""
        return {topic: await partition_count(self._producer, topic) for topic in topics}

    async def count_now(self, topic: str) -> int:
        """Return how many partitions a topic has; 0 where it does not exist."""
        with mapped(SinkError, f"looking for the topic {topic}"):
            return await count_now(self._producer, topic)

    async def forgetful(self) -> str:
        """The release of the brokers if it is one of those that drop transaction markers (KAFKA-20734)."""
        return await forgets_markers(self._producer.client)

    def replicas(self, topic: str) -> int:
        """The fewest replicas that a partition of a known topic has."""
        partitions = self._producer.client.cluster._partitions.get(topic, {})
        return min((len(partition.replicas) for partition in partitions.values()), default=0)

    def count(self, topic: str) -> int:
        """Return how many partitions a topic has, as far as that is known."""
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
        doing = f"transaction of {list(offsets)}"
        with _refused(), mapped(SinkError, doing):
            try:
                while not await self._try_commit(group, offsets, chains):
                    pass
            except (AssertionError, IllegalOperation) as error:  # aiokafka's state machine
                raise SinkError(f"{doing}: {error}") from error
            finally:
                await self.stay_closed()
        self._settled = True

    async def _try_commit(
        self,
        group: str,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        chains: Mapping[TopicPartition, deque[Any]],
    ) -> bool:
        """One transaction; False if a connection broke before it had written anything."""
        if self._broken:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._look(group, set(chains))
        async with asyncio.timeout(TRANSACTION_SECONDS):
            if not await self._join(group, set(chains)):
                return False
            await self._producer.begin_transaction()
            self._tell(group, set(chains))
            await self._mender.send(self._producer, chains, partial(self._join_late, group))
            await self._producer.send_offsets_to_transaction(offsets, group)
            await self._producer.commit_transaction()
        self._joined = False
        return True

    async def _join(self, group: str, targets: set[TopicPartition]) -> bool:
        """Add what will be written to the transaction, before anything is; False if a connection breaks meanwhile.

        aiokafka would repeat that over a broken connection: the broker that answers then may have forgotten to end
        the last transaction, and what is written would belong to that.
        """
        assert self.claim is not None
        self._joined = True
        while not self._broken:
            try:
                await self._look_at_unseen(targets)
                if targets:
                    await self.id.add_partitions(self.claim.producer, targets)
                await self.id.add_offsets(self.claim.producer, group)
                break
            except BusyError:
                await asyncio.sleep(BUSY_SECONDS)
            except LaterError:
                self._broken = True
        self._written |= targets
        return not self._broken

    async def _join_late(self, group: str, targets: set[TopicPartition]) -> None:
        """Add partitions to the transaction that has begun: those of dead letters for what a topic has refused."""
        if not await self._join(group, targets):
            raise SinkError("a connection broke")
        self._tell(group, targets)

    @property
    def waits_for(self) -> str:
        """Return what brokers have answered to what is under way."""
        return waiting(self._producer)

    def _tell(self, group: str, targets: set[TopicPartition]) -> None:
        """Let aiokafka know what is in the transaction that it has begun."""
        note_in_transaction(self._producer, group, targets)

    async def _look(self, group: str, targets: set[TopicPartition]) -> None:
        """After a connection broke: give up if the last transaction, which was committed, is still open."""
        assert self.claim is not None
        while self._broken:
            self._check_open()
            self._broken = False
            try:
                found = await look(self._producer.client, self._written | targets)
                waiting = await undecided(self._producer.client, group, [self.origin])
                if found.of(self.claim.producer) or waiting or found.refused:
                    await self._give_up()
                self._note_unseen(found.unseen, targets)
            except LaterError:
                self._broken = True
            if self._broken:
                await asyncio.sleep(BUSY_SECONDS)

    def _note_unseen(self, unseen: Collection[TopicPartition], targets: set[TopicPartition]) -> None:
        """Wait for partitions that are needed; the others are looked at when something is written to them."""
        assert self.claim is not None
        self._broken |= not (self.claim.needed | targets).isdisjoint(unseen)
        self._unseen.update((tp, True) for tp in unseen if tp not in self._unseen)

    async def _look_at_unseen(self, targets: set[TopicPartition]) -> None:
        """End what is open in those of `targets` that nobody could look at before."""
        assert self.claim is not None
        asked = targets & self._unseen.keys()
        if not asked:
            return
        found = await look(self._producer.client, asked)
        unended = found.of(self.claim.producer) | set(found.refused)
        for commit in (True, False):
            left = {tp for tp in unended if self._unseen[tp] is commit}
            if left:
                await self.id.add_partitions(self.claim.producer, left)
                await self.id.end(self.claim.producer, commit=commit)
        for tp in asked - set(found.unseen) - found.of(self.claim.producer):
            del self._unseen[tp]
        if asked & self._unseen.keys():
            raise BusyError("a partition without a leader, or with an open transaction")

    async def _give_up(self) -> None:
        """Leave what is open to a new owner of the id, which is who asks after the takeover where to begin.

        It is not for this one to take the id over: the partition may be somebody else's by now, whose transaction is
        what was seen; the positions that wait here to be committed would then take back what that one has committed.
        """
        assert self.claim is not None
        if self._joined:  # the last one's leftovers, and nothing else, may be in a transaction that has just begun
            with contextlib.suppress(*OVER):
                await self.id.end(self.claim.producer, commit=True)
        raise SinkError("a transaction is open after a connection broke: its transactional id is taken over")

    async def stay_closed(self) -> None:
        """Close again what was closed while it was still asking: that may have opened connections anew."""
        if self._closed:
            await kill(self._producer)

    def _check_open(self) -> None:
        if self._closed:
            raise SinkError(f"the writer of {self.origin.topic} {self.origin.partition} is closed")

    async def close(self) -> None:
        """Close; once more, and at once, where the first time was cut off."""
        self._closed = True
        settled, self._settled = self._settled, False
        await (close(self._producer) if settled else kill(self._producer))


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
