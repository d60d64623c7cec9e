"""Hands events over when they are due: the process that keeps the schedule of a bench.

Run as `python -m express.bench.generator FD`: the plan as a line of JSON on stdin, batches of events (or, with
Kafka, where they are) into the descriptor, reports as lines of JSON on stdout. Latency is counted from the due time
that stands in the batch, so being late here is no blind spot; how late it was is reported. Whoever does not take the
events does not stop the clock either: they wait in a buffer, and beyond the backlog are dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator

import msgspec

from express.bench.event_outlets import KafkaOutlet, Outlet, PipeOutlet
from express.bench.events import Supply, read_events, supply
from express.bench.histogram import Histogram
from express.bench.protocol import REPORT_SECONDS, GeneratorPlan, GeneratorReport
from express.bench.replay import offsets, timed
from express.bench.schedule import arrivals
from express.errors import SinkError

TICK_SECONDS = 0.001
SETTLE_LOOK = 0.01
LONGEST_SLEEP = 0.25
"""A stop is noticed after so long."""

MOST_PER_BATCH = 500
CLOSED_BUFFER = 256 * 1024
"""Without a schedule: so many bytes ahead of the worker."""


class Generator:
    """Keeps one plan's schedule. Events go to `outlet`, lines for the parent to stdout."""

    def __init__(self, plan: GeneratorPlan, outlet: Outlet) -> None:
        self._plan = plan
        self._outlet = outlet
        self._supply: Supply = supply(plan.sample)
        self._late = Histogram()
        self._report = GeneratorReport(cpus=affinity())
        self._stopping = asyncio.Event()
        self._cpu = time.process_time()
        self._reported = time.monotonic()

    def stop(self) -> None:
        """Hand over no more events."""
        self._stopping.set()

    async def run(self) -> None:
        """Keep the schedule to its end, and wait until all has been taken."""
        try:
            await self._keep()
            await self._settle()
        except SinkError as error:
            self._report.fault = str(error)
        await self._outlet.close()
        self._report.done = True
        self._tell(now=True)

    async def _keep(self) -> None:
        plan = self._plan
        if plan.replay is not None:
            times = [time for time, _ in timed(read_events(plan.sample.input), str(plan.sample.time_field))]
            await self._open(iter(offsets(times, plan.replay, plan.seconds)))
        elif plan.stages:
            await self._open(arrivals(plan.stages, poisson=plan.poisson, seed=plan.sample.seed))
        else:
            await self._closed()

    async def _settle(self) -> None:
        """Wait for what was handed over; once stopped, only where that is on its way to a broker."""
        outlet = self._outlet
        while (outlet.waiting or outlet.waiting_bytes) and not (self._stopping.is_set() and outlet.waiting_bytes):
            await asyncio.sleep(SETTLE_LOOK)
            outlet.push()
            self._tell()

    async def _open(self, due: Iterator[float]) -> None:
        begin = self._plan.begin
        upcoming = next(due, None)
        while upcoming is not None and not self._stopping.is_set():
            now = time.monotonic() - begin
            batch: list[float] = []
            while upcoming is not None and upcoming <= now and len(batch) < MOST_PER_BATCH:
                batch.append(begin + upcoming)
                upcoming = next(due, None)
            if batch:
                self._hand_over(batch)
            self._outlet.push()
            self._tell()
            wait = 0.0 if upcoming is None else upcoming + begin - time.monotonic()
            await asyncio.sleep(min(max(wait, TICK_SECONDS), LONGEST_SLEEP) if wait > 0 else 0)

    async def _closed(self) -> None:
        until = self._plan.begin + self._plan.seconds
        while time.monotonic() < until and not self._stopping.is_set():
            if self._outlet.waiting_bytes < CLOSED_BUFFER:
                self._send([0.0] * 100)
            else:
                await asyncio.sleep(TICK_SECONDS)
            self._tell()
            await asyncio.sleep(0)

    def _hand_over(self, due: list[float]) -> None:
        """Send what is due, unless so much waits to be taken already that it is dropped."""
        room = self._plan.backlog - self._outlet.waiting
        if room < len(due):
            taken = max(room, 0)
            self._report.dropped += due[taken:]
            due = due[:taken]
        if due:
            self._send(due)
        now = time.monotonic()
        for when in due:
            if when >= self._plan.counts_from:
                self._late.record(now - when)

    def _send(self, due: list[float]) -> None:
        self._outlet.send(due, self._supply)
        self._report.made += len(due)

    def _tell(self, *, now: bool = False) -> None:
        """Report, if it is time."""
        at = time.monotonic()
        if not now and at - self._reported < REPORT_SECONDS:
            return
        self._reported = at
        report, outlet = self._report, self._outlet
        report.cpu_seconds = time.process_time() - self._cpu
        report.errors = self._late.counts
        report.unsent = outlet.waiting
        report.blocked_bytes = max(report.blocked_bytes, outlet.waiting_bytes)
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
        sys.stdout.buffer.flush()
        report.dropped = []


def affinity() -> list[int]:
    """The processors this process may run on; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin(cpu: int | None) -> None:
    """Stay on one processor, if asked and allowed to."""
    if cpu is not None and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {cpu})


async def _main(fd: int) -> None:
    loop = asyncio.get_running_loop()
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=GeneratorPlan)
    pin(plan.cpu)
    try:
        outlet: Outlet = (
            await PipeOutlet.open(fd) if plan.kafka is None else await KafkaOutlet.open(plan.kafka, plan.topic, fd)
        )
    except SinkError as error:
        print(msgspec.json.encode(GeneratorReport(fault=str(error), done=True)).decode(), flush=True)
        return
    generator = Generator(plan, outlet)
    loop.add_signal_handler(signal.SIGTERM, generator.stop)
    await generator.run()


if __name__ == "__main__":
    import uvloop

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        uvloop.run(_main(int(sys.argv[1])))
