"""The time of each state, for a load that ran elsewhere: a few of its events once more, in a worker beside it."""

from __future__ import annotations

import asyncio
import itertools
import os
import time

import msgspec

from express.bench.events import supply
from express.bench.in_process import worker_plan
from express.bench.plan import BenchFailed, Plan
from express.bench.processes import Processes, read_frame
from express.bench.protocol import JSON_FRAME, WorkerReport, pack_events
from express.bench.result import StateShare

TRACE_SECONDS = 20.0


async def trace(plan: Plan) -> list[StateShare]:
    """The shares of the states over the first events; none where these can't be run here."""
    reading, writing = os.pipe()
    processes = Processes()
    report = WorkerReport()
    try:
        worker = await processes.spawn("worker", worker_plan(plan).encode(), reading)
        feeding = asyncio.create_task(_feed(writing, plan))
        async with asyncio.timeout(TRACE_SECONDS):
            while not report.done and report.fault is None:
                kind, body = await read_frame(worker, "worker")
                if kind == JSON_FRAME:
                    report = msgspec.json.decode(body, type=WorkerReport)
            await feeding
    except (BenchFailed, TimeoutError):
        processes.stop()
    finally:
        os.close(reading)
        await processes.end(hasty=not report.done)
    return [msgspec.convert(row, StateShare) for row in report.states]


async def _feed(writing: int, plan: Plan) -> None:
    """Write the events; the end of the pipe is the end of the load."""
    values = [value for _, value in itertools.islice(supply(plan.sample), plan.traced)]
    batch = pack_events([time.monotonic()] * len(values), values)
    with os.fdopen(writing, "wb") as pipe:
        await asyncio.to_thread(pipe.write, batch)
