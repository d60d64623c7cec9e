"""Starting executions, waiting for them and looking at them, with an unmodified boto3 client."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

from . import handlers
from .server import PREFIX, ROLE, Running, serving
from .test_machines import create, definition, refusal, unique


def task(function: str, **fields: Any) -> str:
    """A machine of one Task that calls a function with its input."""
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    return json.dumps({"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": arn, "End": True, **fields}}})


def eventually(check: Callable[[], Any]) -> Any:
    """The first true answer of `check`."""
    deadline = time.monotonic() + PATIENCE
    while not (found := check()):
        assert time.monotonic() < deadline, "it never came true"
        threading.Event().wait(0.01)
    return found


def ended(sfn: Any, arn: str) -> Any:
    """The description of an execution once it is over."""
    described = sfn.describe_execution(executionArn=arn)
    return described if described["status"] != "RUNNING" else None


# Sync -------------------------------------------------------------------------------------------------


def test_a_sync_execution_answers_with_its_result(sfn: Any) -> None:
    """Every member of the answer (Step Functions Developer Guide, "Choosing workflow type")."""
    arn, name = create(sfn), unique()
    answer = sfn.start_sync_execution(stateMachineArn=arn, name=name, input='{"a": 1}', traceHeader="Root=1-2-3")

    assert answer["executionArn"].startswith(f"{arn.replace(':stateMachine:', ':express:')}:{name}:")
    assert (answer["stateMachineArn"], answer["name"], answer["status"]) == (arn, name, "SUCCEEDED")
    assert (answer["input"], answer["output"]) == ('{"a": 1}', '{"a":1}')
    assert answer["inputDetails"] == answer["outputDetails"] == {"included": True}
    assert answer["traceHeader"] == "Root=1-2-3"
    assert answer["billingDetails"] == {"billedDurationInMilliseconds": 100, "billedMemoryUsedInMB": 64}
    assert answer["startDate"] <= answer["stopDate"]


def test_a_failed_sync_execution_is_an_answer_too(sfn: Any) -> None:
    """HTTP 200 with error and cause."""
    arn = create(sfn, definition=task("fail"))
    answer = sfn.start_sync_execution(stateMachineArn=arn)

    assert (answer["status"], answer["error"]) == ("FAILED", "RuntimeError")
    assert json.loads(answer["cause"])["errorMessage"] == "as asked"
    assert "output" not in answer


def test_a_sync_execution_that_times_out(sfn: Any) -> None:
    """States.Timeout and no cause."""
    machine = json.loads(task("wait"))
    arn = create(sfn, definition=json.dumps({**machine, "TimeoutSeconds": 1}))
    answer = sfn.start_sync_execution(stateMachineArn=arn)

    assert (answer["status"], answer["error"]) == ("TIMED_OUT", "States.Timeout")
    assert "cause" not in answer


def test_metadata_only_hides_the_data(sfn: Any) -> None:
    """Neither input nor output, nor details of them."""
    answer = sfn.start_sync_execution(stateMachineArn=create(sfn), input="[1]", includedData="METADATA_ONLY")

    assert not {"input", "output", "inputDetails", "outputDetails"} & set(answer)


def test_lone_surrogates_in_a_failure_are_told(sfn: Any) -> None:
    """An error text that no UTF-8 can hold does not break the answer."""
    state = {
        "Type": "Fail",
        "QueryLanguage": "JSONata",
        "Cause": "{% $substring('\U0001f600', 0, 1) & '\\ud83d' %}",
    }
    arn = create(sfn, definition=json.dumps({"StartAt": "F", "States": {"F": state}}))

    assert sfn.start_sync_execution(stateMachineArn=arn)["status"] == "FAILED"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', "),
        ("", "Invalid execution input."),
        ("{'a'", "Unexpected character (''' (code 39)): was expecting double-quote to start field name"),
        ("[" * 300 + "]" * 300, "The payload is nested deeper than 200 levels."),
    ],
)
def test_bad_inputs(sfn: Any, text: str, message: str) -> None:
    """AWS's parser's words, for both ways to start."""
    arn = create(sfn)
    for start in (sfn.start_execution, sfn.start_sync_execution):
        code, told = refusal(start, stateMachineArn=arn, input=text)
        assert code == "InvalidExecutionInput"
        assert told.startswith(f"Invalid State Machine Execution Input: '{message}")


def test_standard_machines_are_not_run_synchronously(sfn: Any) -> None:
    """StartSyncExecution refuses as AWS does."""
    arn = create(sfn, type="STANDARD")

    assert refusal(sfn.start_sync_execution, stateMachineArn=arn) == (
        "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine",
    )
    assert sfn.list_executions(stateMachineArn=arn)["executions"] == []


def test_names_and_labels(sfn: Any) -> None:
    """Bad execution names, and ARNs of Map children."""
    arn = create(sfn)

    assert refusal(sfn.start_execution, stateMachineArn=arn, name="a b") == ("InvalidName", "Invalid Name: 'a b'")
    assert refusal(sfn.start_execution, stateMachineArn=f"{arn}/l")[0] == "ValidationException"


def test_a_caller_that_goes_away_stops_its_execution(running: Running) -> None:
    """The task is cancelled, the execution ends ABORTED, and nobody starts it again."""
    sfn = running.client()
    arn = create(sfn, definition=task("wait"))
    entered, left = handlers.Gate.entered, handlers.Gate.left
    body = json.dumps({"stateMachineArn": arn}).encode()
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AWSStepFunctions.StartSyncExecution\r\n\r\n"
        connection.sendall(head.encode() + body)
        eventually(lambda: handlers.Gate.entered == entered + 1)

    eventually(lambda: handlers.Gate.left == left + 1)
    found = eventually(lambda: sfn.list_executions(stateMachineArn=arn, statusFilter="ABORTED")["executions"])
    assert len(found) == 1
    assert handlers.Gate.entered == entered + 1


# Async and looking ------------------------------------------------------------------------------------


def test_an_async_execution_is_answered_before_it_ends(running: Running) -> None:
    """It is RUNNING until its task answers, can be seen with its history so far, and can be stopped."""
    sfn = running.client()
    arn = create(sfn, definition=task("wait"))
    execution = sfn.start_execution(stateMachineArn=arn, input="[1]")["executionArn"]

    described = sfn.describe_execution(executionArn=execution)
    assert (described["status"], described["input"]) == ("RUNNING", "[1]")
    assert "stopDate" not in described
    types = [event["type"] for event in sfn.get_execution_history(executionArn=execution)["events"]]
    assert types == ["ExecutionStarted", "TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionStarted"]

    sfn.stop_execution(executionArn=execution, error="E", cause="c")
    stopped = sfn.describe_execution(executionArn=execution)
    assert (stopped["status"], stopped["error"], stopped["cause"]) == ("ABORTED", "E", "c")
    assert sfn.stop_execution(executionArn=execution)["stopDate"] == stopped["stopDate"]
    last = sfn.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)["events"][0]
    assert (last["type"], last["executionAbortedEventDetails"]) == ("ExecutionAborted", {"error": "E", "cause": "c"})


def test_history_is_paged_both_ways(sfn: Any) -> None:
    """Each event once, ids dense, and without data on demand."""
    arn = create(sfn)
    execution = sfn.start_execution(stateMachineArn=arn, input='{"x": 1}')["executionArn"]

    def ids(**more: Any) -> list[int]:
        pages = sfn.get_paginator("get_execution_history").paginate(executionArn=execution, **more)
        return [event["id"] for page in pages for event in page["events"]]

    assert ids(PaginationConfig={"PageSize": 3}) == [1, 2, 3, 4]
    assert ids(PaginationConfig={"PageSize": 3}, reverseOrder=True) == [4, 3, 2, 1]
    bare = sfn.get_execution_history(executionArn=execution, includeExecutionData=False)["events"]
    assert bare[1]["stateEnteredEventDetails"] == {"name": "A"}


def test_executions_are_listed_by_status_version_and_alias(sfn: Any) -> None:
    """Newest first; a version's or alias's list has what was started with it."""
    arn = create(sfn, definition=definition(), publish=True)
    routes = [{"stateMachineVersionArn": f"{arn}:1", "weight": 100}]
    sfn.create_state_machine_alias(name="PROD", routingConfiguration=routes)
    plain = sfn.start_execution(stateMachineArn=arn)["executionArn"]
    versioned = sfn.start_execution(stateMachineArn=f"{arn}:1")["executionArn"]
    aliased = sfn.start_execution(stateMachineArn=f"{arn}:PROD")["executionArn"]

    def listed(of: str, **more: Any) -> list[str]:
        return [e["executionArn"] for e in sfn.list_executions(stateMachineArn=of, **more)["executions"]]

    assert listed(arn) == [aliased, versioned, plain]
    assert set(listed(f"{arn}:1")) == {versioned, aliased}
    assert listed(f"{arn}:PROD") == [aliased]
    assert listed(arn, statusFilter="FAILED") == []
    assert listed(arn, redriveFilter="REDRIVEN") == []
    machine = sfn.describe_state_machine_for_execution(executionArn=aliased)
    assert (machine["stateMachineArn"], json.loads(machine["definition"])["StartAt"]) == (arn, "A")


def test_executions_that_are_not_there(sfn: Any) -> None:
    """Express and Standard ARNs, and what belongs to Standard only."""
    express, standard = f"{PREFIX}:express:m:e:u", f"{PREFIX}:execution:m:e"

    for arn in (express, standard):
        missing = ("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        assert refusal(sfn.describe_execution, executionArn=arn) == missing
        assert refusal(sfn.get_execution_history, executionArn=arn) == missing
        assert refusal(sfn.stop_execution, executionArn=arn) == missing
    assert refusal(sfn.redrive_execution, executionArn=express)[0] == "InvalidArn"
    assert refusal(sfn.list_map_runs, executionArn=express)[0] == "InvalidArn"
    assert refusal(sfn.list_executions, mapRunArn=f"{PREFIX}:mapRun:m/l:u")[0] == "ResourceNotFound"


def test_a_strict_server_hides_express_executions_as_aws_does() -> None:
    """The texts that AWS was observed to say."""
    with serving(strict=True) as server:
        sfn = server.client()
        arn = create(sfn)
        execution = sfn.start_execution(stateMachineArn=arn)["executionArn"]
        hidden = ("InvalidArn", "Invalid Arn: 'Resource type not valid in this context: express'")

        for look in (
            sfn.describe_execution,
            sfn.get_execution_history,
            sfn.stop_execution,
            sfn.describe_state_machine_for_execution,
        ):
            assert refusal(look, executionArn=execution) == hidden
        assert refusal(sfn.list_executions, stateMachineArn=arn)[0] == "StateMachineTypeNotSupported"


def test_payloads_are_only_kept_where_the_machine_says_so() -> None:
    """includeExecutionData decides what DescribeExecution and history can show."""
    with serving(include_execution_data=False) as server:
        sfn = server.client()
        quiet = sfn.start_execution(stateMachineArn=create(sfn), input='"CANARY"')["executionArn"]
        logging_ = {"level": "OFF", "includeExecutionData": True}
        open_ = sfn.start_execution(stateMachineArn=create(sfn, loggingConfiguration=logging_), input='"CANARY"')[
            "executionArn"
        ]

        assert "CANARY" not in str(sfn.describe_execution(executionArn=quiet))
        assert "CANARY" not in str(sfn.get_execution_history(executionArn=quiet))
        assert sfn.describe_execution(executionArn=open_)["output"] == '"CANARY"'


def test_without_history_executions_run_and_are_forgotten() -> None:
    """The fast way: nothing is recorded, nothing can be looked at."""
    with serving(history=False) as server:
        sfn = server.client()
        arn = create(sfn)
        assert sfn.start_sync_execution(stateMachineArn=arn, input="[1]")["output"] == "[1]"
        assert refusal(sfn.list_executions, stateMachineArn=arn)[0] == "StateMachineTypeNotSupported"


def test_execution_logs_go_to_the_file(tmp_path: Path) -> None:
    """At the machine's level, in AWS's form, with data only if it says so."""
    file = tmp_path / "executions.log"
    destination = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:g:*"}}
    with serving(log_file=str(file)) as server:
        sfn = server.client()
        for level in ("ALL", "FATAL", "OFF"):
            configuration: dict[str, Any] = {"level": level, "destinations": [destination]}
            arn = create(sfn, name=f"log-{level}", loggingConfiguration=configuration)
            sfn.start_sync_execution(stateMachineArn=arn, input='"CANARY"')

    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert {event["execution_arn"].split(":")[6] for event in events} == {"log-ALL"}
    assert [event["id"] for event in events] == ["1", "2", "3", "4"]
    assert "CANARY" not in file.read_text()


def test_an_update_reaches_the_next_execution_and_no_other(running: Running) -> None:
    """What runs goes on with its own revision."""
    sfn = running.client()
    arn = create(sfn, definition=task("wait"))
    old = sfn.start_execution(stateMachineArn=arn)["executionArn"]
    sfn.update_state_machine(stateMachineArn=arn, definition=definition(Result="new"))

    assert sfn.start_sync_execution(stateMachineArn=arn)["output"] == '"new"'
    assert json.loads(sfn.describe_state_machine_for_execution(executionArn=old)["definition"])["StartAt"] == "T"
    sfn.stop_execution(executionArn=old)


def test_test_state_performs_the_task(sfn: Any) -> None:
    """TestState calls what executions call."""
    state = json.loads(task("echo"))["States"]["T"]
    answer = sfn.test_state(definition=json.dumps(state), roleArn=ROLE, input='{"a": 1}', inspectionLevel="DEBUG")

    assert (answer["status"], answer["output"]) == ("SUCCEEDED", '{"a":1}')
    assert answer["inspectionData"]["result"] == '{"a":1}'
    failed = {**state, "Resource": "fail", "Catch": [{"ErrorEquals": ["RuntimeError"], "Next": "B"}]}
    caught = sfn.test_state(definition=json.dumps(failed), roleArn=ROLE)
    assert (caught["status"], caught["nextState"]) == ("CAUGHT_ERROR", "B")
    waits = {**state, "Resource": "wait", "TimeoutSeconds": 1}
    assert sfn.test_state(definition=json.dumps(waits), roleArn=ROLE)["error"] == "States.Timeout"
