"""One run: starts the worker and the generator, takes in what they tell, and makes the result of it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from datetime import UTC, datetime
from io import FileIO

import msgspec

from express.config import Config
from express.errors import ConfigError, ExpressError
from express.metering import PriceTable
from express.service.bench.collect import Collector
from express.service.bench.environment import environment
from express.service.bench.generator import affinity
from express.service.bench.histogram import Histogram
from express.service.bench.money import cost_figures
from express.service.bench.result import GeneratorFigures, Load, Result, StateShare, WorkerFigures
from express.service.bench.schedule import Stage
from express.service.bench.wire import (
    FRAME_HEAD,
    JSON_FRAME,
    GeneratorPlan,
    GeneratorReport,
    WorkerPlan,
    WorkerReport,
    frame_head,
)

LEAD_SECONDS = 0.5
"""What the generator gets to start, before anything is due."""

PIPE_BYTES = 1 << 20
END_SECONDS = 10.0
BUSY_SHARE = 0.8
"""A generator that takes more of a processor than this is what holds the load back."""

LATE_MS = 10.0
"""A schedule error above this, and above a tenth of the p99 measured, spoils the figures."""


class HandlerCrash(ExpressError):
    """A handler module crashed while it was imported."""


class BenchFailed(ExpressError):
    """One of the processes ended before it should."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A run, ready to be made. `stages` begin with the warm-up."""

    name: str
    definition: str
    config: Config
    prices: PriceTable
    path: list[str]
    load: Load
    stages: list[Stage]
    drain_seconds: float = 10.0
    traced: int = 100
    mock: str | None = None
    case: str | None = None


