"""kill -9 of a server that has just answered: what was answered for is not lost, what was begun is not begun again.

    python -m tests.api.kills [--trials 100] [--kafka HOST:PORT] [--only async|sync]

async: clients start executions through Kafka until the server is killed, at a moment that chance chooses; every start
that was answered with 200 must be in the input topic, and none twice. sync: the server is killed while it runs
StartSyncExecution, and started anew over the same store; no execution may have begun twice. The server is `express
serve` in a process of its own; every trial kills it once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from express.devbroker import Broker
from express.kafka.topics import ends
from tests.kafka.clients import new_topic, read_all
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
CLIENTS = 4
KILL_WITHIN = 0.2
"""Seconds from the first answer to the kill, at most."""

HANDLER = """
import asyncio, os
FILE = os.open("begun.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
async def begun(event, context):
    os.write(FILE, b"%d\\n" % event)
    await asyncio.sleep(0.02)
"""
TASK = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:begun", "End": True}
CONFIG = """
[functions]
begun = "begin:begun"
[metrics]
port = 0
[api]
queue = {queue}
[kafka]
bootstrap_servers = "{kafka}"
[[pipelines]]
name = "m"
topics = ["{topic}"]
workflow = "m.asl.json"
output = "{topic}.results"
dead_letter = "{topic}.dead"
"""


class Outcome(NamedTuple):
    """Of all trials of a kind."""

    trials: int
    answered: int
    found: int
    lost: int
    doubled: int

    def __str__(self) -> str:
        return (
            f"{self.trials} kills: {self.answered} answered with 200, {self.found} begun, "
            f"{self.lost} lost, {self.doubled} doubled"
        )


class Server:
    """`express serve` in a folder, until it is killed."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self._port = port

    async def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        await self._process.wait()

    async def client(self, action: str, numbers: list[int], answered: list[int], first: asyncio.Event) -> None:
        """Start one execution after the other, until the connection breaks."""
        with contextlib.suppress(OSError, EOFError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                while True:
                    numbers.append(number := len(numbers))
                    writer.write(_request(action, number))
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                    await reader.readexactly(length)
                    if head.startswith(b"HTTP/1.1 200"):
                        answered.append(number)
                        first.set()
            finally:
                writer.close()


def _request(action: str, number: int) -> bytes:
    body = json.dumps({"stateMachineArn": ARN, "input": str(number)}).encode()
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AWSStepFunctions.{action}\r\n\r\n"
    return head.encode() + body


@contextlib.asynccontextmanager
async def _folder(kafka: str, topic: str, *, queue: bool) -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "begin.py").write_text(HANDLER)
        (folder / "express.toml").write_text(CONFIG.format(queue=str(queue).lower(), kafka=kafka, topic=topic))
        (folder / "m.asl.json").write_text(json.dumps({"StartAt": "T", "States": {"T": TASK}}))
        yield folder


async def _serve(folder: Path) -> Server:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "express", "serve", "--port", "0", "m.asl.json"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    url = (await process.stderr.readline()).decode().split()[-1]
    return Server(process, int(url.rpartition(":")[2]))


async def _trial(folder: Path, action: str, numbers: list[int], answered: list[int], chance: random.Random) -> None:
    """Serve, call, kill."""
    server = await _serve(folder)
    first = asyncio.Event()
    clients = [asyncio.create_task(server.client(action, numbers, answered, first)) for _ in range(CLIENTS)]
    try:
        await asyncio.wait_for(first.wait(), PATIENCE)
        await asyncio.sleep(chance.random() * KILL_WITHIN)
    finally:
        await server.kill()
        await asyncio.gather(*clients)


async def asynchronous(trials: int, kafka: str, seed: int = 1) -> Outcome:
    """Kills after StartExecution's 200."""
    topic = await new_topic(kafka)
    numbers: list[int] = []
    answered: list[int] = []
    chance = random.Random(seed)
    async with _folder(kafka, topic, queue=True) as folder:
        for _ in range(trials):
            await _trial(folder, "StartExecution", numbers, answered, chance)
    found = Counter(int(value or b"-1") for value in await _values(kafka, topic))
    return _outcome(trials, answered, found)


async def synchronous(trials: int, seed: int = 1) -> Outcome:
    """Kills during StartSyncExecution; the server comes back over the same store each time."""
    numbers: list[int] = []
    answered: list[int] = []
    chance = random.Random(seed)
    async with _folder("127.0.0.1:1", "unused", queue=False) as folder:
        for _ in range(trials):
            await _trial(folder, "StartSyncExecution", numbers, answered, chance)
        await (await _serve(folder)).kill()  # once more: nothing may have been waiting to be begun again
        found = Counter(int(line) for line in (folder / "begun.txt").read_text().split())
    return _outcome(trials, answered, found)


def _outcome(trials: int, answered: list[int], found: Counter[int]) -> Outcome:
    lost = sum(number not in found for number in answered)
    doubled = sum(count > 1 for count in found.values())
    return Outcome(trials, len(answered), sum(found.values()), lost, doubled)


async def _values(kafka: str, topic: str) -> list[bytes | None]:
    """Every record of the topic."""
    there = sum((await ends({"bootstrap_servers": kafka}, [topic])).values())
    return [record.value for record in await read_all(kafka, topic, there)]


async def main(trials: int, kafka: str | None, only: str | None) -> bool:
    """Run and tell; whether all is as it must be."""
    outcomes = []
    if only != "sync":
        async with Broker() if kafka is None else contextlib.nullcontext() as broker:
            outcomes.append(await asynchronous(trials, kafka or broker.address))
        print(f"async  {outcomes[-1]}", flush=True)
    if only != "async":
        outcomes.append(await synchronous(trials))
        print(f"sync   {outcomes[-1]}", flush=True)
    return not any(outcome.lost or outcome.doubled for outcome in outcomes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.api.kills")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--kafka", help="a broker that runs; otherwise a development broker")
    parser.add_argument("--only", choices=["async", "sync"])
    options = parser.parse_args()
    sys.exit(0 if asyncio.run(main(options.trials, options.kafka, options.only)) else 1)
