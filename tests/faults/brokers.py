"""What happens to brokers and to the way there."""

from __future__ import annotations

import asyncio
import time

from express.devbroker.messages.groups import FindCoordinatorRequest
from tests.faults.proxy import Late
from tests.faults.rig import RECOVERY_SECONDS, Rig
from tests.faults.service import until
from tests.faults.topics import DRAIN_SECONDS
from tests.kafka.wire import GROUP, NOT_YET, TRANSACTION, Wire

BOUNCE_SECONDS = 18
"""What a broker needs to go and to come back; events shall come meanwhile."""


DROPPED = "transaction markers dropped"

RECOVERS = 0.5
"""Of kills in a row: after the others the next one comes while partitions are still being opened anew."""

LATE = 3
"""Transactions that are held up together."""

LATE_SECONDS = (5.0, 20.0)
"""A client waits for ten."""


async def broker_restart(rig: Rig) -> None:
    """A broker is shut down in order and comes back; with three, each in turn."""
    await _bounce(rig, clean=True)


async def broker_kill(rig: Rig) -> None:
    """A broker is killed and comes back; with three, each in turn."""
    await _bounce(rig, clean=False)


async def _bounce(rig: Rig, *, clean: bool) -> None:
    kafka = rig.cluster.kafka
    await rig.start(workers=2)
    async with rig.feeding(max(rig.seconds, BOUNCE_SECONDS * rig.cluster.shape.brokers)):
        for node in range(1, rig.cluster.shape.brokers + 1):
            await asyncio.sleep(rig.random.uniform(2, 4))
            await asyncio.to_thread(kafka.shut_down if clean else kafka.kill, node)
            rig.disrupt()
            await asyncio.sleep(rig.random.uniform(1, 4))
            await asyncio.to_thread(kafka.restart, node)
            await rig.recovered()


async def broker_kills(rig: Rig) -> None:
    """A broker is killed again and again amid many transactions; the markers that it drops then are counted."""
    kafka = rig.cluster.kafka
    before, kills = kafka.dropped_markers(), 0
    service = await rig.start(workers=2)
    async with rig.feeding():
        while rig.feeding_left > 0 or not kills:
            await asyncio.sleep(rig.random.uniform(0.5, 2))
            node = kills % rig.cluster.shape.brokers + 1
            await asyncio.to_thread(kafka.kill, node)
            kills += 1
            rig.disrupt()
            await asyncio.sleep(rig.random.uniform(0, 1))
            await asyncio.to_thread(kafka.restart, node)
            if rig.random.random() < RECOVERS:
                ends = await rig.ends()
                rig.outcome.recoveries.append(round(await rig.watch.reached(ends, RECOVERY_SECONDS), 1))
        await rig.recovered()
    rig.outcome.notes["kills"] = kills
    rig.outcome.notes[DROPPED] = kafka.dropped_markers() - before
    rig.outcome.notes["transactions ended once more"] = service.text().count("the brokers left it open")
    rig.outcome.notes["producers made anew"] = service.text().count("anew in")


async def broker_suspended(rig: Rig) -> None:
    """A broker does not answer for a while, longer than the session, with all connections open."""
    kafka = rig.cluster.kafka
    await rig.start(workers=2)
    async with rig.feeding():
        await asyncio.sleep(2)
        kafka.suspend()
        rig.disrupt()
        await asyncio.sleep(10)
        kafka.resume()
        await rig.recovered()


async def one_suspended(rig: Rig) -> None:
    """One broker of three does not answer: the others take over what it led, without it in sync."""
    kafka = rig.cluster.kafka
    await rig.start(workers=2)
    async with rig.feeding():
        await asyncio.sleep(2)
        node = rig.random.randint(1, rig.cluster.shape.brokers)
        kafka.suspend(node)
        rig.disrupt()
        await asyncio.sleep(12)
        kafka.resume(node)
        await rig.recovered()


async def coordinator_kill(rig: Rig) -> None:
    """The broker that coordinates the group is killed, then the one that coordinates the transactions."""
    kafka = rig.cluster.kafka
    await rig.start(workers=2)
    async with rig.feeding(max(rig.seconds, 2 * BOUNCE_SECONDS)):
        for kind, key in ((GROUP, rig.group), (TRANSACTION, f"express-{rig.group}-{rig.topic}-0")):
            await asyncio.sleep(rig.random.uniform(2, 4))
            node = await _coordinator(rig, kind, key)
            await asyncio.to_thread(kafka.kill, node)
            rig.disrupt()
            await asyncio.sleep(rig.random.uniform(1, 8))  # less or more than it takes to replace it
            await asyncio.to_thread(kafka.restart, node)
            await rig.recovered()


