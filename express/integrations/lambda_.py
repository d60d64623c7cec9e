"""Lambda functions wherever they are: registered here, at an URL, or at AWS.

What `[functions]` registers is called in process. For the others `[aws.functions]` says where they are: `aws`, or an
URL. An URL without a path speaks Lambda's Invoke API (the runtime interface emulator, LocalStack, SAM); one with a
path is a function URL: it gets the event as its body and answers with the result.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from express.asl.resources import Resource
from express.config import Aws
from express.engine.effects import StartTask
from express.errors import DATA_LIMIT_EXCEEDED, StatesError
from express.integrations.aws import AwsCalls, read_streams, shapes
from express.integrations.aws.calls import Unsupported, available, check_allowed
from express.integrations.aws.optimized import metadata, parsed
from express.integrations.idempotency import idempotency_key
from express.integrations.local import LocalFunctions, candidates
from express.integrations.tracing import trace_headers
from express.ports import Describe, Direct, Integration, Tally, TaskContext
from express.values import JSON, PAYLOAD_LIMIT, dumps, text

if TYPE_CHECKING:
    import aiohttp

AT_AWS = "aws"


class Functions(Integration):
    """The `Integration` for Lambda functions: a local one first, then where the configuration says."""

    def __init__(self, local: LocalFunctions, settings: Aws, calls: AwsCalls) -> None:
        """Opens nothing."""
        self._local = local
        self._settings = settings
        self._calls = calls
        self._places: dict[str, str | None] = {}
        self._session: aiohttp.ClientSession | None = None

    def knows(self, name: str) -> bool:
        """Return whether a function can be called by this ARN or name."""
        return self._place(name) is not None or self._local.knows(name)

    def nearest(self, name: str) -> str | None:
        """The registered name that was probably meant."""
        return self._local.nearest(name)

    def refusal(self, resource: Resource) -> str | None:
        """Return why a resource cannot be called here; None if it can. Names are checked by `knows`."""
        if resource.pattern:
            return f"the pattern .{resource.pattern} waits, which only STANDARD may; request-response is there"
        if AT_AWS not in self._settings.functions.values():
            return None
        if not available():
            return "functions at AWS need an extra: pip install 'express[aws]'"
        try:
            check_allowed("lambda:invoke", self._settings)
        except Unsupported as reason:
            return str(reason)
        return None

    def endpoint(self, task: StartTask) -> str | None:
        """The row of `aws.functions` that leads to the function, or the local function."""
        direct = task.resource.kind != "optimized"
        name = task.resource.arn if direct else _named(task.input)
        if not name or self._place(name) is None:
            return self._local.endpoint(task)
        return f"lambda:{_row(name, self._settings.functions)}"

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task as it is; raises Unsendable where its parameters make no request."""
        return self._local.prepare(task, context)

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Call the function that the task names."""
        direct = task.resource.kind != "optimized"
        name = task.resource.arn if direct else _named(task.input)
        place = self._place(name) if name else None
        if place is None:
            return self._local.start(task, context)
        request = {"FunctionName": name, "Payload": task.input} if direct else task.input
        return self._invoke(place, request, direct, task, context)

    def is_local(self, name: str) -> bool:
        """Return whether a function is registered in this process."""
        return self._place(name) is None

    def bind(self, resource: Resource, describe: Describe, tally: Tally | None = None) -> Direct | None:
        """The direct way, for functions that are registered here."""
        if resource.kind == "optimized" or self._place(resource.arn) is not None:
            return None
        return self._local.bind(resource, describe, tally)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _place(self, name: str) -> str | None:
        """Return where a function is; None for one that is registered here, or nowhere."""
        if name not in self._places:
            if len(self._places) >= 10_000:
                self._places.clear()  # names may come from payloads
            self._places[name] = None if self._local.knows(name) else _configured(name, self._settings.functions)
        return self._places[name]

    async def _invoke(
        self, place: str, request: dict[str, JSON], direct: bool, task: StartTask, context: TaskContext
    ) -> JSON:
        if place == AT_AWS:
            answer = await self._at_aws(request, task, context)
        else:
            answer = await self._at_url(place, request, task, context)
        if answer.get("FunctionError"):
            raise function_error(answer["Payload"])
        answer["Payload"] = parsed(answer["Payload"]) if answer["Payload"] else ""
        return answer["Payload"] if direct else answer

    async def _at_aws(self, request: dict[str, JSON], task: StartTask, context: TaskContext) -> dict[str, Any]:
        call = self._calls.invoke_call()
        given = {**request, "Payload": dumps(request.get("Payload", {})).decode()}
        parameters = shapes.request(call.input, given, call.spelling)
        parameters.setdefault("ClientContext", client_context(task, context))
        answer = await self._calls.send(call, parameters, self._calls.role(task, context))
        about = answer.pop("ResponseMetadata", {})
        await read_streams(answer, call)
        return {"ExecutedVersion": "$LATEST", **answer, "Payload": shapes.blob(answer["Payload"]), **metadata(about)}

    async def _at_url(
        self, url: str, request: dict[str, JSON], task: StartTask, context: TaskContext
    ) -> dict[str, Any]:
        import aiohttp

        if urlsplit(url).path == "":
            url = f"{url}/2015-03-31/functions/{quote(_short(request['FunctionName']), safe='')}/invocations"
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": idempotency_key(task, context),
            "X-Amz-Client-Context": client_context(task, context),
            "X-Amz-Invocation-Type": str(request.get("InvocationType", "RequestResponse")),
            **trace_headers(context),
        }
        try:
            async with self._sessions().post(
                url, data=dumps(request.get("Payload", {})), headers=headers, allow_redirects=False
            ) as response:
                body = await _bounded(response)
        except (TimeoutError, aiohttp.ClientError) as error:
            cause = f"Unable to execute HTTP request: {type(error).__name__}: {error}"
            raise StatesError("Lambda.SdkClientException", cause) from error
        return _answer(response, body)

    def _sessions(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=settings.connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(sock_connect=settings.connect_timeout, sock_read=settings.read_timeout),
            )
        return self._session


def _named(request: JSON) -> str:
    name = request.get("FunctionName") if isinstance(request, dict) else None
    return name if isinstance(name, str) else ""


def _configured(name: str, table: dict[str, str]) -> str | None:
    row = _row(name, table)
    return None if row is None else table[row]


def _row(name: str, table: dict[str, str]) -> str | None:
    """The key of a function's row: its exact name before patterns, in the order they are written."""
    for candidate in candidates(name):
        if candidate in table:
            return candidate
    found = [pattern for pattern in table if any(fnmatchcase(c, pattern) for c in candidates(name))]
    return found[0] if found else None


