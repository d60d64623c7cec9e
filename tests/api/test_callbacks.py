"""SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat by boto3, for a STANDARD machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.api.server import ROLE, Running, serving

WAITS = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "Parameters": {"FunctionName": "echo", "Payload": {"token.$": "$$.Task.Token"}},
    "HeartbeatSeconds": 600,
    "End": True,
}


class Approval:
    """An execution that waits for somebody's word."""

    def __init__(self, running: Running) -> None:
        self.client = running.client()
        definition = json.dumps({"StartAt": "S", "States": {"S": WAITS}})
        machine = self.client.create_state_machine(name="m", roleArn=ROLE, definition=definition)["stateMachineArn"]
        self.arn = self.client.start_execution(stateMachineArn=machine)["executionArn"]
        self.token = self._token()

    def _token(self) -> str:
        """The token that was sent, once the first request has been answered."""
        while True:
            events = self.client.get_execution_history(executionArn=self.arn)["events"]
            if any(event["type"] == "TaskSubmitted" for event in events):
                (sent,) = (event for event in events if event["type"] == "TaskScheduled")
                parameters = json.loads(sent["taskScheduledEventDetails"]["parameters"])
                return str(parameters["Payload"]["token"])

    def end(self) -> tuple[str, Any, str | None, str | None]:
        """Status, output, error and cause, once it has ended."""
        while True:
            found = self.client.describe_execution(executionArn=self.arn)
            if found["status"] != "RUNNING":
                output = json.loads(found["output"]) if "output" in found else None
                return found["status"], output, found.get("error"), found.get("cause")

    def refusal(self, action: str, **request: Any) -> tuple[str, str]:
        """Code and message of an answer that is an error."""
        with pytest.raises(ClientError) as raised:
            getattr(self.client, action)(**request)
        error = raised.value.response["Error"]
        return error["Code"], error["Message"]


@pytest.fixture
def approval() -> Iterator[Approval]:
    """One that waits, on a server of its own."""
    with serving() as running:
        yield Approval(running)


def test_success(approval: Approval) -> None:
    """Bad output leaves the task waiting; good output ends it; the second answer comes too late."""
    send = approval.client.send_task_success
    assert approval.refusal("send_task_success", taskToken=approval.token, output="{")[0] == "InvalidOutput"
    approval.client.send_task_heartbeat(taskToken=approval.token)
    assert send(taskToken=approval.token, output='{"ok": true}')["ResponseMetadata"]["HTTPStatusCode"] == 200

    assert approval.end() == ("SUCCEEDED", {"ok": True}, None, None)
    assert approval.refusal("send_task_success", taskToken=approval.token, output="1") == (
        "TaskTimedOut",
        "Task Timed Out: 'Provided task does not exist anymore'",
    )
    assert approval.refusal("send_task_heartbeat", taskToken=approval.token)[0] == "TaskTimedOut"


def test_failure(approval: Approval) -> None:
    """Error and cause are the task's; neither has to be given."""
    approval.client.send_task_failure(taskToken=approval.token, error="Denied", cause="no")

    assert approval.end() == ("FAILED", None, "Denied", "no")


def test_tokens_that_are_none(approval: Approval) -> None:
    """Anything that the server did not make is InvalidToken, one character of a real token changed included."""
    other = ("A" if approval.token[50] != "A" else "B").join((approval.token[:50], approval.token[51:]))
    for token in ("t", other, approval.token[:-1]):
        for action, more in (("success", {"output": "1"}), ("failure", {}), ("heartbeat", {})):
            refused = approval.refusal(f"send_task_{action}", taskToken=token, **more)
            assert refused == ("InvalidToken", "Invalid Token: 'Invalid token'")
    approval.client.send_task_failure(taskToken=approval.token)
    assert approval.end() == ("FAILED", None, None, None)
