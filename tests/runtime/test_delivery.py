"""The whole pump on real protocol, both brokers, both promises: what goes in comes out, as often as promised."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from express.engine import Program
from express.engine.effects import StartTask
from express.ports import Integration, Partition, Position, TaskContext
from express.runtime.clock import SystemClock
from express.runtime.drain.commit_metadata import decode
from express.runtime.drain.pipeline import Workflow
from express.runtime.drain.processor import Processor
from express.runtime.executor.executor import Executor
from express.sinks.kafka import KafkaSink
from express.sinks.transactions import KafkaTransactions
from express.sources.kafka import KafkaSource
from express.values import dumps, loads
from tests.engine.scripts import program, task
from tests.kafka.clients import admin, consumer, end_offset, new_topic, producer
from tests.kafka.wire import unique
from tests.runtime.pipelines import pipeline_of
from tests.runtime.rig import header

QUICK = {"heartbeat_interval_ms": 200, "retry_backoff_ms": 20, "session_timeout_ms": 6_000}
PARTITIONS = 3


class Flow:
    """Topics and a group of their own, the workers over them, and what came out."""

    def __init__(self, address: str, promise: str, handler: Callable[[Any], Any] | None) -> None:
        self.address = address
        self.promise = promise
        self.handler = handler or (lambda data: data)
        self.machine: Program = program(task())
        self.group = unique("g")
        self.settings: dict[str, Any] = {}
        self.workers: list[Worker] = []
        self.input = self.output = self.dead = ""

    async def create(self) -> None:
        self.input = await new_topic(self.address, PARTITIONS)
        self.output = await new_topic(self.address, PARTITIONS)
        self.dead = await new_topic(self.address, 1)

    async def put(self, *values: Any, key: bytes | None = None) -> None:
        """Append records, spread over the partitions."""
        async with producer(self.address) as client:
            sent = [
                await client.send(
                    self.input,
                    value if isinstance(value, bytes) else dumps(value),
                    key=key or b"k%d" % n,
                    partition=n % PARTITIONS,
                )
                for n, value in enumerate(values)
            ]
            await asyncio.gather(*sent)

    def sink(self) -> KafkaSink | KafkaTransactions:
        properties = {"bootstrap_servers": self.address, "retry_backoff_ms": 20}
        if self.promise == "exactly_once":
            return KafkaTransactions([self.output, self.dead], self.group, properties)
        return KafkaSink([self.output, self.dead], properties)

    def worker(self, sink: Any = None) -> Worker:
        """Start a worker."""
        worker = Worker(self, sink or self.sink())
        self.workers.append(worker)
        return worker

    async def stop(self) -> None:
        """Drain and stop all workers."""
        await asyncio.gather(*(worker.stop() for worker in self.workers))
        self.workers.clear()

    async def terminal(self) -> Counter[tuple[int, int]]:
        """How often each input (partition, offset) has a terminal record, to a read_committed reader."""
        found: Counter[tuple[int, int]] = Counter()
        for record in await self.read(self.output):
            found[
                int(header(record, "express.source-partition") or -1),
                int(header(record, "express.source-offset") or -1),
            ] += 1
        for record in await self.read(self.dead):
            found[
                int(header(record, "__express.errors.partition") or -1),
                int(header(record, "__express.errors.offset") or -1),
            ] += 1
        return found

    async def read(self, topic: str) -> list[Any]:
        """Everything that is committed in a topic, by now or as soon as its transactions have their markers.

        A broker answers a commit once it has noted the decision; the markers, which a `read_committed` reader waits
        for, are written afterwards, to one partition sooner than to another. So the end is that of the log, not the
        last stable offset of this moment.
        """
        partitions = [TopicPartition(topic, n) for n in range(PARTITIONS if topic != self.dead else 1)]
        ends = {tp: await end_offset(self.address, topic, tp.partition) for tp in partitions}
        async with consumer(self.address, isolation_level="read_committed") as client:
            client.assign(partitions)
            await client.seek_to_beginning()
            records = []
            while any([await client.position(p) < ends[p] for p in partitions]):
                for batch in (await client.getmany(timeout_ms=100)).values():
                    records.extend(batch)
        return records

    async def committed(self) -> dict[int, Position]:
        """What the group has committed, asked from outside."""
        client: AIOKafkaAdminClient
        async with admin(self.address) as client:
            found = await client.list_consumer_group_offsets(self.group)
        return {tp.partition: Position(at.offset, at.metadata) for tp, at in found.items() if at.offset >= 0}

    async def until_committed(self, holds: Callable[[dict[int, Position]], bool]) -> dict[int, Position]:
        """What the group has committed once `holds` is true of it: positions in a transaction have a marker, too."""
        found = await self.committed()
        while not holds(found):
            await asyncio.sleep(0.05)
            found = await self.committed()
        return found

    async def until_terminal(self, count: int) -> None:
        """Wait until the workers have finished `count` records between them, and flushed."""
        await self.until(lambda: sum(w.done for w in self.workers) >= count)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until `condition` holds, or a worker has ended with an exception."""
        while not condition():
            for worker in self.workers:
                worker.check()
            await asyncio.sleep(0.01)


