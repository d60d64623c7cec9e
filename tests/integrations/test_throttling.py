"""What moto never does: throttling and silence, for every kind of call, in the shapes that the services answer in.

The answers are those of the services' protocols as botocore reads them: JSON with `__type`, REST with
`x-amzn-ErrorType`, XML errors of the query protocol and of S3.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from aiohttp import web

from express.asl.resources import parse_resource
from express.compiler import compile_definition
from express.config import Aws, Config, Connection, Destination
from express.engine import About
from express.engine.effects import Finish
from express.integrations import Integrations, LocalFunctions, table
from express.runtime.clock import SystemClock
from express.runtime.executor.executor import Executor
from express.values import JSON, dumps
from tests.integrations.calling import EXECUTION, STATES, machine, outside
from tests.integrations.stub import Stub
from tests.integrations.test_aws import _credentials

__all__ = ["_credentials"]  # a fixture

pytest.importorskip("aiobotocore", reason="the extra aws is not installed")


def typed(name: str) -> dict[str, Any]:
    """An error of the JSON protocols."""
    return {"status": 400, "body": dumps({"__type": name, "message": "slow down"})}


def rest(name: str, status: int = 429) -> dict[str, Any]:
    """An error of REST with JSON."""
    return {"status": status, "body": dumps({"message": "slow down"}), "headers": {"x-amzn-ErrorType": name}}


def xml(code: str, status: int = 400) -> dict[str, Any]:
    """An error of the query protocol."""
    error = f"<Error><Code>{code}</Code><Message>slow down</Message></Error>"
    body = f"<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"
    return {"status": status, "body": body.encode(), "content_type": "text/xml"}


S3 = b"<Error><Code>SlowDown</Code><Message>slow down</Message><RequestId>r</RequestId></Error>"
PUBLISHED = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId>'
    b"</PublishResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>"
)
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:elsewhere"
RATE = "ThrottlingException"

ROWS: list[tuple[str, JSON, dict[str, Any], str]] = [
    ("dynamodb:putItem", {"TableName": "t", "Item": {}}, typed("ThrottlingException"), "DynamoDB"),
    ("sqs:sendMessage", {"QueueUrl": "http://127.0.0.1/1/q", "MessageBody": "m"}, typed("RequestThrottled"), "SQS"),
    ("sns:publish", {"TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": "m"}, xml("Throttled", 429), "SNS"),
    ("events:putEvents", {"Entries": [{"Source": "s", "Detail": {}}]}, typed(RATE), "EventBridge"),
    ("states:startExecution", {"StateMachineArn": ARN}, typed(RATE), "StepFunctions"),
    ("aws-sdk:s3:putObject", {"Bucket": "b", "Key": "k", "Body": "x"}, {"status": 503, "body": S3}, "S3"),
    ("lambda:invoke", {"FunctionName": "score"}, rest("TooManyRequestsException"), "Lambda"),
    ("ecs:runTask", {"TaskDefinition": "t"}, typed(RATE), "ECS"),
    ("glue:startJobRun", {"JobName": "j"}, typed(RATE), "Glue"),
    ("sagemaker:createModel", {"ModelName": "m", "ExecutionRoleArn": "r" * 20}, typed(RATE), "SageMaker"),
    ("bedrock:invokeModel", {"ModelId": "m", "Body": {"prompt": "x"}}, rest("ThrottlingException"), "Bedrock"),
    ("athena:startQueryExecution", {"QueryString": "select 1"}, typed("TooManyRequestsException"), "Athena"),
    ("batch:submitJob", {"JobName": "j", "JobQueue": "q", "JobDefinition": "d"}, rest(RATE), "Batch"),
    ("codebuild:startBuild", {"ProjectName": "p"}, typed(RATE), "CodeBuild"),
    ("databrew:startJobRun", {"Name": "j"}, rest(RATE), "DataBrew"),
    ("mediaconvert:createJob", {"Role": "r", "Settings": {}}, rest("TooManyRequestsException"), "MediaConvert"),
    ("eks:deleteCluster", {"Name": "c"}, rest(RATE), "EKS"),
    ("elasticmapreduce:terminateCluster", {"ClusterId": "j-1"}, typed(RATE), "ElasticMapReduce"),
    ("emr-containers:deleteVirtualCluster", {"Id": "v"}, rest(RATE), "EMRContainers"),
    ("emr-serverless:startApplication", {"ApplicationId": "a"}, rest(RATE), "EMRServerless"),
    (
        "apigateway:invoke",
        {"ApiEndpoint": "a.execute-api.us-east-1.amazonaws.com", "Method": "GET"},
        rest(""),
        "ApiGateway",
    ),
    ("http:invoke", {"Method": "GET"}, rest(""), "States"),
]
NAMES = [row[0] for row in ROWS]
OK = {"sns:publish": {"body": PUBLISHED, "content_type": "text/xml"}, "aws-sdk:s3:putObject": {"body": b""}}


def completed(resource: str, request: JSON, url: str) -> JSON:
    """What only the test knows: where the server is."""
    if resource != "http:invoke":
        return request
    authentication = {"ConnectionArn": "arn:aws:events:us-east-1:1:connection/shop/1"}
    return {**request, "ApiEndpoint": f"{url}/x", "Authentication": authentication}


class Office:
    """One executor, and a server for each of ROWS."""

    def __init__(self, stubs: dict[str, Stub]) -> None:
        self.stubs = stubs
        services = {parse_resource(STATES + name).service: stub.url for name, stub in stubs.items()}
        http = Connection(allow=[Destination(url=services.pop("http"))], networks=["127.0.0.0/8"])
        aws = Aws(allow=["*:*"], region="us-east-1", endpoints=services, functions={"*": "aws"})
        self._outside = outside(Config(aws=aws, connections={"shop": http}))
        self._executor = Executor(SystemClock(), Integrations(table(LocalFunctions({}), self._outside)))

    async def run(self, resource: str, request: JSON, **fields: Any) -> Finish:
        """One execution of one Task."""
        ended = asyncio.get_running_loop().create_future()
        program = compile_definition(dumps(machine(resource, **fields)))
        data = completed(resource, request, self.stubs[resource].url)
        x, run = self._executor.submit(
            program, data, About(execution_arn=EXECUTION), lambda run, _: ended.set_result(run)
        )
        finish = x.finished if run is None else (await ended).x.finished
        assert finish is not None
        return finish

    async def close(self) -> None:
        await self._executor.close()
        await self._outside.close()

    async def throttled(self, resource: str, request: JSON, refusal: dict[str, Any]) -> tuple[Finish, Finish, int]:
        """The end without and with a Retry on the very error, and how many calls the second came to."""
        stub = self.stubs[resource]

        async def answers(_: web.Request) -> web.StreamResponse:
            given = refusal if len(stub.requests) < 2 else OK.get(resource, {"body": b"{}"})
            return web.Response(**{"content_type": "application/json", **given})

        stub.answer = answers
        first = await self.run(resource, request)
        stub.requests.clear()
        retry = {"ErrorEquals": [first.error], "IntervalSeconds": 1, "MaxAttempts": 1}
        second = await self.run(resource, request, Retry=[retry])
        return first, second, len(stub.requests)

    async def silent(self, resource: str, request: JSON) -> str | None:
        """The error of a call that nobody answers."""
        self.stubs[resource].answer = self.stubs[resource].silence
        return (await self.run(resource, request, TimeoutSeconds=1)).error


async def test_throttling_and_silence() -> None:
    """Every integration: a refusal has a name of the integration's own, and Retry on that name calls again;
    TimeoutSeconds ends a call that nobody answers."""
    async with contextlib.AsyncExitStack() as stack:
        office = Office({name: await stack.enter_async_context(Stub()) for name in NAMES})
        ends = await asyncio.gather(*(office.throttled(*row[:3]) for row in ROWS))
        silence = await asyncio.gather(*(office.silent(resource, request) for resource, request, *_ in ROWS))
        await office.close()
    errors = {row[0]: (end[0].error or "").partition(".")[0] for row, end in zip(ROWS, ends, strict=True)}
    after = {row[0]: (end[1].status, end[2]) for row, end in zip(ROWS, ends, strict=True)}

    assert errors == {row[0]: row[3] for row in ROWS}
    assert after == dict.fromkeys(NAMES, ("SUCCEEDED", 2))
    assert all("slow down" in str(end[0].cause) for end in ends)
    assert dict(zip(NAMES, silence, strict=True)) == dict.fromkeys(NAMES, "States.Timeout")
