"""Parameters that no request can be made of: known before anything is sent, and told as AWS tells them.

Recorded on AWS for `apigateway:invoke` with a header that is no array and for `sqs:sendMessage` with a text as
DelaySeconds: TaskStateEntered is followed by ExecutionFailed, with no TaskScheduled between them.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from express.config import Aws, Config, Connection, Destination, Kafka
from express.engine import History
from express.service.single_run import run_once
from express.values import dumps

CONNECTION = "arn:aws:events:us-east-1:123456789012:connection/shop/1"
API = {"ApiEndpoint": "abc.execute-api.us-east-1.amazonaws.com", "Method": "GET"}
HTTP = {"ApiEndpoint": "https://shop.example/orders", "Method": "POST", "Authentication": {"ConnectionArn": CONNECTION}}
QUEUE = {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/q", "MessageBody": "m"}
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:other"

CASES: dict[str, tuple[str, Any, str]] = {
    "a header that is no array": (
        "apigateway:invoke",
        {**API, "Headers": {"key": "value"}},
        "The value of the field 'Headers' has an invalid format",
    ),
    "a number that is a text": (
        "sqs:sendMessage",
        {**QUEUE, "DelaySeconds": "abc"},
        "The value for the field 'DelaySeconds' must be a NUMBER",
    ),
    "a member that is missing": (
        "dynamodb:getItem",
        {"TableName": "t"},
        'The field "Key" is required but was missing',
    ),
    "a member that is not there": (
        "sns:publish",
        {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": "m", "Nope": 1},
        'The field "Nope" is not supported by Step Functions',
    ),
    "a member of a list": (
        "events:putEvents",
        {"Entries": [{"Source": 1}]},
        "The value for the field 'Source' must be a STRING",
    ),
    "an SDK call": (
        "aws-sdk:s3:getObject",
        {"Bucket": 1, "Key": "k"},
        "The value for the field 'Bucket' must be a STRING",
    ),
    "no object": ("aws-sdk:sts:getCallerIdentity", [], "The Parameters must be an object"),
    "a method": ("http:invoke", {**HTTP, "Method": "STEAL"}, "The value for the field 'Method' must be one of"),
    "a header that is not allowed": (
        "http:invoke",
        {**HTTP, "Headers": {"Host": "x"}},
        "The header 'Host' is not supported",
    ),
    "no connection": (
        "http:invoke",
        {"ApiEndpoint": "https://shop.example", "Method": "GET"},
        'The field "Authentication.ConnectionArn" is required but was missing',
    ),
    "a machine that is not named": (
        "states:startExecution",
        {"Input": {}},
        'The field "StateMachineArn" is required but was missing',
    ),
    "a nested SDK call": (
        "aws-sdk:sfn:startSyncExecution",
        {"StateMachineArn": MACHINE, "Name": 1},
        "The value for the field 'Name' must be a STRING",
    ),
    "a function that is not named": (
        "lambda:invoke",
        {"Payload": {}},
        'The field "FunctionName" is required but was missing',
    ),
    "a function's option": (
        "lambda:invoke",
        {"FunctionName": "f", "InvocationType": 1},
        "The value for the field 'InvocationType' must be a STRING",
    ),
    "a record without a topic": ("kafka:produce", {"Value": 1}, 'The field "Topic" is required but was missing'),
}
CONFIG = Config(
    aws=Aws(allow=["*"], region="us-east-1", endpoint_url="http://127.0.0.1:9"),
    connections={"shop": Connection(allow=[Destination(url="https://shop.example/", methods=["GET", "POST"])])},
    kafka=Kafka(bootstrap_servers=["127.0.0.1:9"], produce=["t"]),
)


def state(name: str, parameters: Any, **more: Any) -> dict[str, Any]:
    """A Task; the parameters come from the input, so that nothing can be known when the definition is compiled."""
    arn = f"arn:express:kafka:::{name[6:]}" if name.startswith("kafka:") else f"arn:aws:states:::{name}"
    return {"Type": "Task", "Resource": arn, "InputPath": "$.p", **more}


def run(definition: dict[str, Any], data: Any, history: History | None = None) -> Any:
    """Run it as `express exec` does."""
    return asyncio.run(run_once("m", dumps(definition), data, {}, history, config=CONFIG))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("handled", [False, True], ids=["plain", "with Retry and Catch"])
def test_what_cannot_be_sent_is_never_scheduled(case: str, handled: bool) -> None:
    """The history goes from TaskStateEntered to ExecutionFailed, for every integration, and no handler takes it."""
    name, parameters, problem = CASES[case]
    more: dict[str, Any] = {"End": True}
    if handled:
        more = {
            "Retry": [{"ErrorEquals": ["States.ALL"]}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
            "Next": "Caught",
        }
    states = {"S": state(name, parameters, **more), **({"Caught": {"Type": "Succeed"}} if handled else {})}
    history = History()
    once = run({"StartAt": "S", "States": states}, {"p": parameters}, history)
    events = [(kind, id_, previous) for id_, previous, kind, _, _ in history.log]
    assert events == [("ExecutionStarted", 1, 0), ("TaskStateEntered", 2, 0), ("ExecutionFailed", 3, 2)]
    assert once.finish.error == "States.Runtime"
    began = "An error occurred while executing the state 'S' (entered at the event id #2). The Parameters '"
    assert once.finish.cause.startswith(began + dumps(parameters).decode() + "' could not be used to start the Task: [")
    assert problem in once.finish.cause


@pytest.mark.parametrize("case", CASES)
def test_the_end_is_the_same_without_a_history_and_in_a_branch(case: str) -> None:
    """Without a history, where the segments call, and in a Parallel, where the table does: the same error and cause."""
    name, parameters, problem = CASES[case]
    machine = {"StartAt": "S", "States": {"S": state(name, parameters, End=True)}}
    alone = run(machine, {"p": parameters}).finish
    assert alone.error == "States.Runtime"
    assert "(entered at the event id #2). The Parameters" in alone.cause
    assert problem in alone.cause
    history = History()
    both = {"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": [machine], "End": True}}}
    inside = run(both, {"p": parameters}, history).finish
    assert (inside.error, inside.cause) == (alone.error, alone.cause.replace("#2", "#4"))
    kinds = [event[2] for event in history.log]
    assert kinds == [
        "ExecutionStarted",
        "ParallelStateEntered",
        "ParallelStateStarted",
        "TaskStateEntered",
        "ExecutionFailed",
    ]


def test_what_can_be_sent_is_sent() -> None:
    """A call whose parameters are well is scheduled, and fails of what is on the other side."""
    history = History()
    once = run({"StartAt": "S", "States": {"S": state("sqs:sendMessage", None, End=True)}}, {"p": QUEUE}, history)
    assert [event[2] for event in history.log][2:] == ["TaskScheduled", "TaskStarted", "TaskFailed", "ExecutionFailed"]
    assert once.finish.error == "SQS.SdkClientException"
