"""apigateway:invoke, against a server of the shape that API Gateway has: moto runs no APIs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiohttp import web

from express.asl.resources import parse_resource
from express.config import Aws, Config
from express.errors import StatesError
from express.integrations.apigateway import build
from express.values import JSON, loads
from tests.integrations.calling import STATES, machine, outside, run
from tests.integrations.stub import Stub
from tests.integrations.test_aws import _credentials

__all__ = ["_credentials"]  # a fixture

pytest.importorskip("aiobotocore", reason="the extra aws is not installed")

HOST = "abc123.execute-api.eu-west-1.amazonaws.com"
GET: dict[str, Any] = {"ApiEndpoint": HOST, "Method": "GET", "Stage": "prod", "Path": "/orders/o-1"}


def config(url: str, **more: Any) -> Config:
    return Config(aws=Aws(allow=["apigateway:invoke"], region="us-east-1", endpoints={"apigateway": url}, **more))


async def test_a_call_and_its_response() -> None:
    """Stage and path, parameters and headers with several values; the body parsed where it is JSON."""
    request = {
        **GET,
        "Method": "POST",
        "QueryParameters": {"b": ["2", "3"], "a": ["x y"]},
        "Headers": {"X-Kind": ["audit"]},
        "RequestBody": {"id": 1, "gone": None, "lines": [{"n": None}]},
    }
    async with Stub() as stub:
        finish = await run(machine("apigateway:invoke"), request, config(stub.url))
        ((sent, body),) = stub.requests

    assert (sent.method, sent.path_qs, sent.host) == ("POST", "/prod/orders/o-1?a=x%20y&b=2&b=3", HOST)
    assert (loads(body), sent.headers["Content-Type"]) == ({"id": 1, "lines": [{}]}, "application/json")
    assert (sent.headers["X-Kind"], "Authorization" in sent.headers) == ("audit", False)
    assert finish.output["ResponseBody"] == {"hello": "world"}
    assert (finish.output["StatusCode"], finish.output["StatusText"]) == (200, "OK")
    assert finish.output["Headers"]["Content-Type"] == ["application/json; charset=utf-8"]


async def test_signed_calls_carry_a_signature_of_the_apis_region() -> None:
    """IAM_ROLE signs for execute-api in the API's region, for its own host, whatever server answers."""
    async with Stub() as stub:
        await run(machine("apigateway:invoke"), {**GET, "AuthType": "IAM_ROLE"}, config(stub.url))
        ((sent, _),) = stub.requests

    assert re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/\d{8}/eu-west-1/execute-api/aws4_request, "
        r"SignedHeaders=host;x-amz-date, Signature=[0-9a-f]{64}",
        sent.headers["Authorization"],
    )


@pytest.mark.parametrize(
    ("status", "error"), [(403, "ApiGateway.403"), (500, "ApiGateway.500"), (302, "ApiGateway.302")]
)
async def test_what_is_no_success_is_named_after_its_status(status: int, error: str) -> None:
    """The body is the cause; a redirect is not followed."""

    async def refuses(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text='{"message":"no"}', headers={"Location": "http://127.0.0.1/"})

    async with Stub() as stub:
        stub.answer = refuses
        finish = await run(machine("apigateway:invoke"), GET, config(stub.url))

    assert (finish.error, finish.cause, len(stub.requests)) == (error, '{"message":"no"}', 1)


async def test_throttling_silence_and_nobody() -> None:
    """429 is retried by the state; silence ends with the state's time limit; no connection names the client."""

    async def throttles(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429 if len(stub.requests) < 2 else 200, text="{}")

    retry = {"ErrorEquals": ["ApiGateway.429"], "IntervalSeconds": 1}
    async with Stub() as stub:
        stub.answer = throttles
        retried = await run(machine("apigateway:invoke", Retry=[retry]), GET, config(stub.url))
        stub.answer = stub.silence
        silent = await run(machine("apigateway:invoke", TimeoutSeconds=1), GET, config(stub.url))
    nobody = await run(machine("apigateway:invoke"), GET, config(stub.url))

    assert (retried.status, silent.error) == ("SUCCEEDED", "States.Timeout")
    assert nobody.error == "ApiGateway.SdkClientException"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"ApiEndpoint": "169.254.169.254"}, "must be ID.execute-api.REGION.amazonaws.com"),
        ({"ApiEndpoint": f"{HOST}.evil.org"}, "must be ID.execute-api.REGION.amazonaws.com"),
        ({"ApiEndpoint": f"{HOST}:80"}, "must be ID.execute-api.REGION.amazonaws.com"),
        ({"ApiEndpoint": f"x@{HOST}"}, "must be ID.execute-api.REGION.amazonaws.com"),
        ({"Path": "/a/../../admin"}, "The value for the field 'Path' has an invalid format"),
        ({"Path": "/a\r\nHost: x"}, "The value for the field 'Path' has an invalid format"),
        ({"Stage": "prod?x=1"}, "The value for the field 'Stage' has an invalid format"),
        ({"Headers": {"X-A": "one"}}, "The value of the field 'Headers' has an invalid format"),
        ({"Headers": {"Host": ["x"]}}, "The header 'Host' is not supported"),
        ({"Headers": {"X-Amz-Date": ["x"]}}, "The header 'X-Amz-Date' is not supported"),
        ({"Headers": {"X-A": ["a\r\nb: c"]}}, "The value of the header 'X-A' is malformed"),
        ({"Method": "TRACE"}, "The value for the field 'Method' must be one of"),
        ({"RequestBody": {}}, "The field 'RequestBody' is supported by POST, PUT, PATCH only"),
        ({"AuthType": "KEY"}, "The value for the field 'AuthType' must be one of"),
        ({"Methd": "GET"}, 'The field "Methd" is not supported by Step Functions'),
    ],
)
def test_requests_that_are_refused(change: JSON, problem: str) -> None:
    """No payload reaches another host, another path than it says, or sets what is not its own."""
    with pytest.raises(StatesError) as raised:
        build({**GET, **change})

    assert raised.value.error == "States.Runtime"
    assert problem in str(raised.value.cause)


async def test_it_has_to_be_allowed() -> None:
    """Off by default, as every AWS call."""
    rows = outside(Config()).rows()
    said = rows["optimized:apigateway"].refusal(parse_resource(f"{STATES}apigateway:invoke"))  # type: ignore[attr-defined]

    assert 'put "apigateway:invoke" into aws.allow' in said
