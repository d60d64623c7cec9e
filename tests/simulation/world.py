"""One seed: brokers, workers, the storm, the calm after it, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterator
from contextvars import Context, copy_context
from importlib import import_module
from typing import Any

from aiokafka.errors import KafkaError

import express.runtime.processor
import express.sinks.producer
import express.sources.kafka
from express.ports import Clock, Ending, Partition, Sink
from express.runtime.executor import Executor
from express.runtime.pipeline import Pipeline, Workflow
from express.runtime.processor import Processor
from express.sinks.kafka import KafkaSink
from express.sinks.transactions import KafkaTransactions
from express.sources.kafka import KafkaSource
from express.values import dumps
from tests.simulation.broker import Broker
from tests.simulation.checks import TRACED, Checks, Input, Violation, is_traced
from tests.simulation.clients import SimConsumer, SimProducer
from tests.simulation.draw import Draw, Mode
from tests.simulation.loop import PROCESS, Deadlock, Endless, Process, SimLoop
from tests.simulation.machine import Chance, Work, machine
from tests.simulation.network import Network
from tests.simulation.storm import Storm

LIVE_SECONDS = 600.0
"""Within this time after the last fault every record has to be finished and committed."""

STOP_SECONDS = 40.0
"""What stopping may take beyond the time for draining: last commit, closing of clients."""


class Topic(str):
    """A topic name whose hash is the same in every process, so that sets of partitions have the same order."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 7 * len(self) + ord(self[0])

    __eq__ = str.__eq__


IN, OUT, DEAD = Topic("in"), Topic("out"), Topic("dead")


class Variant:
    """The product as it is. Subclasses break it, to show that the checks see."""

    name = "product"

    modes: tuple[Mode, ...] = ("alo", "eos")
    """Where the mistake matters."""

    processor: type[Processor] = Processor

    patches: tuple[tuple[str, str, Any], ...] = ()
    """Module, name, and what stands there instead."""

    def shape(self, draw: Draw) -> Draw:
        """Change what was drawn, so that a rare mistake shows sooner."""
        return draw

    def sink(self, draw: Draw) -> Sink:
        """The sink of a worker."""
        if draw.mode == "eos":
            return KafkaTransactions((OUT, DEAD), "group", {})
        return KafkaSink((OUT, DEAD), {})

    def transactional_id(self, name: str, process: Process) -> str:
        """The transactional id that the brokers see."""
        return name

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
        self.source = KafkaSource((IN,), "group", {})
        self.processor = world.variant.processor(
            _pipeline(draw, name), self.source, self.sink, self.executor, clock, observer=self
        )
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
        self.world.checks.began(self.processor._lanes[Partition(IN, number)], offset)

    def ended(self, ending: Ending) -> None:
        """An Observer."""
        _, number, offset = ending.execution_arn.split(":")[7].split("-")
        lane = self.processor._lanes.get(Partition(IN, int(number)))
        if lane is not None:
            self.world.checks.ended(lane, int(offset))