def _short(name: str) -> str:
    return candidates(name)[-1]


def client_context(task: StartTask, context: TaskContext) -> str:
    """Lambda's ClientContext with idempotency key and trace: Base64 of JSON, as the service wants it."""
    trace = {name.lower(): value for name, value in trace_headers(context).items()}
    custom = {"custom": {"idempotency_key": idempotency_key(task, context), **trace}}
    return base64.b64encode(dumps(custom)).decode()


def function_error(payload: str) -> StatesError:
    """The error that a function ended with, named as it names it."""
    told = parsed(payload)
    name = told.get("errorType") if isinstance(told, dict) else None
    return StatesError(name if isinstance(name, str) and name else "Lambda.Unknown", payload)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > PAYLOAD_LIMIT:
            raise StatesError(
                DATA_LIMIT_EXCEEDED,
                "The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes "
                "service limit.",
            )
    return bytes(body)


def _answer(response: aiohttp.ClientResponse, body: bytes) -> dict[str, Any]:
    """Lambda's response of an HTTP one. Raises StatesError for what is no success."""
    if response.status == 429:
        raise StatesError("Lambda.TooManyRequestsException", _told(response, body))
    if response.status == 404:
        raise StatesError("Lambda.ResourceNotFoundException", _told(response, body))
    if response.status >= 300:
        raise StatesError("Lambda.ServiceException", _told(response, body))
    payload = body.decode(errors="replace")
    about = {
        "HTTPHeaders": dict(response.headers),
        "HTTPStatusCode": response.status,
        "RequestId": response.headers.get("x-amzn-requestid", ""),
    }
    failed = response.headers.get("X-Amz-Function-Error", "") or _looks_failed(payload)
    return {
        "ExecutedVersion": response.headers.get("X-Amz-Executed-Version", "$LATEST"),
        "Payload": payload,
        "StatusCode": response.status,
        **({"FunctionError": failed} if failed else {}),
        **metadata(about),
    }


def _looks_failed(payload: str) -> str:
    """The runtime interface emulator tells errors by their members alone."""
    if '"errorType"' not in payload:
        return ""
    told = parsed(payload)
    return "Unhandled" if isinstance(told, dict) and {"errorMessage", "errorType"} <= told.keys() else ""


def _told(response: aiohttp.ClientResponse, body: bytes) -> str:
    said = body[:1024].decode(errors="replace") or text(response.reason or "")
    return f"{said} (Service: AWSLambda; Status Code: {response.status}; Proxy: null)"
