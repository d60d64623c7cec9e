"""`start`, `stop`, `redrive`, `approve` and `reject` against a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.server import ROLE, Running, serving

from .conftest import Run

PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3_600, "End": True}}}
FAIL = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Boom", "Cause": "as asked"}}}
APPROVAL = {
    "StartAt": "T",
    "States": {
        "T": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {"FunctionName": "echo", "Payload": {"token.$": "$$.Task.Token"}},
            "End": True,
        }
    },
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server that the commands find through the environment, with STANDARD machines."""
    with serving() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", running.url)
        for name, definition in (("pass", PASS), ("wait", WAIT), ("fail", FAIL), ("approval", APPROVAL)):
            running.client().create_state_machine(name=name, roleArn=ROLE, definition=json.dumps(definition))
        yield running


def described(server: Running, arn: str) -> dict[str, Any]:
    """What the server says of an execution."""
    return dict(server.client().describe_execution(executionArn=arn))


def token(server: Running, arn: str) -> str:
    """The token that an execution waits for."""
    while True:
        events = server.client().get_execution_history(executionArn=arn)["events"]
        if events[-1]["type"] == "TaskSubmitted":
            return str(json.loads(events[2]["taskScheduledEventDetails"]["parameters"])["Payload"]["token"])


def test_start_prints_the_arn_or_waits_for_the_output(run: Run, server: Running, tmp_path: Path) -> None:
    """Of a machine by its name; the input is a text or a file; a failure is exit code 1."""
    (tmp_path / "in.json").write_text('{"n": 2}')
    started = run("start", "pass", "-n", "e", "-i", '{"n": 1}')
    waited = run("start", "pass", "--wait", "-i", f"@{tmp_path / 'in.json'}")
    failed = run("start", "fail", "--wait")

    assert (started.exit_code, started.stdout.strip().rpartition(":")[2]) == (0, "e")
    assert (waited.exit_code, json.loads(waited.stdout)) == (0, {"n": 2})
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "FAILED Boom: as asked" in failed.stderr


def test_stop_ends_an_execution_and_redrive_goes_on_with_it(run: Run, server: Running) -> None:
    """The ARN is all that they need."""
    arn = run("start", "wait").stdout.strip()
    assert run("stop", arn, "--error", "E", "--cause", "why").exit_code == 0
    assert [described(server, arn)[name] for name in ("status", "error", "cause")] == ["ABORTED", "E", "why"]
    assert run("redrive", arn, "--token", "t").exit_code == 0
    assert described(server, arn)["status"] == "RUNNING"
    refused = run("redrive", arn)
    assert refused.exit_code != 0
    assert "Execution is RUNNING and cannot be redriven" in refused.stderr


def test_a_task_is_approved_or_rejected_by_its_token(run: Run, server: Running) -> None:
    """The output is the task's; without one it is empty. A rejection has an error of its own."""
    approved, rejected = run("start", "approval").stdout.strip(), run("start", "approval").stdout.strip()

    assert run("approve", token(server, approved), "-o", '{"ok": true}').exit_code == 0
    assert run("reject", token(server, rejected), "--cause", "no").exit_code == 0
    assert json.loads(described(server, approved)["output"]) == {"ok": True}
    assert [described(server, rejected)[name] for name in ("status", "error", "cause")] == ["FAILED", "Rejected", "no"]
    again = run("approve", "nonsense")
    assert (again.exit_code != 0, "Invalid Token" in again.stderr) == (True, True)
