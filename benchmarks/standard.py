"""Standard workflows: CPU, rate and bytes of a durable step, beside DBOS on the same disk; restarts and lists.

    python -m benchmarks.standard [--install] [--quick] [--json FILE]

A workflow has six tasks that answer at once, over an order of 257 bytes; a step is one task's outcome made durable.
`--install` puts DBOS into the cache of `benchmarks.peers`, in an environment of its own. Both keep everything in a
SQLite file in the same folder, with synchronous commits, and run in turns. Processor time is that of all threads. The
time of an fdatasync of 8 KiB stands beside, since one workflow at a time can be no faster.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from benchmarks.peers import cache
from express.compiler import compile_definition
from express.engine import About
from express.engine.effects import StartTask
from express.ports import Integration, TaskContext
from express.ports.journal import Begun, Committed, Journal, Turn
from express.runtime.clock import SystemClock
from express.runtime.executor.task_calls import ResourceCalls
from express.runtime.standard.host import StandardHost
from express.runtime.standard.live import Revision
from express.runtime.standard.tokens import StandardTokens
from express.stores.database import Database
from express.stores.journal import SqliteJournal

DBOS = "dbos==3.4.0"
STEPS = 6
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
SIX_TASKS: dict[str, Any] = {
    "StartAt": "S0",
    "States": {
        f"S{number}": {
            "Type": "Task",
            "Resource": FUNCTION,
            "ResultPath": f"$.r{number}",
            **({"End": True} if number == STEPS - 1 else {"Next": f"S{number + 1}"}),
        }
        for number in range(STEPS)
    },
}
WAITS = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 86_400, "End": True}}}

Figures = dict[str, float]


class Work(Integration):
    """Answers at once."""

    def start(self, task: StartTask, context: TaskContext) -> Any | Awaitable[Any]:
        """The order's number."""
        return {"ok": task.input["id"]}


class Ends:
    """A journal that notes which executions are over."""

    def __init__(self, inner: Journal) -> None:
        self._inner = inner
        self.waiting: dict[int, asyncio.Future[None]] = {}
        self.commits: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, turn: Turn, done: Committed) -> None:
        """Write a turn, and tell of an end once it is committed."""
        if turn.ended is None:
            self._inner.write(turn, done)
            return

        def told(outcome: Any) -> None:
            done(outcome)
            self.waiting.pop(turn.id).set_result(None)

        self._inner.write(turn, told)


