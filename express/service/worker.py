"""A worker process: one event loop, all pipelines, a report to the parent once a second.

Run by the supervisor as `python -m express.service.worker REPORTS`, the job as the first line of stdin. SIGTERM
or the end of stdin (the parent died) drains; a second SIGTERM ends it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NoReturn, cast

import msgspec
import uvloop

from express.errors import ConfigError, DefinitionError
from express.integrations.local import HandlerError
from express.integrations.local.threads import names
from express.kafka import unreachable
from express.runtime.counters import Counters
from express.runtime.drain.processor import Processor
from express.service.handler_watch import HandlerWatch, end_blocked, limit_of
from express.service.job import Job
from express.service.worker_metrics import LoopWatch, resident_bytes, settle_garbage
from express.service.worker_parts import WorkerParts, build
from express.standard_streams import keep_output
from express.telemetry.process_log import log_to_stderr
from express.telemetry.worker_report import NESTED, PipelineReport, Report

EXIT_OK = 0
EXIT_CONFIG = 104
EXIT_HANDLER = 107
EXIT_BUG = 70
"""A pipeline ended with an exception that nobody expected."""

EXIT_UNCOMMITTED = 75
"""Told to stop, and could not commit what it had finished."""

SILENT_SECONDS = 60.0
"""A source that has not answered for so long makes the worker unhealthy."""

OWING_SECONDS = 600.0
"""Seconds of failing or hanging commits that make it unhealthy: longer than the longest execution."""

UNREAD_BYTES = 4 << 20
"""Reports that wait for a parent that does not read; no more are made meanwhile."""

LAST_THREADS_SECONDS = 2.0
"""Seconds that threads of handlers get to end after the last commit."""

log = logging.getLogger(__name__)


class ReportPipe(asyncio.Protocol):
    """Reports on their way to the parent, which may be gone, or may not read."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        """Set once nobody is going to read any more."""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one in all but its base class

    def connection_lost(self, error: Exception | None) -> None:
        """End; what is sent from now on goes nowhere."""
        self._transport = None
        self.gone.set()

    @property
    def takes(self) -> bool:
        """Return whether a report would be on its way, and not wait behind others that nobody reads."""
        return self._transport is not None and self._transport.get_write_buffer_size() < UNREAD_BYTES

    def send(self, report: bytes) -> None:
        """Send a report."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(report)

    def close(self) -> None:
        """Send what there is, then end."""
        if self._transport is not None:
            self._transport.close()


class Worker:
    """The pipelines of one process while they run."""

    def __init__(
        self, job: Job, built: WorkerParts, pipe: ReportPipe, blocked: Callable[[str], None] = lambda function: None
    ) -> None:
        """`blocked` gets the function that blocks the loop for longer than the group waits for its member."""
        self._job = job
        self._built = built
        self._pipe = pipe
        self._watch = LoopWatch()
        self._handlers = HandlerWatch(built.functions, lambda: self._watch.turns, limit_of(job.config), blocked)
        self._stopping = False
        self._told = asyncio.Event()
        self._troubles: dict[str, str] = {}
        self.exit_code = 0

    async def run(self) -> None:
        """Drain all topics until told to stop, and report meanwhile."""
        watch = asyncio.create_task(self._watch.run())
        reports = asyncio.create_task(self._report())
        await self._built.start()
        self._handlers.start()
        await asyncio.gather(*(self._run_pipeline(processor) for processor in self._built.processors))
        for task in (watch, reports):
            task.cancel()
        await self._built.close()
        self._handlers.stop()
        self._tell_held()
        self._pipe.send(self._encode())

    def _tell_held(self) -> None:
        """Name the handlers that the end of the worker leaves in the middle."""
        calls = self._built.functions.pool.calls
        if calls:
            held = names(calls, time.monotonic())
            log.warning("the worker ends though handlers have not returned: %s", held)

    async def _run_pipeline(self, processor: Processor) -> None:
        """Run one pipeline. A bug in it stops the whole worker: nobody knows what state it is in."""
        name = processor.pipeline.name
        try:
            await processor.run()
        except ConfigError as error:
            log.error("pipeline %s can't go on: %s", name, error)
            self._fail(EXIT_CONFIG)
        except Exception:
            log.exception("pipeline %s ended by a bug; the worker stops", name)
            self._fail(EXIT_BUG)
        else:
            if processor.stopped:  # the others go on; /readyz tells of this one
                await self._told.wait()
            if not processor.settled:
                log.error("pipeline %s stopped without its last commit: what it had finished will run again", name)
                self.exit_code = self.exit_code or EXIT_UNCOMMITTED

    def _fail(self, exit_code: int) -> None:
        self.exit_code = exit_code
        if not self._stopping:
            self.stop()

    def stop(self) -> None:
        """Drain and end; a second call ends at once."""
        if self._stopping:
            os._exit(1)
        self._stopping = True
        self._told.set()
        for processor in self._built.processors:
            processor.stop()

    def orphaned(self) -> None:
        """The parent is gone: drain as if it had said so."""
        if not self._stopping:
            log.warning("the parent process is gone; draining")
            self.stop()

    async def _report(self) -> None:
        """Report at once when readiness changes, otherwise at the interval."""
        was_ready = None
        due = 0.0
        while True:
            ready = self._ready()
            self._tell_troubles()
            if (ready != was_ready or time.monotonic() >= due) and self._pipe.takes:
                self._pipe.send(self._encode())
                was_ready, due = ready, time.monotonic() + self._job.config.metrics.interval
            await asyncio.sleep(min(0.1, self._job.config.metrics.interval))

    def _ready(self) -> bool:
        return all(processor.ready for processor in self._built.processors)

    def _tell_troubles(self) -> None:
        """Say once in the log that an output is blocked, and that it is not any more."""
        for processor in self._built.processors:
            name, blocked = processor.pipeline.name, processor.blocked_for
            if bool(blocked) != (name in self._troubles):
                if blocked:
                    self._troubles[name] = processor.trouble
                    log.warning("pipeline %s is not ready: %s", name, processor.trouble)
                else:
                    log.warning("pipeline %s writes again; it waited for: %s", name, self._troubles.pop(name))

    def _encode(self) -> bytes:
        now = time.monotonic()
        report = Report(
            worker=self._job.worker,
            pid=os.getpid(),
            ready=self._ready(),
            draining=self._stopping,
            unreachable=unreachable(),
            waiting={p.pipeline.name: p.trouble for p in self._built.processors if p.trouble},
            stopped=[p.pipeline.name for p in self._built.processors if p.stopped],
            blocked=[p.pipeline.name for p in self._built.processors if p.blocked_for],
            checks={
                **{processor.pipeline.name: _check(processor, now) for processor in self._built.processors},
                "handlers": self._built.functions.pool.dead,
            },
            pipelines=[
                *(_pipeline_report(processor) for processor in self._built.processors),
                *(_nested_report(name, counters) for name, counters in self._built.machines.counters.items()),
                *(row for processor in self._built.processors for row in _further_reports(processor)),
            ],
            tasks=msgspec.to_builtins(self._built.integrations.counts),
            endpoints=self._built.gates.report(),
            handlers=self._built.functions.pool.sums(),
            blocked_seconds=dict(self._handlers.seconds),
            loop_lag=msgspec.to_builtins(self._watch.lag),
            gc_pause=msgspec.to_builtins(self._watch.gc),
            traces={} if self._built.tracer is None else msgspec.to_builtins(self._built.tracer.counts),
            log_dropped=self._built.logs.dropped,
            kept=[] if self._built.kept is None else self._built.kept.take(),
            cpu_seconds=time.process_time(),
            resident_bytes=resident_bytes(),
        )
        return msgspec.json.encode(report) + b"\n"


