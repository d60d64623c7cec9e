"""The HTTP server of the parent process: metrics and health, on a port of its own, loopback by default.

Nothing here reaches into a worker: everything is read from their last reports, so that a scrape never waits for
a worker, and a worker never for a scrape.
"""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from express import __version__
from express.errors import ConfigError
from express.telemetry.doorway import host_name, http_log, is_address, is_loopback, is_ours, unreadable

Checks = Mapping[str, str]
"""Name of a check → what is wrong, "" if nothing is."""


class Health(Protocol):
    """Knows how the service is doing."""

    def live(self) -> Checks:
        """Return whether it works at all; if not, it should be started anew."""

    def ready(self) -> Checks:
        """Return whether it takes work now; not while it starts or drains."""

    def started(self) -> Checks:
        """Return whether it has come up once."""


class TelemetryServer:
    """Serves `/metrics /livez /readyz /startupz /version` until stopped."""

    def __init__(
        self, registry: CollectorRegistry, health: Health, host: str, port: int, hosts: Iterable[str] = ()
    ) -> None:
        """`hosts`: names that it may be called by, besides those of loopback and, for others, its addresses."""
        self._registry = registry
        self._hosts = frozenset(name.lower() for name in (host, *hosts))
        self._health = health
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen; the URL. Raises ConfigError where the port can't be had."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/version", _version)
        for name in ("live", "ready"):
            app.router.add_get(f"/{name}z", _answer(getattr(self._health, name)))
        app.router.add_get("/startupz", _answer(self._health.started))
        log = http_log("express.metrics.http")
        self._runner = web.AppRunner(app, access_log=None, logger=log, handle_signals=False)
        await self._runner.setup()
        server = self._runner.server
        assert server is not None, "the runner is set up"
        server.request_handler = self._behind_the_door(server.request_handler)
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(
                f"can't serve metrics on {self._host}:{self._port}: {error.strerror}. Another process may have "
                "the port: set metrics.port, 0 for any free one"
            ) from error
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def stop(self) -> None:
        """Close."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _behind_the_door(self, handler: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        """The same for requests that come for us and can be read."""

        async def handle(request: Any) -> Any:
            name = unreadable(request.raw_headers)
            if name is not None:
                return _json({"message": f"The header {name} is not UTF-8"}, 400)
            called = host_name(request.headers.get("Host", "localhost"))
            if not is_ours(called, self._hosts) and (is_loopback(self._host) or not is_address(called)):
                message = f"This server is not called {called[:256]!r}: metrics.hosts may name it"
                return _json({"message": message}, 403)
            return await handler(request)

        return handle

    async def _metrics(self, request: web.Request) -> web.Response:
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encoder(self._registry), headers={"Content-Type": content_type})


def _answer(checks: Callable[[], Checks]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        found = checks()
        failing = {name: wrong for name, wrong in found.items() if wrong}
        body = {
            "status": "failing" if failing else "ok",
            "checks": {name: wrong or "ok" for name, wrong in found.items()},
        }
        return _json(body, 503 if failing else 200)

    return handler


async def _version(request: web.Request) -> web.Response:
    return _json({"version": __version__, "python": platform.python_version()}, 200)


def _json(body: object, status: int) -> web.Response:
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