class World:
    """Everything of one seed. It is a new one for every run."""

    def __init__(self, draw: Draw, variant: Variant | None = None) -> None:
        self.variant = variant or Variant()
        self.draw = draw = self.variant.shape(draw)
        self.chance = random.Random(f"world {draw.seed}")
        self.loop = SimLoop(draw.seed)
        self.loop.tick = draw.tick
        self.network = Network(self.loop, self.chance)
        self.broker = Broker(self.loop, self.chance, draw.metadata_limit)
        self.checks = Checks(self)
        self.workers: list[Worker] = []
        self.breaking: set[str] = set()
        """Processes whose consumer is to fail at its next poll."""
        self.tasks: list[tuple[Process | None, asyncio.Task[Any]]] = []
        self.recovery_seconds = 0.0
        self.trace = 0
        self.loop.set_task_factory(self._new_task)

    # What the clients ask ---------------------------------------------------------------------------

    def rename(self, transactional_id: str) -> str:
        """The transactional id that the brokers see."""
        process = PROCESS.get()
        assert process is not None
        return self.variant.transactional_id(transactional_id, process)

    def maybe_break_client(self) -> None:
        """Fail where the storm says so, as a client beyond repair does."""
        process = PROCESS.get()
        if process is not None and process.name in self.breaking:
            self.breaking.discard(process.name)
            raise KafkaError("the client is beyond repair")

    # The run ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Live through the seed. Raises Violation."""
        asyncio.set_event_loop(None)
        with _simulated(self):
            try:
                self.loop.run_until_complete(self.loop.create_task(self._live(), context=Context()))
            except (Deadlock, Endless) as error:
                self.checks.fail("I7", str(error))
            finally:
                self.trace = self.loop.trace
                self._end()
        if self.checks.found:
            raise Violation(self.checks.found[0])

    async def _live(self) -> None:
        draw, broker = self.draw, self.broker
        for topic, count in ((IN, draw.partitions), (OUT, draw.outputs), (DEAD, 1)):
            broker.topic(topic, count)
        broker.group.partitions = [partition for partition in broker.ledgers if partition.topic == "in"]
        broker.group.rebalance_seconds = draw.rebalance_seconds
        broker.marker_seconds = draw.marker_seconds
        broker.on_append, broker.on_commit = self.checks.appended, self.checks.committed
        self.network.odds = dict(draw.odds)
        storm = Storm(self)
        for _ in range(draw.workers):
            self.add_worker()
        feeding = asyncio.create_task(self._feed())
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

    async def _feed(self) -> None:
        """Input records, in bursts."""
        draw, chance = self.draw, self.chance
        left = draw.events
        while left:
            burst = min(left, chance.choice((1, 5, 20)))
            for _ in range(burst):
                self._feed_one(chance.randrange(draw.partitions))
            left -= burst
            await asyncio.sleep(chance.random() * draw.storm_seconds * burst / draw.events)

    def _feed_one(self, number: int) -> None:
        draw, chance = self.draw, self.chance
        partition = Partition(IN, number)
        key = b"k%d" % chance.randrange(draw.keys) if draw.keys else None
        skipped = chance.randrange(1, 4) if chance.random() < draw.holes else 0
        offset = self.broker.ledgers[partition].end + skipped
        (end,) = chance.choices(list(draw.ends), list(draw.ends.values()))
        rest = chance.choice((0, 0, 0, 1, 2))
        value = dumps({"p": number, "n": offset, "end": end, "rest": rest}) if end != "poison" else b'{"n": '
        self.checks.inputs[number, offset] = Input(offset, key, value, end)
        self.broker.feed(partition, (0, key, value, TRACED if is_traced(offset) else ()), skipped)
        if chance.random() < draw.holes:
            self.broker.ledgers[partition].end += 1  # a marker of the feeder's transaction: nobody reads it

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
        positions = self.broker.positions
        ledgers = self.broker.ledgers
        return all(
            not ledgers[p].entries or (p in positions and positions[p].offset >= ledgers[p].end)
            for p in self.broker.group.partitions
        )

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

    # The end ----------------------------------------------------------------------------------------

    def _new_task(self, loop: Any, coroutine: Any, context: Context | None = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, context=context)
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
    return Pipeline(
        name="p",
        workflow=Workflow(name="flow", program=machine()),
        output=OUT,
        dead_letters=DEAD,
        ordering=draw.ordering,
        concurrency=draw.concurrency,
        concurrency_per_partition=draw.concurrency_per_partition,
        heap_bytes=draw.heap_bytes,
        output_bytes=draw.output_bytes,
        commit_seconds=draw.commit_seconds,
        commit_records=draw.commit_records,
        transaction_seconds=draw.transaction_seconds,
        drain_seconds=draw.drain_seconds,
        rebalance_drain_seconds=draw.drain_seconds,
        worker=worker,
    )


@contextlib.contextmanager
def _simulated(world: World) -> Iterator[None]:
    """Put the stand-ins where the client library is."""

    def consumer(**properties: Any) -> SimConsumer:
        return SimConsumer(world, **properties)

    def producer(**properties: Any) -> SimProducer:
        return SimProducer(world, **properties)

    logger = logging.getLogger("express")
    level = logger.level
    with contextlib.ExitStack() as stack:
        stack.callback(logger.setLevel, level)
        logger.setLevel(logging.CRITICAL + 1)
        _swap(stack, express.sources.kafka, "AIOKafkaConsumer", consumer)
        _swap(stack, express.sinks.producer, "AIOKafkaProducer", producer)
        _swap(stack, express.runtime.processor, "POLL_SECONDS", world.draw.poll_seconds)
        for module, name, value in world.variant.patches:
            _swap(stack, import_module(module), name, value)
        yield


def _swap(stack: contextlib.ExitStack, module: Any, name: str, value: Any) -> None:
    stack.callback(setattr, module, name, getattr(module, name))
    setattr(module, name, value)
