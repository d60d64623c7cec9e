"""The parent process: keeps N workers alive, adds up what they report, and says how they are.

Workers are spawned, never forked, and told what to do as JSON. One that dies is started again after a pause
that doubles while it keeps dying; its last counts stay in the sums. A worker that can't even start for want of
a right configuration or a working handler ends the whole service: starting it again would not help.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping

import msgspec

from express.service.handler_watch import BLOCKED_BY
from express.service.job import Job
from express.telemetry.execution_samples import ExecutionSample
from express.telemetry.worker_report import Report, Totals, in_flight

EXIT_CONFIG = 104
EXIT_HANDLER = 107
HOPELESS = (EXIT_CONFIG, EXIT_HANDLER)
"""Exit codes of a worker that would end the same way again."""

EXIT_KILLED = 1
"""Some worker did not drain in time, or died while it drained."""

GRACE_SECONDS = 5.0
"""Seconds that a worker gets beyond `workers.drain` before it is killed."""

SILENT_SECONDS = 15.0
"""A worker that has not reported for so long hangs."""

LASTING_SECONDS = 60.0
"""A worker that lived so long died of something new: the pauses begin anew."""

LONGEST_REPORT = 64 * 2**20

log = logging.getLogger(__name__)


class WorkerSlot:
    """One place among the workers, and the process that has it now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Process | None = None
        self.reported_at = 0.0
        self.was_ready = False
        self.deaths_in_a_row = 0
        self.exit_code: int | None = None


