"""Drains a source through one workflow into a sink: the life of a pipeline in one worker.

A session polls, runs and flushes until it is stopped or its source or sink fails beyond repair; then a new
one begins from what is committed. Rules for a partition that goes: start nothing more,
finish what runs, commit, and only then let go. Draining after fencing would throw finished work away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection
from typing import Any

from express.errors import CommitRefused, PipelineStopped, SinkError, SourceError
from express.ports import Clock, Partition, Position, Sink, Source
from express.runtime.clock import SystemClock
from express.runtime.counters import Counters
from express.runtime.drain import commit_metadata
from express.runtime.drain.assignment import NEVER, AssignedPartition, running
from express.runtime.drain.committer import Committer
from express.runtime.drain.intake import SLICE_RECORDS, Intake
from express.runtime.drain.pipeline import Pipeline
from express.runtime.executor.executor import Executor
from express.runtime.records.dispatcher import Dispatcher
from express.runtime.records.refusals import Refusals
from express.runtime.records.terminal_record import Naming

POLL_SECONDS = 0.1
"""Seconds that a poll waits for the first record, and that a stopped intake sleeps at most."""

HELD_POLL_SECONDS = 0.002
"""The same while records are held that can go on as soon as something ends."""

LAST_COMMIT_SECONDS = 5.0
"""Seconds that a commit may take once the time for draining is over."""

RESTART_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses before beginning anew, growing while nothing lasts longer than QUIET_SECONDS."""

QUIET_SECONDS = 30.0

STUCK_SECONDS = 30.0
"""A flush that takes longer makes the pipeline not ready: its output or dead-letter topic blocks."""

MOST_REFUSALS = 5
"""Identical answers of a broker after which a pipeline stops, where nothing can be done about them."""

FORGOTTEN_SECONDS = 300.0
"""After this time without one, they are counted anew."""

log = logging.getLogger(__name__)


