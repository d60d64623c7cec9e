"""The API on aiohttp: one address, `POST /`, behind the guard.

The application may be given further routes (the studio's); they find the guard under `GUARD` and must ask it too.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any, cast

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError

from express.api.accept import Doors, open_doors
from express.api.context import Api
from express.api.executions import TRACEPARENT
from express.api.guard import CONTENT_TYPE, Guard
from express.api.ids import token_hex
from express.api.protocol import Answer, answer, failure
from express.errors import ApiError, ConfigError
from express.telemetry.doorway import http_log, unreadable

BODY_LIMIT = 1_114_112
"""Bytes of a request: AWS's 1 MB for a definition, and some for what is around it."""

HEADER_SECONDS = 10.0
"""Seconds that a connection may take to send the headers of a request, and idle between two."""

SPREAD = 0.25
"""Up to this share earlier: connections that came together are not all sent away at the same moment."""

BODY_SECONDS = 30.0
LINGER_SECONDS = 1.0
"""Seconds that the rest of a refused body is read, so that its sender sees the answer."""

CONNECTIONS = 4_096
"""Connections at once; more are closed as they come."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

GUARD = web.AppKey("guard", Guard)
HANDLER: web.AppKey[Handler] = web.AppKey("handler")

Observe = Callable[[str, str, float], None]
"""(action, error code or "", seconds): told of every request. Must be quick and never raise."""


def make_app(
    api: Api, guard: Guard, observe: Observe | None = None, *, body_seconds: float = BODY_SECONDS
) -> web.Application:
    """The application, ready to be served."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app[GUARD] = guard
    handler = _handler(api, guard, observe or (lambda action, code, seconds: None), body_seconds)
    app[HANDLER] = handler
    app.router.add_post("/", handler)
    return app


def _handler(api: Api, guard: Guard, observe: Observe, body_seconds: float) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        action = ""
        try:
            guard.admit(request)
            action = guard.action(request)
            body = await _body(request, body_seconds)
            caller = guard.caller(request, body, action)
            TRACEPARENT.set(request.headers.get("traceparent", ""))
            result = await answer(api, caller, action, body)
        except ApiError as error:
            result = failure(error)
        observe(action, result.code, time.monotonic() - began)
        return _response(request, result)

    return handle


async def _body(request: web.Request, seconds: float) -> bytes:
    if request.raw_path != "/":
        raise ApiError("UnknownOperationException", "The API has no query", 404)
    if (request.content_length or 0) > BODY_LIMIT:
        raise _too_large()  # before anything of it is read
    try:
        content = request.content
        if content.is_eof():  # it came with the headers, as most do
            body = content.read_nowait()
            if len(body) > BODY_LIMIT:
                raise _too_large()
            return body
        async with asyncio.timeout(seconds):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except TimeoutError:
        raise ApiError("RequestTimeoutException", "The body took too long", 408) from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise ApiError("SerializationException", "The body is not what its Content-Encoding says") from None


def _too_large() -> ApiError:
    return ApiError("RequestEntityTooLargeException", f"A request has at most {BODY_LIMIT} bytes", 413)


def _response(request: web.Request, result: Answer) -> web.StreamResponse:
    if request.keep_alive and request.version == HttpVersion11:
        return cast(web.StreamResponse, _Written(request.writer, result))
    headers = {"x-amzn-RequestId": token_hex(), "Content-Type": CONTENT_TYPE, "Server": "express"}
    if result.code:
        headers["x-amzn-ErrorType"] = result.code
    return web.Response(status=result.status, body=result.body, headers=headers)


class _Written:
    """An answer that goes out as it is.

    It is what the web library asks of a response, and no more: its own costs 6 µs more for what no client of this
    API can tell from ours.
    """

    keep_alive = True

    def __init__(self, writer: AbstractStreamWriter, result: Answer) -> None:
        self._writer = writer
        self._result = result

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to be prepared."""

    async def write_eof(self) -> None:
        """Send it, and wait if the client reads slower than we answer."""
        status, body, code = self._result
        kind = b"x-amzn-ErrorType: %b\r\n" % code.encode() if code else b""
        await self._writer.write(
            b"%bx-amzn-RequestId: %b\r\n%bDate: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (_head(status), token_hex().encode(), kind, _date(int(time.time())), len(body), body)
        )
        await self._writer.drain()


@cache
def _head(status: int) -> bytes:
    reason = HTTPStatus(status).phrase
    return f"HTTP/1.1 {status} {reason}\r\nServer: express\r\nContent-Type: {CONTENT_TYPE}\r\n".encode()


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    """The Date header of a second (RFC 9110 §6.6.1).

    >>> _date(0)
    b'Thu, 01 Jan 1970 00:00:00 GMT'
    """
    return formatdate(second, usegmt=True).encode()


class Listener:
    """Serves an application on one address, within limits, until it is closed."""

    def __init__(
        self, app: web.Application, connections: int = CONNECTIONS, *, header_seconds: float = HEADER_SECONDS
    ) -> None:
        self._runner = web.AppRunner(
            app,
            handler_cancellation=True,  # a caller that goes away takes its StartSyncExecution with it
            access_log=None,
            logger=http_log("express.api.http"),
            keepalive_timeout=header_seconds,
            lingering_time=LINGER_SECONDS,
            handle_signals=False,
        )
        self._most = connections
        self._doors: Doors | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> str:
        """Listen; the URL. Raises ConfigError where the port can't be had."""
        await self._runner.setup()
        server = self._runner.server
        assert server is not None, "the runner is set up"
        server.request_handler = _ahead(self._runner.app[HANDLER], server.request_handler)

        def connected() -> asyncio.Protocol:
            if len(server._connections) >= self._most:
                return _Full()
            handler = server()
            handler._keepalive_timeout *= 1 - random.random() * SPREAD
            return handler

        try:
            self._doors = await open_doors(host, port, connected, tls)
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(
                f"can't serve the API on {host}:{port}: {error.strerror}. Another process may have the port: set "
                "api.port, 0 for any free one"
            ) from error
        host, port = self._doors.address
        scheme = "http" if tls is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def stop(self) -> None:
        """Take no more connections, let requests end, close."""
        if self._doors is not None:
            self._doors.close()
            await self._runner.cleanup()
            self._doors = None


def _ahead(handler: Handler, others: Any) -> Any:
    """The API's one address answered before the routes are searched: an eighth of what a request costs."""

    async def handle(request: Any) -> web.StreamResponse:
        name = unreadable(request.raw_headers)
        if name is not None:
            return _response(request, failure(ApiError("SerializationException", f"The header {name} is not UTF-8")))
        if request.method == "POST" and request.raw_path == "/":
            return await handler(request)
        response: web.StreamResponse = await others(request)
        return response

    return handle


class _Full(asyncio.Protocol):
    """Closes a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
