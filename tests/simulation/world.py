"""One seed: brokers, workers, the storm, the calm after it, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextvars import Context, copy_context
from typing import Any

from express.errors import SourceError
from express.ports import Clock, ConsumedRecord, Partition, Position, Sink
from express.runtime.drain.pipeline import Pipeline, Workflow
from express.runtime.drain.processor import Processor
from express.runtime.executor.executor import Executor
from express.sinks.kafka import KafkaSink
from express.sinks.transactions import KafkaTransactions
from express.sources.kafka import KafkaSource
from tests.runtime.pipelines import pipeline_of
from tests.simulation.answers import TELLING, VERSIONS, Answers
from tests.simulation.broker import Broker
from tests.simulation.checks import Checks, Violation
from tests.simulation.draw import Draw, Mode
from tests.simulation.feeder import Feeder
from tests.simulation.loop import PROCESS, Deadlock, Endless, Process, SimLoop
from tests.simulation.machine import Chance, Work, machine
from tests.simulation.network import Network
from tests.simulation.patches import Patch, patched
from tests.simulation.paths import Paths, counting
from tests.simulation.storm import Storm
from tests.simulation.topic import DEAD, IN, OUT

LIVE_SECONDS = 600.0
"""Within this time after the last fault every record has to be finished and committed."""

STOP_SECONDS = 40.0
"""What stopping may take beyond the time for draining: last commit, closing of clients."""


class Variant:
    """The product as it is. Subclasses break it, to show that the checks see."""

    name = "product"

    modes: tuple[Mode, ...] = ("alo", "eos")
    """Where the mistake matters."""

    processor: type[Processor] = Processor

    patches: tuple[Patch, ...] = ()
    """What of the product is replaced."""

    def shape(self, draw: Draw) -> Draw:
        """Change what was drawn, so that a rare mistake shows sooner."""
        return draw

    def sink(self, draw: Draw) -> Sink:
        """The sink of a worker."""
        if draw.mode == "eos":
            return KafkaTransactions((OUT, DEAD), "group", producing(draw))
        return KafkaSink((OUT, DEAD), producing(draw))

    def settle(self, worker: Worker) -> None:
        """Change a worker before it runs."""


class WorkerClock:
    """The clocks of one machine: its wall clock may be off."""

    def __init__(self, loop: SimLoop, skew: float) -> None:
        self.monotonic = loop.look
        self._loop = loop
        self._skew = skew

    def wall(self) -> float:
        """Seconds since 1970, as this machine believes."""
        return self._loop.time() + 1_700_000_000 + self._skew


class Worker:
    """One process with one pipeline."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.process = Process(name)
        draw, loop = world.draw, world.loop
        chance = random.Random(f"{name} {draw.seed}")
        clock: Clock = WorkerClock(loop, chance.choice((0, 0, 3_600, -3_600)))
        self.function = Work(chance, self._began)
        self.executor = Executor(clock, self.function, Chance(chance))
        self.sink = world.variant.sink(draw)
        self.source = Source(world, self.process, draw)
        pipeline = _pipeline(draw, name)
        self.processor = world.variant.processor(pipeline, self.source, self.sink, self.executor, clock)
        world.variant.settle(self)
        self.leaving = False
        context = copy_context()
        context.run(PROCESS.set, self.process)
        self.task = loop.create_task(self._run(), context=context)

    async def _run(self) -> None:
        await self.processor.run()
        await self.executor.close()

    @property
    def alive(self) -> bool:
        """Whether it runs and is to go on."""
        return not self.process.dead and not self.task.done() and not self.leaving

    def stop(self) -> None:
        """As SIGTERM does."""
        self.leaving = True
        self.processor.stop()

    def _began(self, number: int, offset: int) -> None:
        self.world.checks.began(self.process, number, offset)


