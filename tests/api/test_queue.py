"""Asynchronous starts through Kafka: what was answered for is in the topic, whatever becomes of the server."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from express.api.principals import ANYONE
from express.api.wire import answer
from express.config import Api
from express.ports import Partition
from express.runtime.pipeline import Workflow
from express.runtime.records import Naming
from express.service.api import ApiServer
from express.sources.topics import ends
from tests.kafka.clients import new_topic, read_all

from .server import FUNCTIONS, ROLE
from .test_machines import definition


class Queued:
    """A server in this loop whose machine `m` has an input topic."""

    def __init__(self, server: ApiServer, topic: str) -> None:
        self.server = server
        self.topic = topic
        self.arn = "arn:aws:states:us-east-1:123456789012:stateMachine:m"

    async def call(self, action: str, **members: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer."""
        result = await answer(self.server.api, ANYONE, action, json.dumps(members).encode())
        return result.status, json.loads(result.body)


@pytest.fixture
async def queued(devbroker: str) -> AsyncIterator[Queued]:
    """With machines `m` (queued) and `n` (not)."""
    topic = await new_topic(devbroker)
    kafka = {"bootstrap_servers": devbroker}
    server = ApiServer(Api(port=0, store=""), FUNCTIONS, topics={"m": topic}, kafka=kafka)
    await server.start()
    found = Queued(server, topic)
    for name in ("m", "n"):
        await found.call("CreateStateMachine", name=name, definition=definition(), roleArn=ROLE, type="EXPRESS")
    yield found
    await server.stop()


async def test_an_answered_start_is_in_the_topic(queued: Queued, devbroker: str) -> None:
    """The input as it came, the name as the key, and the ARN that the workers will give the record."""
    status, started = await queued.call(
        "StartExecution", stateMachineArn=queued.arn, name="x", input='{"a": 1}', traceHeader="Root=1"
    )
    (record,) = await read_all(devbroker, queued.topic, 1)

    assert status == 200
    assert (record.key, record.value) == (b"x", b'{"a": 1}')
    assert record.headers == (("X-Amzn-Trace-Id", b"Root=1"),)
    program: Any = None
    prefix = Workflow(name="m", program=program).execution_prefix
    place = Partition(record.topic, record.partition)
    assert started["executionArn"] == Naming(prefix, place).arn(record.offset)
    assert started["startDate"] == pytest.approx(record.timestamp / 1000, abs=0.001)


async def test_the_others_run_here(queued: Queued) -> None:
    """A machine without a topic, and every synchronous start, runs in this process."""
    arn = queued.arn.replace(":m", ":n")
    _, started = await queued.call("StartExecution", stateMachineArn=arn)
    assert (await queued.call("DescribeExecution", executionArn=started["executionArn"]))[0] == 200
    _, sync = await queued.call("StartSyncExecution", stateMachineArn=queued.arn, input="[1]")
    assert sync["output"] == "[1]"


async def test_bad_inputs_are_refused_before_they_are_queued(queued: Queued, devbroker: str) -> None:
    """Neither a bad name nor a text that is no JSON gets into the topic."""
    for wrong in ({"input": "{"}, {"name": "a b"}):
        status, _ = await queued.call("StartExecution", stateMachineArn=queued.arn, **wrong)
        assert status == 400
    await queued.call("StartExecution", stateMachineArn=queued.arn, input="1")

    assert [record.value for record in await read_all(devbroker, queued.topic, 1)] == [b"1"]


async def test_without_the_broker_a_start_fails(queued: Queued) -> None:
    """503: the caller knows that nobody has answered for it."""
    assert queued.server._queue is not None
    await queued.server._queue.stop()

    status, told = await queued.call("StartExecution", stateMachineArn=queued.arn)
    assert (status, told["__type"].rpartition("#")[2]) == (503, "ServiceUnavailable")


_SERVER = """
import asyncio, json, sys
from express.api.principals import ANYONE
from express.api.wire import answer
from express.config import Api
from express.service.api import ApiServer

async def main(kafka, topic, definition):
    server = ApiServer(Api(port=0, store=""), {}, topics={"m": topic}, kafka={"bootstrap_servers": kafka})
    await server.start()
    members = {"name": "m", "definition": definition, "roleArn": "r", "type": "EXPRESS"}
    made = await answer(server.api, ANYONE, "CreateStateMachine", json.dumps(members).encode())
    arn = json.loads(made.body)["stateMachineArn"]
    for i in range(1_000_000):
        start = {"stateMachineArn": arn, "input": str(i)}
        if (await answer(server.api, ANYONE, "StartExecution", json.dumps(start).encode())).status == 200:
            print(i, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_nothing_answered_is_lost_when_the_server_is_killed(devbroker: str) -> None:
    """SIGKILL while starts are under way, several times over: each one answered with 200 is in the topic, once."""
    for _ in range(3):
        topic = await new_topic(devbroker)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _SERVER, devbroker, topic, definition(), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        acknowledged = [(await process.stdout.readline()).strip() for _ in range(40)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() async for line in process.stdout if line.endswith(b"\n")]
        await process.wait()
        there = sum((await ends({"bootstrap_servers": devbroker}, [topic])).values())  # one more may lie unanswered
        found = [record.value for record in await read_all(devbroker, topic, there)]

        assert set(acknowledged) <= set(found)
        assert len(found) == len(set(found))


HANDLER = """
import asyncio
async def begun(event, context):
    with open("begun.txt", "a") as file:
        file.write(f"{event}\\n")
    await asyncio.sleep(3600)
"""


async def test_a_sync_start_is_never_begun_twice(tmp_path: Path) -> None:
    """Killed in the middle and started anew, the server has forgotten it: at most once."""
    (tmp_path / "begin.py").write_text(HANDLER)
    (tmp_path / "express.toml").write_text('[functions]\nbegun = "begin:begun"\n')
    task = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:begun", "End": True}
    (tmp_path / "m.asl.json").write_text(json.dumps({"StartAt": "T", "States": {"T": task}}))
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"}
    for i in range(3):
        serve = ("-m", "express", "serve", "--port", "0", "--ephemeral", "m.asl.json")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *serve, cwd=tmp_path, env=environment, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        url = (await process.stderr.readline()).decode().split()[-1]
        host, port = url.removeprefix("http://").split(":")
        body = json.dumps(
            {"stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m", "input": str(i)}
        ).encode()
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AWSStepFunctions.StartSyncExecution\r\n\r\n"
        writer.write(head.encode() + body)
        while len(_begun(tmp_path)) <= i:  # noqa: ASYNC110 - another process writes the file
            await asyncio.sleep(0.01)
        process.kill()
        await process.wait()
        assert await reader.read() == b""
        writer.close()

    assert _begun(tmp_path) == ["0", "1", "2"]


def _begun(folder: Path) -> list[str]:
    file = folder / "begun.txt"
    return file.read_text().split() if file.exists() else []
