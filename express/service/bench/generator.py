"""Hands events over when they are due: the process that keeps the schedule of a bench.

Run as `python -m express.service.bench.generator FD`: the plan as a line of JSON on stdin, batches of events into the
descriptor, reports as lines of JSON on stdout. Latency is counted from the due time that stands in the batch, so
being late here is no blind spot; how late it was is reported. A worker that does not read does not stop the clock
either: what it does not take waits in a buffer, and beyond the backlog is dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator

import msgspec

from express.service.bench.events import Supply, supply
from express.service.bench.histogram import Histogram
from express.service.bench.schedule import arrivals
from express.service.bench.wire import REPORT_SECONDS, GeneratorPlan, GeneratorReport, pack_events

TICK_SECONDS = 0.001
MOST_PER_BATCH = 500
CLOSED_BUFFER = 256 * 1024
"""Without a schedule: so many bytes ahead of the worker."""


class Generator:
    """Keeps one plan's schedule. Events go to `transport`, lines for the parent to stdout."""

    def __init__(self, plan: GeneratorPlan, transport: asyncio.WriteTransport) -> None:
        self._plan = plan
        self._transport = transport
        self._supply: Supply = supply(plan.input, plan.seed)
        self._late = Histogram()
        self._report = GeneratorReport(cpus=affinity())
        self._mean_size = 1.0
        self._bytes = 0
        self._stopping = False
        self._cpu = time.process_time()
        self._reported = time.monotonic()

    def stop(self) -> None:
        """Hand over no more events."""
        self._stopping = True

    async def run(self) -> None:
        """Keep the schedule to its end, and wait until all has been taken."""
        plan = self._plan
        if plan.stages:
            await self._open(arrivals(plan.stages, poisson=plan.poisson, seed=plan.seed))
        else:
            await self._closed()
        while self._transport.get_write_buffer_size() and not self._stopping:
            await asyncio.sleep(0.01)
            self._tell()
        self._transport.close()
        self._report.done = True
        self._tell(now=True)

    async def _open(self, due: Iterator[float]) -> None:
        begin = self._plan.begin
        upcoming = next(due, None)
        while upcoming is not None and not self._stopping:
            now = time.monotonic() - begin
            batch: list[float] = []
            while upcoming is not None and upcoming <= now and len(batch) < MOST_PER_BATCH:
                batch.append(begin + upcoming)
                upcoming = next(due, None)
            if batch:
                self._hand_over(batch)
            self._tell()
            wait = 0.0 if upcoming is None else upcoming + begin - time.monotonic()
            await asyncio.sleep(max(wait, TICK_SECONDS) if wait > 0 else 0)

    async def _closed(self) -> None:
        until = self._plan.begin + self._plan.seconds
        while time.monotonic() < until and not self._stopping:
            if self._transport.get_write_buffer_size() < CLOSED_BUFFER:
                self._send([0.0] * 100)
            else:
                await asyncio.sleep(TICK_SECONDS)
            self._tell()
            await asyncio.sleep(0)

    def _hand_over(self, due: list[float]) -> None:
        """Send what is due, unless the worker has so much to take already that it is dropped."""
        room = self._plan.backlog - int(self._transport.get_write_buffer_size() / self._mean_size)
        if room < len(due):
            taken = max(room, 0)
            self._report.dropped += due[taken:]
            due = due[:taken]
        if due:
            self._send(due)
        now = time.monotonic()
        for when in due:
            self._late.record(now - when)

    def _send(self, due: list[float]) -> None:
        batch = pack_events(due, list(itertools.islice(self._supply, len(due))))
        self._report.made += len(due)
        self._bytes += len(batch)
        self._mean_size = self._bytes / self._report.made
        self._transport.write(batch)

    def _tell(self, *, now: bool = False) -> None:
        """Report, if it is time."""
        at = time.monotonic()
        if not now and at - self._reported < REPORT_SECONDS:
            return
        self._reported = at
        report = self._report
        report.cpu_seconds = time.process_time() - self._cpu
        report.errors = self._late.counts
        report.blocked_bytes = max(report.blocked_bytes, self._transport.get_write_buffer_size())
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


async def _main(events: int) -> None:
    loop = asyncio.get_running_loop()
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=GeneratorPlan)
    pin(plan.cpu)
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(events, "wb", 0))
    generator = Generator(plan, transport)
    loop.add_signal_handler(signal.SIGTERM, generator.stop)
    await generator.run()


if __name__ == "__main__":
    import uvloop

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        uvloop.run(_main(int(sys.argv[1])))
