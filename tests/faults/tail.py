"""A reader of terminal records beside the workers: what somebody who acts on each of them would have seen."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from express.ports import Partition, Position
from express.verify.audit import DEAD_LETTER, RESULT, finished

PATIENCE_SECONDS = 30.0


class Tail:
    """Reads `topics` with `isolation.level=read_committed` from their beginning, until the block ends."""

    def __init__(self, address: str, topics: Collection[str]) -> None:
        self.seen: dict[Partition, Counter[int]] = defaultdict(Counter)
        """Input partition → offset → terminal records."""
        self.doubled: Counter[Partition] = Counter()
        """Terminal records beyond the first of an input record."""
        self._topics = topics
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=address,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._task: asyncio.Task[None]
        self._more = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.subscribe(list(self._topics))
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    @property
    def records(self) -> int:
        """Input records that have a terminal record."""
        return sum(map(len, self.seen.values()))

    @property
    def duplicates(self) -> int:
        """Terminal records beyond the first of their input record, in all."""
        return self.doubled.total()

    async def caught_up(self) -> None:
        """Wait until all has been read that the topics hold now."""
        consumer = self._consumer
        await self._until(lambda: len({tp.topic for tp in consumer.assignment()}) == len(self._topics))
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(list(consumer.assignment()))
        for tp, end in ends.items():
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await consumer.position(tp) < end:
                    await self._news()

    async def counted(self, records: int) -> None:
        """Wait until so many input records have their terminal record."""
        await self._until(lambda: self.records >= records)

    def unsaved(self, positions: Mapping[Partition, Position], partitions: Collection[Partition]) -> int:
        """Records of `partitions` that have a terminal record, but are not finished in what is committed.

        These, and no others, are to be doubled by a crash now.
        """
        count = 0
        for partition in partitions:
            position = positions.get(partition, Position(0))
            is_finished = finished(position)
            top = max(self.seen[partition], default=-1)
            found = self.seen[partition]
            count += sum(offset in found and not is_finished(offset) for offset in range(position.offset, top + 1))
        return count

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not reached():
                await self._news()

    async def _news(self) -> None:
        async with self._more:
            await self._more.wait()

    async def _run(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    self._note(record)
            async with self._more:
                self._more.notify_all()

    def _note(self, record: ConsumerRecord) -> None:
        headers = dict(record.headers)
        topic, number, offset = (headers[name] for name in (RESULT if RESULT[2] in headers else DEAD_LETTER))
        at = Partition(topic.decode(), int(number))
        self.seen[at][int(offset)] += 1
        if self.seen[at][int(offset)] > 1:
            self.doubled[at] += 1
