"""Lambda functions elsewhere: at an URL that speaks Lambda's Invoke API, at a function URL, and at AWS."""

from __future__ import annotations

import base64
import importlib.util
from typing import Any

import msgspec
import pytest
from aiohttp import web

from express.config import Aws, Config, Function
from express.errors import ConfigError
from express.integrations.lambda_ import client_context
from express.values import JSON, loads
from tests.integrations.calling import CONTEXT, EXECUTION, machine, run, task
from tests.integrations.stub import Stub

SCORE = "arn:aws:lambda:us-east-1:123456789012:function:score"
LOCAL = {"score": Function(handler="tests.integrations.handlers:echo", mode="inline")}


def configured(place: str, **more: Any) -> Config:
    return Config(aws=Aws(functions={"score": place}), **more)


def direct(**fields: Any) -> dict[str, JSON]:
    return {"StartAt": "S", "States": {"S": {"Type": "Task", "Resource": SCORE, "End": True, **fields}}}


def invoked(**fields: Any) -> dict[str, JSON]:
    return machine("lambda:invoke", Parameters={"FunctionName": SCORE, "Payload.$": "$"}, **fields)


async def test_the_invoke_api_of_an_emulator() -> None:
    """An URL without a path gets Lambda's Invoke call; both forms of the task have their own result."""
    async with Stub() as stub:
        plain = await run(direct(), {"a": 1}, configured(stub.url))
        wrapped = await run(invoked(), {"a": 1}, configured(stub.url))
    (request, body), _ = stub.requests
    context = loads(base64.b64decode(request.headers["X-Amz-Client-Context"]))

    assert request.path == "/2015-03-31/functions/score/invocations"
    assert loads(body) == {"a": 1}
    assert context["custom"]["idempotency_key"] == request.headers["Idempotency-Key"]
    assert plain.output == {"hello": "world"}
    assert wrapped.output["Payload"] == {"hello": "world"}
    assert (wrapped.output["StatusCode"], wrapped.output["ExecutedVersion"]) == (200, "$LATEST")


async def test_a_function_url() -> None:
    """An URL with a path is posted to as it stands."""
    async with Stub() as stub:
        finish = await run(direct(), {"a": 1}, configured(f"{stub.url}/"))

    assert (stub.requests[0][0].path, finish.output) == ("/", {"hello": "world"})


@pytest.mark.parametrize("told", [True, False])
async def test_errors_of_functions(told: bool) -> None:
    """A function's error has its own name, with the payload as cause, whether a header tells of it or not."""
    payload = '{"errorMessage":"no cover","errorType":"CardDeclined","stackTrace":[]}'

    async def declined(request: web.Request) -> web.StreamResponse:
        return web.Response(text=payload, headers={"X-Amz-Function-Error": "Unhandled"} if told else {})

    async with Stub() as stub:
        stub.answer = declined
        finish = await run(direct(), {}, configured(stub.url))

    assert (finish.error, finish.cause) == ("CardDeclined", payload)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, "Lambda.TooManyRequestsException"),
        (404, "Lambda.ResourceNotFoundException"),
        (500, "Lambda.ServiceException"),
        (302, "Lambda.ServiceException"),
    ],
)
async def test_errors_of_the_service(status: int, error: str) -> None:
    """What is no success has the name that retriers of Lambda tasks wait for."""

    async def failing(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="why")

    async with Stub() as stub:
        stub.answer = failing
        url = stub.url
        finish = await run(direct(), {}, configured(url))
    nobody = await run(direct(), {}, configured(url))

    assert (finish.error, str(finish.cause)[:3]) == (error, "why")
    assert nobody.error == "Lambda.SdkClientException"


async def test_a_registered_function_comes_first() -> None:
    """What [functions] registers is called in process, whatever pattern would lead elsewhere."""
    config = Config(functions=dict(LOCAL), aws=Aws(functions={"*": "http://127.0.0.1:1"}))

    assert (await run(direct(), {"a": 1}, config)).output == {"a": 1}


async def test_names_that_nobody_serves_are_refused() -> None:
    """A function that is neither registered nor configured elsewhere is refused before the run."""
    with pytest.raises(ConfigError, match="no function is registered for"):
        await run(direct(), {}, Config(aws=Aws(functions={"other": "http://127.0.0.1:1"})))


@pytest.mark.skipif(importlib.util.find_spec("aiobotocore") is None, reason="the extra aws is not installed")
async def test_functions_at_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """`aws` goes through the SDK, signed, with the idempotency key in the client context (a stub of Lambda's API)."""

    async def lambda_(request: web.Request) -> web.StreamResponse:
        failed = {"X-Amz-Function-Error": "Unhandled"} if b"fail" in stub.requests[-1][1] else {}
        return web.Response(
            body=b'{"errorType":"Boom","errorMessage":"m"}' if failed else b'{"score":7}',
            headers={"X-Amz-Executed-Version": "3", "x-amzn-RequestId": "r", **failed},
        )

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with Stub() as stub:
        stub.answer = lambda_
        aws = Aws(allow=["lambda:invoke"], region="us-east-1", endpoint_url=stub.url, functions={"*": "aws"})
        wrapped = await run(invoked(), {"a": 1}, Config(aws=aws))
        failed = await run(direct(), {"fail": 1}, Config(aws=aws))
    request = stub.requests[0][0]
    custom = loads(base64.b64decode(request.headers["X-Amz-Client-Context"]))["custom"]

    assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert custom["idempotency_key"].startswith(EXECUTION.rpartition(":express:")[0])
    assert (wrapped.output["Payload"], wrapped.output["ExecutedVersion"]) == ({"score": 7}, "3")
    assert wrapped.output["SdkResponseMetadata"] == {"RequestId": "r"}
    assert (failed.error, failed.cause) == ("Boom", '{"errorType":"Boom","errorMessage":"m"}')


async def test_functions_at_aws_must_be_allowed() -> None:
    """`aws` without lambda:invoke in aws.allow is refused before the run."""
    with pytest.raises(ConfigError, match=r"lambda:invoke|express\[aws\]"):
        await run(direct(), {}, Config(aws=Aws(functions={"score": "aws"})))


def test_the_trace_is_in_the_client_context() -> None:
    """Functions elsewhere find the trace context beside the idempotency key."""
    told = client_context(task("lambda:invoke", {}), msgspec.structs.replace(CONTEXT, trace=("00-a-b-01", "v=1")))

    custom = loads(base64.b64decode(told))["custom"]
    assert (custom["traceparent"], custom["tracestate"]) == ("00-a-b-01", "v=1")
