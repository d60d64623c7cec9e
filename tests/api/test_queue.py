"""Asynchronous starts through Kafka: what was answered for is in the topic, whatever becomes of the server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from express.api.principals import ANYONE
from express.api.protocol import answer
from express.config import Api
from express.ports import Partition
from express.runtime.drain.pipeline import Workflow
from express.runtime.records.terminal_record import Naming
from express.service.api import ApiServer
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
