"""The short way of hot AWS calls: signed as botocore signs, answered as aiobotocore answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from express.asl.resources import parse_resource
from express.errors import StatesError
from express.integrations.aws import AwsCalls
from express.integrations.aws.calls import Call, find
from express.integrations.aws.direct import fits, signed
from express.values import JSON
from tests.integrations.calling import CONTEXT, STATES, task
from tests.integrations.test_aws import ONCE, PUT, _credentials, aws, emulator, settings

__all__ = ["_credentials", "aws", "emulator"]  # fixtures

GET = {"TableName": "orders", "Key": {"id": {"S": "1"}}}
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
    ("aws-sdk:sfn:listStateMachines", {}),
    ("aws-sdk:sfn:describeExecution", {"ExecutionArn": "arn:aws:states:us-east-1:123456789012:execution:a:b"}),
]
PASSING = frozenset({"SdkHttpMetadata", "SdkResponseMetadata"})


async def outcome(calls: AwsCalls, resource: str, request: JSON) -> Any:
    """Result or error, without what differs from call to call: request ids and headers."""
    try:
        result = await calls.start(task(resource, request), CONTEXT)
    except StatesError as error:
        return error.error, str(error.cause).partition("Request ID")[0]
    return {name: value for name, value in result.items() if name not in PASSING}, sorted(result.keys() & PASSING)


@pytest.mark.parametrize(("resource", "request_"), CALLS, ids=lambda value: value if isinstance(value, str) else "")
async def test_both_ways_agree(aws: AwsCalls, emulator: str, resource: str, request_: JSON) -> None:
    """The same call has the same result or error by the short way and through aiobotocore."""
    await aws.start(task("dynamodb:putItem", PUT), CONTEXT)
    long = AwsCalls(settings(emulator, attempts=2))
    try:
        assert await outcome(aws, resource, request_) == await outcome(long, resource, request_)
    finally:
        await long.close()


@pytest.mark.parametrize("token", [None, "session-token"])
@pytest.mark.parametrize("endpoint", ["https://dynamodb.eu-west-1.amazonaws.com", "http://127.0.0.1:8000"])
def test_signatures_are_botocores(monkeypatch: pytest.MonkeyPatch, token: str | None, endpoint: str) -> None:
    """The same request at the same time has the same signature."""
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: now.replace(tzinfo=None))
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", token)
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"}
    theirs = AWSRequest("POST", f"{endpoint}/", headers=headers, data=b'{"a":1}')
    botocore.auth.SigV4Auth(credentials, "dynamodb", "eu-west-1").add_auth(theirs)

    ours = signed(endpoint, headers, b'{"a":1}', credentials, "eu-west-1", "dynamodb", now)

    assert ours["authorization"] == theirs.headers["Authorization"]


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
    assert not fits(found("sns:publish"), {}, settings(emulator), emulator)
