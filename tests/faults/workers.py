"""What happens to workers: killed, stopped, suspended, joined by others, held up."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from tests.faults import handlers
from tests.faults.rig import Rig
from tests.faults.service import Service
from tests.faults.settings import SESSION_SECONDS
from tests.kafka.clients import producer

REBALANCE_DRAIN_SECONDS = 30
"""What executions get to finish before their partition goes."""


async def kill_worker(rig: Rig) -> None:
    """One of three workers is killed every few seconds; the parent starts it again."""
    service = await rig.start(workers=3)
    async with rig.feeding():
        while rig.feeding_left > 1 or not rig.outcome.disruptions:
            await asyncio.sleep(rig.random.uniform(1, 3))
            os.kill(rig.random.choice(service.pids), signal.SIGKILL)
            rig.disrupt()
            await rig.recovered()


async def kill_parent(rig: Rig) -> None:
    """The parent is killed: its workers see that, drain and end; another one takes over. No duplicate at all."""
    service = await rig.start(workers=2)
    async with rig.feeding():
        await asyncio.sleep(rig.random.uniform(2, 4))
        assert len(service.pids) == 2
        service.process.kill()
        began = time.monotonic()
        await service.workers_ended()
        rig.expect("seconds until the workers ended", time.monotonic() - began, 0, 25)
        await rig.start(workers=2)
        await rig.recovered()


async def sigterm(rig: Rig) -> None:
    """SIGTERM under load: what runs is finished and committed, the exit code is 0, nothing is doubled."""
    service = await rig.start(workers=2)
    async with rig.feeding():
        while True:
            await asyncio.sleep(rig.random.uniform(2, 4))
            began = time.monotonic()
            code = await service.drain()
            rig.expect("exit code", code, 0, 0)
            rig.expect("seconds to drain", time.monotonic() - began, 0, 25)
            rig.disrupt()
            service = await rig.start(workers=2)
            await rig.recovered()
            if rig.feeding_left < 5:
                return


async def sigterm_rebalance(rig: Rig) -> None:
    """SIGTERM while partitions move to a worker that joins: it ends in time, and nothing is doubled."""
    service = await rig.start(workers=2)
    async with rig.feeding():
        while True:
            await asyncio.sleep(rig.random.uniform(1, 2))
            moves = await service.metric("express_kafka_rebalances_total")
            guest = rig.service(workers=2)
            await service.counted("express_kafka_rebalances_total", moves + 1)
            await asyncio.sleep(rig.random.uniform(0, 2))
            began = time.monotonic()
            rig.expect("exit code", await service.drain(60), 0, 0)
            rig.expect("seconds to drain", time.monotonic() - began, 0, 25)
            rig.disrupt()
            await guest.ready()
            service = guest
            await rig.recovered()
            if rig.feeding_left < 5:
                return


async def sigterm_twice(rig: Rig) -> None:
    """A second SIGTERM while it drains: it ends at once, and not with 0."""
    service = await rig.start(workers=2)
    async with rig.feeding():
        await asyncio.sleep(rig.random.uniform(2, 4))
        service.signal(signal.SIGTERM)
        await asyncio.sleep(rig.random.uniform(0.05, 0.5))
        began = time.monotonic()
        service.signal(signal.SIGTERM)
        code = await service.ended(10)
        rig.disrupt(2)
        rig.outcome.notes["exit code"] = code  # 0 if it had drained by then
        rig.expect("seconds to end", time.monotonic() - began, 0, 3)
        await rig.start(workers=2)
        await rig.recovered()


async def zombie(rig: Rig) -> None:
    """A worker is suspended beyond its session, and goes on after others have its partitions."""
    services = [await rig.start() for _ in range(2)]
    async with rig.feeding():
        while rig.feeding_left > 1 or not rig.outcome.disruptions:
            await asyncio.sleep(rig.random.uniform(1, 2))
            (worker,) = rig.random.choice(services).pids
            os.kill(worker, signal.SIGSTOP)
            rig.disrupt()
            try:
                await rig.recovered()  # the other one has everything by now
                await asyncio.sleep(rig.random.uniform(0, SESSION_SECONDS / 3))
            finally:
                os.kill(worker, signal.SIGCONT)
            await rig.recovered()
    refused = [await service.metric("express_kafka_commits_refused_total") for service in services]
    rig.outcome.notes["commits refused"] = sum(refused)


async def storm(rig: Rig) -> None:
    """Workers join and leave all the time. A clean rebalance doubles nothing."""
    await rig.start()
    guests: list[Service] = []
    async with rig.feeding():
        while rig.feeding_left > 5:
            if len(guests) == 3 or (guests and rig.random.random() < 0.5):
                guest = guests.pop(rig.random.randrange(len(guests)))
                rig.expect("exit code of one that left", await guest.drain(), 0, 0)
            else:
                guests.append(await rig.start())
            rig.outcome.notes["joins and leaves"] = rig.outcome.notes.get("joins and leaves", 0) + 1
            await asyncio.sleep(rig.random.uniform(0.5, 3))
        await rig.recovered()


async def stuck(rig: Rig) -> None:
    """One record takes as long as the trial: the others pass it, and a restart replays it alone."""
    service = await rig.start()
    key, value = rig.load.event(hold=rig.seconds + 15)
    await _produce(rig, key, value)
    async with rig.feeding():
        await asyncio.sleep(1)
    before = rig.load.sent - 1
    await service.counted("express_executions_total", before * 0.9)
    waiting = await service.metric("express_admission_queue_length")
    await service.counted("express_executions_total", before - waiting)
    await asyncio.sleep(2.5)  # two commits
    service.kill()
    rig.outcome.notes["held back behind its key"] = waiting
    rig.outcome.notes["completed past it"] = before - waiting
    rig.environment[handlers.MOST_SECONDS] = "3"
    replayed = await rig.start()
    await replayed.counted("express_executions_started_total", 1)
    await asyncio.sleep(2)  # time enough to start more
    started = await replayed.metric("express_executions_started_total")
    rig.expect("replayed", started, 1, 1)
    await rig.recovered()


async def _produce(rig: Rig, key: bytes | None, value: bytes | None) -> None:
    async with producer(rig.cluster.address) as client:
        await client.send_and_wait(rig.topic, value, key=key)


async def long_running(rig: Rig) -> None:
    """A worker joins while executions run for longer than a rebalance may wait: it has its share in time."""
    await rig.start()
    async with rig.feeding(3):
        await asyncio.sleep(2)
    began = time.monotonic()
    await rig.start()
    rig.expect("seconds until the partitions moved", time.monotonic() - began, 0, REBALANCE_DRAIN_SECONDS + 10)
    await rig.covered()
    moves = [await service.metric("express_kafka_rebalances_total") for service in rig.services]
    rig.outcome.notes["rebalances"] = sum(moves)
