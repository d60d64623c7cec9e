"""Executions of the server's machines that start others of it, with an unmodified boto3 client."""

from __future__ import annotations

import json
from typing import Any

from .server import PREFIX
from .test_executions import ended, eventually, task
from .test_machines import create, unique

STATES = "arn:aws:states:::"


def starts(resource: str, machine: str) -> str:
    """A machine of one Task that starts another with its own input."""
    request = {"StateMachineArn": machine, "Input.$": "$"}
    task = {"Type": "Task", "Resource": STATES + resource, "Parameters": request, "End": True}
    return json.dumps({"StartAt": "T", "States": {"T": task}})


def test_a_child_is_an_execution_like_any_other(sfn: Any) -> None:
    """It has a name of its own, can be described while its parent waits, and is billed for itself."""
    child = create(sfn, definition=task("echo"))
    parent = create(sfn, definition=starts("aws-sdk:sfn:startSyncExecution", child))
    answer = sfn.start_sync_execution(stateMachineArn=parent, input='{"a":1}')
    response = json.loads(answer["output"])
    described = sfn.describe_execution(executionArn=response["ExecutionArn"])

    assert (response["Status"], response["Output"], response["StateMachineArn"]) == ("SUCCEEDED", '{"a":1}', child)
    assert response["BillingDetails"]["BilledDurationInMilliseconds"] == 100
    assert (described["status"], described["output"], described["name"]) == ("SUCCEEDED", '{"a":1}', response["Name"])


def test_a_child_that_nobody_waits_for(sfn: Any) -> None:
    """The parent is over; the child ends by itself and can be found."""
    child = create(sfn, definition=task("echo"))
    parent = create(sfn, definition=starts("states:startExecution", child))
    answer = sfn.start_sync_execution(stateMachineArn=parent, input='{"a":1}')
    arn = json.loads(answer["output"])["ExecutionArn"]

    assert eventually(lambda: ended(sfn, arn))["status"] == "SUCCEEDED"


def test_a_machine_that_is_gone_or_standard(sfn: Any) -> None:
    """What the server's own API would refuse is the task's error."""
    standard = create(sfn, type="STANDARD")
    errors = {}
    for name, machine in {"gone": f"{PREFIX}:stateMachine:{unique()}", "standard": standard}.items():
        parent = create(sfn, definition=starts("aws-sdk:sfn:startSyncExecution", machine))
        errors[name] = sfn.start_sync_execution(stateMachineArn=parent, input="{}")

    assert errors["gone"]["error"] == "Sfn.StateMachineDoesNotExistException"
    assert errors["standard"]["error"] == "Sfn.StateMachineTypeNotSupportedException"
    assert "(Service: Sfn, Status Code: 400, Request ID: " in errors["standard"]["cause"]


def test_versions_and_loops(sfn: Any) -> None:
    """A qualified ARN runs that version; a machine that starts itself with the same input is stopped."""
    child = create(sfn, definition=task("echo"), publish=True)
    parent = create(sfn, definition=starts("aws-sdk:sfn:startSyncExecution", f"{child}:1"))
    name = unique()
    loop = create(sfn, name=name, definition=starts("aws-sdk:sfn:startSyncExecution", f"{PREFIX}:stateMachine:{name}"))

    assert json.loads(sfn.start_sync_execution(stateMachineArn=parent)["output"])["Status"] == "SUCCEEDED"
    output = sfn.start_sync_execution(stateMachineArn=loop, input="{}")["output"]
    while '"Output"' in output:
        output = json.loads(output)["Output"]
    assert json.loads(output)["Error"] == "States.Runtime"
