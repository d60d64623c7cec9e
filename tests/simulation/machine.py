"""The workflow that runs in the simulation, and the function it calls, whose outcome the input tells."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, cast

from express.asl.resources import Resource
from express.compiler import compile_definition
from express.engine import Program
from express.engine.effects import StartTask
from express.errors import StatesError
from express.ports import Describe, Direct, Integration, TaskContext
from express.values import JSON

TIMEOUT_SECONDS = 3

BULKY_BYTES = 5_000

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"

DEFINITION: dict[str, Any] = {
    "StartAt": "Which?",
    "States": {
        "Which?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.end", "StringEquals": "pass", "Next": "Rest?"},
                {"Variable": "$.end", "StringEquals": "quick", "Next": "Quick"},
            ],
            "Default": "Work",
        },
        "Quick": {"Type": "Task", "Resource": f"{FUNCTION}quick", "Next": "Rest?"},
        "Work": {
            "Type": "Task",
            "Resource": f"{FUNCTION}work",
            "TimeoutSeconds": TIMEOUT_SECONDS,
            "Retry": [{"ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "MaxAttempts": 3}],
            "Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.why", "Next": "Rest?"}],
            "Next": "Rest?",
        },
        "Rest?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.rest", "NumericGreaterThan": 0, "Next": "Rest"}],
            "Default": "Done",
        },
        "Rest": {"Type": "Wait", "SecondsPath": "$.rest", "Next": "Done"},
        "Done": {"Type": "Pass", "End": True},
    },
}

_PROGRAMS: list[Program] = []


def machine() -> Program:
    """The compiled workflow; compiled once."""
    if not _PROGRAMS:
        _PROGRAMS.append(compile_definition(DEFINITION))
    return _PROGRAMS[0]


class Chance:
    """The entropy of a worker, from a seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.random = chance.random

    def uuid(self) -> str:
        """Something like a UUID."""
        return f"{self._chance.getrandbits(64):016x}"

    def token(self, key: str) -> str:
        """A task token."""
        return self.uuid()

    def spent(self) -> float:
        """No time."""
        return 0.0


class Work(Integration):
    """The functions `work` and `quick`: their input says how they end.

    | `end` | |
    |---|---|
    | pass | no function is called |
    | quick | `quick` answers at once, on the direct way to a function |
    | now | `work` answers at once |
    | soon, slow | `work` takes its time |
    | error | and fails |
    | flaky | and may fail, and is tried again |
    | hang | and never answers |
    | bulky | `work` answers at once with more than some topics take |
    | large | and answers with more than an execution may have |

    `began` is told the partition and offset of each first call of an execution.
    """

    def __init__(self, chance: random.Random, began: Callable[[int, int], None]) -> None:
        self._chance = chance
        self._began = began

    def bind(self, resource: Resource, describe: Describe) -> Direct | None:
        """The direct way to `quick`."""
        if not resource.arn.endswith(":quick"):
            return None

        def direct(payload: JSON, site: Any) -> JSON | Awaitable[JSON]:
            return self.start(*describe(payload, site))

        return direct

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Answer at once or later."""
        data = cast("dict[str, Any]", task.input)
        if not task.attempt:
            self._began(data["p"], data["n"])
        if data["end"] in ("now", "quick"):
            return data
        if data["end"] == "bulky":
            return {"n": data["n"], "rest": data["rest"], "pad": "x" * BULKY_BYTES}
        if data["end"] == "large":
            return {"n": data["n"], "rest": 0, "pad": "x" * 262_200}
        return self._later(data)

    async def _later(self, data: dict[str, Any]) -> JSON:
        end = data["end"]
        if end == "hang":
            await asyncio.Event().wait()
        await asyncio.sleep(self._chance.random() * (1.5 if end == "slow" else 0.3))
        if end == "error":
            raise StatesError("Broken", str(data["n"]))
        if end == "flaky" and self._chance.random() < 0.25:
            raise StatesError("Flaky", str(data["n"]))
        return data
