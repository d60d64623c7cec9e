"""`http:invoke`: HTTPS calls through connections that the configuration describes.

Off until there is a connection with an allow-list. A definition names a connection; where requests may go, which
addresses may be connected to and what is sent as authorization is the connection's, not the definition's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping

import aiohttp
import msgspec

from express.config import Connection, Http
from express.engine.effects import StartTask
from express.errors import DATA_LIMIT_EXCEEDED, RUNTIME, StatesError
from express.integrations.http.client import AddressRefused, session
from express.integrations.http.connections import Ready, connection_name, ready
from express.integrations.http.oauth import Tokens
from express.integrations.http.requests import Request, build, malformed
from express.integrations.idempotency import idempotency_key
from express.integrations.masking import masked, masked_json
from express.integrations.tracing import trace_headers
from express.ports import Integration, TaskContext
from express.values import JSON, loads_exactly

SOCKET = "States.Http.Socket"
BINARY = ("application/octet-stream", "image/", "video/", "audio/")
_CHUNK = 16_384


class HttpTasks(Integration):
    """The `Integration` for `http:invoke`."""

    def __init__(self, settings: Http, connections: Mapping[str, Connection], region: str = "us-east-1") -> None:
        """Reveals the secrets of all connections; opens nothing. Raises ConfigError where one is missing."""
        self._settings = settings
        self._configured = dict(connections)
        self._ready = {name: ready(name, connection) for name, connection in connections.items()}
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._tokens: dict[str, Tokens] = {}
        self._agent = f"Amazon|StepFunctions|HttpInvoke|{region}"

    def start(self, task: StartTask, context: TaskContext) -> Awaitable[JSON]:
        """Send the request; the response as task result."""
        connection, request = task.prepared or self._build(task, context)
        if "Traceparent" not in request.headers:
            request.headers.update(trace_headers(context))
        return self._invoke(request, connection)

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task with its request. Raises Unsendable where its parameters make none."""
        return msgspec.structs.replace(task, prepared=self._build(task, context))

    def _build(self, task: StartTask, context: TaskContext) -> tuple[Ready, Request]:
        connection = self._connection(task.input)
        return connection, build(task.input, connection, idempotency_key(task, context), self._agent)

    def endpoint(self, task: StartTask) -> str | None:
        """The connection; None where the task names none."""
        try:
            return f"http:{self._connection(task.input).name}"
        except StatesError:
            return None

    async def close(self) -> None:
        """Close all connections."""
        for opened in self._sessions.values():
            await opened.close()

    def _connection(self, request: JSON) -> Ready:
        given = request if isinstance(request, dict) else {}
        for field in ("Authentication", "InvocationConfig"):
            place = given.get(field)
            if isinstance(place, dict) and "ConnectionArn" in place:
                name = connection_name(place["ConnectionArn"])
                if name in self._ready:
                    return self._ready[name]
                arn = str(place["ConnectionArn"])[:256]
                raise StatesError("Events.ConnectionResource.ResourceNotFound", f"Connection {arn} does not exist.")
        raise malformed(request, 'The field "Authentication.ConnectionArn" is required but was missing')

    def _session(self, connection: Ready) -> aiohttp.ClientSession:
        opened = self._sessions.get(connection.name)
        if opened is None:
            limit = self._configured[connection.name].limit
            opened = self._sessions[connection.name] = session(connection, self._settings, limit)
        return opened

    async def _invoke(self, request: Request, connection: Ready) -> JSON:
        try:
            return await self._authorized(request, connection)
        except AddressRefused as error:
            raise StatesError(SOCKET, str(error)) from error
        except aiohttp.ClientConnectorError as error:
            raise StatesError(SOCKET, connection.hidden(str(error.os_error))) from error
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            cause = connection.hidden(f"{type(error).__name__}: {error}")
            raise StatesError(SOCKET, cause) from error

    async def _authorized(self, request: Request, connection: Ready) -> JSON:
        """Send a request; with OAuth a refused token is renewed once."""
        opened = self._session(connection)
        configured = self._configured[connection.name]
        if configured.auth != "oauth":
            return await self._send(opened, request, connection, request.headers)
        tokens = self._tokens.setdefault(connection.name, Tokens(connection.name, configured))
        token = await tokens.get(opened)
        try:
            return await self._send(opened, request, connection, _bearer(request, token), token)
        except StatesError as error:
            if error.error != "States.Http.StatusCode.401":
                raise
        token = await tokens.get(opened, stale=token)
        return await self._send(opened, request, connection, _bearer(request, token), token)

    async def _send(
        self,
        opened: aiohttp.ClientSession,
        request: Request,
        connection: Ready,
        headers: dict[str, str],
        token: str = "",
    ) -> JSON:
        async with opened.request(
            request.method, request.url, headers=headers, data=request.body, allow_redirects=False
        ) as response:
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind.startswith(BINARY):
                raise StatesError(RUNTIME, f"The content type {kind!r} of the response is not supported")
            body = await self._body(response)
        secrets = (*connection.secrets, token) if token else connection.secrets
        shown = masked(_decoded(body, response), secrets)
        if not 200 <= response.status < 300:
            raise StatesError(f"States.Http.StatusCode.{response.status}", shown)
        return {
            "Headers": _headers(response.headers.items(), secrets),
            "ResponseBody": _parsed(shown, kind, secrets),
            "StatusCode": response.status,
            "StatusText": masked(response.reason or "", secrets),
        }

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, decompressed; never more in memory than the limit and a chunk."""
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._settings.response_limit:
                response.close()
                raise StatesError(
                    DATA_LIMIT_EXCEEDED,
                    "The state/task 'http' returned a result with a size exceeding the maximum number of bytes "
                    "service limit.",
                )
        return bytes(body)


def _bearer(request: Request, token: str) -> dict[str, str]:
    return {**request.headers, "Authorization": f"Bearer {token}"}


def _decoded(body: bytes, response: aiohttp.ClientResponse) -> str:
    try:
        return body.decode(response.charset or "utf-8", errors="replace")
    except LookupError:
        return body.decode(errors="replace")


def _headers(headers: Iterable[tuple[str, str]], secrets: tuple[str, ...]) -> dict[str, JSON]:
    """Response headers: lower-case names, all their values; cookies are not kept."""
    found: dict[str, JSON] = {}
    for name, value in headers:
        if name.lower() != "set-cookie":
            found.setdefault(masked(name.lower(), secrets), []).append(masked(value, secrets))
    return found


def _parsed(body: str, kind: str, secrets: tuple[str, ...]) -> JSON:
    """The body as JSON where it is declared as such and is JSON, else as text."""
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return masked_json(loads_exactly(body), secrets)
        except ValueError:
            return body
    return body
