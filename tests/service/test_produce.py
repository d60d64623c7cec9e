"""Kafka as a target, on the development broker and on a real Kafka: in the result's transaction, or acknowledged."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from express.config import Config, Kafka
from express.errors import ConfigError
from express.integrations import ExternalIntegrations, Integrations, LocalFunctions, table
from express.kafka.topics import create_topics, ends
from express.service.service import Service
from express.service.single_run import run_once
from express.service.workflows import compile_callable
from express.values import JSON, dumps, loads
from tests.patience import PATIENCE
from tests.service.kit import Lab, until

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:machine"
PARTITIONS = 4


def machine(topic: str) -> dict[str, Any]:
    """Produces a record, and starts itself once more for another: without being waited for."""
    request = {"Topic": topic, "Key.$": "States.Format('{}', $.n)", "Value.$": "$", "Headers": {"kind": "audit"}}
    child = {"n.$": "$.n", "child": True}
    return {
        "StartAt": "Produce",
        "States": {
            "Produce": {
                "Type": "Task",
                "Resource": "arn:express:kafka:::produce",
                "Parameters": request,
                "ResultPath": "$.produced",
                "Next": "Child?",
            },
            "Child?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.child", "IsPresent": True, "Next": "Done"}],
                "Default": "Start",
            },
            "Start": {
                "Type": "Task",
                "Resource": "arn:aws:states:::states:startExecution",
                "Parameters": {"StateMachineArn": MACHINE, "Input": child},
                "ResultPath": None,
                "Next": "Done",
            },
            "Done": {"Type": "Succeed"},
        },
    }


async def lab_of(address: str, folder: Path) -> tuple[Lab, str]:
    lab = Lab(address, folder, {})
    audit = f"{lab.run}.audit"
    (folder / "machine.asl.json").write_bytes(dumps(machine(audit)))
    await lab.prepare(PARTITIONS)
    await create_topics(lab.properties, [audit], PARTITIONS)
    return lab, audit


async def committed(lab: Lab, topic: str) -> Counter[bytes]:
    """The values that a reader of committed records finds, and how often."""
    upto = {partition: end for partition, end in (await ends(lab.properties, [topic])).items() if end}
    found: Counter[bytes] = Counter()
    consumer = AIOKafkaConsumer(**lab.properties, isolation_level="read_committed", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(*partition) for partition in upto]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        while any([await consumer.position(place) < upto[place] for place in places]):  # type: ignore[index] # a tuple, too
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    value = loads(record.value)
                    found[dumps([value["n"], "child" in value])] += 1
    finally:
        await consumer.stop()
    return found


def succeeded(service: Service) -> int:
    return int(service.totals.overall().get("succeeded", 0))


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
async def test_kill_minus_nine_and_every_record_is_there(address: str, tmp_path: Path, delivery: str) -> None:
    """Workers are killed in the middle. Exactly once: each record once, children's too. At least once: none is lost."""
    lab, audit = await lab_of(address, tmp_path)
    total = 1_200
    async with lab.service(2, f"pipelines.0.delivery={delivery}", f'kafka.produce=["{audit}"]') as service:
        assert await service.ready(PATIENCE), lab.logs
        producing = asyncio.create_task(lab.produce([b'{"n": %d}' % n for n in range(total)]))
        for kills in (1, 2):
            await until(lambda kills=kills: succeeded(service) > 200 * kills and len(service.supervisor.pids) == 2)  # type: ignore[misc]
            os.kill(service.supervisor.pids[kills - 1], signal.SIGKILL)
            await until(lambda kills=kills: sum(service.totals.deaths.values()) == kills)  # type: ignore[misc]
        await producing
        await lab.complete()
    found, results = await committed(lab, audit), await lab.count()

    assert (results.missing, set(results.statuses)) == (0, {"SUCCEEDED"})
    assert set(found) == {dumps([n, child]) for n in range(total) for child in (True, False)}
    assert delivery == "at_least_once" or (set(found.values()), results.duplicates) == ({1}, 0)


async def test_exec_is_told_where_the_record_lies(devbroker_process: str, tmp_path: Path) -> None:
    """Outside a transaction the task waits for the acknowledgement: partition, offset and time are its result."""
    lab, audit = await lab_of(devbroker_process, tmp_path)
    config = Config(kafka=Kafka(bootstrap_servers=devbroker_process, produce=[audit]))
    definition = machine(audit)
    del definition["States"]["Produce"]["Next"]
    definition = {"StartAt": "Produce", "States": {"Produce": {**definition["States"]["Produce"], "End": True}}}
    once = await run_once("machine", dumps(definition), {"n": 1}, {}, config=config)
    placed = once.finish.output["produced"]

    assert sorted(placed) == ["Offset", "Partition", "Timestamp", "Topic", "Transactional"]
    assert (placed["Topic"], placed["Offset"], placed["Transactional"]) == (audit, 0, False)
    assert await committed(lab, audit) == {b"[1,false]": 1}