class Worker(Integration):
    """One processor with its own clients, on this loop."""

    def __init__(self, flow: Flow, sink: Any) -> None:
        self.flow = flow
        self.sink = sink
        properties = {"bootstrap_servers": flow.address, **QUICK}
        self.source = KafkaSource([flow.input], flow.group, properties)
        self.executor = Executor(SystemClock(), self)
        workflow = Workflow(name="flow", program=flow.machine)
        settings = {"commit_seconds": 0.2, **flow.settings}
        pipeline = pipeline_of(workflow, output=flow.output, dead_letter=flow.dead, **settings)
        self.processor = Processor(pipeline, self.source, sink, self.executor)
        self.counters = self.processor.counters
        self.task = asyncio.create_task(self.processor.run())

    def start(self, task: StartTask, context: TaskContext) -> Any:
        return self.flow.handler(task.input)

    @property
    def done(self) -> int:
        return sum(self.counters.end_to_end_ms.counts)

    def check(self) -> None:
        if self.task.done():
            self.task.result()

    async def stop(self) -> None:
        self.processor.stop()
        await self.task
        await self.executor.close()

    async def crash(self) -> None:
        """End at once: nothing drained, nothing committed."""
        self.flow.workers.remove(self)
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.executor.close()


@pytest.fixture(params=["at_least_once", "exactly_once"])
def promise(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@asynccontextmanager
async def flow(address: str, promise: str, handler: Any = None, **settings: Any) -> AsyncIterator[Flow]:
    """A flow whose workers are gone in the end."""
    found = Flow(address, promise, handler)
    found.settings = settings
    await found.create()
    try:
        yield found
    finally:
        for worker in list(found.workers):
            await worker.crash()


async def seconds(data: Any) -> Any:
    await asyncio.sleep(data["seconds"])
    return data


def once(count: int) -> dict[tuple[int, int], int]:
    """Every offset exactly once."""
    return {(n % PARTITIONS, n // PARTITIONS): 1 for n in range(count)}


async def test_every_offset_has_one_terminal_record(address: str, promise: str) -> None:
    """Without faults both promises are exactly one: results, failures and dead letters together."""
    values: list[Any] = [{"n": n} for n in range(2000)]
    values[70] = b"poison"
    values[71] = b"x" * 300_000
    values[72] = {"n": "boom"}

    async with flow(address, promise, lambda data: {"n": data["n"] + 1}) as f:
        await f.put(*values)
        worker = f.worker()
        await f.until_terminal(2000)
        await f.stop()

        assert await f.terminal() == once(2000)
        assert (worker.counters.succeeded, worker.counters.failed, worker.counters.dead_letters) == (1997, 1, 2)
        await f.until_committed(lambda at: {n: at[n].offset for n in at} == {0: 667, 1: 667, 2: 666})
        dead = {len(record.value) for record in await f.read(f.dead)}
        assert dead == {6, 300_000}


async def test_results_keep_key_partition_and_order(address: str, promise: str) -> None:
    """The result of a record is in the same partition under the same key, in the order of offsets per key."""
    async with flow(address, promise, seconds) as f:
        await f.put(*[{"seconds": (n * 7 % 4) / 100, "n": n} for n in range(90)], key=b"one")
        f.worker()
        await f.until_terminal(90)
        await f.stop()

        for partition in range(PARTITIONS):
            records = [r for r in await f.read(f.output) if r.partition == partition]
            assert {r.key for r in records} == {b"one"}
            assert [loads(r.value)["n"] for r in records] == list(range(partition, 90, PARTITIONS))


async def test_a_restart_replays_only_what_was_open(address: str, promise: str) -> None:
    """A stuck record is all that runs again: the commit's metadata tells of the finished ones above it."""
    async with flow(address, promise, seconds, ordering="none", drain_seconds=0.1) as f:
        await f.put(*[{"seconds": 30 if n == 4 else 0} for n in range(300)])
        f.worker()
        await f.until_terminal(299)
        await f.stop()

        at = (await f.until_committed(lambda at: 1 in at and getattr(decode(*at[1]), "highest", 0) == 99))[1]
        found = decode(*at)
        assert at.offset == 1
        assert found is not None
        assert (found.highest, found.unfinished) == (99, (1,))

        f.handler = lambda data: data
        again = f.worker()
        await f.until_terminal(1)
        await f.stop()
        assert (again.counters.started, again.counters.skipped) == (1, 98)
        assert await f.terminal() == once(300)


async def test_nothing_is_lost_when_workers_crash(address: str, promise: str) -> None:
    """Crashed in the middle, several times: at least once each, and exactly once where that is promised."""
    async with flow(address, promise, seconds, ordering="none") as f:
        for _ in range(3):  # each of them has work left, also where it crashes late
            await f.put(*[{"seconds": n % 60 / 40} for n in range(501)])
            worker = f.worker()
            await f.until_terminal(200)
            await worker.crash()
        last = f.worker()
        await f.until(lambda: sum(at.offset for at in last.processor.committed.values()) == 1503)
        await f.stop()

        found = await f.terminal()
        if promise == "exactly_once":
            assert found == once(1503)
        assert found.keys() == once(1503).keys()


async def test_workers_come_and_go(address: str, promise: str) -> None:
    """Rebalances drain first: nothing lost, nothing doubled, with work in flight all the time."""
    async with flow(address, promise, seconds, ordering="none") as f:
        await f.put(*[{"seconds": n % 5 / 50} for n in range(1500)])
        first = f.worker()
        await f.until_terminal(100)
        second = f.worker()
        await f.until(lambda: second.processor.partitions)
        await f.put(*[{"seconds": n % 5 / 50} for n in range(900)])
        await f.until_terminal(1800)
        done = first.done
        f.workers.remove(first)
        await first.stop()
        await f.until_terminal(2400 - first.done)
        await f.stop()

        assert done > 0
        assert second.counters.rebalances >= 1
        assert await f.terminal() == once(2400)


async def test_compaction_holes_and_transaction_markers_are_passed(address: str, promise: str) -> None:
    """A transactional feeder leaves markers and aborted records in the input: the lag of its end is 0 all the same."""
    async with flow(address, promise) as f:
        async with producer(address, transactional_id=unique("t")) as client:
            for n in range(6):
                await client.begin_transaction()
                for partition in range(PARTITIONS):
                    await client.send(f.input, dumps({"n": n}), partition=partition)
                await (client.abort_transaction() if n % 2 else client.commit_transaction())
        ends = {n: Position(await end_offset(address, f.input, n)) for n in range(PARTITIONS)}
        worker = f.worker()
        await f.until(lambda: sorted(worker.processor.committed.values()) == sorted(ends.values()))
        await f.stop()

        assert worker.counters.started == 9
        assert set((await f.terminal()).values()) == {1}
        await f.until_committed(lambda at: at == ends)


async def test_foreign_metadata_is_survived(address: str, promise: str) -> None:
    """Another program's metadata in the group: replay from its offset."""
    async with flow(address, promise) as f:
        await f.put(*[{"n": n} for n in range(30)])
        async with consumer(address, group_id=f.group) as client:
            client.assign([TopicPartition(f.input, 0)])
            await client.commit({TopicPartition(f.input, 0): (4, "\x01garbage")})
        worker = f.worker()
        await f.until_terminal(26)
        await f.stop()

        assert worker.counters.foreign_metadata == 1
        assert await f.terminal() == {at: 1 for at in once(30) if at[0] or at[1] >= 4}


class Gated(KafkaTransactions):
    """Stops before its transactions while the gate is closed, as a frozen process would."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gate = asyncio.Event()
        self.refused = 0

    async def flush(self, positions: Any) -> None:
        await self.gate.wait()
        try:
            await super().flush(positions)
        except Exception:
            self.refused += 1
            raise


class PerWorker(Gated):
    """The obvious and wrong choice: one transactional id per worker."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._worker = unique("w")

    def _transactional_id(self, partition: Partition) -> str:
        return f"{self._worker}-{partition.number}"


async def zombie(f: Flow, sink: Gated) -> None:
    """A worker is taken for dead with results in hand; another one takes over; then the first one wakes up."""
    f.settings["rebalance_drain_seconds"] = 0.1
    await f.put(*[{"n": n} for n in range(30)])
    first = f.worker(sink)
    await f.until(lambda: first.counters.succeeded == 30)
    assert first.source._consumer is not None
    first.source._consumer._coordinator._heartbeat_task.cancel()
    second = f.worker()
    await f.until(lambda: second.done == 30)
    sink.gate.set()
    await asyncio.sleep(0)
    await f.until(lambda: first.processor._flusher.busy_since is None)


async def test_a_zombie_cannot_write(address: str) -> None:
    """Exactly once: a worker that lost its partitions while it slept is fenced; readers see nothing of it."""
    async with flow(address, "exactly_once") as f:
        sink = Gated([f.output, f.dead], f.group, {"bootstrap_servers": address})
        await zombie(f, sink)

        assert sink.refused == 1
        assert await f.terminal() == once(30)


async def test_one_transactional_id_per_worker_would_double(address: str) -> None:
    """The negative control: with the wrong id the same zombie doubles every record, so the test above can see."""
    async with flow(address, "exactly_once") as f:
        sink = PerWorker([f.output, f.dead], f.group, {"bootstrap_servers": address})
        await zombie(f, sink)

        assert sink.refused == 0
        assert set((await f.terminal()).values()) == {2}
