"""The direct way of hot AWS calls: signed as botocore signs, answered as aiobotocore answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from express.asl.resources import parse_resource
from express.errors import StatesError
from express.integrations.aws import AwsCalls
from express.integrations.aws.calls import Call, find
from express.integrations.aws.direct import addressed, fits, signed
from express.integrations.lambda_ import Functions
from express.integrations.local import LocalFunctions
from express.ports import Integration
from express.values import JSON
from tests.integrations.calling import CONTEXT, STATES, task
from tests.integrations.stub import Stub
from tests.integrations.test_aws import ONCE, PUT, _credentials, aws, emulator, settings

__all__ = ["_credentials", "aws", "emulator"]  # fixtures

GET = {"TableName": "orders", "Key": {"id": {"S": "1"}}}
TOPIC = "arn:aws:sns:us-east-1:123456789012:both-ways"
ATTRIBUTES = {"kind": {"DataType": "String", "StringValue": "a b&c"}}
CALLS: list[tuple[str, JSON]] = [
    ("dynamodb:getItem", GET),
    ("dynamodb:putItem", {**PUT, "ReturnValues": "ALL_OLD"}),
    ("dynamodb:putItem", ONCE),
    ("dynamodb:putItem", {**PUT, "TableName": "nobody"}),
    ("dynamodb:putItem", {**PUT, "Item": {"id": {"S": "ä\U0001f600"}, "n": {"N": "1.5"}, "b": {"B": "AAE="}}}),
    ("aws-sdk:dynamodb:query", {"TableName": "orders", "KeyConditionExpression": "broken"}),
    ("aws-sdk:dynamodb:describeTable", {"TableName": "orders"}),
    ("aws-sdk:sqs:sendMessage", {"QueueUrl": "http://127.0.0.1/1/nobody", "MessageBody": "m"}),
    ("aws-sdk:sqs:createQueue", {"QueueName": "plain"}),
    ("events:putEvents", {"Entries": [{"Source": "s", "Detail": {"a": 1}}]}),
    ("aws-sdk:eventbridge:listRules", {}),
    ("sns:publish", {"TopicArn": TOPIC, "Message": {"ä": [1]}, "MessageAttributes": ATTRIBUTES}),
    ("sns:publish", {"TopicArn": f"{TOPIC}-gone", "Message": "m"}),
    ("aws-sdk:sns:listTopics", {}),
    ("aws-sdk:sns:getTopicAttributes", {"TopicArn": "broken"}),
    ("aws-sdk:sfn:listStateMachines", {}),
    ("aws-sdk:sfn:describeExecution", {"ExecutionArn": "arn:aws:states:us-east-1:123456789012:execution:a:b"}),
]
PASSING = frozenset({"SdkHttpMetadata", "SdkResponseMetadata", "MessageId"})


async def outcome(calls: Integration, resource: str, request: JSON) -> Any:
    """Result or error, without what differs from call to call: request ids and headers."""
    try:
        answer: Any = calls.start(task(resource, request), CONTEXT)
        result = await answer
    except StatesError as error:
        return error.error, str(error.cause).partition("Request ID")[0]
    return {name: value for name, value in result.items() if name not in PASSING}, sorted(result.keys() & PASSING)


@pytest.mark.parametrize(("resource", "request_"), CALLS, ids=lambda value: value if isinstance(value, str) else "")
async def test_both_ways_agree(aws: AwsCalls, emulator: str, resource: str, request_: JSON) -> None:
    """The same call has the same result or error by the direct way and through aiobotocore."""
    await aws.start(task("dynamodb:putItem", PUT), CONTEXT)
    await aws.start(task("aws-sdk:sns:createTopic", {"Name": "both-ways"}), CONTEXT)
    long = AwsCalls(settings(emulator, attempts=2))
    try:
        assert await outcome(aws, resource, request_) == await outcome(long, resource, request_)
    finally:
        await long.close()


@pytest.mark.parametrize("token", [None, "session-token"])
@pytest.mark.parametrize("endpoint", ["https://dynamodb.eu-west-1.amazonaws.com", "http://127.0.0.1:8000"])
@pytest.mark.parametrize(
    ("path", "query"),
    [("/", {}), ("/2015-03-31/functions/arn%3Aaws%3Alambda/invocations", {"Qualifier": "a b/ä", "A": "1"})],
)
def test_signatures_are_botocores(
    monkeypatch: pytest.MonkeyPatch, token: str | None, endpoint: str, path: str, query: dict[str, str]
) -> None:
    """The same request at the same time has the same signature."""
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: now.replace(tzinfo=None))
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", token)
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"}
    theirs = AWSRequest("POST", f"{endpoint}{path}", headers=headers, params=query, data=b'{"a":1}')
    botocore.auth.SigV4Auth(credentials, "dynamodb", "eu-west-1").add_auth(theirs)

    url = addressed(endpoint, path, query)
    ours = signed(url, headers, b'{"a":1}', credentials, "eu-west-1", "dynamodb", now)

    assert ours["authorization"] == theirs.headers["Authorization"]


INVOKED: list[tuple[JSON, dict[str, Any]]] = [
    ({"FunctionName": "score", "Payload": {"a": 1}}, {"body": b'{"ok":true}'}),
    ({"FunctionName": "score", "Payload": "ä", "Qualifier": "PROD 1"}, {"body": b'"text"'}),
    ({"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:score:7"}, {"body": b"\xff\x00"}),
    ({"FunctionName": "score", "InvocationType": "Event"}, {"body": b"", "status": 202}),
    (
        {"FunctionName": "score"},
        {"body": b'{"errorType":"Boom","errorMessage":"x"}', "headers": {"X-Amz-Function-Error": "Unhandled"}},
    ),
    (
        {"FunctionName": "gone"},
        {
            "body": b'{"Message":"Function not found"}',
            "status": 404,
            "headers": {"x-amzn-ErrorType": "ResourceNotFoundException"},
        },
    ),
    (
        {"FunctionName": "score"},
        {
            "body": b'{"Reason":"CallerRateLimitExceeded","message":"Rate exceeded"}',
            "status": 429,
            "headers": {"x-amzn-ErrorType": "TooManyRequestsException"},
        },
    ),
    ({"FunctionName": "score"}, {"body": b"[" + b"1," * 200_000 + b"1]"}),
]
"""Requests, and answers as AWS Lambda sends them; moto runs functions in Docker only."""


@pytest.mark.parametrize(("request_", "answer"), INVOKED, ids=range(len(INVOKED)))
async def test_lambda_both_ways(request_: JSON, answer: dict[str, Any]) -> None:
    """The same request reaches the function's path, and the same answer has the same result or error."""

    async def answers(request: web.Request) -> web.StreamResponse:
        return web.Response(content_type="application/json", **answer)

    outcomes, sent = [], []
    async with Stub() as stub:
        stub.answer = answers
        for attempts in (1, 2):
            given = settings(stub.url, attempts=attempts, functions={"*": "aws"}, allow=["lambda:*"])
            calls = AwsCalls(given)
            functions = Functions(LocalFunctions({}), given, calls)
            stub.requests.clear()
            outcomes.append(await outcome(functions, "lambda:invoke", request_))
            sent.append([_shown(*told) for told in stub.requests[:1]])
            await calls.close()

    assert outcomes[0] == outcomes[1]
    assert sent[0] == sent[1] != [[]]


def _shown(request: web.Request, body: bytes) -> tuple[str, bytes, dict[str, str]]:
    """What counts of a request."""
    sent = {name.lower(): value for name, value in request.headers.items()}
    headers = {name: value for name, value in sent.items() if name.startswith(("x-amz-in", "x-amz-cl"))}
    return request.raw_path, body, headers


def test_what_goes_the_long_way(emulator: str) -> None:
    """A client that repeats, an endpoint with a path, another host and other protocols are aiobotocore's."""

    def found(name: str) -> Call:
        return find(parse_resource(STATES + name), settings(emulator))

    put, sync = found("dynamodb:putItem"), found("aws-sdk:sfn:startSyncExecution")

    assert fits(put, {}, settings(emulator), emulator)
    assert not fits(put, {}, settings(emulator, attempts=2), emulator)
    assert not fits(put, {}, settings(emulator), f"{emulator}/prefix")
    assert not fits(sync, {}, settings(emulator), emulator)
    assert not fits(found("events:putEvents"), {"EndpointId": "x"}, settings(emulator), emulator)
    assert not fits(found("aws-sdk:lambda:getFunction"), {}, settings(emulator), emulator)
