"""What topics refuse: a refusal is not an outage."""

from __future__ import annotations

import asyncio

from tests.faults.rig import Rig
from tests.faults.service import until

STOP_SECONDS = 60.0


async def small_output(rig: Rig) -> None:
    """The output topic takes batches of 20 kB, and the brokers say so: all results fit, nothing runs twice."""
    await rig.configure(f"{rig.topic}.results", **{"max.message.bytes": "20000"})
    await _undisturbed(rig)


async def lowered_output(rig: Rig) -> None:
    """The output topic takes less than it said at the start: batches are split, nothing runs twice."""
    service = await rig.start(workers=2)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 3)
        await rig.configure(f"{rig.topic}.results", **{"max.message.bytes": "3000"})
        await rig.recovered()
        await rig.passes_beside()
    rig.expect("clients built anew", await service.metric("express_kafka_restarts_total"), 0, 0)


async def small_dead_letters(rig: Rig) -> None:
    """The dead-letter topic takes no value that is to go there: each goes without it, and all else goes on."""
    await rig.configure(f"{rig.topic}.dead-letters", **{"max.message.bytes": "1500"})
    await _undisturbed(rig)


async def refused_times(rig: Rig) -> None:
    """No result has a time that its topic takes: it stops and says so, in /readyz too; once mended, nothing is lost."""
    topic = f"{rig.topic}.results"
    service = await rig.start(workers=1)
    await rig.configure(topic, **{"message.timestamp.before.max.ms": "1"})
    async with rig.feeding(1):
        await asyncio.sleep(0.5)
    await until(lambda: "pipeline faults stops" in service.text(), "it stops", STOP_SECONDS)
    for part in (topic, "INVALID_TIMESTAMP", f"{rig.topic} ", "at offset"):
        if part not in service.text().partition("pipeline faults stops")[2].partition("\n")[0]:
            rig.problem(f"the log does not say {part}")
    await service.counted("express_pipeline_blocked_workers", 1)
    if await service._get("/readyz") is not None or await service._get("/livez") is None:
        rig.problem("it is ready, or not alive")
    await rig.passes_beside()
    rig.outcome.notes["executions begun"] = await service.metric("express_executions_started_total")
    await service.drain()
    await rig.configure(topic, **{"message.timestamp.before.max.ms": str(2**63 - 1)})
    rig.disrupt()
    await rig.start(workers=1)
    await rig.recovered()


async def _undisturbed(rig: Rig) -> None:
    service = await rig.start(workers=2)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 2)
        await rig.recovered()
        await rig.passes_beside()
    rig.expect("clients built anew", await service.metric("express_kafka_restarts_total"), 0, 0)
