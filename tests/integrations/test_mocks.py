"""Step Functions Local's mock file: which attempt is answered with what, and mistakes in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from express.errors import ConfigError
from express.integrations.mocks import Invocations, load_case
from express.service.single_run import run_once
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


def _map(*, concurrency: int = 1) -> bytes:
    task = machine("eks:call", Retry=RETRY)
    processor = {"ProcessorConfig": {"Mode": "INLINE"}, **task}
    state = {"Type": "Map", "ItemProcessor": processor, "MaxConcurrency": concurrency, "End": True}
    return dumps({"StartAt": "M", "States": {"M": state}})


async def test_invocations_of_a_state_are_counted_not_attempts(tmp_path: Path) -> None:
    """The second iteration of a Map is invocation 1 of the state, and so are retries: the count is the execution's."""
    thrown = {"0": {"Return": 1}, "1-2": {"Throw": {"Error": "Lambda.ServiceException"}}, "3-4": {"Return": 2}}
    case = load_case(f"{written(tmp_path, {**FILE, 'MockedResponses': {'Third': thrown}})}#Late", "shop")
    runs = [await run_once("shop", _map(), [1, 2, 3], {}, mocks=case) for _ in range(2)]
    single = await run_once("shop", dumps(machine("eks:call")), {}, {}, mocks=case)

    assert [run.finish.output for run in runs] == [[1, 2, 2], [1, 2, 2]]
    assert single.finish.output == 1


async def test_an_empty_response_is_a_mistake_only_where_it_is_asked(tmp_path: Path) -> None:
    """A response without answers fails the state that asks for one, by name; nothing else."""
    tree = {**FILE, "MockedResponses": {"Third": {}, "Fails": {"0": {"Return": 1}}}}
    tree["StateMachines"] = {
        "shop": {"TestCases": {"Both": {"S": "Fails", "Unreached": "Third"}, "Bad": {"S": "Third"}}}
    }
    good = load_case(f"{written(tmp_path, tree)}#Both", "shop")
    bad = load_case(f"{written(tmp_path, tree)}#Bad", "shop")
    fine = await run_once("shop", dumps(machine("eks:call")), {}, {}, mocks=good)
    asked = await run_once("shop", dumps(machine("eks:call")), {}, {}, mocks=bad)

    assert fine.finish.output == 1
    assert asked.finish.cause == (
        "The mocked response Third has no answer for invocation 0 of the state; it answers: none"
    )


def test_executions_that_are_counted_are_bounded() -> None:
    """The executions that have called nothing for longest are forgotten first."""
    invocations = Invocations(most=2)
    counted = [invocations.next(arn, "S") for arn in ("a", "b", "a", "c", "b", "a")]

    assert counted == [0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        ({}, "", "has 3 test cases; name one, --mock FILE#TESTCASE: Late, Never, None"),
        ({}, "#Lat", "did you mean 'Late'?"),
        ({"StateMachines": {}}, "#Late", "unknown state machine"),
        ({"MockedResponses": {"Other": {}}}, "#Late", "unknown mocked response"),
        ({"MockedResponses": {"Third": {"x": {"Return": 1}}}}, "#Late", "invocations are written"),
        ({"MockedResponses": {"Third": {"2-1": {"Return": 1}}}}, "#Late", "invocations are written"),
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
