"""Secrets of connections and credentials, looked for wherever something is told: results, histories, metrics, logs,
traces, execution logs in Kafka."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition

from express.api.principals import ANYONE
from express.api.protocol import answer
from express.config import Api, Config, load
from express.engine import Execution, History
from express.kafka.topics import create_topics, ends
from express.service.api import ApiServer
from express.service.single_run import run_once
from express.telemetry.execution_log.events import log_events
from express.values import dumps
from tests.api.server import ROLE
from tests.api.test_log_topic import DESTINATION
from tests.integrations.stub import Stub
from tests.patience import PATIENCE
from tests.service.kit import Lab, get, until
from tests.telemetry.collector import Collector

pytest.importorskip("aiobotocore", reason="the extra aws is not installed")

SECRETS = {
    "CANARY_API_KEY": "canary-api-key-5f1d7c",
    "CANARY_PASSWORD": "canary-password-9a3b21",
    "CANARY_CLIENT_SECRET": "canary-client-secret-77ce",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-secret-access-key",
    "AWS_SESSION_TOKEN": "canary-aws-session-token",
    "CANARY_TRACES_KEY": "canary-traces-key-2718",
}
BEARER = "canary-bearer-token-31415"

SETTINGS = """
[aws]
allow = ["*:*"]
region = "us-east-1"
endpoint_url = "{url}"
[http]
timeout = "5s"
"""
CONNECTION = """
[connections.{name}]
networks = ["127.0.0.0/8"]
allow = [{{ url = "{url}" }}]
{auth}
"""
AUTH = {
    "key": 'auth = "api_key"\nkey_name = "X-Api-Key"\nkey = "env:CANARY_API_KEY"',
    "basic": 'auth = "basic"\nusername = "u"\npassword = "env:CANARY_PASSWORD"',
    "oauth": 'auth = "oauth"\nclient_id = "c"\nclient_secret = "env:CANARY_CLIENT_SECRET"\ntoken_url = "{url}/token"',
}


def http(connection: str, following: str) -> dict[str, Any]:
    arn = f"arn:aws:events:us-east-1:123456789012:connection/{connection}/1"
    request = {
        "ApiEndpoint.$": "$.url",
        "Method": "POST",
        "Authentication": {"ConnectionArn": arn},
        "RequestBody.$": "$",
    }
    return call("arn:aws:states:::http:invoke", request, following)


def call(resource: str, request: dict[str, Any], following: str) -> dict[str, Any]:
    caught = {"ErrorEquals": ["States.ALL"], "ResultPath": f"$.{following}", "Next": following}
    return {
        "Type": "Task",
        "Resource": resource,
        "Parameters": request,
        "ResultPath": f"$.{following}",
        "Catch": [caught],
        "Next": following,
    }


MACHINE = {
    "StartAt": "Key",
    "States": {
        "Key": http("key", "Basic"),
        "Basic": http("basic", "OAuth"),
        "OAuth": http("oauth", "Put"),
        "Put": call("arn:aws:states:::dynamodb:putItem", {"TableName": "t", "Item": {}}, "Publish"),
        "Publish": call("arn:aws:states:::sns:publish", {"TopicArn": "arn", "Message": "m"}, "Describe"),
        "Describe": call("arn:aws:states:::aws-sdk:kms:listKeys", {}, "End"),
        "End": {"Type": "Fail", "Error": "Told", "CausePath": "States.JsonToString($)"},
    },
}


async def echo(request: web.Request) -> web.StreamResponse:
    """Tells everything it was sent, as servers in trouble do; the first of each path as an error."""
    if request.path == "/token":
        return web.json_response({"access_token": BEARER, "expires_in": 60})
    told = {"headers": dict(request.headers), "body": (await request.read()).decode()}
    return web.json_response({"message": json.dumps(told), **told}, status=500 if len(told["body"]) % 2 else 200)


def found(text: str) -> list[str]:
    return [secret for secret in [*SECRETS.values(), BEARER] if secret in text]


async def read(properties: dict[str, Any], topics: list[str]) -> str:
    """Everything in topics, headers too."""
    upto = {at: end for at, end in (await ends(properties, topics)).items() if end}
    consumer, told = AIOKafkaConsumer(**properties, enable_auto_commit=False), []
    await consumer.start()
    try:
        consumer.assign([TopicPartition(*at) for at in upto])
        await consumer.seek_to_beginning()
        while len(told) < sum(upto.values()):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                told += [f"{record.key!r} {record.value!r} {record.headers!r}" for record in records]
    finally:
        await consumer.stop()
    return "\n".join(told)


async def logged(config: Config, topic: str, url: str) -> str:
    """The execution logs, with data and without, of a server that runs the machine and writes them to a topic."""
    kafka = {"bootstrap_servers": config.kafka.bootstrap_servers}
    settings = Api(port=0, store="", log_topic=topic)
    server = ApiServer(settings, {}, config=config, kafka=kafka)
    await server.start()
    try:
        for data in (True, False):
            logging_ = {"level": "ALL", "destinations": [DESTINATION], "includeExecutionData": data}
            members = {"name": f"m-{data}", "definition": json.dumps(MACHINE), "roleArn": ROLE, "type": "EXPRESS"}
            made = await request(server, "CreateStateMachine", **members, loggingConfiguration=logging_)
            given = json.dumps({"url": f"{url}/x"})
            await request(server, "StartSyncExecution", stateMachineArn=made["stateMachineArn"], input=given)
    finally:
        await server.stop()
    assert server.data()["log_dropped"] == 0
    return await read(kafka, [topic])


async def request(server: ApiServer, action: str, **members: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((await answer(server.api, ANYONE, action, json.dumps(members).encode())).body)
    return told


async def test_no_secret_is_told_anywhere(
    devbroker_process: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that echoes what it gets, and one that fails: nothing of it reaches results, dead letters, histories,
    metrics, traces, execution logs or logs, at the loudest log level."""
    caplog.set_level(logging.DEBUG, logger="express")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    lab, collector = Lab(devbroker_process, tmp_path, MACHINE), Collector()
    traces = (f"traces.endpoint={collector.url}", "traces.ratio=1.0", "traces.headers.x-key=env:CANARY_TRACES_KEY")
    async with Stub() as stub:
        stub.answer = echo
        url = stub.url
        connections = "".join(
            CONNECTION.format(name=name, url=url, auth=auth.format(url=url)) for name, auth in AUTH.items()
        )
        with lab.file.open("a") as file:
            file.write(SETTINGS.format(url=url) + connections)
        await lab.prepare(1)
        records = [dumps({"url": f"{url}/x", "pad": "p" * n}) for n in range(4)]
        async with lab.service(1, "log.level=debug", *traces) as service:
            assert await service.ready(PATIENCE), lab.logs
            await lab.produce([*records, b"poison"])
            await until(lambda: service.totals.overall().get("failed", 0) == 4)
            await until(lambda: service.totals.traces().get("exported", 0) >= 4)
            metrics = (await get(f"{service.url}/metrics"))[1]
        history, config = History(), load([lab.file], environ={}).config
        once = await run_once("m", dumps(MACHINE), {"url": f"{url}/x"}, {}, history, config=config)
        await create_topics(lab.properties, [f"{lab.run}.log"], 1)
        execution_logs = await logged(config, f"{lab.run}.log", url)
        sent = "\n".join(f"{request.headers}" for request, _ in stub.requests)
    collector.close()
    assert isinstance(once.x, Execution)
    told = {
        "results and dead letters": await read(lab.properties, lab.topics[1:]),
        "metrics": metrics,
        "logs": "\n".join([*lab.logs, caplog.text]),
        "history": json.dumps(log_events(once.x, "ALL", include_data=True)),
        "configuration": repr(config),
        "traces": "\n".join(map(str, collector.spans)),
        "execution logs": execution_logs,
    }

    assert "canary-api-key-5f1d7c" in sent, "the server was sent the secrets"
    assert BEARER in sent
    assert {place: found(text) for place, text in told.items() if found(text)} == {}
    assert collector.headers.get("x-key") == SECRETS["CANARY_TRACES_KEY"], "so was the collector"
    assert "***" in told["results and dead letters"], "and told of them"
    assert "***" in told["execution logs"]
    assert "attempt 1" in told["traces"]
