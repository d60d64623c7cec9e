"""The example of the page about events, run as it stands there: CloudEvents of librdkafka in, CloudEvents out."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

import express.docs
from express.config import load
from express.kafka.topics import create_topics
from express.runtime.records.cloudevents import read_event
from express.service.prepare import prepare
from express.service.service import Service
from express.values import loads
from tests.patience import PATIENCE
from tests.service.kit import until

TEXT = (Path(express.docs.__file__).parent / "events.md").read_text(encoding="utf-8")
PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Example:
    """The page's files in a folder, with topics of their own on a broker."""

    def __init__(self, address: str, folder: Path) -> None:
        self.run = f"e{uuid.uuid4().hex[:12]}"
        self.address = address
        self.folder = folder
        (folder / "express.toml").write_text(
            self._ours(self._block("toml")) + '[metrics]\nport = 0\ninterval = "50ms"\n[log]\nlevel = "warning"\n'
        )
        for name, definition in re.findall(r"`([\w.]+asl\.json)`:\n\n```json\n(.*?)```", TEXT, re.DOTALL):
            (folder / name).write_text(definition)

    def _block(self, language: str) -> str:
        return str(re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)[-1])

    def _ours(self, text: str) -> str:
        return text.replace("127.0.0.1:9092", self.address).replace('"orders.', f'"{self.run}.')

    async def prepare(self) -> Service:
        """Topics, and the service that drains them."""
        topics = [f"{self.run}.{name}" for name in ("events", "results", "dead-letters")]
        await create_topics({"bootstrap_servers": self.address}, topics, 1)
        settings = [f"kafka.group={self.run}", "workers.drain=5s"]
        config = load([self.folder / "express.toml"], settings=settings, environ={}).config
        return Service(prepare(config), 1)

    def produce(self) -> None:
        """Run the page's producer."""
        exec(self._ours(self._block("python")), {})  # noqa: S102 # the page's own code

    def read(self, name: str, count: int) -> list[Message]:
        """The first `count` records of a topic."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": uuid.uuid4().hex, "log_level": 0})
        consumer.assign([TopicPartition(f"{self.run}.{name}", 0, 0)])
        found: list[Message] = []
        until = time.monotonic() + PATIENCE
        while len(found) < count and time.monotonic() < until:
            found += [message for message in consumer.consume(count, 0.2) if message.error() is None]
        consumer.close()
        return found


def headers_of(message: Message) -> dict[str, bytes]:
    return dict(message.headers() or ())


async def test_the_example_does_what_the_page_says(address: str, tmp_path: Path) -> None:
    """Two results as CloudEvents and a dead letter; the header chose the workflow, trace and correlation went on."""
    example = Example(address, tmp_path)
    service = await example.prepare()
    await service.start()
    running = asyncio.create_task(service.run())
    try:
        assert await service.ready(PATIENCE)
        await asyncio.to_thread(example.produce)
        await until(lambda: sum(service.totals.overall().get(name, 0) for name in ("succeeded", "poison")) == 3)
        counted = service.totals.pipelines()
    finally:
        service.stop()
        await running
    placed, returned = await asyncio.to_thread(example.read, "results", 2)
    (letter,) = await asyncio.to_thread(example.read, "dead-letters", 1)

    event = read_event(list(headers_of(placed).items()), placed.value())
    assert event["data"] == {"order": "o-1", "due": 119.0}
    assert (event["type"], event["traceparent"]) == ("express.execution.succeeded", PARENT.decode())
    assert str(event["source"]).endswith(":stateMachine:order")
    assert headers_of(placed)["correlation-id"] == b"c-1"
    assert headers_of(placed)["traceparent"] == PARENT
    assert (placed.key(), returned.key()) == (b"customer-7", b"customer-7")
    assert loads(returned.value()) == {"refunded": 30}
    assert b":express:refund:" in headers_of(returned)["express.execution-arn"]
    assert "traceparent" not in headers_of(returned)
    assert letter.value() == b'{"total": 1}'
    assert (
        b"names 'admin'; the workflows of this pipeline are: order, refund."
        in headers_of(letter)["__express.errors.cause"]
    )
    assert _started(counted) == {"order": 1, "refund": 1}


def _started(counted: dict[tuple[str, str], dict[str, Any]]) -> dict[str, int]:
    """Executions started, by state machine."""
    return {machine: int(counters["started"]) for (_, machine), counters in counted.items()}
