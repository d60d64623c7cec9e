"""A few fault tests with little load, for every run of the tests. All of them: `python -m tests.faults`."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.faults.cluster import Cluster
from tests.faults.load import Plan
from tests.faults.rig import Outcome
from tests.faults.run import trial
from tests.faults.table import FAULTS

LIGHT = Plan(rate=200, keys=50)
SECONDS = 4.0
SUFFIXES = {"at_least_once": "", "exactly_once": "-exactly-once"}
CHOSEN = ("kill-worker", "sigterm", "zombie")


async def _trial(address: str, name: str) -> Outcome:
    outcome = Outcome(fault=name, trial=1, seed=1)
    await trial(Cluster.of(address), msgspec.structs.replace(FAULTS[name], plan=LIGHT), outcome, SECONDS)
    return outcome


@pytest.mark.parametrize("delivery", SUFFIXES)
async def test_workers_may_be_killed_stopped_and_suspended(kafka: str, delivery: str) -> None:
    """Real workers on a real Kafka, all faults at the same time: nothing lost, doubled only within the bound."""
    names = [name + SUFFIXES[delivery] for name in CHOSEN]
    outcomes = await asyncio.gather(*(_trial(kafka, name) for name in names))

    assert {outcome.fault: outcome.problems for outcome in outcomes} == {name: [] for name in names}
    assert all(outcome.records > 0 and outcome.lost == 0 for outcome in outcomes)
