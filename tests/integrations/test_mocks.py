"""Step Functions Local's mock file: which attempt is answered with what, and mistakes in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from express.errors import ConfigError
from express.integrations.mocks import load_case
from express.service.once import run_once
from express.values import JSON, dumps
from tests.integrations.calling import machine

RETRY = [{"ErrorEquals": ["Lambda.ServiceException"], "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 1.0}]
FILE = {
    "StateMachines": {"shop": {"TestCases": {"Late": {"S": "Third"}, "Never": {"S": "Fails"}, "None": {"X": "Third"}}}},
    "MockedResponses": {
        "Third": {
            "0": {"Throw": {"Error": "Lambda.ServiceException", "Cause": "busy"}},
            "1-2": {"Return": {"done": True}},
        },
        "Fails": {"0-3": {"Throw": {"Error": "Lambda.ServiceException", "Cause": "busy"}}},
    },
}


def written(folder: Path, tree: JSON = FILE) -> str:
    file = folder / "mocks.json"
    file.write_text(json.dumps(tree))
    return str(file)


async def test_attempts_have_their_answers(tmp_path: Path) -> None:
    """Attempt 0 throws, its retry returns; the service is never called."""
    case = load_case(f"{written(tmp_path)}#Late", "shop")
    once = await run_once("shop", dumps(machine("eks:call", Retry=RETRY)), {}, {}, mocks=case)

    assert (once.finish.status, once.finish.output) == ("SUCCEEDED", {"done": True})


async def test_a_throw_ends_what_does_not_retry(tmp_path: Path) -> None:
    """Error and Cause of a Throw are the execution's; a state that is not mocked is called for real."""
    thrown = await run_once(
        "shop", dumps(machine("eks:call")), {}, {}, mocks=load_case(f"{written(tmp_path)}#Never", "")
    )
    real = await run_once("shop", dumps(machine("eks:call")), {}, {}, mocks=load_case(f"{written(tmp_path)}#None", ""))

    assert (thrown.finish.error, thrown.finish.cause) == ("Lambda.ServiceException", "busy")
    assert real.finish.error == "States.Runtime"
    assert "not supported" in str(real.finish.cause)


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        ({}, "", "has 3 test cases; name one, --mock FILE#TESTCASE: Late, Never, None"),
        ({}, "#Lat", "did you mean 'Late'?"),
        ({"StateMachines": {}}, "#Late", "unknown state machine"),
        ({"MockedResponses": {"Other": {}}}, "#Late", "unknown mocked response"),
        ({"MockedResponses": {"Third": {"x": {"Return": 1}}}}, "#Late", "attempts are written"),
        ({"MockedResponses": {"Third": {"2-1": {"Return": 1}}}}, "#Late", "attempts are written"),
        ({"MockedResponses": {"Third": {"0": {}}}}, "#Late", "exactly one of Return and Throw"),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, change: dict[str, Any], place: str, said: str) -> None:
    """Each mistake is a ConfigError that names the place and what was meant."""
    with pytest.raises(ConfigError) as raised:
        load_case(f"{written(tmp_path, {**FILE, **change})}{place}", "shop")

    assert said in str(raised.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A file that is missing or no JSON is a ConfigError with its name."""
    (tmp_path / "bad.json").write_text("{")
    for name in ("none.json", "bad.json"):
        with pytest.raises(ConfigError, match=name):
            load_case(f"{tmp_path / name}#Late", "shop")