class Supervisor:
    """Runs the workers of `job`, `count` of them. `on_log` gets their stderr line by line; without it, ours does."""

    def __init__(self, job: Job, count: int, on_log: Callable[[str], None] | None = None) -> None:
        self.totals = Totals()
        self.on_kept: Callable[[list[ExecutionSample]], None] = lambda rows: None
        """Gets the executions that workers show."""
        self._job = job
        self._workers = [WorkerSlot(number) for number in range(count)]
        self._on_log = on_log
        self._isolated: set[str] = set()
        self._stopping = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        """Keep the workers running until `stop`; the exit code for the whole service."""
        keepers = [asyncio.create_task(self._keep(worker)) for worker in self._workers]
        reaper = asyncio.create_task(self._kill_late())
        await asyncio.gather(*keepers)
        reaper.cancel()
        return self._exit_code

    def stop(self) -> None:
        """Tell the workers to drain; a second call kills them."""
        if self._stopping.is_set():
            self._kill()
            return
        self._stopping.set()
        for worker in self._workers:
            if worker.process is not None and worker.process.returncode is None:
                worker.process.terminate()

    @property
    def stopping(self) -> bool:
        """Return whether the workers have been told to drain."""
        return self._stopping.is_set()

    @property
    def drain_seconds(self) -> float:
        """Return what the workers get to finish what runs."""
        return self._job.config.workers.drain

    @property
    def in_flight(self) -> int:
        """Executions that run, as of the last reports."""
        return in_flight(self.totals.overall())

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [w.process.pid for w in self._workers if w.process is not None and w.process.returncode is None]

    @property
    def unreachable(self) -> Mapping[str, str]:
        """Broker → why some worker can't make a connection to it, as of the last reports."""
        return {broker: why for report in self.totals.live.values() for broker, why in report.unreachable.items()}

    # Health -----------------------------------------------------------------------------------------

    def live(self) -> Mapping[str, str]:
        """Each worker: reports, and its sources answer."""
        return {f"worker {worker.number}": self._life_of(worker) for worker in self._workers}

    def ready(self) -> Mapping[str, str]:
        """Each worker drains its topics; none is draining to end."""
        checks = {f"worker {worker.number}": self._readiness_of(worker) for worker in self._workers}
        if self.stopping:
            checks["service"] = f"draining, {self.in_flight} executions left"
        return checks

    def started(self) -> Mapping[str, str]:
        """Each worker was ready once."""
        return {f"worker {w.number}": "" if w.was_ready else "has not been ready yet" for w in self._workers}

    def _life_of(self, worker: WorkerSlot) -> str:
        report = self.totals.live.get(worker.number)
        if report is None:  # it starts, or starts again
            deaths = worker.deaths_in_a_row
            return f"died {deaths} times in a row" if deaths > 2 else ""
        silent = time.monotonic() - worker.reported_at
        if silent > SILENT_SECONDS:
            return f"has not reported for {silent:.0f} s"
        return "; ".join(f"{name}: {wrong}" for name, wrong in report.checks.items() if wrong)

    def _readiness_of(self, worker: WorkerSlot) -> str:
        report = self.totals.live.get(worker.number)
        if report is None:
            return "does not run yet"
        if report.ready:
            return ""
        if report.draining:
            return "drains"
        return "; ".join(f"pipeline {name} {why}" for name, why in report.waiting.items()) or "is not ready"

    # One worker -------------------------------------------------------------------------------------

    async def _keep(self, worker: WorkerSlot) -> None:
        """Run one worker, again and again, until the service stops."""
        while not self.stopping:
            began = time.monotonic()
            await self._live(worker)
            expected = self.stopping and _is_clean(worker)
            self.totals.retire(worker.number, died=not expected)
            if self.stopping:
                if not expected:
                    log.error("worker %d ended with %s while it drained", worker.number, worker.exit_code)
                    self._exit_code = self._exit_code or EXIT_KILLED
                return
            if worker.exit_code in HOPELESS:
                self._give_up(worker.exit_code)
                return
            lasted = time.monotonic() - began > LASTING_SECONDS
            worker.deaths_in_a_row = 1 if lasted else worker.deaths_in_a_row + 1
            pause = self._pause(worker.deaths_in_a_row)
            log.error("worker %d ended with %s; starts again in %.1f s", worker.number, worker.exit_code, pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    def _pause(self, deaths: int) -> float:
        workers = self._job.config.workers
        return min(workers.restart_delay_max, workers.restart_delay * 2.0 ** min(deaths - 1, 30))

    def _give_up(self, exit_code: int | None) -> None:
        self._exit_code = exit_code or EXIT_CONFIG
        if not self.stopping:
            self.stop()

    async def _live(self, worker: WorkerSlot) -> None:
        """One life of a worker: start it, take its reports, note how it ended."""
        read, write = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "express.service.worker", str(write)),
                stdin=PIPE,
                stdout=DEVNULL if self._on_log else None,
                stderr=PIPE if self._on_log else None,
                pass_fds=[write],
                start_new_session=True,  # Ctrl-C reaches the parent alone, which says what to do
            )
        finally:
            os.close(write)
        worker.process = process
        worker.reported_at = 0.0
        job = msgspec.structs.replace(self._job, worker=worker.number, isolated=sorted(self._isolated))
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(job.encode())
            await process.stdin.drain()
        if self.stopping:  # the order to stop came while the process was made
            process.terminate()
        await asyncio.gather(self._take_reports(worker, read), self._take_log(process))
        worker.exit_code = await process.wait()
        process.stdin.close()

    async def _take_reports(self, worker: WorkerSlot, read: int) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LONGEST_REPORT)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb"))
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                if line.startswith(BLOCKED_BY):
                    self._isolated.add(msgspec.json.decode(line[len(BLOCKED_BY) :], type=str))
                    continue
                with contextlib.suppress(msgspec.DecodeError):  # cut off by the line above
                    self._take_report(worker, msgspec.json.decode(line, type=Report))
        finally:
            transport.close()

    def _take_report(self, worker: WorkerSlot, report: Report) -> None:
        worker.reported_at = time.monotonic()
        if report.ready:
            worker.was_ready = True
        if report.kept:
            self.on_kept(report.kept)
            report.kept = []
        self.totals.update(report)

    async def _take_log(self, process: Process) -> None:
        if process.stderr is None or self._on_log is None:
            return
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # a line without an end: what there was of it is dropped
                continue
            if not line:
                return
            self._on_log(line.decode("utf-8", "replace").rstrip("\n"))

    # The end ----------------------------------------------------------------------------------------

    async def _kill_late(self) -> None:
        """Once told to stop, workers have the time to drain and some grace; then they are killed."""
        await self._stopping.wait()
        await asyncio.sleep(self._job.config.workers.drain + GRACE_SECONDS)
        log.error("the workers did not drain in time; killing them")
        self._kill()

    def _kill(self) -> None:
        for worker in self._workers:
            if worker.process is not None and worker.process.returncode is None:
                worker.process.kill()


def _is_clean(worker: WorkerSlot) -> bool:
    """Return whether a worker that was told to stop left nothing undone: one that never reported had not begun."""
    return worker.exit_code == 0 or (worker.exit_code == -signal.SIGTERM and not worker.reported_at)
