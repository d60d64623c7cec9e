"""Runs the events of a bench and notes when; nothing is added up here.

Run as `python -m express.bench.worker FD`: the plan as a line of JSON on stdin, batches of events from the
descriptor, frames for the parent on stdout: reports as JSON, and samples as they are noted.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterable
from typing import cast

import msgspec

from express.bench.generator import pin
from express.bench.protocol import (
    DROPPED,
    JSON_FRAME,
    REPORT_SECONDS,
    SAMPLE_FRAME,
    UNFINISHED,
    EventReader,
    WorkerPlan,
    WorkerReport,
    pack_frame,
    write_to,
)
from express.bench.runners import EngineRunner, Runner, TargetRunner
from express.bench.states import shares
from express.errors import ConfigError, DefinitionError
from express.integrations.local import HandlerError
from express.service.worker_metrics import LoopWatch, resident_bytes

TURN_SECONDS = 0.005
"""Executions that start in one turn of the loop."""

TRACE_SECONDS = 5.0
READ_AHEAD = 2_000
"""Events in line: then no more are read for a while. A loop that only reads has no time to run and to report."""

REST_SECONDS = 5.0
"""Seconds that reading the rest of the events may take, when none of them will be run any more."""

PIPE_BYTES = 1 << 20


class Intake(asyncio.Protocol):
    """Events in line, and how many of them may run."""

    def __init__(self, plan: WorkerPlan) -> None:
        self.samples = array("d")
        self.waiting: deque[tuple[float, bytes | None]] = deque()
        self.running: dict[float, int] = {}
        self.in_flight = 0
        self.kept: list[bytes | None] = []
        self.ended = asyncio.Event()
        self._plan = plan
        self._closed = plan.closed is not None
        self._most = plan.closed or plan.concurrency
        self._until: float | None = None
        self._reader = EventReader()
        self._runner: Runner | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._paused = self._turning = self._over = self._given_up = False

    def serve(self, runner: Runner) -> None:
        """Hand events to this one."""
        self._runner = runner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The pipe is there."""
        self._transport = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Put events in line; those that find it full are dropped."""
        if self._closed and self._until is None:
            self._until = time.monotonic() + self._plan.seconds
        if self._given_up:
            self._leave(self._reader.feed(data))
            return
        room = float("inf") if self._closed else self._plan.backlog
        for event in self._reader.feed(data):
            if len(self.waiting) < room:
                self.waiting.append(event)
            else:
                now = time.monotonic()
                self.samples.extend((event[0], now, now, 0, 0, DROPPED))
        if not self._paused and len(self.waiting) > READ_AHEAD:
            assert self._transport is not None
            self._transport.pause_reading()
            self._paused = True
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """No more events come."""
        self._over = True
        self._check_end()

    def note(self, due: float, began: float, ended: float, used: int, transitions: int, status: int) -> None:
        """An event has ended."""
        if self._runner is None:  # given up
            return
        self.in_flight -= 1
        left = self.running[due] - 1
        if left:
            self.running[due] = left
        else:
            del self.running[due]
        self.samples.extend((due, began, ended, used, transitions, status))
        if self.waiting:
            self._schedule()
        elif self._over:
            self._check_end()

    def give_up(self) -> None:
        """Note everything that waits, runs or is still to be read as unfinished."""
        now = time.monotonic()
        for due, count in self.running.items():
            for _ in range(count):
                self.samples.extend((due, due, now, 0, 0, UNFINISHED))
        self._leave(self.waiting)
        self.running.clear()
        self.waiting.clear()
        self.in_flight = 0
        self._runner = None
        self._given_up = True
        self._read_on()
        self._check_end()

    def _leave(self, events: Iterable[tuple[float, bytes | None]]) -> None:
        now = time.monotonic()
        for due, _ in events:
            if not self._closed:
                self.samples.extend((due, now, now, 0, 0, UNFINISHED))

    def _pump(self) -> None:
        """Start what may start, for one turn of the loop."""
        self._turning = False
        runner, waiting, running = self._runner, self.waiting, self.running
        if runner is None:
            return
        now = time.monotonic()
        until = now + TURN_SECONDS
        if self._until is not None and now >= self._until:
            waiting.clear()
            self._close()
            return
        while waiting and self.in_flight < self._most:
            due, value = waiting.popleft()
            if self._closed:
                due = time.monotonic()
            if len(self.kept) < self._plan.traced:
                self.kept.append(value)
            self.in_flight += 1
            running[due] = running.get(due, 0) + 1
            runner.start(due, value)
            if time.monotonic() >= until:
                break
        if len(waiting) < READ_AHEAD // 2:
            self._read_on()
        if waiting and self.in_flight < self._most:
            self._schedule()
        self._check_end()

    def _read_on(self) -> None:
        if self._paused:
            assert self._transport is not None
            self._transport.resume_reading()
            self._paused = False

    def _schedule(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _close(self) -> None:
        if not self._over:
            assert self._transport is not None
            self._over = True
            self._transport.close()
        self._check_end()

    def _check_end(self) -> None:
        if self._over and not self.waiting and not self.in_flight:
            self.ended.set()


class BenchWorker:
    """One run of the worker."""

    def __init__(self, plan: WorkerPlan, out: asyncio.WriteTransport) -> None:
        self._plan = plan
        self._out = out
        self._intake = Intake(plan)
        self._watch = LoopWatch()
        self._cpu = 0.0
        self._final = WorkerReport()
        self._cut = asyncio.Event()

    def interrupt(self) -> None:
        """Wait no longer for what still runs."""
        self._cut.set()

    async def run(self, events: int) -> None:
        """Run all events, tell of them, then trace a few more."""
        kind = EngineRunner if self._plan.target is None else TargetRunner
        try:
            runner: Runner = kind(self._plan, self._intake.note)
            await runner.open()
        except HandlerError as error:
            self._tell(WorkerReport(fault=("handler", str(error))))
            return
        except (ConfigError, DefinitionError) as error:
            self._tell(WorkerReport(fault=("config", str(error))))
            return
        try:
            await self._load(runner, events)
            self._final.states = await self._trace(runner)
        finally:
            await runner.close()
        self._final.done = True
        self._tell(self._final)

    async def _load(self, runner: Runner, events: int) -> None:
        self._intake.serve(runner)
        gc.collect()
        gc.freeze()
        loop = asyncio.get_running_loop()
        helpers = [loop.create_task(self._watch.run()), loop.create_task(self._report(runner))]
        self._tell(WorkerReport(ready=True))
        self._cpu = time.process_time()
        transport, _ = await loop.connect_read_pipe(lambda: self._intake, os.fdopen(events, "rb", 0))
        await self._wait()
        self._intake.give_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                await self._intake.ended.wait()
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        self._send_samples()
        self._final = self._figures(runner)
        transport.close()

    async def _wait(self) -> None:
        """Until all is done, or the drain after the last event is over, or the parent has had enough."""
        intake = self._intake
        ended = asyncio.ensure_future(intake.ended.wait())
        cut = asyncio.ensure_future(self._cut.wait())
        patience = self._plan.seconds + self._plan.drain_seconds
        await asyncio.wait({ended, cut}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for waiter in (ended, cut):
            waiter.cancel()

    async def _report(self, runner: Runner) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self._send_samples()
            self._tell(self._figures(runner))

    def _figures(self, runner: Runner) -> WorkerReport:
        return WorkerReport(
            in_flight=self._intake.in_flight,
            waiting=len(self._intake.waiting),
            cpu_seconds=time.process_time() - self._cpu,
            resident_bytes=resident_bytes(),
            errors=dict(runner.errors.most_common(100)),
            loop_lag_p99_ms=self._watch.lag.quantile(0.99),
            gc_pause_max_ms=self._watch.gc.quantile(1.0),
        )

    async def _trace(self, runner: Runner) -> list[dict[str, object]]:
        """Run some of the events again with their histories, for the time of each state."""
        histories = []
        until = time.monotonic() + TRACE_SECONDS
        for value in self._intake.kept:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(until - time.monotonic(), 0.0)):
                    history = await runner.trace(value)
                    if history is not None:
                        histories.append(history.log)
            if self._cut.is_set() or time.monotonic() >= until:
                break
        return [msgspec.to_builtins(share) for share in shares(histories)]

    def _send_samples(self) -> None:
        intake = self._intake
        if intake.samples:
            write_to(self._out, pack_frame(SAMPLE_FRAME, intake.samples.tobytes()))
            del intake.samples[:]

    def _tell(self, report: WorkerReport) -> None:
        write_to(self._out, pack_frame(JSON_FRAME, msgspec.json.encode(report)))


class Written(asyncio.Protocol):
    """Tells when a pipe has taken everything and is closed."""

    def __init__(self, told: asyncio.Event) -> None:
        self._told = told

    def connection_lost(self, exc: Exception | None) -> None:
        """All is written, or nobody reads any more."""
        self._told.set()


async def _main(events: int) -> None:
    loop = asyncio.get_running_loop()
    plan = WorkerPlan.decode(sys.stdin.buffer.readline())
    sys.path[:0] = plan.path
    pin(plan.cpu)
    written = asyncio.Event()
    with contextlib.suppress(OSError, AttributeError):  # what a turn of the loop may write
        fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    out, _ = await loop.connect_write_pipe(lambda: Written(written), os.fdopen(os.dup(1), "wb", 0))
    os.dup2(2, 1)  # what a handler prints must not get among the frames
    worker = BenchWorker(plan, out)
    loop.add_signal_handler(signal.SIGTERM, worker.interrupt)
    await worker.run(events)
    out.close()
    await written.wait()


if __name__ == "__main__":
    import uvloop

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        uvloop.run(_main(int(sys.argv[1])))