class Source(KafkaSource):
    """The product's source, whose answers on where to begin are noted, and which breaks where the storm says so."""

    def __init__(self, world: World, process: Process, draw: Draw) -> None:
        super().__init__((IN,), "group", consuming(draw))
        self._world = world
        self._process = process

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Position]:
        """As the product's."""
        found = await super().committed(partitions)
        self._world.checks.fetched(self._process, partitions, found)
        return found

    async def poll(
        self, partitions: Collection[Partition] | None, limit: int, wait_seconds: float
    ) -> Sequence[tuple[Partition, Sequence[ConsumedRecord]]]:
        """As the product's, or as a client beyond repair answers."""
        if self._process.name in self._world.breaking:
            self._world.breaking.discard(self._process.name)
            raise SourceError("polling: the client is beyond repair")
        return await super().poll(partitions, limit, wait_seconds)


class World:
    """Everything of one seed. It is a new one for every run."""

    def __init__(self, draw: Draw, variant: Variant | None = None) -> None:
        self.variant = variant or Variant()
        self.draw = draw = self.variant.shape(draw)
        self.chance = random.Random(f"world {draw.seed}")
        self.loop = SimLoop(draw.seed)
        self.loop.tick = draw.tick
        self.broker = Broker(self.loop, self.chance, draw.metadata_limit)
        self.network = Network(self.loop, self.chance, Answers(self.broker))
        self.checks = Checks(self)
        self.workers: list[Worker] = []
        self.breaking: set[str] = set()
        """Processes whose consumer is to fail at its next poll."""
        self.tasks: list[tuple[Process | None, asyncio.Task[Any]]] = []
        self.recovery_seconds = 0.0
        self.trace = 0
        self.paths = Paths()
        self.loop.set_task_factory(self._new_task)

    # The run ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Live through the seed. Raises Violation."""
        asyncio.set_event_loop(None)
        with _uncollected(), _simulated(self):
            try:
                self.loop.run_until_complete(self.loop.create_task(self._live(), context=Context()))
            except (Deadlock, Endless) as error:
                self.checks.fail("I7", str(error))
            finally:
                self.trace = self.loop.trace
                self._end()
        self._count()
        if self.checks.found:
            raise Violation(self.checks.found[0])

    async def _live(self) -> None:
        draw, broker = self.draw, self.broker
        for topic, count in ((IN, draw.partitions), (OUT, draw.outputs), (DEAD, 1)):
            broker.topic(topic, count)
        broker.marker_seconds = draw.marker_seconds
        broker.terms, self.network.answers.tells_configs = dict(draw.terms), draw.tells_configs
        broker.forgets = draw.brokers == "forgetful"
        self.network.versions = VERSIONS if draw.brokers == "old" else TELLING
        broker.on_append, broker.on_commit = self.checks.appended, self.checks.committed
        self.network.odds = dict(draw.odds)
        storm = Storm(self)
        for _ in range(draw.workers):
            self.add_worker()
        feeding = asyncio.create_task(Feeder(self).feed())
        await storm.rage()
        await feeding
        self.network.odds = {}
        await self._recover()
        if not self.checks.found and not self.loop.failures:
            await self._stop()
            self.checks.at_end()
        if self.loop.failures:
            self.checks.fail("bug", self.loop.failures[0])

    def add_worker(self) -> Worker:
        """Start one more."""
        worker = Worker(self, f"w{len(self.workers)}")
        self.workers.append(worker)
        return worker

    async def _recover(self) -> None:
        """Nothing goes wrong any more: all has to be done within LIVE_SECONDS."""
        began = self.loop.time()
        while not self.checks.found and not self.loop.failures and not self._done():
            if not any(worker.alive for worker in self.workers):
                self.add_worker()
            if self.loop.time() - began > LIVE_SECONDS:
                self.checks.fail("I7", f"not done: {self.broker.positions}")
            await asyncio.sleep(0.25)
        self.recovery_seconds = self.loop.time() - began

    def _done(self) -> bool:
        positions, ledgers = self.broker.positions, self.broker.ledgers
        fed = {Partition(IN, number) for number, _ in self.checks.inputs}
        return all(p in positions and positions[p].offset >= ledgers[p].end for p in fed)

    async def _stop(self) -> None:
        """Stop everybody; nothing may be left over."""
        workers = [worker for worker in self.workers if not worker.process.dead]
        for worker in workers:
            worker.stop()
        await asyncio.wait([worker.task for worker in workers], timeout=self.draw.drain_seconds + STOP_SECONDS)
        for worker in workers:
            self.check_stopped(worker)
        await asyncio.sleep(0)
        living = {worker.process for worker in workers}
        left = [task for process, task in self.tasks if process in living and not task.done()]
        if left:
            self.checks.fail("leak", f"{len(left)} tasks, the first: {_name(left[0])}")

    def check_stopped(self, worker: Worker) -> None:
        """A worker that was stopped has ended, without a bug, and holds nothing any more."""
        name, counters = worker.process.name, worker.processor.counters
        if not worker.task.done():
            self.checks.fail("I7", f"{name} does not stop")
            return
        failure = "CancelledError" if worker.task.cancelled() else worker.task.exception()
        if failure is not None:
            self.checks.fail("bug", f"{name} ended with {failure!r}")
            return
        held = (worker.executor.running, counters.in_flight, counters.waiting, counters.heap_bytes)
        if any(held):
            self.checks.fail("leak", f"{name} still holds executions, in flight, waiting, bytes: {held}")

    def _count(self) -> None:
        for worker in self.workers:
            self.paths.enter(worker.processor.counters)
        self.paths.settle()

    # The end ----------------------------------------------------------------------------------------

    def _new_task(self, loop: Any, coroutine: Any, context: Context | None = None) -> asyncio.Task[Any]:
        task = self.loop.new_task(coroutine, context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        self.tasks.append((process, task))
        return task

    def _end(self) -> None:
        """Let the dead run to their end, so that no coroutine is left to the garbage collector."""
        self.network.closed = True
        for worker in self.workers:
            worker.process.resume(self.loop)
        for _ in range(20):
            left = [task for _, task in self.tasks if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            with contextlib.suppress(Deadlock, Endless):
                self.loop.run_until_complete(asyncio.Task(_gathered(left), loop=self.loop, context=Context()))
        self.loop.close()


def _name(task: asyncio.Task[Any]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", "?"))


async def _gathered(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks, timeout=1.0)


def _pipeline(draw: Draw, worker: str) -> Pipeline:
    return pipeline_of(
        Workflow(name="flow", program=machine()),
        output=OUT,
        dead_letter=DEAD,
        ordering=draw.ordering,
        concurrency=draw.concurrency,
        concurrency_per_partition=draw.concurrency_per_partition,
        memory=draw.heap_bytes,
        output_bytes=draw.output_bytes,
        commit_seconds=draw.commit_seconds,
        commit_records=draw.commit_records,
        transaction_seconds=draw.transaction_seconds,
        drain_seconds=draw.drain_seconds,
        rebalance_drain_seconds=draw.drain_seconds,
        worker=worker,
    )


def producing(draw: Draw) -> dict[str, Any]:
    """The properties of producers."""
    return {"max_batch_size": draw.batch_bytes, "compression_type": draw.compression}


def consuming(draw: Draw) -> dict[str, Any]:
    """The properties of consumers."""
    return {
        "session_timeout_ms": 3_000,
        "heartbeat_interval_ms": 1_000,
        "rebalance_timeout_ms": int(draw.rebalance_seconds * 1000),
        "max_partition_fetch_bytes": draw.fetch_bytes,
        "fetch_max_wait_ms": draw.fetch_wait_ms,
    }


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Leave garbage until the seed has ended: a quarter of the time went to looking for it meanwhile."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _simulated(world: World) -> Iterator[None]:
    """Put the stand-ins where the client library meets the host."""
    patches: list[Patch] = [
        ("express.runtime.drain.processor", "POLL_SECONDS", world.draw.poll_seconds),
        ("express.runtime.records.dispatcher", "FastPath", counting(world.paths)),
        *world.variant.patches,
    ]
    loggers = [logging.getLogger(name) for name in ("express", "aiokafka")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with patched(world.loop, world.network, world.draw.seed, patches):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