def _check(processor: Processor, now: float) -> str:
    if processor.stopped:
        return ""  # starting again would not help
    silent = now - processor.polled_at
    if silent > SILENT_SECONDS:
        return f"its source has not answered for {silent:.0f} s"
    owing = now - (processor.owing_since or now)
    return f"it has not committed for {owing:.0f} s" if owing > OWING_SECONDS else ""


def _pipeline_report(processor: Processor) -> PipelineReport:
    return PipelineReport(
        pipeline=processor.pipeline.name,
        state_machine=processor.pipeline.workflow.name,
        counters=msgspec.to_builtins(processor.counters),
        lag=[(partition.topic, partition.number, lag) for partition, lag in processor.lag().items()],
        partitions=len(processor.partitions),
    )


def _nested_report(name: str, counters: Counters) -> PipelineReport:
    return PipelineReport(pipeline=NESTED, state_machine=name, counters=msgspec.to_builtins(counters))


def _further_reports(processor: Processor) -> Iterator[PipelineReport]:
    """Executions of the workflows that records have chosen by header."""
    for name, counters in processor.machines.items():
        pipeline = processor.pipeline.name
        yield PipelineReport(pipeline=pipeline, state_machine=name, counters=msgspec.to_builtins(counters))


async def serve(job: Job, reports: int) -> int:
    """Work until told to stop; the exit code."""
    loop = asyncio.get_running_loop()
    _, pipe = await loop.connect_write_pipe(ReportPipe, os.fdopen(reports, "wb"))
    worker = Worker(job, build(job), pipe, partial(end_blocked, reports))
    loop.add_signal_handler(signal.SIGTERM, worker.stop)
    parent = [asyncio.create_task(watch) for watch in (_watch_parent(worker), _watch_reports(worker, pipe))]
    settle_garbage()
    await worker.run()
    for task in parent:
        task.cancel()
    pipe.close()
    return worker.exit_code


async def _watch_parent(worker: Worker) -> None:
    """Stdin ends when the parent does."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with contextlib.suppress(OSError, ValueError):
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
        await reader.read()
        worker.orphaned()


async def _watch_reports(worker: Worker, pipe: ReportPipe) -> None:
    """The pipe breaks when the parent ends, too; and one that does not read can't know how we are."""
    await pipe.gone.wait()
    worker.orphaned()


def main(reports: int) -> int:
    """Read the job and do it; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and says what to do
    keep_output()  # where a handler prints, nobody may read
    line = _first_line()
    if not line.endswith(b"\n"):
        return EXIT_OK  # the parent has gone before it said what to do: nothing was begun
    job = Job.decode(line)
    log_to_stderr(job.config.log.level, job.config.log.format, f"worker-{job.worker}")
    sys.path[:0] = job.path
    try:
        return uvloop.run(serve(job, reports))
    except HandlerError as error:
        log.error("%s", error)
        return EXIT_HANDLER
    except (ConfigError, DefinitionError) as error:
        log.error("%s", error)
        return EXIT_CONFIG
    except OSError as error:
        log.error("the worker can't go on: %s", error)
        return EXIT_BUG


def _first_line() -> bytes:
    """The job. Read byte by byte from the descriptor: whatever is buffered would be lost to the loop."""
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = os.read(0, 65_536)
        if not chunk:
            break
        line += chunk
    return bytes(line)


def end(exit_code: int) -> NoReturn:
    """End the process; threads that a handler's module has started, and does not end, can't keep it."""
    until = time.monotonic() + LAST_THREADS_SECONDS
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                log.warning("the worker ends though the thread %s has not", thread.name)
                logging.shutdown()
                os._exit(exit_code)
    sys.exit(exit_code)


if __name__ == "__main__":
    end(main(int(sys.argv[1])))
