"""Execution logs in a Kafka topic: each event as AWS writes it, in order, and never in the way of an execution."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from express.api.principals import ANYONE
from express.api.protocol import answer
from express.config import Api
from express.service.api import ApiServer
from express.sinks.execution_log import LogTopic
from tests.kafka.clients import new_topic, read_all
from tests.patience import PATIENCE

from .server import FUNCTIONS, ROLE
from .test_machines import definition

DESTINATION = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:g:*"}}


async def test_each_event_is_a_record_with_the_execution_as_its_key(devbroker: str) -> None:
    """At the machine's level; a value for each event, in order per execution, nothing dropped."""
    topic = await new_topic(devbroker)
    settings = Api(port=0, store="", log_topic=topic)
    server = ApiServer(settings, FUNCTIONS, kafka={"bootstrap_servers": devbroker})
    await server.start()

    async def call(action: str, **members: Any) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((await answer(server.api, ANYONE, action, json.dumps(members).encode())).body)
        return told

    arns = {}
    for level in ("ALL", "OFF"):
        configuration = {"level": level, "destinations": [DESTINATION], "includeExecutionData": True}
        members = {"name": level, "definition": definition(), "roleArn": ROLE, "type": "EXPRESS"}
        machine = await call("CreateStateMachine", **members, loggingConfiguration=configuration)
        arns[level] = machine["stateMachineArn"]
        started = [await call("StartSyncExecution", stateMachineArn=arns[level], input=str(i)) for i in range(3)]
        arns[level] = [one["executionArn"] for one in started]
    await server.stop()
    records = await read_all(devbroker, topic, 12)

    events = [json.loads(record.value) for record in records]
    assert [record.key.decode() for record in records] == [event["execution_arn"] for event in events]
    for i, arn in enumerate(arns["ALL"]):
        mine = [event for event in events if event["execution_arn"] == arn]
        assert [event["id"] for event in mine] == ["1", "2", "3", "4"]
        assert mine[0]["details"]["input"] == str(i)
    assert server.data()["log_dropped"] == 0


async def test_a_broker_that_is_away_holds_nothing_up() -> None:
    """Taken at once while there is room; more is dropped, and so is what is left when the server ends."""
    topic = LogTopic("logs", {"bootstrap_servers": "127.0.0.1:1", "request_timeout_ms": 500}, buffer=100)
    await topic.start()
    for _ in range(20):
        topic.write(b'{"n": 1}\n', "arn")  # nine bytes: eleven fit
    assert topic.dropped == 9
    await asyncio.wait_for(topic.stop(), PATIENCE)

    assert topic.dropped == 20


async def test_logs_come_through_once_the_broker_is_there(devbroker: str) -> None:
    """What waited for the connection is written, before the server ends."""
    name = await new_topic(devbroker)
    topic = LogTopic(name, {"bootstrap_servers": devbroker})
    topic.write(b"1\n2\n", "a")
    await topic.start()
    topic.write(b"3\n", "b")
    await topic.stop()

    assert sorted(record.value for record in await read_all(devbroker, name, 3)) == [b"1", b"2", b"3"]
    assert topic.dropped == 0