class Processor:
    """One pipeline in one worker. `run` returns after `stop`, when everything is drained and committed."""

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        sink: Sink,
        executor: Executor,
        clock: Clock | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.counters = counters or Counters()
        self._source = source
        self._sink = sink
        self._clock = clock or SystemClock()
        self._owned: dict[Partition, AssignedPartition] = {}
        self._changed = asyncio.Event()
        self._dispatcher = Dispatcher(pipeline, executor, sink, self._clock, self.counters, self._wake)
        self._flusher = Committer(
            pipeline, source, sink, self._owned, self._dispatcher.take_stamps, self._clock, self.counters, self._changed
        )
        self._intake = Intake(self._owned, self._dispatcher, self._clock, self._renew)
        self._assigning = asyncio.Lock()
        self._flushing: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self._assigned: set[Partition] = set()
        self._joined = False
        self.polled_at = self._clock.monotonic()
        """Monotonic time at which the source answered last."""
        self._refusals = Refusals(pipeline, self.counters)
        sink.replace = self._refusals.replace
        self._identical = _Identical(self._clock)
        self._hopeless: PipelineStopped | None = None
        self._trouble = ""
        self.stopped = ""
        """The reason why the pipeline stands still for good; empty while it does not."""
        self.settled = True
        """True if all that was written is committed, or another worker's by now; valid once `run` has ended."""

    async def run(self) -> None:
        """Drain the source until `stop`. Cancelling ends at once, without draining or committing.

        Only bugs leave this method as exceptions: then nothing was committed that is not written.
        """
        patience = _Patience(self._clock)
        while not self._stopped.is_set():
            try:
                await self._session()
                if self._hopeless is not None:
                    raise self._hopeless
            except PipelineStopped as error:
                self._give_up(error)
                return
            except (SourceError, SinkError) as error:
                self.settled = False
                try:
                    self._identical.check(error)
                except PipelineStopped as hopeless:
                    self._give_up(hopeless)
                    return
                self.counters.restarts += 1
                self._trouble = str(error)
                pause = patience.next()
                log.warning("pipeline %s begins anew in %s s: %s", self.pipeline.name, pause, error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), pause)

    def _give_up(self, error: PipelineStopped) -> None:
        """Stand still: what was not committed runs again when somebody has mended it and starts the service anew."""
        self.settled = False
        self.stopped = str(error)
        self.counters.stopped = 1
        log.error("pipeline %s stops: %s", self.pipeline.name, error)

    def stop(self) -> None:
        """Poll no more, finish what runs within `drain_seconds`, commit, leave the group."""
        self._stopped.set()

    @property
    def ready(self) -> bool:
        """Return whether the pipeline is in its group, drains it, and nothing blocks its output."""
        return self._joined and not self._stopped.is_set() and not self.blocked_for

    @property
    def blocked_for(self) -> float:
        """For how many seconds a flush has not come to its end; 0 where that is nothing to speak of."""
        busy = self._flusher.busy_since
        seconds = 0.0 if busy is None else self._clock.monotonic() - busy
        return seconds if seconds > STUCK_SECONDS else 0.0

    @property
    def trouble(self) -> str:
        """Return why the pipeline is not ready; empty where it is."""
        if self.stopped:
            return f"stopped: {self.stopped}"
        if self.ready:
            return ""
        if self.blocked_for:
            waits = self._sink.waits_for or "no answer yet"
            return f"its output has not been taken for {self.blocked_for:.0f} s: {waits}"
        return self._trouble or "has not joined its group yet"

    @property
    def machines(self) -> dict[str, Counters]:
        """The further workflows of the pipeline, and what each of them counts: its executions, and nothing else."""
        return self._dispatcher.machines

    @property
    def committed_at(self) -> float:
        """Return when positions were stored last (monotonic seconds)."""
        return self._flusher.committed_at

    @property
    def owing_since(self) -> float | None:
        """Since when there has been something to commit (monotonic seconds); None where there is nothing."""
        return self._flusher.owing_since if self._owned else None

    @property
    def partitions(self) -> Collection[Partition]:
        """The partitions that are ours."""
        return self._owned.keys()

    @property
    def committed(self) -> dict[Partition, Position]:
        """Return what was committed last of each partition that is ours."""
        return {partition: assigned.committed for partition, assigned in self._owned.items()}

    def lag(self) -> dict[Partition, int]:
        """Records of each of our partitions that are not polled yet, as far as known."""
        return {partition: lag for partition, lag in self._source.lag().items() if partition in self._owned}

    # A session --------------------------------------------------------------------------------------

    async def _session(self) -> None:
        """Drain until stopped, then settle. What fails leaves nothing behind that a new session would meet."""
        drain = asyncio.create_task(self._drain(), name=f"drain {self.pipeline.name}")
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({drain, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if drain.done():
                drain.result()
            await _cancel(drain)
            await self._settle(list(self._owned.values()), self.pipeline.drain_seconds)
        finally:
            self._joined = False
            await _cancel(drain, stopped)
            await self._stop_flushing()
            self._let_go()
            await self._source.stop()
            self._let_go()  # an assignment may have been under way until the source was stopped
            await self._sink.stop()

    def _let_go(self) -> None:
        """Hold no partition any more."""
        self._joined = False
        self._drop(list(self._owned.values()))
        self._assigned.clear()

    async def _drain(self) -> None:
        await self._sink.start()
        await self._source.start(self)
        self._start_flushing()
        patience = _Patience(self._clock)
        while True:
            try:
                await self._turn()
            except SinkError as error:
                self._identical.check(error)
                self.counters.restarts += 1
                self._trouble = str(error)
                pause = patience.next()
                log.warning("pipeline %s writes anew in %s s: %s", self.pipeline.name, pause, error)
                await asyncio.sleep(pause)
                await self._reopen()

    async def _turn(self) -> None:
        """Start what is held, flush, poll; wait where there is nothing to do or no room."""
        self._check_flushing()
        if self._hopeless is not None:
            raise self._hopeless
        more = self._intake.work()
        self._flusher.wake()
        wanted = self._intake.wanted()
        if self._blocked or wanted == []:
            self._changed.clear()
            await self._poll([], 0)
            await self._change(POLL_SECONDS)
        elif not more:
            await self._poll(wanted, POLL_SECONDS if wanted is None else HELD_POLL_SECONDS)
        await asyncio.sleep(0)

    async def _poll(self, partitions: list[Partition] | None, wait_seconds: float) -> None:
        polled = await self._source.poll(partitions, SLICE_RECORDS, wait_seconds)
        self.polled_at = self._clock.monotonic()
        count = self._intake.add(polled)
        if count:
            self.counters.records += count
            self.counters.count_batch(count)

    @property
    def _blocked(self) -> bool:
        return self._dispatcher.room.closed or self._sink.pending >= self.pipeline.output_bytes

    async def _change(self, seconds: float) -> None:
        """Wait until an execution has ended or a flush is through, since `_changed` was cleared, or time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._flusher.wake()

    # Flushing ---------------------------------------------------------------------------------------

    def _start_flushing(self) -> None:
        self._flusher.begin()
        self._flushing = asyncio.create_task(self._flusher.run(), name=f"flush {self.pipeline.name}")
        self._flushing.add_done_callback(lambda task: self._changed.set())

    async def _stop_flushing(self) -> None:
        task, self._flushing = self._flushing, None
        if task is not None:
            await _cancel(task)

    def _check_flushing(self) -> None:
        """Raise what ended the flushing task."""
        if self._flushing is not None and self._flushing.done():
            self._flushing.result()

    async def _reopen(self) -> None:
        """It is unknown what the sink has written: begin anew from what is committed, within the group."""
        async with self._assigning:
            await self._stop_flushing()
            self._drop(list(self._owned.values()))
            await self._sink.start()
            self._start_flushing()
            await self._open(self._assigned)

    # Partitions (ports.Assignments) -----------------------------------------------------------------

    async def assigned(self, partitions: Collection[Partition]) -> None:
        """Begin with partitions where their commits say."""
        async with self._assigning:
            self._assigned.update(partitions)
            await self._open(partitions)
        self._joined = self.settled = True
        self._trouble = ""

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """Finish and commit what runs of partitions that go to others; what does not finish in time is dropped."""
        self.counters.rebalances += 1
        async with self._assigning:
            owned = [self._owned[partition] for partition in partitions if partition in self._owned]
            await self._settle(owned, self.pipeline.rebalance_drain_seconds)
            self._drop(owned)
            self._assigned.difference_update(partitions)
            await self._sink.close(partitions)

    async def _open(self, partitions: Collection[Partition]) -> None:
        if not partitions:
            return
        await self._sink.open(partitions)
        committed = await self._source.committed(partitions)
        bounds = await self._source.bounds(partitions)
        for partition in partitions:
            first, end = bounds[partition]
            stored = committed.get(partition)
            position = self._beginning(partition, stored, first, end)
            naming = Naming(self.pipeline.workflow.execution_prefix, partition)
            limit = self.pipeline.settings.concurrency_per_partition
            self._source.seek(partition, max(first, position.offset))
            # A partition without a commit gets one at once: whoever scales by the lag would never see it at 0.
            self._owned[partition] = AssignedPartition(
                partition, naming, position, limit, NEVER if stored is None else None
            )

    def _beginning(self, partition: Partition, committed: Position | None, first: int, end: int) -> Position:
        """Return where to begin; the log may have lost what was committed, or may be another one."""
        if committed is None:
            return Position(first)
        if committed.offset > end:
            log.warning("%s ends at %d, before the committed %d: begins anew", partition, end, committed.offset)
            self.counters.rewinds += 1
            return Position(first)
        self.counters.offsets_missing += max(0, first - committed.offset)
        if committed.metadata and commit_metadata.decode(*committed) is None:
            log.warning("%s was committed with metadata that is not ours: replays from %d", partition, committed[0])
            self.counters.foreign_metadata += 1
        return committed

    def _renew(self, assigned: AssignedPartition, offset: int) -> AssignedPartition:
        """The offsets of a partition went backwards: its topic was made anew. All of it is new, then."""
        log.warning("%s went back to offset %d: begins anew", assigned.partition, offset)
        self.counters.rewinds += 1
        limit = self.pipeline.settings.concurrency_per_partition
        fresh = AssignedPartition(assigned.partition, assigned.naming, Position(offset), limit)
        fresh.committed = assigned.committed
        fresh.held.extend(assigned.held)
        self._dispatcher.drop(assigned)
        self._owned[assigned.partition] = fresh
        return fresh

    async def _settle(self, owned: Collection[AssignedPartition], seconds: float) -> None:
        """Start nothing more in `owned`; commit what is finished, wait for what runs, commit that as well."""
        for assigned in owned:
            self._dispatcher.forget_waiting(assigned)
        began = self._clock.monotonic()
        if not owned or not await self._commit(seconds):
            return
        while running(owned) and (left := began + seconds - self._clock.monotonic()) > 0:
            self._changed.clear()
            await self._change(left)
        await self._commit(max(began + seconds - self._clock.monotonic(), LAST_COMMIT_SECONDS))

    async def _commit(self, seconds: float) -> bool:
        """Flush and commit; False if that was refused, failed, or took too long."""
        try:
            async with asyncio.timeout(seconds):
                await self._flusher.flush(commit=True)
        except CommitRefused:
            self.counters.commits_refused += 1
            return False
        except (TimeoutError, SinkError, SourceError, PipelineStopped) as error:
            if isinstance(error, PipelineStopped):
                self._hopeless = error
            self.settled = False
            log.warning("pipeline %s could not commit: %r", self.pipeline.name, error)
            return False
        return True

    def _drop(self, owned: Collection[AssignedPartition]) -> None:
        for assigned in owned:
            self._dispatcher.drop(assigned)
            if self._owned.get(assigned.partition) is assigned:
                del self._owned[assigned.partition]


class _Identical:
    """Counts what a broker has answered again and again, however often it was begun anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def check(self, error: Exception) -> None:
        """Raise PipelineStopped for the MOST_REFUSALS-th refusal of a kind."""
        refusal = getattr(error, "refusal", "")
        if not refusal:
            return
        now = self._clock.monotonic()
        count, last = self._seen.get(refusal, (0, now))
        count = 1 if now - last > FORGOTTEN_SECONDS else count + 1
        self._seen[refusal] = count, now
        if count >= MOST_REFUSALS:
            raise PipelineStopped(f"{refusal}; {count} times in a row") from error


class _Patience:
    """Pauses between attempts that grow."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._attempt = -1
        self._since = clock.monotonic()

    def next(self) -> float:
        """The next pause in seconds: the first one again when the last is long ago."""
        now = self._clock.monotonic()
        self._attempt = 0 if now - self._since > QUIET_SECONDS else self._attempt + 1
        self._since = now
        return RESTART_SECONDS[min(self._attempt, len(RESTART_SECONDS) - 1)]


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended, however they do."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
