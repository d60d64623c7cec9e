"""Many HTTP tasks at once: bounded connections, bounded memory, and an end for each."""

from __future__ import annotations

import asyncio
import gc

from aiohttp import web

from express.compiler import compile_definition
from express.config import Breaker, Config, Connection, Destination
from express.engine import About
from express.engine.effects import Finish
from express.integrations import CircuitBreakers, ExternalIntegrations, Integrations, LocalFunctions, table
from express.runtime.clock import SystemClock
from express.runtime.executor.executor import Executor, Run
from express.service.worker_metrics import resident_bytes
from express.values import dumps
from tests.integrations.calling import EXECUTION, machine

TASKS = 5_000
CONNECTIONS = 200
BYTES_EACH = 24_000
"""What a task in flight may hold, request, sockets' share and execution included."""


class Server:
    """Holds every request until it is opened; knows how many connections there are at most."""

    def __init__(self) -> None:
        self.opened, self.full = asyncio.Event(), asyncio.Event()
        self.answered = 0
        self.most = 0
        self._server = web.Server(self._answer, access_log=None)  # type: ignore[arg-type] # a bare handler

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.most = max(self.most, len(self._server.connections))
        if self.most >= CONNECTIONS:
            self.full.set()
        await self.opened.wait()
        self.answered += 1
        return web.Response(body=b'{"ok":true}', content_type="application/json")

    async def start(self) -> str:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, "127.0.0.1", 0, backlog=1_024)
        return f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._listener.close()
        await self._server.shutdown(0.1)
        await self._listener.wait_closed()


async def test_five_thousand_tasks_in_flight() -> None:
    """5,000 executions wait for an endpoint that does not answer, over 200 connections; then every one succeeds."""
    server = Server()
    url = await server.start()
    shop = Connection(allow=[Destination(url=url)], networks=["127.0.0.0/8"], limit=CONNECTIONS)
    config = Config(connections={"shop": shop}, breaker=Breaker(failures=0))
    local = LocalFunctions({})
    outside = ExternalIntegrations(config, local)
    integrations = Integrations(table(local, outside), CircuitBreakers(config.breaker, config.limits))
    executor = Executor(SystemClock(), integrations)
    program = compile_definition(dumps(machine("http:invoke", OutputPath="$.ResponseBody")))
    request = {
        "ApiEndpoint": f"{url}/orders",
        "Method": "POST",
        "Authentication": {"ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/shop/1"},
        "RequestBody": {"id": 1},
    }
    finished: list[Finish] = []
    ended = asyncio.Event()
    gc.collect()
    before = resident_bytes()

    def done(run: Run, finish: Finish) -> None:
        finished.append(finish)
        if len(finished) == TASKS:
            ended.set()

    for number in range(TASKS):
        about = About(execution_arn=f"{EXECUTION}{number}", state_machine_name="shop")
        executor.submit(program, {**request, "RequestBody": {"id": number}}, about, done, size=300)
    await server.full.wait()
    in_flight, grown = executor.running, resident_bytes() - before
    server.opened.set()
    await ended.wait()
    await executor.close()
    await outside.close()
    await local.close()
    await server.stop()

    assert (in_flight, server.most, server.answered) == (TASKS, CONNECTIONS, TASKS)
    assert {(finish.status, finish.output["ok"]) for finish in finished} == {("SUCCEEDED", True)}
    assert grown < TASKS * BYTES_EACH
