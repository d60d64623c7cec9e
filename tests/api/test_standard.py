"""Standard executions by unmodified boto3, over a store that is closed and opened anew."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from express.config import Api
from tests.api.server import PREFIX, ROLE, Running, serving
from tests.patience import PATIENCE

ECHO = "arn:aws:lambda:us-east-1:123456789012:function:echo"
PASS = {"StartAt": "S", "States": {"S": {"Type": "Pass", "End": True}}}
WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3_600, "End": True}}}
ORDER = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Task", "Resource": ECHO, "Next": "W"},
        "W": {"Type": "Wait", "Seconds": 1, "Next": "B"},
        "B": {"Type": "Pass", "End": True},
    },
}
TOKEN = {
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


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A server that keeps nothing."""
    with serving() as server:
        yield server


@pytest.fixture
def sfn(running: Running) -> Any:
    """A client of it."""
    return running.client()


def created(sfn: Any, name: str, definition: dict[str, Any]) -> str:
    """The ARN of a STANDARD machine."""
    made = sfn.create_state_machine(name=name, roleArn=ROLE, definition=json.dumps(definition))
    return str(made["stateMachineArn"])


def ended(sfn: Any, arn: str) -> dict[str, Any]:
    """What DescribeExecution says once an execution is over."""
    while (found := sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.01)
    del found["ResponseMetadata"]
    return dict(found)


def refusal(act: Any, **request: Any) -> tuple[str, str]:
    """Code and message of an answer that is an error."""
    with pytest.raises(ClientError) as raised:
        act(**request)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_an_execution_outlives_its_server(tmp_path: Path) -> None:
    """Started at one server, ended at the next, shown by a third; its history is one."""
    settings = Api(port=0, store=str(tmp_path / "express.db"))
    with serving(settings) as first:
        sfn = first.client()
        arn = sfn.start_execution(stateMachineArn=created(sfn, "order", ORDER), name="one", input='{"n": 1}')[
            "executionArn"
        ]
        assert sfn.describe_execution(executionArn=arn)["status"] == "RUNNING"
    with serving(settings) as second:
        found = ended(second.client(), arn)
    with serving(settings) as third:
        sfn = third.client()
        assert ended(sfn, arn) == found
        events = sfn.get_execution_history(executionArn=arn)["events"]

    assert arn == f"{PREFIX}:execution:order:one"
    assert (found["status"], found["input"], json.loads(found["output"])) == ("SUCCEEDED", '{"n": 1}', {"n": 1})
    assert [event["id"] for event in events] == list(range(1, 12))
    assert [event["type"] for event in events] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "WaitStateEntered",
        "WaitStateExited",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    assert (events[7]["timestamp"] - events[6]["timestamp"]).total_seconds() >= 1


def test_a_start_is_idempotent_by_name_and_input(sfn: Any) -> None:
    """While it runs, the same name and input is the same execution; anything else is refused with AWS's text."""
    machine = created(sfn, "idempotent", WAIT)
    first = sfn.start_execution(stateMachineArn=machine, name="e", input='{"a": 1, "b": 2}')
    again = sfn.start_execution(stateMachineArn=machine, name="e", input='{"b":2,"a":1}')
    taken = ("ExecutionAlreadyExists", f"Execution Already Exists: '{first['executionArn']}'")

    assert (again["executionArn"], again["startDate"]) == (first["executionArn"], first["startDate"])
    assert refusal(sfn.start_execution, stateMachineArn=machine, name="e", input="{}") == taken
    sfn.stop_execution(executionArn=first["executionArn"])
    assert refusal(sfn.start_execution, stateMachineArn=machine, name="e", input='{"a": 1, "b": 2}') == taken


def test_a_stopped_execution_tells_error_and_cause(sfn: Any) -> None:
    """A second stop tells when it ended; the history ends with ExecutionAborted."""
    arn = sfn.start_execution(stateMachineArn=created(sfn, "stopped", WAIT))["executionArn"]
    stopped = sfn.stop_execution(executionArn=arn, error="E", cause="why")["stopDate"]
    found = sfn.describe_execution(executionArn=arn)
    last = sfn.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)["events"][0]

    assert (found["status"], found["error"], found["cause"], found["stopDate"]) == ("ABORTED", "E", "why", stopped)
    assert sfn.stop_execution(executionArn=arn)["stopDate"] == stopped
    assert (last["type"], last["previousEventId"]) == ("ExecutionAborted", 0)
    assert last["executionAbortedEventDetails"] == {"error": "E", "cause": "why"}


