"""`apigateway:invoke`: a call of a REST or HTTP API behind API Gateway.

A definition names the API, its stage and a path; the host must be API Gateway's own, so that nothing else can be
reached. `[aws.endpoints] apigateway` sends all calls to an emulator, with the API's name as Host.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec
from yarl import URL

from express.asl.resources import Resource
from express.config import Aws
from express.engine.effects import StartTask
from express.errors import StatesError
from express.integrations.aws import AwsCalls, shapes
from express.integrations.aws.calls import Unsupported, available, check_allowed
from express.integrations.aws.direct import signed
from express.integrations.aws.errors import too_large
from express.integrations.aws.optimized import parsed
from express.integrations.bounds import MOST_HEADER_BYTES, MOST_QUERY_BYTES, Bounded
from express.integrations.idempotency import idempotency_key
from express.integrations.masking import masked, masked_json
from express.ports import Integration, TaskContext
from express.values import JSON, PAYLOAD_LIMIT, dumps

if TYPE_CHECKING:
    import aiohttp

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
WITH_BODY = ("POST", "PUT", "PATCH")
SIGNED = ("IAM_ROLE", "RESOURCE_POLICY")
MEMBERS = {
    "ApiEndpoint": str,
    "Method": str,
    "Headers": dict,
    "Stage": str,
    "Path": str,
    "QueryParameters": dict,
    "RequestBody": object,
    "AllowNullValues": bool,
    "AuthType": str,
}

_HOST = re.compile(r"[a-z0-9]{1,32}(-vpce-[a-z0-9]{1,32})?\.execute-api\.([a-z0-9-]{1,32})\.amazonaws\.com(\.cn)?\Z")
_REFUSED_TEXT = """
    authorization connection content-length content-md5 expect host max-forwards proxy-authenticate server te
    transfer-encoding trailer upgrade via www-authenticate
"""
_REFUSED = frozenset(_REFUSED_TEXT.split())
_REFUSED_PREFIXES = ("x-forwarded", "x-amz", "x-amzn")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}\Z")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Sent(msgspec.Struct, frozen=True):
    """A request, not yet signed."""

    method: str
    host: str
    region: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    signed: bool


class ApiGateway(Integration):
    """The `Integration` for `apigateway:invoke`."""

    def __init__(self, settings: Aws, aws: AwsCalls) -> None:
        """Opens nothing. Credentials of signed calls are those of `aws`."""
        self._settings = settings
        self._aws = aws
        self._session: aiohttp.ClientSession | None = None

    def refusal(self, resource: Resource) -> str | None:
        """Return why a resource cannot be called here; None if it can."""
        if resource.action != "invoke":
            return "apigateway:invoke is all there is"
        if resource.pattern:
            return f"the pattern .{resource.pattern} waits, which only STANDARD may; request-response is there"
        if not available():
            return "AWS calls need an extra: pip install 'express[aws]'"
        try:
            check_allowed("apigateway:invoke", self._settings)
        except Unsupported as reason:
            return str(reason)
        return None

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task with its request. Raises Unsendable where its parameters make none."""
        return msgspec.structs.replace(task, prepared=build(task.input))

    def endpoint(self, task: StartTask) -> str:
        """The service; which APIs there are is the payload's choice."""
        return "aws:apigateway"

    def start(self, task: StartTask, context: TaskContext) -> Awaitable[JSON]:
        """Send the request; the response as task result."""
        sent = task.prepared or build(task.input)
        return self._send(sent, self._aws.role(task, context), idempotency_key(task, context))

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, sent: Sent, role: str, key: str) -> JSON:
        import aiohttp

        base = self._settings.endpoints.get("apigateway") or self._settings.endpoint_url or f"https://{sent.host}"
        target = f"{sent.path}{'?' if sent.query else ''}{sent.query}"
        headers = [*sent.headers, ("Idempotency-Key", key), ("Host", sent.host)]
        secrets: tuple[str, ...] = ()
        if sent.signed:
            headers += await self._signature(sent, target, role)
            secrets = await self._aws.secrets(role)
        try:
            async with self._sessions().request(
                sent.method,
                URL(f"{base.rstrip('/')}{target}", encoded=True),
                data=sent.body or None,
                headers=headers,
                allow_redirects=False,
            ) as response:
                return _result(response, await _bounded(response), secrets)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            cause = f"Unable to execute HTTP request: {type(error).__name__}: {error}"
            raise StatesError("ApiGateway.SdkClientException", masked(cause, secrets)) from error

    async def _signature(self, sent: Sent, target: str, role: str) -> list[tuple[str, str]]:
        frozen = await self._aws.clients.credentials(role)
        if frozen is None:
            raise StatesError("ApiGateway.SdkClientException", "Unable to load credentials")
        made = signed(
            f"https://{sent.host}{target}",
            {},
            sent.body,
            frozen,
            sent.region,
            "execute-api",
            datetime.now(UTC),
            sent.method,
        )
        return [(name, value) for name, value in made.items() if name != "host"]

    def _sessions(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=settings.connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=settings.read_timeout, sock_connect=settings.connect_timeout),
            )
        return self._session


