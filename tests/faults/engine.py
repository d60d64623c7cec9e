"""Executions that never wait, beside those that do."""

from __future__ import annotations

from typing import Any

import orjson

from express.kafka.survey import Survey
from tests.faults.rig import Rig
from tests.kafka.clients import producer

ROGUES, HONEST = 1_000, 5_000
CAP_SECONDS = 5
LATE_MS = 20

WORKFLOW: dict[str, Any] = {
    "StartAt": "Loops",
    "States": {
        "Loops": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.loop", "BooleanEquals": True, "Next": "Again"}],
            "Default": "Sleep",
        },
        "Again": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.loop", "BooleanEquals": True, "Next": "Loops"}],
            "Default": "Sleep",
        },
        "Sleep": {"Type": "Wait", "SecondsPath": "$.seconds", "End": True},
    },
}


async def loops(rig: Rig) -> None:
    """1,000 endless Choice loops beside 5,000 timers: all loops are stopped by the cap, no timer is late."""
    await rig.start()
    events = [{"loop": True, "seconds": 0}] * ROGUES
    events += [{"loop": False, "seconds": rig.random.randint(1, CAP_SECONDS - 1)} for _ in range(HONEST)]
    async with producer(rig.cluster.address) as client:
        for event in events:  # no key: nobody waits for anybody
            await client.send(rig.topic, orjson.dumps(event))
    rig.load.sent += len(events)
    await rig.recovered()
    rogues, late = await _ends(rig)
    statuses = {status for status, _ in rogues}
    if len(rogues) != ROGUES or statuses != {"TIMED_OUT"}:
        rig.problem(f"{len(rogues)} loops ended as {statuses}")
    lasted = sorted(seconds for _, seconds in rogues)
    rig.expect("the shortest loop, s", lasted[0], CAP_SECONDS, CAP_SECONDS + 1)
    rig.expect("the longest loop, s", lasted[-1], CAP_SECONDS, CAP_SECONDS + 1)
    late.sort()
    rig.outcome.notes["timers late, median ms"] = late[len(late) // 2]
    rig.outcome.notes["timers late, most, ms"] = late[-1]
    rig.expect("timers late, p99, ms", late[len(late) * 99 // 100], 0, LATE_MS)


async def _ends(rig: Rig) -> tuple[list[tuple[str, float]], list[int]]:
    """How each loop ended and after how many seconds; how many ms late each timer was."""
    rogues, late = [], []
    async with Survey({"bootstrap_servers": rig.cluster.address}) as survey:
        async for _, records in survey.read(await survey.bounds([f"{rig.topic}.results"])):
            for record in records:
                headers = dict(record.headers)
                took = int(headers["express.stop-time"]) - int(headers["express.start-time"])
                if headers["express.status"] == b"SUCCEEDED":
                    late.append(took - 1_000 * orjson.loads(record.value or b"")["seconds"])
                else:
                    rogues.append((headers["express.status"].decode(), took / 1_000))
    return rogues, late