def test_what_can_not_be_redriven_says_why(sfn: Any) -> None:
    """A member of every description."""
    arn = sfn.start_execution(stateMachineArn=created(sfn, "redriven", PASS))["executionArn"]
    found = ended(sfn, arn)

    assert (found["redriveCount"], found["redriveStatus"]) == (0, "NOT_REDRIVABLE")
    assert found["redriveStatusReason"] == "Execution is SUCCEEDED and cannot be redriven"
    assert refusal(sfn.redrive_execution, executionArn=arn) == (
        "ExecutionNotRedrivable",
        "Execution is SUCCEEDED and cannot be redriven",
    )


def test_lists_have_pages_and_filters(sfn: Any) -> None:
    """Newest first, by status, by version and alias."""
    machine = created(sfn, "listed", PASS)
    version = sfn.publish_state_machine_version(stateMachineArn=machine)["stateMachineVersionArn"]
    alias = sfn.create_state_machine_alias(
        name="PROD", routingConfiguration=[{"stateMachineVersionArn": version, "weight": 100}]
    )["stateMachineAliasArn"]
    for number in range(5):
        target = alias if number == 3 else machine
        ended(sfn, sfn.start_execution(stateMachineArn=target, name=f"e{number}")["executionArn"])
    pages = list(
        sfn.get_paginator("list_executions").paginate(stateMachineArn=machine, PaginationConfig={"PageSize": 2})
    )

    assert [[row["name"] for row in page["executions"]] for page in pages] == [["e4", "e3"], ["e2", "e1"], ["e0"]]
    assert sfn.list_executions(stateMachineArn=machine, statusFilter="FAILED")["executions"] == []
    assert sfn.list_executions(stateMachineArn=machine, redriveFilter="REDRIVEN")["executions"] == []
    (found,) = sfn.list_executions(stateMachineArn=alias)["executions"]
    assert (found["name"], found["stateMachineVersionArn"], found["stateMachineAliasArn"]) == ("e3", version, alias)
    assert refusal(sfn.list_executions, stateMachineArn=machine, nextToken="x")[0] == "InvalidToken"


def test_histories_have_pages_in_both_directions(sfn: Any) -> None:
    """Without gaps; data only where it is asked for."""
    arn = sfn.start_execution(stateMachineArn=created(sfn, "paged", ORDER), input="7")["executionArn"]
    ended(sfn, arn)

    def ids(**more: Any) -> list[list[int]]:
        pages = sfn.get_paginator("get_execution_history").paginate(executionArn=arn, **more)
        return [[event["id"] for event in page["events"]] for page in pages]

    assert ids(PaginationConfig={"PageSize": 4}) == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11]]
    assert ids(PaginationConfig={"PageSize": 4}, reverseOrder=True) == [[11, 10, 9, 8], [7, 6, 5, 4], [3, 2, 1]]
    bare = sfn.get_execution_history(executionArn=arn, includeExecutionData=False)["events"]
    assert "input" not in bare[0]["executionStartedEventDetails"]


def test_the_revision_that_an_execution_runs_on_is_kept(sfn: Any) -> None:
    """An update changes nothing for what runs."""
    machine = created(sfn, "revised", WAIT)
    arn = sfn.start_execution(stateMachineArn=machine)["executionArn"]
    sfn.update_state_machine(stateMachineArn=machine, definition=json.dumps(PASS))

    assert json.loads(sfn.describe_state_machine_for_execution(executionArn=arn)["definition"]) == WAIT
    assert json.loads(sfn.describe_state_machine(stateMachineArn=machine)["definition"]) == PASS


def test_a_machine_is_deleted_once_its_last_execution_is_over(sfn: Any) -> None:
    """Until then it is DELETING and starts nothing; afterwards its name, and its executions' names, are free."""
    machine = created(sfn, "deleted", WAIT)
    arn = sfn.start_execution(stateMachineArn=machine, name="e")["executionArn"]
    sfn.delete_state_machine(stateMachineArn=machine)

    assert sfn.describe_state_machine(stateMachineArn=machine)["status"] == "DELETING"
    assert refusal(sfn.start_execution, stateMachineArn=machine)[0] == "StateMachineDeleting"
    assert refusal(created, sfn=sfn, name="deleted", definition=WAIT)[0] == "StateMachineDeleting"
    sfn.stop_execution(executionArn=arn)
    while machine in {row["stateMachineArn"] for row in sfn.list_state_machines()["stateMachines"]}:
        time.sleep(0.01)
    assert refusal(sfn.describe_execution, executionArn=arn)[0] == "ExecutionDoesNotExist"
    assert sfn.start_execution(stateMachineArn=created(sfn, "deleted", PASS), name="e")["executionArn"] == arn


