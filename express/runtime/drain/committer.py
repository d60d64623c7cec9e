"""Group commit: one flush is under way, and the next one takes all that has come since.

No timer and no flush per chunk: the first only adds latency, the second collapses at low rates.
What a flush covers is decided in one step, without giving way: the records appended so far, and positions that
hold nothing else. So a commit never passes a record whose terminal record is not acknowledged.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from express.errors import CommitRefused, SinkError
from express.ports import Clock, Partition, Position, Sink, Source
from express.runtime.counters import Counters
from express.runtime.drain.assignment import AssignedPartition
from express.runtime.drain.pipeline import Pipeline


class Committer:
    """Writes terminal records and commits positions for the partitions of one pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        sink: Sink,
        owned: Mapping[Partition, AssignedPartition],
        take_stamps: Callable[[], list[int]],
        clock: Clock,
        counters: Counters,
        flushed: asyncio.Event,
    ) -> None:
        """`flushed` is set whenever a flush is through."""
        self._pipeline = pipeline
        self._source = source
        self._sink = sink
        self._owned = owned
        self._take_stamps = take_stamps
        self._clock = clock
        self._counters = counters
        self._flushed = flushed
        self._wanted = asyncio.Event()
        self._lock = asyncio.Lock()
        self._uncommitted = 0
        self._unsure = False
        self.committed_at = clock.monotonic()
        """Monotonic time of the last commit."""
        self.busy_since: float | None = None
        """Monotonic time at which the flush under way began; None where there is none."""
        self.owing_since: float | None = None
        """Since when there has been something to commit, whatever failed meanwhile."""

    def begin(self) -> None:
        """The sink has begun anew, and every partition with it."""
        self._unsure = False

    def wake(self) -> None:
        """There is something to write."""
        self._wanted.set()

    async def run(self) -> None:
        """Flush whenever woken, until cancelled. Ends with the SinkError or SourceError of a flush that failed."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            began = self._clock.monotonic()
            try:
                await self.flush()
            except CommitRefused:
                self._counters.commits_refused += 1  # a rebalance is under way; it will tell what is still ours
            if self._sink.transactional:
                await asyncio.sleep(began + self._pipeline.transaction_seconds - self._clock.monotonic())

    async def flush(self, *, commit: bool = False) -> None:
        """Write all that was appended; store positions if that is due or `commit` says so.

        Raises SinkError and SourceError: then it is unknown what was written. Raises CommitRefused when the
        group has given a partition to others; what was written then will be written again by them.

        A flush that failed or was cancelled took records along that the positions of the next one would cover,
        so there is no next one until `begin`.
        """
        async with self._lock:
            self.busy_since = self._clock.monotonic()
            try:
                await self._flush(commit)
            finally:
                self.busy_since = None

    async def _flush(self, commit: bool) -> None:
        if self._unsure:
            raise SinkError("an earlier flush did not end")
        stamps = self._take_stamps()
        self._uncommitted += len(stamps)
        due = commit or self._is_due()
        positions = self._positions() if due else {}
        self._note_debt(stamps or positions, due=due)
        if not stamps and not positions:
            return
        owned = {partition: self._owned[partition] for partition in positions}
        self._unsure = True
        await self._sink.flush(positions)
        self._unsure = False
        self._flushed.set()
        self._counters.flushes += 1
        self._observe(stamps)
        positions = {partition: at for partition, at in positions.items() if owned[partition].live}
        if not positions:
            return
        if not self._sink.transactional:
            await self._source.commit(positions)
        for partition, position in positions.items():
            owned[partition].committed = position
        self._counters.commits += 1
        self._uncommitted = 0
        self.committed_at = self._clock.monotonic()
        self.owing_since = None

    def _note_debt(self, owing: object, *, due: bool) -> None:
        if owing and self.owing_since is None:
            self.owing_since = self._clock.monotonic()
        elif due and not owing:
            self.owing_since = None  # somebody else has committed it by now

    def _is_due(self) -> bool:
        return (
            self._sink.transactional
            or self._uncommitted >= self._pipeline.commit_records
            or self._clock.monotonic() - self.committed_at >= self._pipeline.commit_seconds
        )

    def _positions(self) -> dict[Partition, Position]:
        """Return where each partition stands that has moved since its last commit, or whose last one is in doubt."""
        moved, doubtful = {}, self._sink.doubtful
        for partition, assigned in self._owned.items():
            if assigned.dispatching and not assigned.held:  # all that was polled is entered in the tracker
                assigned.tracker.reach(self._source.position(partition))
            position = assigned.tracker.position()
            if position != assigned.committed or partition in doubtful:
                moved[partition] = position
        return moved

    def _observe(self, stamps: list[int]) -> None:
        now = self._clock.wall() * 1000
        add = self._counters.end_to_end_ms.add
        for stamp, count in Counter(stamps).items():
            if stamp > 0:  # -1: the producer wrote none; 0 is what some write instead
                add(max(0.0, now - stamp), count)  # the clocks of producers may be ahead
