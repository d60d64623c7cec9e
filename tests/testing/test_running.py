"""`express.testing.run`: what a test writes about a definition, and what it sees of an execution."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path as FilePath
from typing import Any

import pytest
from aiohttp import web

from express.errors import ConfigError, DefinitionError
from express.testing import Call, ExecutionFailed, Fail, Path, Unmocked, attempts, run
from express.testing.virtual import Deadlock

ROOT = FilePath(__file__).parents[2]
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:{}"


def chain(*states: dict[str, Any], **more: Any) -> dict[str, Any]:
    """States A, B, C … one after the other."""
    names = [chr(65 + i) for i in range(len(states))]
    follows = [{"Next": name} for name in names[1:]] + [{"End": True}]
    made = {name: {**then, **state} for name, state, then in zip(names, states, follows, strict=True)}
    return {"StartAt": "A", "States": made, **more}


def task(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": LAMBDA.format(name), **more}


def test_a_value_is_a_tasks_answer() -> None:
    """A mock that is JSON is the raw result; output, path, events and calls tell what happened."""
    result = run(chain(task(ResultPath="$.paid"), {"Type": "Pass"}), {"id": 1}, mocks={"A": {"ok": True}})

    assert result.output == {"id": 1, "paid": {"ok": True}}
    assert result.path == ["A", "B"]
    assert [event["type"] for event in result.events][:3] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
    ]
    assert [(call.state, call.input, call.attempt) for call in result.calls] == [("A", {"id": 1}, 0)]
    assert (result.transitions, result.billed) == (2, (100, 64))


def test_waits_take_no_time() -> None:
    """Four minutes of Wait and a minute of a mock's sleep pass at once; the result says how long they were."""

    async def slow(data: Any) -> Any:
        await asyncio.sleep(50)
        return data

    began = time.monotonic()
    result = run(chain({"Type": "Wait", "Seconds": 240}, task()), 7, mocks={"B": slow})

    assert result.output == 7
    assert result.seconds == pytest.approx(290, abs=0.1)
    assert time.monotonic() - began < 145  # half of what waiting would take


def test_an_hour_of_a_standard_machine() -> None:
    """A STANDARD machine has no cap of five minutes; an EXPRESS one is timed out in virtual time."""
    hour = chain({"Type": "Wait", "Seconds": 3600})

    assert run(hour, type="STANDARD").seconds == pytest.approx(3600, abs=0.1)
    assert run(hour).status == "TIMED_OUT"


def test_attempts_are_answered_in_turn() -> None:
    """A retried task meets the next answer, the last one for all that follow; the waits between take no time."""
    retry = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 30, "MaxAttempts": 3, "BackoffRate": 2}]
    result = run(chain(task(Retry=retry)), mocks={"A": attempts(Fail("Busy"), Fail("Busy", "still"), "done")})

    assert result.output == "done"
    assert [call.attempt for call in result.calls] == [0, 1, 2]
    assert result.seconds == pytest.approx(90, abs=0.1)
    assert len({call.key for call in result.calls}) == 1


def test_functions_see_the_input_and_the_call() -> None:
    """A mock of two parameters gets the call, too; changing what it was given changes nothing."""
    seen: list[Call] = []

    def answer(data: Any, call: Call) -> Any:
        seen.append(call)
        data["id"] = "changed"
        return call.attempt

    result = run(chain(task(ResultPath="$.n", TimeoutSeconds=9)), {"id": 1}, mocks={LAMBDA.format("f"): answer})

    assert result.output == {"id": 1, "n": 0}
    assert (seen[0].state, seen[0].resource, seen[0].timeout) == ("A", LAMBDA.format("f"), 9)


@pytest.mark.parametrize(
    ("mock", "error", "cause"),
    [
        (Fail("Shop.Closed", "at night"), "Shop.Closed", "at night"),
        (lambda data: {}["x"], "KeyError", '"errorMessage": "\'x\'"'),
        (lambda data: object(), "States.Runtime", "no JSON"),
    ],
)
def test_mocks_fail_as_tasks_do(mock: Any, error: str, cause: str) -> None:
    """A Fail is error and cause; an exception is what Lambda makes of it; what is no JSON is told."""
    result = run(chain(task()), mocks={"A": mock})

    assert (result.status, result.error) == ("FAILED", error)
    assert cause in str(result.cause)
    with pytest.raises(ExecutionFailed, match=error):
        _ = result.output


def test_handlers_are_called_as_lambda_calls_them() -> None:
    """A handler given as a function gets event and context, and its answer is wrapped where the resource wraps it."""
    invoke = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"}
    machine = chain({**invoke, "Parameters": {"FunctionName": "score", "Payload.$": "$"}})
    result = run(machine, {"n": 2}, functions={"score": lambda event, context: [event["n"], context.function_name]})

    assert result.output["Payload"] == [2, "score"]
    assert result.output["StatusCode"] == 200


