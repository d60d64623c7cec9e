"""One run in process: starts the worker and the generator, takes in what they tell, and makes the result of it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from io import FileIO

import msgspec

from express.bench.assemble_result import result_of
from express.bench.collect import NOT_YET, Collector
from express.bench.plan import BenchFailed, HandlerCrash, Plan
from express.bench.processes import Processes, cpus, read_frame
from express.bench.protocol import JSON_FRAME, GeneratorPlan, GeneratorReport, WorkerPlan, WorkerReport
from express.bench.result import REPLAY, Result, StateShare
from express.errors import ConfigError

LEAD_SECONDS = 0.5
"""Seconds that the generator gets to start, before anything is due."""

PIPE_BYTES = 1 << 20


class Bench:
    """One run. `collector` and `worker` can be looked at while it runs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.collector = Collector(time.monotonic() + NOT_YET)
        self.worker = WorkerReport()
        self.generator = GeneratorReport()
        self.interrupted = False
        self.worker_pid = 0
        self.spawned = asyncio.Event()
        """Set when the worker's process is there."""
        self.loaded = asyncio.Event()
        """Set with the first samples."""
        self._started = datetime.now(UTC)
        self._processes = Processes()

    @property
    def begin(self) -> float:
        """Return when the first event that counts is due, on the monotonic clock."""
        return self.collector.begin

    def interrupt(self) -> None:
        """Hand over no more events and wait for nothing; the result tells of what there was."""
        self.interrupted = True
        self._processes.stop()

    async def run(self) -> Result:
        """Make the run. Raises ConfigError, HandlerCrash, BenchFailed."""
        taking, giving = os.pipe()
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(giving, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        with os.fdopen(taking, "rb", 0) as reading, os.fdopen(giving, "wb", 0) as writing:
            try:
                await self._make(reading, writing)
            finally:
                await self._processes.end(hasty=not self.worker.done)
        return result_of(
            self.plan,
            self.collector,
            self.worker,
            self.generator,
            [msgspec.convert(row, StateShare) for row in self.worker.states],
            started=self._started,
            interrupted=self.interrupted,
        )

    async def _make(self, reading: FileIO, writing: FileIO) -> None:
        """Start the worker, then the generator; each has its own end of the pipe then, and ours are closed."""
        worker = await self._processes.spawn("worker", worker_plan(self.plan).encode(), reading.fileno())
        self.worker_pid = worker.pid
        self.spawned.set()
        reading.close()
        await self._until_ready(worker)
        self.collector = Collector(time.monotonic() + LEAD_SECONDS + self.plan.load.warmup_seconds)
        if self.interrupted:
            return
        plan = msgspec.json.encode(generator_plan(self.plan, self.begin)) + b"\n"
        generator = await self._processes.spawn("generator", plan, writing.fileno())
        writing.close()
        await asyncio.gather(self._read_generator(generator), self._read_worker(worker))

    async def _until_ready(self, worker: Process) -> None:
        while not (self.worker.ready or self.worker.done):
            await self._frame(worker)
            fault = self.worker.fault
            if fault is not None:
                raise HandlerCrash(fault[1]) if fault[0] == "handler" else ConfigError(fault[1])

    async def _read_worker(self, worker: Process) -> None:
        while not self.worker.done:
            await self._frame(worker)

    async def _frame(self, worker: Process) -> None:
        try:
            kind, body = await read_frame(worker, "worker")
        except BenchFailed:
            if not self.interrupted:  # if so, then before it could listen
                raise
            self.worker.done = True
            return
        if kind == JSON_FRAME:
            self.worker = msgspec.json.decode(body, type=WorkerReport)
            self.worker.waiting += self.generator.unsent
            self.collector.gauge(time.monotonic(), self.worker.in_flight, self.worker.waiting)
        else:
            self.collector.add(body)
            self.loaded.set()

    async def _read_generator(self, generator: Process) -> None:
        async for report in generator_reports(generator, stoppable=lambda: self.interrupted):
            self.generator = report
            self.collector.add_dropped(report.dropped)


async def generator_reports(generator: Process, stoppable: Callable[[], bool]) -> AsyncIterator[GeneratorReport]:
    """Every report, to the last. Raises BenchFailed where there is no last one, unless it was stopped."""
    assert generator.stdout is not None
    report = GeneratorReport()
    while not report.done:
        line = await generator.stdout.readline()
        if not line and stoppable():
            return
        if not line:
            raise BenchFailed(f"the generator ended with {await generator.wait()} before the run was over")
        report = msgspec.json.decode(line, type=GeneratorReport)
        yield report


def worker_plan(plan: Plan) -> WorkerPlan:
    """Return what the worker is told."""
    load = plan.load
    return WorkerPlan(
        name=plan.name,
        definition=plan.definition,
        config=plan.config,
        path=plan.path,
        seed=load.seed,
        seconds=LEAD_SECONDS + load.warmup_seconds + load.seconds,
        closed=load.closed,
        concurrency=load.concurrency,
        backlog=load.backlog,
        drain_seconds=plan.drain_seconds,
        traced=plan.traced,
        mock=plan.mock,
        case=plan.case,
        target=load.target,
        cpu=cpus()[0],
        others=plan.others,
    )


def generator_plan(plan: Plan, begin: float) -> GeneratorPlan:
    """Return what the generator is told; `begin` is when the load counts."""
    load = plan.load
    return GeneratorPlan(
        sample=plan.sample,
        begin=begin - load.warmup_seconds,
        counts_from=begin,
        stages=[] if load.closed is not None else plan.stages,
        seconds=load.warmup_seconds + load.seconds,
        poisson=load.arrivals == "poisson",
        replay=load.speed if load.rate == REPLAY else None,
        backlog=load.backlog,
        cpu=cpus()[1],
    )
