"""What happens to brokers and to the way there."""

from __future__ import annotations

import asyncio
import time

from tests.faults.rig import Rig

BOUNCE_SECONDS = 18
"""What a broker needs to go and to come back; events shall come meanwhile."""


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
        rig.expect("seconds to end", time.monotonic() - began, 0, 25)
    finally:
        await asyncio.to_thread(kafka.restart, 1)
    await rig.start(workers=2)
    await rig.recovered()