def build(given: JSON) -> Sent:
    """The request of a task's input. Raises StatesError in Step Functions' words."""
    problems = list(_problems(given)) if type(given) is dict else ["The Parameters must be an object"]
    if problems:
        raise shapes.refused(given, problems)
    host, method = given["ApiEndpoint"], given["Method"]
    found = _HOST.match(host)
    assert found is not None, "looked at"
    body, headers = _body(given), _headers(given.get("Headers") or {})
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    path = "/".join(part.strip("/") for part in (given.get("Stage") or "", given.get("Path") or "") if part.strip("/"))
    values = Bounded("apigateway", MOST_QUERY_BYTES)
    pairs = [values.pair(name, text) for name, texts in (given.get("QueryParameters") or {}).items() for text in texts]
    return Sent(
        method=method,
        host=host,
        region=found[2],
        path=f"/{quote(path, safe='/-_.~%')}",
        query=urlencode(sorted(pairs), quote_via=quote, safe="-_.~"),
        headers=headers,
        body=body,
        signed=given.get("AuthType") in SIGNED,
    )


def _problems(given: dict[str, JSON]) -> Any:
    for key, value in given.items():
        if key not in MEMBERS:
            yield f'The field "{key}" is not supported by Step Functions'
        elif value is not None and not isinstance(value, MEMBERS[key]):
            yield f"The value for the field '{key}' has an invalid format"
    yield from _target_problems(given.get("ApiEndpoint"), given.get("Method"))
    if given.get("RequestBody") is not None and given.get("Method") not in WITH_BODY:
        yield f"The field 'RequestBody' is supported by {', '.join(WITH_BODY)} only"
    for key in ("Headers", "QueryParameters"):
        values = given.get(key)
        if type(values) is dict and not all(_is_list(value) for value in values.values()):
            yield f"The value of the field '{key}' has an invalid format"
    if given.get("AuthType", "NO_AUTH") not in ("NO_AUTH", *SIGNED):
        yield f"The value for the field 'AuthType' must be one of NO_AUTH, {', '.join(SIGNED)}"
    yield from _path_problems(given)


def _target_problems(host: JSON, method: JSON) -> Any:
    for key, value in (("ApiEndpoint", host), ("Method", method)):
        if value is None:
            yield f'The field "{key}" is required but was missing'
    if type(host) is str and not _HOST.match(host):
        yield "The value for the field 'ApiEndpoint' must be ID.execute-api.REGION.amazonaws.com"
    if type(method) is str and method not in METHODS:
        yield f"The value for the field 'Method' must be one of {', '.join(METHODS)}"


def _is_list(value: JSON) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


def _path_problems(given: dict[str, JSON]) -> Any:
    for key in ("Stage", "Path"):
        value = given.get(key)
        if type(value) is str and (re.search(r"[\x00-\x20\x7f\\?#]", value) or ".." in value.split("/")):
            yield f"The value for the field '{key}' has an invalid format"


def _headers(given: dict[str, JSON]) -> list[tuple[str, str]]:
    headers = []
    bounded = Bounded("apigateway", MOST_HEADER_BYTES)
    for name, values in given.items():
        lower = name.lower()
        if _NAME.match(name) is None or lower in _REFUSED or lower.startswith(_REFUSED_PREFIXES):
            raise shapes.refused(given, [f"The header '{name}' is not supported"])
        for value in values:
            if _BAD_VALUE.search(value) or not value.isascii():
                raise shapes.refused(given, [f"The value of the header '{name}' is malformed"])
            headers.append(bounded.pair(name, value))
    return headers


def _body(given: dict[str, JSON]) -> bytes:
    body = given.get("RequestBody")
    if body is None:
        return b""
    if type(body) is str:
        return body.encode()
    return dumps(body if given.get("AllowNullValues") else _without_nulls(body))


def _without_nulls(value: JSON) -> JSON:
    if type(value) is dict:
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if type(value) is list else value


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    read = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        read += chunk
        if len(read) > PAYLOAD_LIMIT:
            raise too_large("apigateway")
    return bytes(read)


def _result(response: aiohttp.ClientResponse, body: bytes, secrets: tuple[str, ...]) -> JSON:
    """The response as a result, without `secrets`. Raises StatesError for a status that is no success."""
    text = masked(body.decode(errors="replace"), secrets)
    if not 200 <= response.status < 300:
        raise StatesError(f"ApiGateway.{response.status}", text)
    headers: dict[str, JSON] = {}
    for name, value in response.headers.items():
        if name.lower() != "set-cookie":
            headers.setdefault(str(name), []).append(masked(value, secrets))  # aiohttp has a str of its own
    return {
        "Headers": headers,
        "ResponseBody": masked_json(parsed(text), secrets),
        "StatusCode": response.status,
        "StatusText": masked(response.reason or "", secrets),
    }
