"""Kafka topics as a source: one aiokafka consumer in a group.

aiokafka commits nothing by itself here, and where to begin is always said by `seek`: it starts to fetch a new
assignment before it asks us, from an offset that may be out of date.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    OffsetMetadataTooLargeError,
)
from aiokafka.structs import OffsetAndMetadata

from express.config.cluster import GROUP_MS
from express.errors import CommitRefused, ConfigError, SourceError
from express.kafka import CLOSE_SECONDS, mapped, repair_connections, within
from express.kafka.answers import judged
from express.kafka.patches.consumer import REFUSALS, commit_as_member, committed_offsets, kill, state_of
from express.kafka.patches.fetcher import ChecksumDoubts, consumer_class
from express.kafka.patches.membership import is_fenced, repair_membership
from express.ports import Assignments, ConsumedRecord, Partition, Position
from express.sources.kafka_watchdog import Watchdog

DEFAULTS: dict[str, Any] = {
    **GROUP_MS,
    # The memory that waits in the client; larger fetches cost more CPU, not less.
    "fetch_max_bytes": 8 << 20,
    "max_partition_fetch_bytes": 1 << 20,
    "fetch_max_wait_ms": 100,
}
"""May be overridden by properties."""

FIXED: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
}
"""aiokafka's defaults are the opposite, and would each lose or double records."""

STUCK_SECONDS = 180.0
"""A poll that takes longer than two rebalances will never return (aiokafka issues 625, 847, 1154)."""

COMMIT_SECONDS = 60.0

NOWHERE = TopicPartition("", 0)
"""Polled when no partition is wanted: nothing is returned, and the group hears that we live."""

log = logging.getLogger(__name__)


