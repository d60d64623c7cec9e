"""An API server in a thread of its own, and unmodified boto3 clients for it."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config as ClientConfig

from express.config import Api, Config, Function
from express.service.api import ApiServer
from tests.patience import PATIENCE

FUNCTIONS = {name: Function(handler=f"tests.api.handlers:{name}") for name in ("echo", "fail", "wait")}
ROLE = "arn:aws:iam::123456789012:role/r"
PREFIX = "arn:aws:states:us-east-1:123456789012"


class Running:
    """A server that listens, and its loop."""

    def __init__(self, server: ApiServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.loop = loop

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.server.url

    def post(self, action: str, body: bytes | dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
        """A bare request: status and parsed answer. Headers with `None` for a value are left away."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AWSStepFunctions.{action}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url, raw, {k: v for k, v in sent.items() if v is not None})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def client(self, **more: Any) -> Any:
        """A boto3 client set as `express env` says: no host prefix, any credentials."""
        config = ClientConfig(inject_host_prefix=False, retries={"max_attempts": 0}, **more.pop("config", {}))
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1", **more}
        return boto3.client("stepfunctions", endpoint_url=self.url, config=config, **keys)


@contextmanager
def serving(
    settings: Api | None = None, *, config: Config | None = None, mock: str | None = None, **changes: Any
) -> Iterator[Running]:
    """A server in memory on a free port, or with `settings`. `config`: what else is configured; `mock`: a mock file."""
    settings = settings or Api(**{"port": 0, "store": "", "include_execution_data": True, **changes})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def on_loop(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE)

    async def make() -> ApiServer:
        server = ApiServer(settings, FUNCTIONS, config=config, mock=mock)
        await server.start()
        return server

    try:
        server = on_loop(make())
        try:
            yield Running(server, loop)
        finally:
            on_loop(server.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
