"""What tests of whole services share: a configuration for a broker, a service that runs, events, and a reader."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer

from express.config import Config, load
from express.kafka.topics import create_topics, ends
from express.ports import Partition
from express.service.prepare import prepare
from express.service.service import Service
from express.verify.tally import Tally, tally

DOUBLE = {
    "StartAt": "Double",
    "States": {"Double": {"Type": "Task", "Resource": "double", "ResultPath": "$.result", "End": True}},
}
BLOCK = {"StartAt": "Block", "States": {"Block": {"Type": "Task", "Resource": "gate", "End": True}}}

CONFIG = """
[kafka]
bootstrap_servers = "{address}"
group = "{run}"
client = {{ session_timeout_ms = 6000, heartbeat_interval_ms = 500 }}
[functions]
double = {{ handler = "tests.service.handlers:double", mode = "inline" }}
gate = "tests.service.handlers:gate"
[[pipelines]]
name = "numbers"
topics = ["{run}.in"]
workflow = "machine.asl.json"
output = "{run}.out"
dead_letter = "{run}.dead"
[workers]
restart_delay = "50ms"
[metrics]
port = 0
interval = "50ms"
[log]
level = "warning"
"""


class Lab:
    """A configuration on a broker, with topics of its own."""

    def __init__(self, address: str, folder: Path, machine: dict[str, Any]) -> None:
        self.run = f"t{uuid.uuid4().hex[:12]}"
        self.properties = {"bootstrap_servers": address}
        self.file = folder / "express.toml"
        self.file.write_text(CONFIG.format(address=address, run=self.run))
        (folder / "machine.asl.json").write_text(json.dumps(machine))
        self.logs: list[str] = []

    @property
    def topics(self) -> list[str]:
        return [f"{self.run}.{name}" for name in ("in", "out", "dead")]

    def config(self, *settings: str) -> Config:
        return load([self.file], settings=settings, environ={}).config

    async def prepare(self, partitions: int = 4) -> None:
        await create_topics(self.properties, self.topics, partitions)

    @contextlib.asynccontextmanager
    async def service(self, workers: int = 1, *settings: str) -> AsyncIterator[Service]:
        """A running service; stopped in the end if it is not yet."""
        service = Service(prepare(self.config(*settings)), workers, self.logs.append)
        await service.start()
        running = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            if not service.supervisor.stopping:
                service.stop()
            await running
            self.exit_code = running.result()

    async def produce(self, values: list[bytes]) -> None:
        """Spread values over the partitions, by key."""
        producer = AIOKafkaProducer(**self.properties)
        await producer.start()
        for index, value in enumerate(values):
            await producer.send(self.topics[0], value, key=b"k%d" % (index % 97))
        await producer.flush()
        await producer.stop()

    async def count(self) -> Tally:
        """What an independent reader finds."""
        found = await ends(self.properties, self.topics)
        inputs: dict[Partition, tuple[int, int]] = {
            at: (0, end) for at, end in found.items() if at.topic.endswith(".in")
        }
        outputs = {at: (0, end) for at, end in found.items() if at not in inputs}
        return await tally(self.properties, inputs, outputs)

    async def complete(self) -> None:
        """Wait until each record has its terminal record."""
        while (await self.count()).missing:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)


class Gate:
    """Where executions of BLOCK wait until the test opens."""

    def __init__(self) -> None:
        self.knocked = asyncio.Event()
        self._open = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> Gate:
        self._server = await asyncio.start_server(self._knock, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self.open()
        self._server.close()
        await self._server.wait_closed()

    @property
    def record(self) -> bytes:
        """A record whose execution waits here."""
        return b'{"port": %d}' % self.port

    def open(self) -> None:
        """Let them through."""
        self._open.set()

    async def _knock(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocked.set()
        await self._open.wait()
        writer.write(b"come in\n")
        writer.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is going to happen; the test's own timeout ends what does not."""
    while not condition():  # noqa: ASYNC110 # reports of other processes, which have no Event to set here
        await asyncio.sleep(0.01)


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()
