"""Handlers that do not return, and two services with one name."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.faults.rig import Rig
from tests.faults.service import Service, until
from tests.faults.settings import STALLED, WORKFLOW
from tests.kafka.clients import producer

THREADS = 4
"""Of a worker, for handlers."""

TIMEOUT = 2
"""Seconds that an execution waits for a handler that hangs."""

EXIT_CONFIG = 104


def stalling(function: str) -> dict[str, Any]:
    """The workflow of all faults, in which some events call a function that does not return."""
    states = WORKFLOW["States"]
    rule = {"Variable": f"$.{STALLED}", "IsPresent": True, "Next": "Stall"}
    first = {**states["IsSlow"], "Choices": [rule, *states["IsSlow"]["Choices"]]}
    stall = {"Type": "Task", "Resource": function, "TimeoutSeconds": TIMEOUT, "End": True}
    return {**WORKFLOW, "States": {**states, "IsSlow": first, "Stall": stall}}


async def hanging_threads(rig: Rig) -> None:
    """As many handlers as there are threads never return: named, /livez fails, the rest goes on, a stop is clean."""
    service = await rig.start(workers=1)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 3)
        await _stall(rig, THREADS)
        await _says(service, "handler hang (state 'Stall' of faults) has been running for", "not returned")
        await _alive_no_more(service)
        await rig.passes_beside()
        await rig.recovered()
        rig.expect("threads held", await service.metric("express_handler_threads"), THREADS, THREADS)
        rig.expect("exit code of a stop", await service.drain(), 0, 0)
        await _says(service, "the worker ends though handlers have not returned: hang (state 'Stall' of faults)")
        rig.disrupt()
        await rig.start(workers=1)
        await rig.recovered()


async def blocked_loop(rig: Rig) -> None:
    """An inline handler never returns: named, its worker begins anew with it in a process, nothing runs for ever."""
    service = await rig.start(workers=2)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 3)
        await _stall(rig, 1)
        await _says(service, "handler block (state 'Stall' of faults) has blocked the event loop", "in processes")
        rig.disrupt(2)  # the other worker may get the record before it knows
        await rig.recovered()
        await rig.passes_beside()
        await _stall(rig, 3)
        await rig.recovered()
    rig.expect("workers begun anew", await service.metric("express_worker_restarts_total"), 1, 2)


async def shared_instance(rig: Rig) -> None:
    """A second service with the same group_instance_id: the first one ends with 104 and a sentence."""
    name = {"group_instance_id": "same"}
    first = await rig.start(**name)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 3)
        rig.disrupt()
        second = await rig.start(**name)
        rig.expect("exit code of the first", await first.ended(60), EXIT_CONFIG, EXIT_CONFIG)
        await _says(first, "'same-0' and taken this one's place (FENCED_INSTANCE_ID)")
        await rig.recovered()
        await rig.passes_beside()
    restarts = await second.metric("express_worker_restarts_total")
    rig.expect("workers of the second begun anew", restarts, 0, 0)


async def _stall(rig: Rig, count: int) -> None:
    """Send events whose handlers do not return."""
    async with producer(rig.cluster.address) as client:
        for _ in range(count):
            key, value = rig.load.event(**{STALLED: 1})
            await client.send_and_wait(rig.topic, value, key=key)


async def _says(service: Service, *words: str) -> None:
    def said() -> bool:
        return any(all(word in line for word in words) for line in service.text().splitlines())

    await until(said, f"it says {words[0]!r}")


async def _alive_no_more(service: Service) -> None:
    while await service._get("/livez") is not None:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.1)
