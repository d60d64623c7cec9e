"""The product with one mistake each: what the simulation has to find. A check that can't fail proves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka.errors import KafkaConnectionError
from msgspec.structs import replace

from express.kafka import CLOSE_SECONDS
from express.kafka.transactional import OpenTransactions
from express.ports import Partition, Position, Record, Sink
from express.runtime.drain import assignment
from express.runtime.drain.assignment import AssignedPartition, running
from express.runtime.drain.offset_tracker import OffsetTracker
from express.runtime.drain.processor import Processor
from express.sinks.kafka import KafkaSink
from express.sinks.transactions import KafkaTransactions
from tests.simulation.broken_fast import FAST
from tests.simulation.broken_refusals import REFUSALS
from tests.simulation.draw import Draw, Mode
from tests.simulation.loop import PROCESS
from tests.simulation.network import Odds
from tests.simulation.topic import DEAD, OUT
from tests.simulation.world import Variant, Worker, producing


class CommitBeforeAck(Variant):
    """Commits while the results are still on their way."""

    name = "commit-before-ack"
    modes: tuple[Mode, ...] = ("alo",)

    def sink(self, draw: Draw) -> Sink:
        """A sink whose flush waits for nothing."""
        return _Hasty((OUT, DEAD), producing(draw))


class _Hasty(KafkaSink):
    _flushing: asyncio.Task[None] | None = None

    async def flush(self, positions: Mapping[Partition, Position]) -> None:
        if self._flushing is not None:
            await self._flushing
        self._flushing = asyncio.create_task(super().flush(positions))
        await asyncio.sleep(0)

    async def stop(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
            self._flushing = None
        await super().stop()


class HighestSeen(Variant):
    """Commits behind the highest offset that was fetched (Parallel Consumer issue 826)."""

    name = "highest-seen"

    class _Tracker(OffsetTracker):
        __slots__ = ()

        def position(self) -> Position:
            return Position(self.next)

    patches = (("express.runtime.drain.assignment", "OffsetTracker", _Tracker),)


class MapWithoutOne(Variant):
    """Its commits say of one unfinished record that it is finished."""

    name = "map-without-one"

    class _Tracker(OffsetTracker):
        __slots__ = ()

        def _unfinished(self) -> list[int]:
            found = super()._unfinished()
            return found[:1] + found[2:]

    patches = (("express.runtime.drain.assignment", "OffsetTracker", _Tracker),)


class IdPerWorker(Variant):
    """One transactional id per worker, as most do: nothing fences a worker that lost its partitions."""

    name = "id-per-worker"
    modes: tuple[Mode, ...] = ("eos",)

    def sink(self, draw: Draw) -> Sink:
        """A sink that writes as its worker."""
        return _Own((OUT, DEAD), "group", producing(draw))


class _Own(KafkaTransactions):
    def _transactional_id(self, partition: Partition) -> str:
        process = PROCESS.get()
        assert process is not None
        return f"{super()._transactional_id(partition)}-{process.name}"


async def _see_nothing(client: Any, partitions: Any) -> OpenTransactions:
    return OpenTransactions({}, set(), set())


async def _decided(client: Any, group: str, partitions: Any) -> set[Any]:
    return set()


class NoTakeover(Variant):
    """Trusts the brokers to have ended the last transaction: some forget to (KAFKA-20734)."""

    name = "no-takeover"
    modes: tuple[Mode, ...] = ("eos",)
    patches = (
        ("express.sinks.takeover", "look", _see_nothing),
        ("express.sinks.takeover", "undecided", _decided),
        ("express.sinks.writer", "look", _see_nothing),
        ("express.sinks.writer", "undecided", _decided),
    )

    def shape(self, draw: Draw) -> Draw:
        """Brokers that forget are killed all the time."""
        return replace(draw, gentle=False, brokers="forgetful", marker_seconds=1.0, faults={"restart": 1.0})


class CommittedBeforeFencing(Variant):
    """Reads where to begin before the former owner is fenced."""

    name = "committed-before-fencing"
    modes: tuple[Mode, ...] = ("eos",)

    class processor(Processor):  # noqa: N801 - the attribute it stands for
        async def _open(self, partitions: Collection[Partition]) -> None:
            early = await self._source.committed(partitions)
            source, ask = self._source, self._source.committed

            async def committed(partitions: Collection[Partition]) -> Mapping[Partition, Position]:
                return early

            source.committed = committed  # type: ignore[method-assign]
            try:
                await super()._open(partitions)
            finally:
                source.committed = ask  # type: ignore[method-assign]


class FenceBeforeDrain(Variant):
    """Drops what runs when a partition goes, and waits for nothing: finished work is thrown away."""

    name = "fence-before-drain"
    modes: tuple[Mode, ...] = ("alo",)

    def shape(self, draw: Draw) -> Draw:
        """Workers come and go, and nothing else happens: nothing may be doubled."""
        faults = {"join": 1.0, "leave": 1.0, "rebalance": 1.0}
        return replace(draw, gentle=True, faults=faults, odds={}, drain_seconds=20.0, rebalance_seconds=40.0)

    class processor(Processor):  # noqa: N801 - the attribute it stands for
        async def _settle(self, owned: Collection[AssignedPartition], seconds: float) -> None:
            if running(owned):
                self._drop(owned)


class NoOrder(Variant):
    """Starts every record at once, whatever its key."""

    name = "no-order"

    patches = (
        ("express.runtime.records.dispatcher", "ORDER_KEYS", dict.fromkeys(assignment.ORDER_KEYS, lambda record: None)),
    )


class CommitAfterCut(Variant):
    """Flushes again after a flush that was cut off, and commits past the results it took along."""

    name = "commit-after-cut"
    modes: tuple[Mode, ...] = ("alo",)

    def shape(self, draw: Draw) -> Draw:
        """Consumers break while partitions go and results are late."""
        faults, odds = {"break": 1.0, "rebalance": 1.0}, {"produce": Odds(late=0.5)}
        return replace(draw, gentle=False, faults=faults, fault_seconds=0.4, odds=odds)

    def settle(self, worker: Worker) -> None:
        """Take the flusher's memory away."""
        flusher: Any = worker.processor._flusher
        flush = flusher._flush

        async def forgetful(commit: bool) -> None:
            flusher._unsure = False
            await flush(commit)

        flusher._flush = forgetful


