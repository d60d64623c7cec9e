"""An HTTP server for what no emulator does on demand: throttling, silence, bombs. It notes what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Stub:
    """Listens on a free loopback port; `answer` may be exchanged."""

    def __init__(self) -> None:
        self.requests: list[tuple[web.Request, bytes]] = []
        self.answer: Answer = self.hello
        self.released = asyncio.Event()
        self.url = ""

    async def hello(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"hello": "world"})

    async def silence(self, request: web.Request) -> web.StreamResponse:
        await self.released.wait()
        return web.Response()

    async def __aenter__(self) -> Stub:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.released.set()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request, await request.read()))
        return await self.answer(request)
