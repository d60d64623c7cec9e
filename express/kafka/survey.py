"""Reads topics and commits as they stand, without joining a group: for whoever checks what others have written.

Nothing here is shared with the source that feeds the runtime, so that a mistake there is not repeated here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from express.errors import SourceError
from express.kafka import CLOSE_SECONDS, mapped, repair_connections, within
from express.kafka.access import known
from express.ports import ConsumedRecord, Partition, Position

Range = tuple[int, int]
"""First offset, and the one after the last."""

STUCK_SECONDS = 30.0
"""A partition that gives nothing for so long although its end is not reached can't be read."""

SETTLE_SECONDS = 10.0
"""Seconds that open transactions may take to get their markers before the survey goes on without."""

RETRY_SECONDS = 0.1

NO_COMMIT = -1


class Survey:
    """One look at a cluster. `properties` are aiokafka's for a consumer. Every method may raise SourceError."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = properties
        fixed = {"isolation_level": "read_committed", "enable_auto_commit": False, "group_id": None}
        self._options = {**properties, **fixed}
        self._consumer: AIOKafkaConsumer
        self._admin: AIOKafkaAdminClient

    async def __aenter__(self) -> Self:
        repair_connections()
        self._consumer = AIOKafkaConsumer(**self._options)
        self._admin = AIOKafkaAdminClient(**known(AIOKafkaAdminClient, self._properties))
        try:
            with mapped(SourceError, f"connecting to {self._properties['bootstrap_servers']}"):
                await self._consumer.start()
                await self._admin.start()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        await within(CLOSE_SECONDS, self._consumer.stop())
        await within(CLOSE_SECONDS, self._admin.close())

    async def committed(self, group: str) -> dict[Partition, Position]:
        """Everything that a group has committed, with its metadata."""
        with mapped(SourceError, f"asking for what group {group} has committed"):
            async with asyncio.timeout(STUCK_SECONDS):
                found = await self._group_offsets(group)
        return {Partition(*tp): Position(at.offset, at.metadata) for tp, at in found.items() if at.offset != NO_COMMIT}

    async def _group_offsets(self, group: str) -> Mapping[TopicPartition, Any]:
        """Of a cluster that never had a group, the first question makes the topic that keeps them."""
        while True:
            try:
                found: Mapping[TopicPartition, Any] = await self._admin.list_consumer_group_offsets(group)
                return found
            except GroupCoordinatorNotAvailableError:
                await asyncio.sleep(RETRY_SECONDS)

    async def bounds(self, topics: Collection[str]) -> dict[Partition, Range]:
        """First offset and last stable offset of every partition. Raises SourceError for a topic that is missing."""
        with mapped(SourceError, "asking for topics"):
            # All topics are asked for: asking for one that is missing may create it.
            known = {topic["topic"]: topic["partitions"] for topic in await self._admin.describe_topics()}
            missing = [topic for topic in topics if topic not in known]
            if missing:
                raise SourceError(f"there is no topic {', '.join(missing)}")
            found = [TopicPartition(topic, partition["partition"]) for topic in topics for partition in known[topic]]
            # Offsets are asked by assignment: the consumer must know of the topics before it is asked.
            self._consumer.assign(found)
            first = await self._consumer.beginning_offsets(found)
            end = await self._consumer.end_offsets(found)
        return {Partition(*tp): (first[tp], end[tp]) for tp in sorted(found)}

    async def settled(self, topics: Collection[str]) -> dict[Partition, Range]:
        """`bounds`, once all that is in the log now is decided: committed or aborted.

        Kafka answers a commit when it is noted, and writes the markers later, partition by partition: the positions
        of a transaction may be seen before its records. A transaction that stays open is not waited for beyond
        SETTLE_SECONDS.
        """
        highest = AIOKafkaConsumer(**{**self._options, "isolation_level": "read_uncommitted"})
        with mapped(SourceError, "asking for the ends of topics"):
            try:
                await highest.start()
                found = await self.bounds(topics)
                wanted = await _ends(highest, found)
            finally:
                await within(CLOSE_SECONDS, highest.stop())
        until = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while any(found[at][1] < end for at, end in wanted.items()) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(RETRY_SECONDS)
            found = await self.bounds(topics)
        return found

    async def compacted(self, topics: Collection[str]) -> set[str]:
        """Which of `topics` are compacted, so that offsets may be missing anywhere; none where we may not ask."""
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": ""}) for topic in topics]
        try:
            responses = await self._admin.describe_configs(asked)
        except KafkaError:
            return set()
        return {
            name
            for response in responses
            for _, _, _, name, entries in response.resources
            for entry in entries
            if entry[0] == "cleanup.policy" and "compact" in (entry[1] or "")
        }

    async def read(
        self, ranges: Mapping[Partition, Range]
    ) -> AsyncIterator[tuple[Partition, Sequence[ConsumedRecord]]]:
        """All committed records of `ranges`, in the order of each partition."""
        left = {TopicPartition(*at): end for at, (first, end) in ranges.items() if first < end}
        consumer = self._consumer
        consumer.assign(list(left))
        for tp in left:
            consumer.seek(tp, ranges[Partition(*tp)][0])
        with mapped(SourceError, "reading"):
            async with asyncio.timeout(STUCK_SECONDS) as patience:
                while left:
                    polled = await consumer.getmany(timeout_ms=200, max_records=5_000)
                    for tp, records in polled.items():
                        patience.reschedule(asyncio.get_running_loop().time() + STUCK_SECONDS)
                        end = ranges[Partition(*tp)][1]
                        yield Partition(*tp), [record for record in records if record.offset < end]
                    for tp in list(left):
                        if await consumer.position(tp) >= left[tp]:
                            del left[tp]
                            consumer.pause(tp)


async def _ends(consumer: AIOKafkaConsumer, partitions: Collection[Partition]) -> dict[Partition, int]:
    asked = [TopicPartition(*at) for at in partitions]
    consumer.assign(asked)
    return {Partition(*tp): end for tp, end in (await consumer.end_offsets(asked)).items()}
