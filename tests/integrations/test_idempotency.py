"""The idempotency key goes with every call, and is the same for each attempt and each replay of a step."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec
import pytest
from aiohttp import web

from express.asl.resources import parse_resource
from express.config import Aws, Config, Function, Kafka
from express.engine.effects import StartTask
from express.integrations import ExternalIntegrations, InProcess, Integrations, LocalFunctions, table
from express.ports import Outgoing, Partition, Placed, TaskContext
from express.values import JSON, loads
from tests.integrations.calling import CONTEXT, STATES
from tests.integrations.stub import Stub
from tests.integrations.test_aws import _credentials

__all__ = ["_credentials"]  # a fixture

ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/q"


class Life:
    """The integrations of one worker, from its start to its end; a replay has another one."""

    def __init__(self, stub: Stub) -> None:
        self.records: list[Outgoing] = []
        aws = Aws(allow=["*:*"], region="us-east-1", endpoint_url=stub.url, functions={"far": f"{stub.url}/f"})
        config = Config(aws=aws, kafka=Kafka(produce=["audit"]))
        local = LocalFunctions({"near": Function(handler="tests.integrations.handlers:attributes", mode="inline")})
        self.outside = ExternalIntegrations(config, local, InProcess(topics=self))
        self.all = Integrations(table(local, self.outside))

    async def produce(self, record: Outgoing) -> Placed:
        self.records.append(record)
        return Placed(Partition(record.topic, 0), 0, 1.0)

    async def call(self, resource: str, request: JSON, context: TaskContext, key: str, attempt: int) -> Any:
        task = StartTask(1, parse_resource(resource), request, "S", key, attempt)
        answer = self.all.start(task, context)
        return await answer if isinstance(answer, Awaitable) else answer


Sent: TypeAlias = Callable[[Life, Stub, Any], Any]


def _body(member: str) -> Sent:
    return lambda life, stub, answer: loads(stub.requests[-1][1])[member]


def _header(life: Life, stub: Stub, answer: Any) -> Any:
    return stub.requests[-1][0].headers["Idempotency-Key"]


def _client_context(life: Life, stub: Stub, answer: Any) -> Any:
    return loads(base64.b64decode(stub.requests[-1][0].headers["X-Amz-Client-Context"]))["custom"]["idempotency_key"]


def _kafka(life: Life, stub: Stub, answer: Any) -> Any:
    return dict(life.records[-1].headers)["express.idempotency-key"]


FIFO = {"QueueUrl": f"{QUEUE}.fifo", "MessageBody": "m", "MessageGroupId": "g"}
START = {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m", "Input": "{}"}

CALLS: list[tuple[str, JSON, Sent]] = [
    (f"{ARN}near", {}, lambda life, stub, answer: answer["idempotency_key"]),
    (f"{ARN}far", {}, _header),
    (f"{ARN}far", {}, _client_context),
    (f"{STATES}sqs:sendMessage", FIFO, _body("MessageDeduplicationId")),
    (f"{STATES}aws-sdk:sqs:sendMessage", FIFO, _body("MessageDeduplicationId")),
    (f"{STATES}states:startExecution", START, _body("name")),
    (f"{STATES}aws-sdk:sfn:startExecution", START, _body("name")),
    (f"{STATES}athena:startQueryExecution", {"QueryString": "select 1"}, _body("ClientRequestToken")),
    ("arn:express:kafka:::produce", {"Topic": "audit", "Value": 1}, _kafka),
]


async def _answer(request: web.Request) -> web.StreamResponse:
    return web.json_response({}, content_type="application/x-amz-json-1.0")


@pytest.mark.parametrize(("resource", "request_", "sent"), CALLS, ids=[f"{row[0]}-{i}" for i, row in enumerate(CALLS)])
async def test_the_key_goes_along(resource: str, request_: JSON, sent: Sent) -> None:
    """The same over attempts and over the lives of workers; another for another step and another execution."""
    keys = []
    other = msgspec.structs.replace(CONTEXT, execution_arn=f"{CONTEXT.execution_arn}2")
    async with Stub() as stub:
        stub.answer = _answer
        for context, key, attempt in ((CONTEXT, "S#1", 0), (CONTEXT, "S#1", 1), (CONTEXT, "S#2", 0), (other, "S#1", 0)):
            life = Life(stub)
            answer = await life.call(resource, request_, context, key, attempt)
            keys.append(sent(life, stub, answer))
            await life.outside.close()

    assert all(keys)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
