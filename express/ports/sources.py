"""Sources of records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from express.ports.records import ConsumedRecord, Partition, Position


class Assignments(Protocol):
    """Told by a source which partitions come and go. The source waits for the answer."""

    async def assigned(self, partitions: Collection[Partition]) -> None:
        """These are ours now. Records polled before this returns may be dropped: seek decides where to begin."""

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """These are going to others: what is finished may still be committed until this returns."""


class Source(Protocol):
    """A log of records in partitions that the members of a group share.

    Every method may raise SourceError: then nothing is known of the state of the source, and `stop` and a new
    `start` are the way on.
    """

    async def start(self, assignments: Assignments) -> None:
        """Join the group. `assignments` is told from now on."""

    async def stop(self) -> None:
        """Leave the group and close. Commits nothing. Does nothing when stopped already."""

    async def poll(
        self, partitions: Collection[Partition] | None, limit: int, wait_seconds: float
    ) -> Sequence[tuple[Partition, Sequence[ConsumedRecord]]]:
        """At most `limit` records of `partitions` (None: of all), in order; waits at most `wait_seconds` for one.

        No partitions: only tells the group that this member lives.
        """

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Position]:
        """Return what the group has committed; partitions without a commit are absent."""

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        """The first offset there is, and the one after the last."""

    def seek(self, partition: Partition, offset: int) -> None:
        """Poll `partition` from `offset` on."""

    def position(self, partition: Partition) -> int:
        """Return where `poll` goes on: all records below were polled, or are none (markers of transactions, holes).

        -1 where that is not known.
        """

    async def commit(self, positions: Mapping[Partition, Position]) -> None:
        """Store `positions` for the group. Raises CommitRefused when the group has given them to others."""

    def lag(self) -> Mapping[Partition, int]:
        """Return how many records of each partition are not polled yet, as far as known."""