async def _commit_anyhow(consumer: Any, offsets: Mapping[Any, Any]) -> None:
    """As aiokafka's own `commit`: in whatever generation there is, also in none."""
    while True:
        await consumer._coordinator.ensure_coordinator_known()
        try:
            await consumer._coordinator._do_commit_offsets(None, offsets)
            return
        except KafkaConnectionError:
            await asyncio.sleep(0.1)


class CommitWithoutGeneration(Variant):
    """Commits also when it has been thrown out of the group, which an empty group accepts."""

    name = "commit-without-generation"
    modes: tuple[Mode, ...] = ("alo",)
    patches = (("express.sources.kafka", "commit_as_member", _commit_anyhow),)

    def shape(self, draw: Draw) -> Draw:
        """Everybody is silent for longer than a session, more than once."""
        faults = {"pause": 1.0, "outage": 1.0}
        return replace(draw, gentle=False, faults=faults, fault_seconds=0.5, workers=3, drain_seconds=4.0)


class ForgottenProducer(Variant):
    """Forgets a producer before it is closed, so that nobody closes one that was cut off."""

    name = "forgotten-producer"
    modes: tuple[Mode, ...] = ("eos",)

    def sink(self, draw: Draw) -> Sink:
        """A sink that forgets."""
        return _Forgetful((OUT, DEAD), "group", producing(draw))

    def shape(self, draw: Draw) -> Draw:
        """Workers stop while partitions go and brokers are slow."""
        faults, odds = {"leave": 1.0, "join": 1.0}, {"transaction": Odds(late=0.5, late_seconds=12.0)}
        return replace(draw, gentle=False, faults=faults, fault_seconds=0.5, odds=odds)


class _Forgetful(KafkaTransactions):
    async def close(self, partitions: Collection[Partition]) -> None:
        writers = [self._writers.pop(partition) for partition in partitions if partition in self._writers]
        if writers:
            await asyncio.sleep(CLOSE_SECONDS)  # as long as a client may take that no broker answers
        await asyncio.gather(*(writer.close() for writer in writers))


class PoisonSkipped(Variant):
    """Finishes a record that can't be run without its dead letter."""

    name = "poison-skipped"

    def settle(self, worker: Worker) -> None:
        """Drop dead letters."""
        writer: Any = worker.processor._dispatcher._writer

        def skip(assigned: AssignedPartition, record: Record, *why: Any, **more: Any) -> None:
            writer._finished(assigned, record.offset, record.timestamp)

        writer._dead_letter = skip


BROKEN: tuple[type[Variant], ...] = (
    CommitBeforeAck,
    HighestSeen,
    MapWithoutOne,
    IdPerWorker,
    NoTakeover,
    CommittedBeforeFencing,
    FenceBeforeDrain,
    NoOrder,
    CommitAfterCut,
    CommitWithoutGeneration,
    ForgottenProducer,
    PoisonSkipped,
    *FAST,
    *REFUSALS,
)

PRODUCT: tuple[type[Variant], ...] = (Variant,)

VARIANTS: dict[str, type[Variant]] = {variant.name: variant for variant in PRODUCT + BROKEN}
