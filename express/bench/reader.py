"""Reads the terminal records of a pipeline as they appear and notes when: the end of an end-to-end latency.

Run as `python -m express.bench.reader`: the plan as a line of JSON on stdin, frames for the parent on stdout.
A process of its own, since whoever reads late measures its own delay.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from array import array
from collections import Counter

import msgspec

from express.bench.protocol import (
    FAILED,
    JSON_FRAME,
    REJECTED,
    REPORT_SECONDS,
    SAMPLE_FRAME,
    STATUS,
    ReaderPlan,
    ReaderReport,
    pack_frame,
)
from express.errors import ExpressError
from express.kafka.properties import client_properties
from express.load.result_reader import DEAD_LETTER, ResultReader, TerminalRecord
from express.ports import Partition

CODES = {**STATUS, DEAD_LETTER: REJECTED}


class Reader:
    """Reads until stopped. Results of other topics than `source` are somebody else's."""

    def __init__(self, plan: ReaderPlan) -> None:
        starts = {Partition(topic, number): offset for topic, number, offset in plan.starts}
        self._results = ResultReader(client_properties(plan.kafka).consumer, starts)
        self._source = plan.source
        self._errors: Counter[str] = Counter()
        self._stopping = False
        self._cpu = 0.0
        self._reported = 0.0

    def stop(self) -> None:
        """Read no more."""
        self._stopping = True

    async def run(self) -> None:
        """Read until stopped, and tell."""
        try:
            await self._results.start()
            self._cpu = time.process_time()
            self._tell(ReaderReport(ready=True))
            while not self._stopping:
                self._note(await self._results.poll(), time.monotonic())
                if time.monotonic() - self._reported > REPORT_SECONDS:
                    self._tell(self._figures())
        except ExpressError as error:
            self._tell(ReaderReport(fault=str(error), done=True))
            return
        finally:
            await self._results.stop()
        report = self._figures()
        report.done = True
        self._tell(report)

    def _note(self, terminals: list[TerminalRecord], seen: float) -> None:
        rows = array("d")
        for terminal in terminals:
            topic, partition, offset, status, error, *figures = terminal
            if topic == self._source:
                rows.extend((partition, offset, seen, *figures, CODES.get(status, FAILED)))
                if status != "SUCCEEDED":
                    self._errors[error or status] += 1
        if rows:
            _write(SAMPLE_FRAME, rows.tobytes())

    def _figures(self) -> ReaderReport:
        self._reported = time.monotonic()
        errors = dict(self._errors.most_common(100))
        return ReaderReport(ready=True, cpu_seconds=time.process_time() - self._cpu, errors=errors)

    def _tell(self, report: ReaderReport) -> None:
        _write(JSON_FRAME, msgspec.json.encode(report))


def _write(kind: bytes, body: bytes) -> None:
    sys.stdout.buffer.write(pack_frame(kind, body))
    sys.stdout.buffer.flush()


async def _main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=ReaderPlan)
    reader = Reader(plan)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, reader.stop)
    await reader.run()


if __name__ == "__main__":
    import uvloop

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        uvloop.run(_main())
