"""A redrive runs what did not succeed, and nothing else; over restarts, and once for a caller's token."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from express.engine.effects import StartTask
from express.errors import StatesError
from express.ports.journal import Redriven, Stored
from express.runtime.standard.live import Revision

from .kit import Lab, machine, task


class Answers:
    """Fails the calls whose input is named until it is told otherwise."""

    def __init__(self, *failing: Any) -> None:
        self.failing = set(failing)

    def __call__(self, asked: StartTask) -> Any:
        if asked.input in self.failing:
            raise StatesError("Broken", f"{asked.input} is broken")
        return f"done {asked.input}"


async def redriven(lab: Lab, name: str, count: int = 1) -> bool:
    """Redrive an execution."""
    stored = await lab.stored(name)
    revision = await lab.revision(stored.begun)
    at = lab.clock.wall()
    about = msgspec.structs.replace(revision.about, redrive_count=count, redriven=at)
    return await lab.host.redrive(stored, Revision(revision.program, about), Redriven(count=count, at=at))


def outcome(stored: Stored) -> tuple[str, str | None]:
    """Status and output."""
    assert stored.ended is not None
    return stored.ended.status, stored.ended.output


def entered(events: list[Any]) -> list[str]:
    """The names of the states that were entered, in order."""
    return [event[4]["name"] for event in events if event[2].endswith("StateEntered")]


async def test_a_task_is_called_again(tmp_path: Path) -> None:
    """With another key, without a second StateEntered; what came before it is not run again."""
    answers = Answers("x")
    lab = Lab(tmp_path, machine(task(Parameters="y"), task(Parameters="x", ResultPath="$.r")), answers)
    lab.definition["States"]["S0"]["ResultPath"] = None
    async with lab.running():
        assert await lab.start("e", '{"n":1}')
        assert outcome(await lab.ended("e")) == ("FAILED", None)
    answers.failing.clear()
    async with lab.running():
        assert await redriven(lab, "e")
        assert outcome(await lab.ended("e")) == ("SUCCEEDED", '{"n":1,"r":"done x"}')
        assert not await redriven(lab, "e", 2), "there is nothing to redrive"
        assert lab.host.data()["transitions"] == [(("m",), 1)], "what came before is not counted again"
        events = await lab.events("e")
        found = await lab.stored("e")

    assert entered(events) == ["S0", "S1"]
    assert [call.key for call in lab.functions.calls] == ["S0#1", "S1#2", "S1#2~1"]
    kinds = [event[2] for event in events]
    assert kinds[kinds.index("ExecutionFailed") :][:3] == [
        "ExecutionFailed",
        "ExecutionRedriven",
        "LambdaFunctionScheduled",
    ]
    assert (found.redrives, found.redriven is not None) == (1, True)


async def test_only_the_branches_that_failed_run_again(tmp_path: Path) -> None:
    """One has succeeded, one has failed, one was aborted while it waited for its answer."""
    answers = Answers("bad")
    slow = asyncio.Event()

    async def waits() -> str:
        await slow.wait()
        return "late"

    def answer(asked: StartTask) -> Any:
        if asked.input == "slow":
            return waits()
        return answers(asked)

    branches = [
        {"StartAt": name, "States": {name: task(Parameters=name, End=True)}} for name in ("good", "slow", "bad")
    ]
    lab = Lab(tmp_path, machine({"Type": "Parallel", "Branches": branches}), answer)
    async with lab.running():
        assert await lab.start("e")
        assert outcome(await lab.ended("e"))[0] == "FAILED"
    answers.failing.clear()
    slow.set()
    async with lab.running():
        assert await redriven(lab, "e")
        assert outcome(await lab.ended("e")) == ("SUCCEEDED", '["done good","late","done bad"]')
        events = await lab.events("e")

    assert [call.input for call in lab.functions.calls] == ["good", "slow", "bad", "slow", "bad"]
    assert entered(events) == ["S0", "good", "slow", "bad"]


async def test_only_the_iterations_that_did_not_succeed_run(tmp_path: Path) -> None:
    """Those that were never begun, too; results keep their order."""
    answers = Answers(3)
    processor = {"StartAt": "T", "States": {"T": task(End=True)}}
    lab = Lab(tmp_path, machine({"Type": "Map", "MaxConcurrency": 2, "ItemProcessor": processor}), answers)
    async with lab.running():
        assert await lab.start("e", "[1,2,3,4,5]")
        assert outcome(await lab.ended("e"))[0] == "FAILED"
        answers.failing.clear()
        assert await redriven(lab, "e")
        assert outcome(await lab.ended("e")) == (
            "SUCCEEDED",
            '["done 1","done 2","done 3","done 4","done 5"]',
        )
    calls = [call.input for call in lab.functions.calls]
    assert (calls.count(1), calls.count(2), calls.count(3)) == (1, 1, 2)


async def test_retries_count_anew_and_a_wait_goes_on(tmp_path: Path) -> None:
    """A stopped Wait ends at its old instant; the time of the execution begins anew."""
    retrier = [{"ErrorEquals": ["Broken"], "IntervalSeconds": 1, "MaxAttempts": 1, "BackoffRate": 1}]
    answers = Answers("x")
    lab = Lab(tmp_path, machine({"Type": "Wait", "Seconds": 3_600}, task(Parameters="x", Retry=retrier)), answers)
    async with lab.running() as host:
        assert await lab.start("e")
        await host.stop((await lab.stored("e")).id, None, None)
        lab.clock.ahead = 3_600.0
        assert await redriven(lab, "e")
        assert outcome(await lab.ended("e"))[0] == "FAILED"
        assert len(lab.functions.calls) == 2
        answers.failing.clear()
        assert await redriven(lab, "e", 2)
        assert outcome(await lab.ended("e")) == ("SUCCEEDED", '"done x"')
        events = await lab.events("e")

    assert entered(events) == ["S0", "S1"]
    assert [event[4]["redriveCount"] for event in events if event[2] == "ExecutionRedriven"] == [1, 2]


async def test_two_redrives_at_once_are_one(tmp_path: Path) -> None:
    """The tomb is taken by the first."""
    answers = Answers("x")
    lab = Lab(tmp_path, machine(task(Parameters="x")), answers)
    async with lab.running():
        assert await lab.start("e")
        assert outcome(await lab.ended("e"))[0] == "FAILED"
        answers.failing.clear()
        assert sorted(await asyncio.gather(*(redriven(lab, "e") for _ in range(4)))) == [False, False, False, True]
        assert outcome(await lab.ended("e"))[0] == "SUCCEEDED"
        await lab.events("e")
    assert len(lab.functions.calls) == 2


@pytest.mark.parametrize("error", ["States.DataLimitExceeded", "Broken"])
async def test_a_state_that_fails_by_itself_runs_wholly(tmp_path: Path, error: str) -> None:
    """Its result is too large, or it is no Parallel or Map at all."""
    large = error != "Broken"
    answer = {"Broken": Answers("x")}.get(error, lambda asked: "x" * 200_000 if large else "small")
    branches = [{"StartAt": f"B{n}", "States": {f"B{n}": task(Parameters="x", End=True)}} for n in range(2)]
    lab = Lab(tmp_path, machine({"Type": "Parallel", "Branches": branches}), answer)
    async with lab.running():
        assert await lab.start("e")
        found = await lab.ended("e")
        assert found.ended is not None
        assert (found.ended.status, found.ended.error) == ("FAILED", error)
        lab.functions._answer = lambda asked: "small"
        assert await redriven(lab, "e")
        assert outcome(await lab.ended("e")) == ("SUCCEEDED", '["small","small"]')
        await lab.events("e")