def test_a_task_that_waits_for_its_token_is_told_as_submitted(sfn: Any) -> None:
    """The events of a task with a token, as AWS has them."""
    arn = sfn.start_execution(stateMachineArn=created(sfn, "token", TOKEN))["executionArn"]
    while len(events := sfn.get_execution_history(executionArn=arn)["events"]) < 5:
        time.sleep(0.01)

    assert [event["type"] for event in events[1:]] == [
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
    ]


def test_executions_that_are_not_there(sfn: Any) -> None:
    """AWS's code and text for ARNs that name none."""
    created(sfn, "empty", PASS)
    for arn in (f"{PREFIX}:execution:empty:none", f"{PREFIX}:execution:none:e"):
        for action in ("describe_execution", "stop_execution", "get_execution_history", "redrive_execution"):
            expected = ("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
            assert refusal(getattr(sfn, action), executionArn=arn) == expected


ACTIVITY = {
    "StartAt": "A",
    "States": {
        "A": {
            "Type": "Task",
            "Resource": f"{PREFIX}:activity:work",
            "TimeoutSeconds": 60,
            "HeartbeatSeconds": 30,
            "End": True,
        }
    },
}


def test_an_activity_is_worked_on(sfn: Any) -> None:
    """A worker gets the task with its token, beats and answers; the history names the worker."""
    sfn.create_activity(name="work")
    arn = sfn.start_execution(stateMachineArn=created(sfn, "worked", ACTIVITY), input='{"n": 1}')["executionArn"]
    task = sfn.get_activity_task(activityArn=f"{PREFIX}:activity:work", workerName="w1")
    sfn.send_task_heartbeat(taskToken=task["taskToken"])
    sfn.send_task_success(taskToken=task["taskToken"], output='{"done": true}')
    found = ended(sfn, arn)
    events = sfn.get_execution_history(executionArn=arn)["events"]

    assert json.loads(task["input"]) == {"n": 1}
    assert (found["status"], json.loads(found["output"])) == ("SUCCEEDED", {"done": True})
    assert [event["type"] for event in events[2:5]] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
    assert events[2]["activityScheduledEventDetails"]["timeoutInSeconds"] == 60
    assert events[3]["activityStartedEventDetails"] == {"workerName": "w1"}


def test_a_worker_that_waits_is_given_the_next_task(running: Running) -> None:
    """The oldest task goes to one worker alone; one that nobody has taken is still there after a restart."""
    sfn = running.client()
    sfn.create_activity(name="queue")
    definition = json.loads(json.dumps(ACTIVITY).replace(":work", ":queue"))
    machine = created(sfn, "queued", definition)
    activity = f"{PREFIX}:activity:queue"
    with ThreadPoolExecutor(4) as pool:
        polls = [pool.submit(running.client().get_activity_task, activityArn=activity) for _ in range(4)]
        for number in range(4):
            sfn.start_execution(stateMachineArn=machine, name=f"e{number}", input=str(number))
        inputs = sorted(poll.result(PATIENCE)["input"] for poll in polls)
    assert inputs == ["0", "1", "2", "3"]


def test_a_task_waits_for_its_worker_over_restarts(tmp_path: Path) -> None:
    """It was scheduled at one server and is taken at the next; a task is given to nobody once its execution is over."""
    settings = Api(port=0, store=str(tmp_path / "express.db"))
    with serving(settings) as first:
        sfn = first.client()
        sfn.create_activity(name="work")
        machine = created(sfn, "worked", ACTIVITY)
        stopped = sfn.start_execution(stateMachineArn=machine)["executionArn"]
        sfn.stop_execution(executionArn=stopped)
        arn = sfn.start_execution(stateMachineArn=machine, input="7")["executionArn"]
    with serving(settings) as second:
        sfn = second.client()
        task = sfn.get_activity_task(activityArn=f"{PREFIX}:activity:work")
        sfn.send_task_failure(taskToken=task["taskToken"], error="E", cause="c")
        found = ended(sfn, arn)

    assert (task["input"], found["status"], found["error"], found["cause"]) == ("7", "FAILED", "E", "c")


def test_a_failed_execution_is_redriven(sfn: Any) -> None:
    """The same execution goes on; a token makes it idempotent; lists and descriptions tell of it."""
    definition = {
        "StartAt": "C",
        "States": {
            "C": {
                "Type": "Choice",
                "Choices": [{"Variable": "$$.Execution.RedriveCount", "NumericEquals": 0, "Next": "F"}],
                "Default": "S",
            },
            "F": {"Type": "Fail", "Error": "E", "Cause": "first"},
            "S": {"Type": "Pass", "Parameters": {"at.$": "$$.Execution.RedriveTime"}, "End": True},
        },
    }
    machine = created(sfn, "driven-again", definition)
    arn = sfn.start_execution(stateMachineArn=machine, name="e")["executionArn"]
    found = ended(sfn, arn)
    assert (found["status"], found["redriveStatus"], found["redriveCount"]) == ("FAILED", "REDRIVABLE", 0)
    assert "redriveStatusReason" not in found

    at = sfn.redrive_execution(executionArn=arn, clientToken="t1")["redriveDate"]
    assert sfn.redrive_execution(executionArn=arn, clientToken="t1")["redriveDate"] == at
    found = ended(sfn, arn)
    events = sfn.get_execution_history(executionArn=arn)["events"]
    assert (found["status"], found["redriveCount"], found["redriveDate"]) == ("FAILED", 1, at)
    assert [event["type"] for event in events][-3:] == ["ExecutionFailed", "ExecutionRedriven", "ExecutionFailed"]
    assert events[-2]["executionRedrivenEventDetails"] == {"redriveCount": 1}
    (row,) = sfn.list_executions(stateMachineArn=machine, redriveFilter="REDRIVEN")["executions"]
    assert (row["redriveCount"], row["redriveDate"]) == (1, at)
    assert sfn.list_executions(stateMachineArn=machine, redriveFilter="NOT_REDRIVEN")["executions"] == []


def nested(action: str, machine: str) -> dict[str, Any]:
    """A machine that starts an execution of another one."""
    parameters = {"StateMachineArn": machine, "Input.$": "$"}
    state = {"Type": "Task", "Resource": f"arn:aws:states:::states:startExecution{action}", "Parameters": parameters}
    return {"StartAt": "N", "States": {"N": {**state, "End": True}}}


def test_a_standard_execution_starts_others(sfn: Any) -> None:
    """And goes on, or waits for the end, of which `.sync:2` has the output parsed; a failure is the task's."""
    child = created(sfn, "child", ORDER)
    failing = created(sfn, "failing", {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}})

    def run(name: str, definition: dict[str, Any]) -> dict[str, Any]:
        machine = created(sfn, name, definition)
        return ended(sfn, sfn.start_execution(stateMachineArn=machine, input='{"n": 1}')["executionArn"])

    at_once = json.loads(run("starts", nested("", child))["output"])
    assert ended(sfn, at_once["ExecutionArn"])["status"] == "SUCCEEDED"
    waited = json.loads(run("waits", nested(".sync:2", child))["output"])
    assert (waited["Status"], waited["Output"], waited["StateMachineArn"]) == ("SUCCEEDED", {"n": 1}, child)
    failed = run("fails", nested(".sync", failing))
    assert (failed["status"], failed["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(failed["cause"])["Status"] == "FAILED"


def test_a_stop_ends_what_is_waited_for(sfn: Any) -> None:
    """The child of a `.sync` task is stopped with its parent."""
    child = created(sfn, "stopped-child", WAIT)
    parent = created(sfn, "stopped-parent", nested(".sync", child))
    arn = sfn.start_execution(stateMachineArn=parent)["executionArn"]
    while not (rows := sfn.list_executions(stateMachineArn=child)["executions"]):
        time.sleep(0.01)
    sfn.stop_execution(executionArn=arn)

    assert ended(sfn, rows[0]["executionArn"])["status"] == "ABORTED"


def test_a_child_is_started_once_over_restarts(tmp_path: Path) -> None:
    """The next server waits for the child that is there, also where it has ended meanwhile."""
    settings = Api(port=0, store=str(tmp_path / "express.db"))
    with serving(settings) as first:
        sfn = first.client()
        child = created(sfn, "child", WAIT)
        arn = sfn.start_execution(stateMachineArn=created(sfn, "parent", nested(".sync", child)))["executionArn"]
        while not sfn.list_executions(stateMachineArn=child)["executions"]:
            time.sleep(0.01)
    with serving(settings) as second:
        sfn = second.client()
        (row,) = sfn.list_executions(stateMachineArn=child)["executions"]
        assert (row["status"], sfn.describe_execution(executionArn=arn)["status"]) == ("RUNNING", "RUNNING")
        sfn.stop_execution(executionArn=row["executionArn"], error="Gone")
        found = ended(sfn, arn)

    assert found["error"] == "States.TaskFailed"
    assert json.loads(found["cause"])["Error"] == "Gone"
