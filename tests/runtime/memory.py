"""A log in memory, with groups: a real Source and a real Sink without a broker.

Eager as aiokafka is: whoever joins or leaves makes every member give up all its partitions first. A commit by
somebody who does not own the partition is refused.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from express.errors import CommitRefused, SinkError, SourceError
from express.ports import Assignments, ConsumedRecord, Headers, Outgoing, Partition, Position, Record, Refused


class Log:
    """Topics with partitions; what groups have committed."""

    def __init__(self, **topics: int) -> None:
        self.partitions: dict[Partition, list[Record]] = {
            Partition(topic, number): [] for topic, count in topics.items() for number in range(count)
        }
        self.starts: dict[Partition, int] = defaultdict(int)
        self.grown = asyncio.Event()

    def count(self, topic: str) -> int:
        """How many partitions a topic has; SinkError where there is none."""
        count = sum(partition.topic == topic for partition in self.partitions)
        if not count:
            raise SinkError(f"the topic {topic} does not exist")
        return count

    def append(
        self,
        partition: Partition,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp: int = 0,
    ) -> int:
        """Add a record; its offset."""
        records = self.partitions[partition]
        offset = self.end(partition)
        records.append(Record(*partition, offset, timestamp, key, value, tuple(headers)))
        self.grown.set()
        return offset

    def end(self, partition: Partition) -> int:
        """One above the last offset."""
        records = self.partitions[partition]
        return records[-1].offset + 1 if records else self.starts[partition]

    def size(self, topic: str) -> int:
        """How many records a topic has."""
        return sum(len(records) for partition, records in self.partitions.items() if partition.topic == topic)

    def read(self, topic: str) -> list[Record]:
        """Every record of a topic, partition by partition."""
        return [
            r for partition in sorted(self.partitions) if partition.topic == topic for r in self.partitions[partition]
        ]


class Group:
    """Who of the members has which partitions, and what was committed."""

    def __init__(self, log: Log, *topics: str) -> None:
        self.log = log
        self.topics = topics
        self.members: list[MemorySource] = []
        self.committed: dict[Partition, Position] = {}
        self.history: list[tuple[Partition, Position]] = []
        self._rebalancing = asyncio.Lock()

    async def rebalance(self, join: MemorySource | None = None, leave: MemorySource | None = None) -> None:
        """Let every member give up what it has, then share the partitions out anew."""
        async with self._rebalancing:
            for member in self.members:
                if member is not leave:
                    await member.give_up()
            self.members = [member for member in self.members if member is not leave]
            if join is not None:
                self.members.append(join)
            partitions = sorted(p for p in self.log.partitions if p.topic in self.topics)
            for i, member in enumerate(self.members):
                await member.get(partitions[i :: len(self.members)])


class MemorySource:
    """A member of a group. `polls_fail` makes the next poll fail, as a client beyond repair does."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.owned: dict[Partition, int] = {}
        self.polls_fail = False
        self.commits_fail: Exception | None = None
        self.starts = 0
        self._assignments: Assignments | None = None

    async def start(self, assignments: Assignments) -> None:
        self.starts += 1
        self._assignments = assignments
        await self.group.rebalance(join=self)

    async def stop(self) -> None:
        if self in self.group.members:
            self.owned.clear()
            await self.group.rebalance(leave=self)

    async def give_up(self) -> None:
        assert self._assignments is not None
        await self._assignments.revoked(set(self.owned))
        self.owned.clear()

    async def get(self, partitions: Collection[Partition]) -> None:
        assert self._assignments is not None
        self.owned = dict.fromkeys(partitions, 0)
        await self._assignments.assigned(partitions)

    async def poll(
        self, partitions: Collection[Partition] | None, limit: int, wait_seconds: float
    ) -> Sequence[tuple[Partition, Sequence[ConsumedRecord]]]:
        if self.polls_fail:
            self.polls_fail = False
            raise SourceError("the client is beyond repair")
        polled = self._collect(partitions, limit)
        if not polled and wait_seconds:
            self.group.log.grown.clear()
            try:
                await asyncio.wait_for(self.group.log.grown.wait(), wait_seconds)
            except TimeoutError:
                return []
            polled = self._collect(partitions, limit)
        return polled

    def _collect(
        self, partitions: Collection[Partition] | None, limit: int
    ) -> list[tuple[Partition, Sequence[ConsumedRecord]]]:
        polled: list[tuple[Partition, Sequence[ConsumedRecord]]] = []
        for partition in self.owned if partitions is None else partitions:
            position = self.owned.get(partition, 0)
            records = [r for r in self.group.log.partitions[partition] if r.offset >= position][:limit]
            if records:
                self.owned[partition] = records[-1].offset + 1
                polled.append((partition, records))
                limit -= len(records)
            if not limit:
                break
        return polled

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Position]:
        await asyncio.sleep(0)
        return {p: self.group.committed[p] for p in partitions if p in self.group.committed}

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        await asyncio.sleep(0)
        log = self.group.log
        return {p: (log.starts[p], log.end(p)) for p in partitions}

    def seek(self, partition: Partition, offset: int) -> None:
        self.owned[partition] = offset

    def position(self, partition: Partition) -> int:
        return self.owned.get(partition, -1)

    async def commit(self, positions: Mapping[Partition, Position]) -> None:
        await asyncio.sleep(0)
        if self.commits_fail is not None:
            error, self.commits_fail = self.commits_fail, None
            raise error
        if not positions.keys() <= self.owned.keys():
            raise CommitRefused("somebody else has the partition")
        self.group.committed.update(positions)
        self.group.history.extend(positions.items())

    def lag(self) -> Mapping[Partition, int]:
        return {p: self.group.log.end(p) - at for p, at in self.owned.items()}


class MemorySink:
    """Writes into a log. Clear `open_gate` and flushes hang, as with a topic that is down."""

    transactional = False
    doubtful = ()
    waits_for = ""
    replace: Callable[[Refused], Outgoing]

    def __init__(self, log: Log, *topics: str, limit: int = 1_000_000) -> None:
        self.log = log
        self.topics = topics
        self.limit = limit
        self.gate = asyncio.Event()
        self.gate.set()
        self.flush_seconds = 0.0
        self.flushes_fail = False
        self.starts = 0
        self._pending: list[tuple[Partition, int, bytes | None, bytes | None, Headers]] = []
        self._bytes = 0

    def limit_of(self, topic: str) -> int:
        return self.limit

    @property
    def pending(self) -> int:
        return self._bytes

    async def start(self) -> None:
        self.starts += 1
        await self.stop()
        for topic in self.topics:
            self.log.count(topic)

    async def stop(self) -> None:
        self._pending, self._bytes = [], 0

    async def open(self, partitions: Collection[Partition]) -> None:
        await asyncio.sleep(0)

    async def close(self, partitions: Collection[Partition]) -> None:
        await asyncio.sleep(0)

    def append(
        self,
        topic: str,
        origin: Partition,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        partition = Partition(topic, origin.number % self.log.count(topic))
        self._pending.append((partition, timestamp, key, value, headers))
        self._bytes += len(key or b"") + len(value or b"")

    async def flush(self, positions: Mapping[Partition, Position]) -> None:
        pending, self._pending, self._bytes = self._pending, [], 0
        await asyncio.sleep(self.flush_seconds)
        await self.gate.wait()
        if self.flushes_fail:
            self.flushes_fail = False
            raise SinkError("nobody knows what was written")
        for partition, timestamp, key, value, headers in pending:
            self.log.append(partition, value, key, headers, timestamp)
