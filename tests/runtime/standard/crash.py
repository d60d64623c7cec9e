"""SIGKILL of a host at numbered points of its write path, again and again, until every execution is over.

    python -m tests.runtime.standard.crash [--kills 100] [--point POINT]

At each point a process of its own runs executions of six tasks with a host over one file; it starts them in slices
and says which starts were acknowledged. It is killed at the point for the n-th time, chosen by chance, and another
goes on. In the end every acknowledged start is there and over, every history is dense, no state was entered twice,
and no task was called more often than there were kills with it under way.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from express.engine.effects import StartTask
from express.ports.journal import Committed, Journal, Outcome, Turn
from express.stores.database import Database
from tests.runtime.standard.kit import Lab, machine, task

POINTS = (
    "before the commit",
    "after the commit",
    "before it is told",
    "after it is told",
    "before a call",
    "after a call",
)
STATES, SLICE, EXECUTIONS = 6, 8, 48

Result = TypeVar("Result")


class Found(NamedTuple):
    """What became of the executions of one point."""

    kills: int
    acknowledged: int
    lost: int
    entered_twice: int
    called_again: int

    def __str__(self) -> str:
        return (
            f"{self.kills} kills: {self.acknowledged} starts acknowledged, {self.lost} lost, "
            f"{self.entered_twice} states entered twice, {self.called_again} calls made again"
        )


class Death:
    """Kills this process when a point is passed for the n-th time."""

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth

    def at(self, point: str) -> None:
        """Pass a point."""
        if point == self._point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class DyingDatabase(Database):
    """A database whose process dies around a commit."""

    def __init__(self, path: Path, death: Death) -> None:
        super().__init__(path)
        self._death = death

    def transact(self, act: Callable[[sqlite3.Connection], Result]) -> Result:
        """Die before the transaction, or after it."""
        self._death.at(POINTS[0])
        result = super().transact(act)
        self._death.at(POINTS[1])
        return result


class DyingJournal:
    """A journal whose process dies around what its host does with a commit."""

    def __init__(self, inner: Journal, death: Death) -> None:
        self._inner = inner
        self._death = death

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, turn: Turn, done: Committed) -> None:
        """Die before the host is told, or after it."""

        def told(outcome: Outcome) -> None:
            self._death.at(POINTS[2])
            done(outcome)
            self._death.at(POINTS[3])

        self._inner.write(turn, told)


async def run(folder: Path, point: str, nth: int) -> None:
    """Start what was not started and go on with the rest, until all is over or the process dies."""
    death = Death(point, nth)
    called = os.open(folder / "called", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def answer(asked: StartTask) -> Any:
        death.at(POINTS[4])
        os.write(called, b"%s %s\n" % (asked.input["name"].encode(), asked.key.encode()))
        death.at(POINTS[5])
        return asked.key

    lab = Lab(folder, machine(*[task(ResultPath=None)] * STATES), answer)
    lab.database = DyingDatabase(folder / "express.db", death)
    async with lab.running(lambda journal: DyingJournal(journal, death)):  # type: ignore[arg-type,return-value]
        for first in range(0, EXECUTIONS, SLICE):
            names = [f"e{number}" for number in range(first, first + SLICE)]
            await asyncio.gather(*(_start(lab, name, acknowledged) for name in names))
            for name in names:
                await lab.ended(name)


async def _start(lab: Lab, name: str, acknowledged: int) -> None:
    if await lab.journal.find("arn:aws:states:us-east-1:123456789012:stateMachine:m", name) is None:
        await lab.start(name, f'{{"name":"{name}"}}')
        os.write(acknowledged, name.encode() + b"\n")


async def die_and_go_on(folder: Path, point: str, kills: int, chance: random.Random) -> Found:
    """Run processes until all executions are over, each killed at the point while there are kills left."""
    died = 0
    while True:
        nth = chance.randrange(1, 40) if died < kills else 0
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.runtime.standard.crash", "--run", str(folder), point, str(nth)),
            cwd=Path(__file__).parents[3],
        )
        code = await process.wait()
        if code == 0:
            break
        assert code == -signal.SIGKILL, code
        died += 1
    return await _judged(folder, died)


async def _judged(folder: Path, died: int) -> Found:
    acknowledged = set((folder / "acknowledged").read_text().split())
    calls = Counter((folder / "called").read_text().splitlines())
    lab = Lab(folder, machine(*[task(ResultPath=None)] * STATES))
    lost = twice = 0
    async with lab.running():
        for name in acknowledged:
            found = await lab.ended(name)
            entered = [event[4]["name"] for event in await lab.events(name) if event[2] == "TaskStateEntered"]
            lost += found.ended is None or found.ended.status != "SUCCEEDED"
            twice += len(entered) - len(set(entered))
    return Found(died, len(acknowledged), lost, twice, sum(calls.values()) - len(calls))


async def main(kills: int, points: tuple[str, ...]) -> bool:
    """Run and print; whether all is as it must be."""
    good = True
    for point in points:
        total = Counter[str]()
        trial = 0
        while total["kills"] < kills:
            with tempfile.TemporaryDirectory() as folder:
                found = await die_and_go_on(Path(folder), point, kills - total["kills"], random.Random(trial))
            total.update(found._asdict())
            trial += 1
        print(f"{point}: {Found(**total)}", flush=True)
        good = good and not total["lost"] and not total["entered_twice"] and total["called_again"] <= kills * SLICE
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.runtime.standard.crash")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--point", choices=POINTS)
    parser.add_argument("--run", nargs=3, metavar=("FOLDER", "POINT", "NTH"), help="what is killed")
    options = parser.parse_args()
    if options.run:
        asyncio.run(run(Path(options.run[0]), options.run[1], int(options.run[2])))
    else:
        sys.exit(0 if asyncio.run(main(options.kills, (options.point,) if options.point else POINTS)) else 1)