def cpu() -> float:
    """Seconds of processor time of all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Bench:
    """A host over a file."""

    def __init__(self, file: Path, definition: dict[str, Any]) -> None:
        self.file = file
        self.program = compile_definition(definition, type="STANDARD")
        self.journal = Ends(SqliteJournal(Database(file)))
        clock = self.clock = SystemClock()
        calls = ResourceCalls(Work(), clock)
        self.host = StandardHost(self.journal, calls, clock, StandardTokens(clock), self.revision)  # type: ignore[arg-type]
        self._number = 0

    async def revision(self, begun: Begun) -> Revision:
        """Return the one revision."""
        return Revision(self.program, About(execution_arn=begun.name, name=begun.name, started=begun.started))

    async def start(self, text: str) -> asyncio.Future[None]:
        """Start an execution; what is done when it is over."""
        self._number += 1
        begun = Begun(machine=MACHINE, name=f"e{self._number}", revision="r", started=self.clock.wall(), input=text)
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.journal.waiting[self._number] = over
        assert await self.host.start(begun, await self.revision(begun))
        return over


async def steps(folder: Path, executions: int, in_flight: int) -> Figures:
    """Run workflows, so many at the same time."""
    bench = Bench(folder / f"express-{in_flight}.db", SIX_TASKS)
    await bench.host.open()
    turns = asyncio.Semaphore(in_flight)

    async def one(number: int) -> None:
        async with turns:
            await (await bench.start(json.dumps({"id": number, "order": "x" * 230})))

    await one(0)
    began, spent = time.perf_counter(), cpu()
    await asyncio.gather(*(one(number) for number in range(1, executions + 1)))
    seconds, spent = time.perf_counter() - began, cpu() - spent
    await bench.host.close()
    made = executions * STEPS
    return {"steps_per_second": made / seconds, "us": spent / made * 1e6, "bytes": _size(bench.file) / made}


async def parked(folder: Path, executions: int) -> Figures:
    """Start executions that wait for a day, and open the file again: nothing of them is read."""
    bench = Bench(folder / "parked.db", WAITS)
    await bench.host.open()
    for first in range(0, executions, 1_000):
        await asyncio.gather(*(bench.start('{"order":1}') for _ in range(first, min(first + 1_000, executions))))
    await bench.host.close()
    again = Bench(folder / "parked.db", WAITS)
    before, began = _memory(), time.perf_counter()
    await again.host.open()
    opened = time.perf_counter() - began
    grown = _memory() - before
    spent = time.process_time()
    for _ in range(20):
        rows = await again.journal.listed(MACHINE, [], None, 100)
    spent = (time.process_time() - spent) / 20
    assert len(rows) == 100
    await again.host.close()
    size = _size(folder / "parked.db") / executions
    return {"restart_ms": opened * 1e3, "mb": grown / 1e6, "bytes": size, "list_ms": spent * 1e3}


def _size(file: Path) -> int:
    return os.path.getsize(file)


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def fdatasync(folder: Path) -> float:
    """Median milliseconds of an fdatasync of 8 KiB."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 8_192)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def dbos(folder: Path, workflows: int, threads: int) -> Figures | None:
    """The same steps on DBOS; None: it is not installed."""
    python = cache() / "dbos/bin/python"
    if not python.exists():
        return None
    script = Path(__file__).parent / "peer/dbos_steps.py"
    with tempfile.TemporaryDirectory(dir=folder) as place:
        arguments = [str(python), str(script), f"{place}/dbos.sqlite", str(workflows), str(threads)]
        run = subprocess.run(arguments, check=True, capture_output=True, text=True)
    found: Figures = json.loads(run.stdout.splitlines()[-1])
    return found


def install() -> None:
    """Install the peer; raises CalledProcessError."""
    venv.create(cache() / "dbos", with_pip=True)
    pip = [str(cache() / "dbos/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, DBOS], check=True)


def measured(*, quick: bool) -> dict[str, Any]:
    """Run everything, in turns, and print it."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found["fdatasync_ms"] = fdatasync(folder)
        print(f"fdatasync of 8 KiB  {found['fdatasync_ms']:.2f} ms")
        for in_flight, executions in ((1, 100), (16, 1_000), (256, 4_000)):
            ours = asyncio.run(steps(folder, executions // (4 if quick else 1), in_flight))
            found[f"in flight {in_flight}"] = ours
            print(f"express, {in_flight:>3} in flight  {_line(ours)}")
            theirs = dbos(folder, 20 if quick else 60, in_flight) if in_flight <= 16 else None
            if theirs is not None:
                found[f"dbos {in_flight}"] = theirs
                cpu_ratio, rate = theirs["us"] / ours["us"], ours["steps_per_second"] / theirs["steps_per_second"]
                print(
                    f"DBOS,    {in_flight:>3} threads    {_line(theirs)}  "
                    f"= {cpu_ratio:.0f} x the CPU, {rate:.0f} x slower"
                )
        found["parked"] = rest = asyncio.run(parked(folder, 10_000 if quick else 100_000))
        print(
            f"parked: opened again in {rest['restart_ms']:.1f} ms, {rest['mb']:.1f} MB more; {rest['bytes']:.0f} bytes "
            f"each; a page of 100 in {rest['list_ms']:.2f} ms of CPU"
        )
    return found


def _line(figures: Figures) -> str:
    rate, us, size = figures["steps_per_second"], figures["us"], figures["bytes"]
    return f"{rate:>7.0f} steps/s  {us:>6.0f} us/step  {size:>5.0f} bytes/step"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.standard")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.install:
        install()
    found = measured(quick=options.quick)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