class Bench:
    """One run. `collector` and `worker` can be looked at while it runs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.collector = Collector(time.monotonic())
        self.worker = WorkerReport()
        self.generator = GeneratorReport()
        self.interrupted = False
        self.worker_pid = 0
        self.spawned = asyncio.Event()
        """Set when the worker's process is there."""
        self.loaded = asyncio.Event()
        """Set with the first samples."""
        self._started = datetime.now(UTC)
        self._processes: list[Process] = []
        self._taken = 0.0

    @property
    def begin(self) -> float:
        """When the first event that counts is due, on the monotonic clock."""
        return self.collector.begin

    def interrupt(self) -> None:
        """Hand over no more events and wait for nothing; the result tells of what there was."""
        self.interrupted = True
        for process in self._processes:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)

    async def run(self) -> Result:
        """Make the run. Raises ConfigError, HandlerCrash, BenchFailed."""
        taking, giving = os.pipe()
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(giving, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        with os.fdopen(taking, "rb", 0) as reading, os.fdopen(giving, "wb", 0) as writing:
            try:
                await self._make(reading, writing)
            finally:
                await self._end()
        return self._result()

    async def _make(self, reading: FileIO, writing: FileIO) -> None:
        """Start the worker, then the generator; each has its own end of the pipe then, and ours are closed."""
        worker = await self._spawn("worker", reading.fileno(), self._worker_plan().encode())
        self.worker_pid = worker.pid
        self.spawned.set()
        reading.close()
        await self._until_ready(worker)
        self.collector = Collector(time.monotonic() + LEAD_SECONDS + self.plan.load.warmup_seconds)
        if self.interrupted:
            return
        plan = msgspec.json.encode(self._generator_plan()) + b"\n"
        generator = await self._spawn("generator", writing.fileno(), plan)
        writing.close()
        await asyncio.gather(self._read_generator(generator), self._read_worker(worker))

    async def _spawn(self, module: str, fd: int, plan: bytes) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"express.service.bench.{module}", str(fd)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=None,
            pass_fds=(fd,),
            start_new_session=True,
        )
        self._processes.append(process)
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(plan)
            await process.stdin.drain()
        return process

    def _worker_plan(self) -> WorkerPlan:
        plan, load = self.plan, self.plan.load
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
            cpu=_cpus()[0],
        )

    def _generator_plan(self) -> GeneratorPlan:
        load = self.plan.load
        return GeneratorPlan(
            input=load.input,
            seed=load.seed,
            begin=self.begin - load.warmup_seconds,
            stages=[] if load.closed is not None else self.plan.stages,
            seconds=load.warmup_seconds + load.seconds,
            poisson=load.arrivals == "poisson",
            backlog=load.backlog,
            cpu=_cpus()[1],
        )

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
        assert worker.stdout is not None
        try:
            kind, size = frame_head(await worker.stdout.readexactly(FRAME_HEAD))
            body = await worker.stdout.readexactly(size)
        except asyncio.IncompleteReadError:
            if self.interrupted:  # before it could listen
                self.worker.done = True
                return
            raise BenchFailed(f"the worker ended with {await worker.wait()} before the run was over") from None
        if kind == JSON_FRAME:
            self.worker = msgspec.json.decode(body, type=WorkerReport)
            self.collector.gauge(time.monotonic(), self.worker.in_flight, self.worker.waiting)
        else:
            self.collector.add(body)
            self.loaded.set()

    async def _read_generator(self, generator: Process) -> None:
        assert generator.stdout is not None
        while not self.generator.done:
            line = await generator.stdout.readline()
            if not line and self.interrupted:
                return
            if not line:
                raise BenchFailed(f"the generator ended with {await generator.wait()} before the run was over")
            self.generator = msgspec.json.decode(line, type=GeneratorReport)
            self.collector.add_dropped(self.generator.dropped)

    async def _end(self) -> None:
        for process in self._processes:
            try:
                async with asyncio.timeout(END_SECONDS if self.worker.done else 0.2):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    def _result(self) -> Result:
        plan, collector = self.plan, self.collector
        counts = collector.counts
        ended = counts.succeeded + counts.failed + counts.timed_out
        seconds = max(collector.last_end - collector.begin, 0.001)
        wall = max(collector.last_end - collector.begin + plan.load.warmup_seconds, 0.001)
        throughput = ended / seconds
        result = Result(
            workflow=plan.name,
            definition_sha256=hashlib.sha256(plan.definition.encode()).hexdigest(),
            started=self._started.isoformat(timespec="seconds"),
            load=plan.load,
            seconds=seconds,
            throughput=throughput,
            counts=counts,
            latency_ms=collector.latencies(),
            series=collector.series(),
            states=[msgspec.convert(row, StateShare) for row in self.worker.states],
            errors=self.worker.errors,
            generator=self._generator_figures(wall),
            worker=self._worker_figures(wall, ended),
            cost=cost_figures(collector.totals, plan.prices, throughput),
            environment=environment(),
            interrupted=self.interrupted,
        )
        result.warnings = warnings(result)
        return result

    def _generator_figures(self, wall: float) -> GeneratorFigures:
        report = self.generator
        late = Histogram()
        late.counts, late.count = report.errors, sum(report.errors.values())
        return GeneratorFigures(
            made=report.made,
            cpu_seconds=round(report.cpu_seconds, 3),
            cpu_share=round(report.cpu_seconds / wall, 3),
            error_p50_ms=late.percentile(50),
            error_p99_ms=late.percentile(99),
            error_max_ms=late.percentile(100),
            blocked_bytes=report.blocked_bytes,
            cpus=report.cpus,
        )

    def _worker_figures(self, wall: float, ended: int) -> WorkerFigures:
        report = self.worker
        all_ended = max(self.generator.made, ended, 1)
        return WorkerFigures(
            cpu_seconds=round(report.cpu_seconds, 3),
            cpu_share=round(report.cpu_seconds / wall, 3),
            cpu_seconds_per_million=round(report.cpu_seconds / all_ended * 1e6, 2),
            resident_bytes=report.resident_bytes,
            loop_lag_p99_ms=report.loop_lag_p99_ms,
            gc_pause_max_ms=report.gc_pause_max_ms,
        )


def warnings(result: Result) -> list[str]:
    """What a reader must know before the figures."""
    found, counts, generator = [], result.counts, result.generator
    open_model = result.load.closed is None
    if open_model and generator.cpu_share > BUSY_SHARE:
        found.append(
            f"the generator took {generator.cpu_share:.0%} of a processor: it is the bottleneck, not the workflow"
        )
    late = generator.error_p99_ms
    if open_model and late > max(LATE_MS, result.latency_ms.e2e.p99 / 10):
        found.append(
            f"the generator was {late:.1f} ms late at its p99: the load was not quite what was asked for "
            "(latencies count from the schedule all the same)"
        )
    if counts.dropped:
        found.append(f"{counts.dropped:,} events were dropped: the backlog of {result.load.backlog:,} was full")
    if counts.unfinished:
        found.append(f"{counts.unfinished:,} executions had not ended when the drain was over; they count as that long")
    if counts.behind:
        found.append(f"{counts.behind:,} events began more than 100 ms behind schedule")
    if not open_model:
        found.append("closed model: a stall holds the load back too, so these latencies flatter; prefer --rate")
    return found


def _cpus() -> tuple[int | None, int | None]:
    """One processor for the worker and another for the generator, where there are four or more."""
    free = affinity()
    return (free[0], free[1]) if len(free) >= 4 else (None, None)