async def _coordinator(rig: Rig, kind: int, key: str) -> int:
    async with Wire(rig.cluster.address) as wire:
        found = await wire.settled(FindCoordinatorRequest(key=key, key_type=kind), version=1, not_yet=NOT_YET)
    return int(found.node_id)


async def too_few_in_sync(rig: Rig) -> None:
    """Output that wants three copies, while there are two brokers: nothing is committed, and then all of it."""
    kafka = rig.cluster.kafka
    for name in (f"{rig.topic}.results", f"{rig.topic}.dead-letters"):
        await rig.configure(name, **{"min.insync.replicas": "3"})
    await rig.start(workers=2)
    async with rig.feeding(max(rig.seconds, BOUNCE_SECONDS)):
        await asyncio.sleep(2)
        await rig.recovered()
        node = rig.random.randint(1, rig.cluster.shape.brokers)
        await asyncio.to_thread(kafka.kill, node)
        rig.disrupt()
        await asyncio.sleep(10)
        stands = dict(rig.watch.committed)
        await asyncio.sleep(3)
        if rig.watch.committed != stands:
            rig.problem("something was committed that too few brokers have")
        await asyncio.to_thread(kafka.restart, node)
        await rig.recovered()


async def disk_full(rig: Rig) -> None:
    """The broker's disk is full, which ends the broker; it comes back when there is room. No worker dies of it."""
    kafka = rig.cluster.kafka
    service = await rig.start(workers=2)
    async with rig.feeding(max(rig.seconds, 2 * BOUNCE_SECONDS)):
        await asyncio.sleep(2)
        pids = service.pids
        kafka.fill_disk()
        rig.disrupt()
        await until(lambda: kafka.has_ended(1), "the broker gives up")
        await asyncio.sleep(rig.random.uniform(1, 5))
        kafka.free_disk()
        await asyncio.to_thread(kafka.restart, 1)
        await rig.recovered()
    if service.pids != pids:
        rig.problem("a worker has died")


async def latency(rig: Rig) -> None:
    """100 ms ± 50 each way and 3,000 kbit/s: slower, and nothing else."""
    await rig.start(workers=2, proxied=True)
    for proxy in rig.cluster.proxies:
        proxy.delay, proxy.jitter, proxy.bytes_per_second = 0.1, 0.05, 3_000_000 // 8
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 2)
        await rig.recovered()
    await rig.recovered()


async def resets(rig: Rig) -> None:
    """Every connection is broken with RST every two seconds."""
    await rig.start(workers=2, proxied=True)
    async with rig.feeding():
        while rig.feeding_left > 1:
            await asyncio.sleep(2)
            for proxy in rig.cluster.proxies:
                proxy.reset()
            rig.disrupt()
        await rig.recovered()
    rig.outcome.notes["connections reset"] = sum(proxy.resets for proxy in rig.cluster.proxies)


async def cut(rig: Rig) -> None:
    """Nothing gets through for longer than the session, then all of it."""
    await rig.start(workers=2, proxied=True)
    async with rig.feeding():
        await asyncio.sleep(2)
        for proxy in rig.cluster.proxies:
            proxy.hold()
        rig.disrupt()
        await asyncio.sleep(10)
        rig.cluster.heal()
        await rig.recovered()


async def sigterm_broker_down(rig: Rig) -> None:
    """SIGTERM while no broker answers: it ends within the time all the same."""
    kafka = rig.cluster.kafka
    service = await rig.start(workers=2)
    async with rig.feeding(3):
        pass
    await asyncio.to_thread(kafka.kill, 1)
    rig.disrupt(2)
    try:
        began = time.monotonic()
        rig.outcome.notes["exit code"] = await service.drain(60)
        rig.expect("seconds to end", time.monotonic() - began, 0, DRAIN_SECONDS + 5)
    finally:
        await asyncio.to_thread(kafka.restart, 1)
    await rig.start(workers=2)
    await rig.recovered()


async def late_end(rig: Rig) -> None:
    """The end of a transaction, or its answer, is held up longer than the client waits, and then arrives."""
    service = await rig.start(workers=2, proxied=True)
    (proxy,) = rig.cluster.proxies
    async with rig.reading() as tail:
        async with rig.feeding():
            while rig.feeding_left > LATE_SECONDS[1] or not rig.outcome.disruptions:
                proxy.late = Late(LATE, LATE_SECONDS, answers=rig.random.random() < 0.5)
                rig.disrupt(LATE)
                await until(lambda: not proxy.late.left, "transactions end")
                await until(lambda: not proxy.held_up, "what was held up arrives")
                await rig.recovered()
                await asyncio.sleep(rig.random.uniform(0, 1))
        await tail.counted(rig.load.sent)
        rig.expect("seen twice by the reader beside them", tail.duplicates, 0, 0)
    rig.outcome.notes["producers made anew"] = service.text().count("anew in")
