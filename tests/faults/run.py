"""Runs trials, one after the other or side by side, sharing clusters, and judges them."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Sequence

from express.verify.verify import Verdict
from tests.faults.cluster import Cluster
from tests.faults.rig import Outcome, Rig
from tests.faults.table import FAULTS, Fault

COMMIT_RECORDS = 500
"""A commit is due after so many terminal records, or a second."""

FLUSH_SECONDS = 1.0
"""What one flush holds at the most, in seconds of load; more while a worker catches up."""


async def trials(
    names: Sequence[str], count: int, seconds: float, seed: int, parallel: int = 1
) -> AsyncIterator[Outcome]:
    """Run every fault `count` times, those with the same cluster together; outcomes as they come.

    Faults that leave the brokers alone are run `parallel` at a time.
    """
    for shape in dict.fromkeys(FAULTS[name].shape for name in names):
        here = [name for name in names if FAULTS[name].shape == shape]
        alone = [name for name in here if FAULTS[name].alone]
        async with Cluster(shape) as cluster:
            for chosen, width in ((alone, 1), ([name for name in here if name not in alone], parallel)):
                outcomes = [
                    Outcome(fault=name, trial=number + 1, seed=seed + number)
                    for name in chosen
                    for number in range(count)
                ]
                turns = asyncio.Semaphore(width)
                tasks = [asyncio.create_task(_in_turn(turns, cluster, outcome, seconds)) for outcome in outcomes]
                for task in asyncio.as_completed(tasks):
                    yield await task


async def _in_turn(turns: asyncio.Semaphore, cluster: Cluster, outcome: Outcome, seconds: float) -> Outcome:
    async with turns:
        await trial(cluster, FAULTS[outcome.fault], outcome, seconds)
    return outcome


async def trial(cluster: Cluster, fault: Fault, outcome: Outcome, seconds: float) -> None:
    """One trial; whatever goes wrong in it is in `outcome`."""
    rig = Rig(cluster, fault.plan, outcome, seconds, fault.settings)
    began = time.monotonic()
    try:
        await rig.open(dead_letters=fault.dead_letters)
        await fault.run(rig)
        if fault.alone:
            cluster.heal()
        await judge(fault, rig, await rig.finish())
    except Exception as error:
        if fault.alone:
            cluster.heal()
        rig.problem(f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}")
    finally:
        outcome.seconds = round(time.monotonic() - began, 1)
        await rig.close(keep=bool(outcome.problems))


async def judge(fault: Fault, rig: Rig, verdict: Verdict) -> None:
    """Hold the verdict against what the fault allows."""
    outcome, totals = rig.outcome, verdict.totals
    outcome.records = totals["records"]
    outcome.lost = totals["lost"] + totals["open"]
    outcome.duplicated = totals["duplicates"]
    outcome.dead_letters = totals["dead_letters"]
    for reason in verdict.reasons:
        rig.problem(reason)
    if outcome.records != rig.load.sent:
        rig.problem(f"{rig.load.sent} records were fed, {outcome.records} are in the log")
    if (most := bound(fault, outcome)) < outcome.duplicated:
        rig.problem(f"{outcome.duplicated} duplicates, at most {most} allowed")
    if not outcome.duplicated and outcome.dead_letters != rig.load.poison:
        rig.problem(f"{outcome.dead_letters} dead letters for {rig.load.poison} poisoned records")
    if rig.beside.sent:
        judge_beside(fault, rig, await rig.verify_beside())
    if rig.watch.steps_back:
        rig.problem(f"commits went back: {', '.join(rig.watch.steps_back[:5])}")
    if verdict.strangers:
        rig.problem(f"{verdict.strangers} records of the output name no input")


def judge_beside(fault: Fault, rig: Rig, verdict: Verdict) -> None:
    """Hold the other pipeline to the same: nothing lost, and doubled only what its workers had not committed."""
    totals = verdict.totals
    if totals["records"] != rig.beside.sent or totals["lost"] + totals["open"]:
        rig.problem(f"the other pipeline: {totals}")
    rig.outcome.notes["doubled of the other pipeline"] = totals["duplicates"]
    if totals["duplicates"] > (rig.beside.sent if fault.doubles and rig.outcome.disruptions else 0):
        rig.problem(f"{totals['duplicates']} duplicates of the other pipeline")


def bound(fault: Fault, outcome: Outcome) -> int:
    """How many duplicates a fault may cause: what was written since the last commit."""
    if not fault.doubles:
        return fault.extra
    seconds = FLUSH_SECONDS + fault.outage
    return fault.extra + int(outcome.disruptions * (COMMIT_RECORDS + seconds * fault.plan.rate))