def refused(request: JSON, *produce: str) -> str:
    task = {"Type": "Task", "Resource": "arn:express:kafka:::produce", "Parameters": request, "End": True}
    local = LocalFunctions({})
    outside = ExternalIntegrations(Config(kafka=Kafka(produce=list(produce))), local)
    with pytest.raises(ConfigError) as raised:
        compile_callable(
            dumps({"StartAt": "T", "States": {"T": task}}), outside.functions, Integrations(table(local, outside))
        )
    return str(raised.value)


def test_topics_are_allowed_one_by_one() -> None:
    """Nothing is allowed by default; where Kafka is not connected nothing can be produced."""
    assert "list those that tasks may write to in kafka.produce" in refused({"Topic": "x"})
    assert "no Kafka is connected here" in refused({"Topic": "audit"}, "audit")


@pytest.mark.parametrize(
    ("request_", "error", "cause"),
    [
        ({"Topic": "secret"}, "Kafka.TopicNotAllowed", "does not allow the topic 'secret'"),
        ({}, "States.Runtime", 'The field "Topic" is required but was missing'),
        (
            {"Topic": "audit", "Partition": "1"},
            "States.Runtime",
            "The value for the field 'Partition' must be a NUMBER",
        ),
        ({"Topic": "audit", "Headers": {"express.x": "1"}}, "States.Runtime", "begin with express., which are ours"),
        ({"Topic": "audit", "Headers": {"x": 1}}, "States.Runtime", "must be an OBJECT of STRINGs"),
        ({"Topic": "audit", "Value": 1, "Acks": 0}, "States.Runtime", 'The field "Acks" is not supported'),
        ({"Topic": "audit", "Partition": 99}, "Kafka.ProduceFailed", "has 4 partitions, and none 99"),
    ],
)
async def test_requests_are_judged(
    devbroker_process: str, tmp_path: Path, request_: JSON, error: str, cause: str
) -> None:
    """What the input decides is checked when it is known: the error has a name of its own."""
    _, audit = await lab_of(devbroker_process, tmp_path)
    config = Config(kafka=Kafka(bootstrap_servers=devbroker_process, produce=[audit]))
    given = {**request_, "Topic": audit} if request_.get("Topic") == "audit" else request_
    definition = {
        "StartAt": "T",
        "States": {"T": {"Type": "Task", "Resource": "arn:express:kafka:::produce", "End": True}},
    }
    finish = (await run_once("machine", dumps(definition), given, {}, config=config)).finish

    assert finish.error == error
    assert cause in str(finish.cause)


async def test_a_constant_topic_is_judged_when_compiled(devbroker_process: str, tmp_path: Path) -> None:
    """A topic that the definition names and the configuration does not is refused before anything runs."""
    _, audit = await lab_of(devbroker_process, tmp_path)
    config = Config(kafka=Kafka(bootstrap_servers=devbroker_process, produce=[audit]))
    with pytest.raises(ConfigError, match=r"put it into kafka\.produce; did you mean"):
        await run_once("machine", dumps(machine(f"{audit}s")), {"n": 1}, {}, config=config)


async def test_a_missing_topic_is_told_before_anything_starts(address: str, tmp_path: Path) -> None:
    """A service whose `kafka.produce` lists a topic that is not there does not start: the error names both."""
    lab, audit = await lab_of(address, tmp_path)
    with pytest.raises(ConfigError, match=rf"kafka\.produce: there is no topic {audit}s: create it"):
        async with lab.service(1, f'kafka.produce=["{audit}", "{audit}s"]'):
            raise AssertionError("it started")


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
async def test_a_topic_that_goes_fails_tasks_until_it_is_back(address: str, tmp_path: Path, delivery: str) -> None:
    """A topic deleted under a running service costs the tasks that write to it, by name, and not the pipeline."""
    lab, audit = await lab_of(address, tmp_path)
    admin = AIOKafkaAdminClient(**lab.properties)
    await admin.start()
    async with lab.service(1, f"pipelines.0.delivery={delivery}", f'kafka.produce=["{audit}"]') as service:
        await admin.delete_topics([audit])
        assert await service.ready(PATIENCE), lab.logs
        await lab.produce([b'{"n": 1, "child": true}'])
        await until(lambda: service.totals.overall().get("failed", 0) == 1)
        await create_topics(lab.properties, [audit], PARTITIONS)
        number = 2
        while not succeeded(service):
            await lab.produce([b'{"n": %d, "child": true}' % number])
            number += 1
            await asyncio.sleep(0.2)
    results, found = await lab.count(), await committed(lab, audit)
    await admin.close()

    assert (results.missing, results.duplicates) == (0, 0)
    assert sum(found.values()) == results.statuses["SUCCEEDED"] >= 1
    assert service.totals.overall().get("restarts", 0) == 0, lab.logs