class KafkaSource:
    """A `Source` over the topics of one pipeline. `properties` are aiokafka's, without the group."""

    def __init__(self, topics: Collection[str], group: str, properties: Mapping[str, Any]) -> None:
        self._topics = tuple(topics)
        self._group = group
        self._properties = {**DEFAULTS, **properties, **FIXED, "group_id": group}
        self._consumer: AIOKafkaConsumer | None = None
        self._listener: _Listener | None = None
        self._pulse: Watchdog | None = None
        self._commits: set[asyncio.Task[None]] = set()
        self._warned = False
        self._doubts = ChecksumDoubts()
        self._lost_records = False
        """True once a poll has failed: the client may have moved on over records that nobody was given."""

    async def start(self, assignments: Assignments) -> None:
        """Join the group. Raises SourceError where the cluster can't be reached or a topic is missing."""
        repair_connections()
        repair_membership()
        # The assignor keeps what it knows in its class; several consumers in a process need one each.
        sticky = type("StickyAssignor", (StickyPartitionAssignor,), {})
        make = consumer_class(AIOKafkaConsumer, self._doubts)
        self._lost_records = False
        self._consumer = make(**{"partition_assignment_strategy": (sticky,), **self._properties})
        self._listener = _Listener(assignments, self._commits)
        self._pulse = Watchdog(self._consumer)
        self._consumer.subscribe(self._topics, listener=self._listener)
        with mapped(SourceError, f"joining group {self._group}"):
            await self._consumer.start()

    async def stop(self) -> None:
        """Leave the group; a broker that does not answer is waited for a few seconds only."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        assert self._listener is not None
        assert self._pulse is not None
        self._listener.deaf = True
        self._pulse.stop()
        if not await within(CLOSE_SECONDS, consumer.stop()):
            await kill(consumer)

    async def poll(
        self, partitions: Collection[Partition] | None, limit: int, wait_seconds: float
    ) -> Sequence[tuple[Partition, Sequence[ConsumedRecord]]]:
        """At most `limit` records; also raises here what went wrong while partitions came or went."""
        if self._listener is not None:
            self._listener.check()
        try:
            polled = await self._poll(partitions, limit, wait_seconds)
            self._check_name()
            return polled
        except Exception:  # a poll that is cancelled waits for records, and has taken none
            self._lost_records = True
            self._check_name()
            raise

    def _check_name(self) -> None:
        """Raise ConfigError where another member has taken this one's place, which it would take back otherwise."""
        if self._consumer is not None and is_fenced(self._consumer):
            raise ConfigError(
                f"group {self._group}: another member has joined as group_instance_id "
                f"{self._properties['group_instance_id']!r} and taken this one's place (FENCED_INSTANCE_ID): each "
                "process that runs express needs a kafka.client.group_instance_id of its own"
            )

    async def _poll(
        self, partitions: Collection[Partition] | None, limit: int, wait_seconds: float
    ) -> Sequence[tuple[Partition, Sequence[ConsumedRecord]]]:
        consumer = self._running()
        wanted: list[TopicPartition] = []
        if partitions is not None:
            wanted = [TopicPartition(*partition) for partition in partitions] or [NOWHERE]
        wait = 0 if wanted == [NOWHERE] else int(wait_seconds * 1000)
        with mapped(SourceError, "polling"):
            try:
                async with asyncio.timeout(wait_seconds + STUCK_SECONDS):
                    polled = await consumer.getmany(*wanted, timeout_ms=wait, max_records=limit)
            except (ConsumerStoppedError, UnicodeDecodeError) as error:  # a header's key may be any bytes
                raise SourceError(f"polling: {type(error).__name__}: {error}") from error
        assert self._pulse is not None
        self._pulse.check(starved=not wanted and not polled)
        # A TopicPartition is a tuple equal to our Partition, with the same hash.
        return cast("Sequence[tuple[Partition, Sequence[ConsumedRecord]]]", list(polled.items()))

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Position]:
        """Return what the group has committed, asked from its coordinator. The public call leaves out the metadata."""
        wanted = [TopicPartition(*partition) for partition in partitions]
        with mapped(SourceError, "fetching committed offsets"):
            async with asyncio.timeout(COMMIT_SECONDS):
                found = await committed_offsets(self._running(), wanted)
        return {Partition(*tp): Position(at.offset, at.metadata or "") for tp, at in found.items() if at.offset >= 0}

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        """First offset and last stable offset."""
        wanted = [TopicPartition(*partition) for partition in partitions]
        consumer = self._running()
        with mapped(SourceError, "asking for offsets"):
            first = await consumer.beginning_offsets(wanted)
            end = await consumer.end_offsets(wanted)
        return {Partition(*tp): (first[tp], end[tp]) for tp in wanted}

    def seek(self, partition: Partition, offset: int) -> None:
        """Fetch from `offset` on; what was fetched already is thrown away."""
        with mapped(SourceError, f"seeking in {partition}"):
            self._running().seek(TopicPartition(*partition), offset)

    def position(self, partition: Partition) -> int:
        """Read from the client's state: its own call would wait for a position that is not known.

        Unknown from the first poll that failed to the next session: what the client had taken from other partitions
        when a batch of one could not be read was handed to nobody, and its position is behind it already.
        """
        if self._lost_records:
            return -1
        state = None if self._consumer is None else state_of(self._consumer, TopicPartition(*partition))
        return state.position if state is not None and state.has_valid_position else -1

    async def commit(self, positions: Mapping[Partition, Position]) -> None:
        """Commit as a member of the current generation; an earlier one's commits never arrive."""
        offsets = {TopicPartition(*partition): OffsetAndMetadata(*at) for partition, at in positions.items()}
        try:
            await self._commit(offsets)
        except OffsetMetadataTooLargeError:
            if not self._warned:
                self._warned = True
                log.warning(
                    "the brokers allow less offset.metadata.max.bytes than Kafka's default of 4096: "
                    "after a restart, finished records above the lowest unfinished one will run again"
                )
            try:
                await self._commit({tp: OffsetAndMetadata(at.offset, "") for tp, at in offsets.items()})
            except OffsetMetadataTooLargeError as error:
                _raise_judged(error)

    def lag(self) -> Mapping[Partition, int]:
        """High-water mark of the last fetch minus position."""
        consumer = self._consumer
        if consumer is None:
            return {}
        found = {}
        for tp in consumer.assignment():
            state = state_of(consumer, tp)
            if state is not None and state.has_valid_position and state.highwater is not None:
                found[Partition(*tp)] = max(0, state.highwater - state.position)
        return found

    async def _commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """One commit, which a rebalance cancels: repeated in the next generation it would be taken for valid."""
        task = asyncio.create_task(commit_as_member(self._running(), offsets))
        self._commits.add(task)
        try:
            await asyncio.wait([task], timeout=COMMIT_SECONDS)
        finally:
            self._commits.discard(task)
            late = task.cancel()
        if late:
            raise SourceError(f"a commit took more than {COMMIT_SECONDS} s")
        try:
            task.result()
        except asyncio.CancelledError:
            raise CommitRefused("a rebalance came before the commit") from None
        except REFUSALS as error:
            raise CommitRefused(f"{type(error).__name__}: {error}") from error
        except OffsetMetadataTooLargeError:
            raise
        except KafkaError as error:
            _raise_judged(error)

    def _running(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise SourceError("the source is not started")
        return self._consumer


def _raise_judged(error: KafkaError) -> NoReturn:
    """Raise what a commit has failed with: PipelineStopped where it would fail again."""
    with judged():
        raise SourceError(f"committing: {type(error).__name__}: {error}") from error
    raise AssertionError("raised above")


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Passes assignments on. aiokafka only logs what a listener raises, so the next poll raises it."""

    def __init__(self, assignments: Assignments, commits: set[asyncio.Task[None]]) -> None:
        self._assignments = assignments
        self._commits = commits
        self._failure: Exception | None = None
        self.deaf = False

    def check(self) -> None:
        """Raise what went wrong since the last call."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        if self.deaf:
            return
        try:
            await self._assignments.assigned({Partition(*tp) for tp in assigned})
        except Exception as error:
            self._failure = error

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if self.deaf:
            return
        try:
            await self._assignments.revoked({Partition(*tp) for tp in revoked})
        except Exception as error:
            self._failure = error
        for commit in self._commits:
            commit.cancel()
