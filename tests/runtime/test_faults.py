"""Faults of a real broker under load: nothing lost, nothing doubled where that is promised, and it goes on by itself.

Each test has a broker of its own, since it is killed, frozen or configured oddly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from express.errors import ConfigError
from express.ports import Position
from tests.kafka.real import RealKafka
from tests.patience import PATIENCE
from tests.runtime.test_delivery import PARTITIONS, Flow, Worker, flow, once, promise, seconds

__all__ = ["promise"]  # a fixture

RECORDS = 1500
SMALL = {"offset.metadata.max.bytes": "16"}


@pytest.fixture
def broker(kafka_jars: None, request: pytest.FixtureRequest) -> Iterator[RealKafka]:
    """A broker of the test's own, with the configuration that it is parametrized with."""
    with RealKafka(configs=getattr(request, "param", None)) as kafka:
        yield kafka


async def under_load(f: Flow) -> Worker:
    """A worker in the middle of its work."""
    await f.put(*[{"seconds": n % 60 / 40} for n in range(RECORDS)])
    worker = f.worker()
    await f.until_terminal(RECORDS // 4)
    return worker


async def done_as_promised(f: Flow, worker: Worker) -> None:
    """All of it gets done, and readers see what was promised."""
    async with asyncio.timeout(PATIENCE):
        await f.until(lambda: sum(at.offset for at in worker.processor.committed.values()) == RECORDS)
    await f.stop()
    found = await f.terminal()
    assert found.keys() == once(RECORDS).keys()
    if f.promise == "exactly_once":
        assert found == once(RECORDS)


async def test_a_broker_that_is_killed_and_comes_back(broker: RealKafka, promise: str) -> None:
    """SIGKILL of the only broker and a restart on its data: work goes on without a new session."""
    async with flow(broker.address, promise, seconds, ordering="none") as f:
        worker = await under_load(f)
        broker.kill()
        await asyncio.sleep(1)
        broker.launch(1)  # on this thread: a process dies with the thread that started it
        await asyncio.to_thread(broker.wait_ready)

        await done_as_promised(f, worker)


async def test_a_broker_that_freezes(broker: RealKafka, promise: str) -> None:
    """SIGSTOP for longer than a transaction may take: it is begun anew, and nothing of it is seen twice."""
    async with flow(broker.address, promise, seconds, ordering="none") as f:
        worker = await under_load(f)
        broker.suspend()
        await asyncio.sleep(14)
        broker.resume()

        await done_as_promised(f, worker)
        assert worker.counters.restarts == (1 if promise == "exactly_once" else 0)


async def test_stopping_while_the_broker_is_frozen(broker: RealKafka, promise: str) -> None:
    """SIGTERM with a broker that does not answer: ends within its grace, and the next worker does the rest."""
    async with flow(broker.address, promise, seconds, ordering="none", drain_seconds=2) as f:
        await under_load(f)
        broker.suspend()
        async with asyncio.timeout(35):  # a client waits 40 for each answer
            await f.stop()
        broker.resume()

        await done_as_promised(f, f.worker())


@pytest.mark.parametrize("part", ["producer", "fetcher", "coordinator"])
async def test_a_client_that_has_died_is_made_anew(kafka: str, promise: str, part: str) -> None:
    """An error that aiokafka does not expect ends a task of its, and with it the client: another one goes on."""
    async with flow(kafka, promise, seconds, ordering="none") as f:
        worker = await under_load(f)
        assert worker.source._consumer is not None
        if part == "producer":
            writers = worker.sink._writers.values() if promise == "exactly_once" else [worker.sink]
            for writer in writers:
                writer._producer._sender.client = None
        elif part == "fetcher":
            worker.source._consumer._fetcher._fetch_task.cancel()
        else:
            worker.source._consumer._coordinator._coordination_task.cancel()

        await done_as_promised(f, worker)
        assert worker.counters.restarts >= 1


async def test_brokers_that_answer_no_fetch(broker: RealKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that finds nothing since nobody answers is told from an idle topic: the client is made anew."""
    monkeypatch.setattr("express.sources.kafka_watchdog.SILENT_SECONDS", 2.0)
    async with flow(broker.address, "at_least_once", seconds, ordering="none") as f:
        await f.put(*[{"seconds": 0}] * 30)
        worker = f.worker()
        await f.until_terminal(30)
        await asyncio.sleep(3)
        assert worker.counters.restarts == 0

        broker.suspend()
        await f.until(lambda: worker.counters.restarts)
        broker.resume()
        await f.put(*[{"seconds": 0}] * 30)
        await f.until(lambda: sum(at.offset for at in worker.processor.committed.values()) == 60)
        await f.stop()


@pytest.mark.parametrize("broker", [SMALL], indirect=True)
async def test_exactly_once_ends_where_a_map_does_not_fit(broker: RealKafka) -> None:
    """What can't be committed exactly once ends the pipeline with the broker's setting, instead of trying for ever."""
    async with flow(broker.address, "exactly_once", seconds, ordering="none", drain_seconds=0.1) as f:
        await f.put(*[{"seconds": 0 if n % 2 else 20} for n in range(PARTITIONS * 100)])
        worker = f.worker()
        with pytest.raises(ConfigError, match=r"offset\.metadata\.max\.bytes"):
            await worker.task
        f.workers.clear()
        await worker.executor.close()

        assert len(await f.terminal()) < PARTITIONS * 50  # a first, small transaction may still have fitted


@pytest.mark.parametrize("broker", [SMALL], indirect=True)
async def test_a_broker_that_keeps_little_metadata(broker: RealKafka) -> None:
    """Where the map does not fit the broker's limit, the frontier alone is committed: more replay, no loss."""
    async with flow(broker.address, "at_least_once", seconds, ordering="none", drain_seconds=0.1) as f:
        await f.put(*[{"seconds": 0 if n % 2 else 20} for n in range(PARTITIONS * 100)])
        worker = f.worker()
        await f.until_terminal(150)
        await f.until(lambda: worker.counters.commits)
        await f.stop()

        assert (await f.committed())[0] == Position(0)
        f.handler = lambda data: data
        again = f.worker()
        await f.until(lambda: sum(at.offset for at in again.processor.committed.values()) == 300)
        await f.stop()
        assert again.counters.skipped == 0
        assert (await f.terminal()).keys() == once(300).keys()