def test_what_nobody_performs_fails_the_test() -> None:
    """A task that is not mocked is no error of the workflow, that its Catch could hide, but one of the test."""
    machine = chain(task("charge", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}]), {"Type": "Succeed"})
    del machine["States"]["B"]["End"]
    with pytest.raises(Unmocked, match=r"state 'A' is not mocked, and no function .* did you mean 'chrge'"):
        run(machine, functions={"chrge": lambda event, context: None})


def test_mocks_of_what_is_not_there() -> None:
    """A mock for a state that the definition does not have is refused, with the name that was meant."""
    with pytest.raises(ConfigError, match="did you mean 'Charge'"):
        run({"StartAt": "Charge", "States": {"Charge": {**task(), "End": True}}}, mocks={"Chrge": 1})
    with pytest.raises(DefinitionError):
        run({"StartAt": "A", "States": {}})


def test_step_functions_locals_mock_file(tmp_path: FilePath) -> None:
    """`FILE#TESTCASE` answers from a Step Functions Local mock file."""
    retry = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    mocks = {
        "StateMachines": {"shop": {"TestCases": {"Late": {"A": "Second"}}}},
        "MockedResponses": {"Second": {"0": {"Throw": {"Error": "Busy"}}, "1": {"Return": 5, "Latency": "20s"}}},
    }
    (tmp_path / "mocks.json").write_text(json.dumps(mocks))
    result = run(chain(task(Retry=retry)), mocks=f"{tmp_path / 'mocks.json'}#Late", name="shop")

    assert result.output == 5
    assert result.seconds == pytest.approx(21, abs=0.1)


def test_the_same_test_takes_the_same_way() -> None:
    """Time, chance and ids are the same in every run, and others with another seed."""
    machine = chain({"Type": "Pass", "Parameters": {"id.$": "States.UUID()", "at.$": "$$.State.EnteredTime"}})
    first, second = run(machine), run(machine)

    assert first.output == second.output
    assert first.output["at"] == "2026-01-01T00:00:00.000Z"
    assert run(machine, seed=1).output["id"] != first.output["id"]
    assert run(machine, started="2030-06-01T12:00:00Z").output["at"] == "2030-06-01T12:00:00.000Z"


def test_callbacks_of_a_standard_machine() -> None:
    """A mock of a .waitForTaskToken state sees the token, and its answer is that of SendTaskSuccess."""
    wait = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"}
    machine = chain({**wait, "Parameters": {"QueueUrl": "q", "MessageBody": {"Token.$": "$$.Task.Token"}}})
    result = run(machine, type="STANDARD", mocks={"A": lambda data: len(data["MessageBody"]["Token"])})

    assert result.output == 64


async def test_from_within_a_loop() -> None:
    """An `async def` test may run definitions, too."""
    assert run(chain({"Type": "Wait", "Seconds": 20})).status == "SUCCEEDED"


def test_what_would_never_end() -> None:
    """A STANDARD machine that waits for what never comes is told, not waited for."""
    with pytest.raises(Deadlock):
        run(chain(task()), type="STANDARD", mocks={"A": lambda data: asyncio.Event().wait()})


def test_real_calls_take_real_time(tmp_path: FilePath) -> None:
    """What the configuration calls for real is waited for, though the timers around it are virtual."""

    async def serve() -> None:
        async def answer(request: web.Request) -> web.Response:
            await asyncio.sleep(0.3)
            return web.json_response({"n": 1})

        app = web.Application()
        app.router.add_route("*", "/{any:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        file = tmp_path / "express.toml"
        file.write_text(f'[aws.functions]\n"far" = "http://127.0.0.1:{port}/f"\n')
        machine = chain(
            {"Type": "Wait", "Seconds": 100}, task("far", TimeoutSeconds=20), {"Type": "Wait", "Seconds": 9}
        )
        result = await asyncio.to_thread(run, machine, config=file)
        await runner.cleanup()

        assert result.output == {"n": 1}
        assert 109.3 < result.seconds < 115

    asyncio.run(serve())


def test_handlers_in_threads(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers of a configuration run in threads, as they do in a worker."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "late_handlers.py").write_text(
        "import time\ndef late(event, context):\n    time.sleep(0.2)\n    return 1\n"
    )
    (tmp_path / "express.toml").write_text('[functions]\nlate = { handler = "late_handlers:late" }\n')
    result = run(chain(task("late", TimeoutSeconds=10)), config=tmp_path / "express.toml")

    assert result.output == 1
    assert 0.19 < result.seconds < 5  # two clocks are read, one of which may be a tick behind


def test_the_plugin_costs_nothing_where_it_is_not_used() -> None:
    """Loading the plugin imports no engine and no integration: every pytest of the environment does it."""
    code = "import express.testing.plugin, sys; print(sorted(m for m in sys.modules if m.startswith('express')))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert answer.stdout.strip() == str(["express", "express.testing", "express.testing.plugin"])


def test_paths_read_well() -> None:
    """A path is a list, and shown as one line."""
    assert repr(Path(["A", "B"])) == "A → B"
    assert repr(Path()) == "(no state)"
