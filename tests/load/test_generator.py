"""The generator of sample events: repeatable, realistic, poisoned by one in a hundred, and produced as planned."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from typing import Any

import msgspec
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from express.config import Kafka
from express.kafka.topics import create_topics, ends
from express.load.generator import Generator, Plan, Progress, Stream
from express.load.sample_events import POISON, SampleEvents

NOW = 1_700_000_000_000


def readings(seed: int, count: int) -> list[tuple[bytes, bytes | None]]:
    samples = SampleEvents(seed)
    return [samples.reading(NOW) for _ in range(count)]


def test_a_seed_says_everything() -> None:
    """The same seed gives the same events, another one others."""
    assert readings(7, 500) == readings(7, 500)
    assert readings(7, 500) != readings(8, 500)


def test_readings_are_what_devices_send() -> None:
    """A reading names its device, which is its key, and has all that the workflow looks at."""
    for key, value in readings(1, 300):
        try:
            event = orjson.loads(value or b"")
        except ValueError:
            continue
        assert event["device"] == key.decode()
        assert event.keys() >= {"temperature", "humidity", "battery", "gps", "faults", "site", "firmware", "kind"}


@pytest.mark.parametrize("kind", ["reading", "order", "document"])
def test_one_event_in_a_hundred_is_poison(kind: str) -> None:
    """About one in a hundred values is no JSON that could be run; the others are objects."""
    samples = SampleEvents(3)
    make = getattr(samples, kind)
    poisoned = 0
    for _ in range(5_000):
        value = make(NOW).value
        try:
            poisoned += not isinstance(orjson.loads(value or b""), dict)
        except ValueError:
            poisoned += 1
    assert 0.5 * POISON < poisoned / 5_000 < 2 * POISON


def plan(address: str, **options: Any) -> Plan:
    streams = [Stream("readings", "reading", 0.75), Stream("orders", "order", 0.25)]
    return Plan(kafka=Kafka(bootstrap_servers=address), streams=streams, **options)


async def records(address: str) -> list[tuple[str, int, bytes, bytes | None]]:
    """Everything in both topics."""
    properties = {"bootstrap_servers": address}
    found = await ends(properties, ["readings", "orders"])
    consumer = AIOKafkaConsumer(**properties)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(*at) for at in found])
        await consumer.seek_to_beginning()
        got: list[tuple[str, int, bytes, bytes | None]] = []
        while len(got) < sum(found.values()):
            for at, batch in (await consumer.getmany(timeout_ms=1000)).items():
                got += [(at.topic, at.partition, record.key, record.value) for record in batch]
        return got
    finally:
        await consumer.stop()


async def test_as_many_as_planned(devbroker: str) -> None:
    """The plan's events arrive, in its shares, each key in one partition, and all are acknowledged at the end."""
    await create_topics({"bootstrap_servers": devbroker}, ["readings", "orders"], 4)
    told: list[Progress] = []
    await Generator(plan(devbroker, events=4_000), lambda p: told.append(msgspec.structs.replace(p))).run()
    found = await records(devbroker)

    assert told[-1] == Progress(made=4_000, acknowledged=4_000, done=True)
    assert Counter(topic for topic, *_ in found) == {"readings": 3_000, "orders": 1_000}
    partitions: dict[bytes, set[int]] = {}
    for topic, partition, key, _ in found:
        if topic == "readings":
            partitions.setdefault(key, set()).add(partition)
    assert all(len(numbers) == 1 for numbers in partitions.values())
    assert len({number for numbers in partitions.values() for number in numbers}) == 4


async def test_a_rate_is_kept_and_a_stop_is_clean(devbroker: str) -> None:
    """At a rate it makes no more than that; stopped, it sends what it made and says so."""
    await create_topics({"bootstrap_servers": devbroker}, ["readings", "orders"], 2)
    some = asyncio.Event()
    generator = Generator(plan(devbroker, rate=400.0), lambda progress: some.set())
    loop = asyncio.get_running_loop()
    began = loop.time()
    running = asyncio.create_task(generator.run())
    await some.wait()
    generator.stop()
    await running
    seconds = loop.time() - began

    assert 0 < generator.progress.made <= 400 * seconds + 1
    assert generator.progress.acknowledged == generator.progress.made == len(await records(devbroker))


async def test_as_a_process(devbroker: str) -> None:
    """As a process it takes its plan from stdin, tells its progress on stdout, and ends with stdin."""
    await create_topics({"bootstrap_servers": devbroker}, ["readings", "orders"], 2)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "express.load.generator"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(plan(devbroker, rate=200.0)) + b"\n")
    first = msgspec.json.decode(await process.stdout.readline(), type=Progress)
    process.stdin.close()
    *_, last = (await process.stdout.read()).splitlines()

    assert not first.done
    final = msgspec.json.decode(last, type=Progress)
    assert final.done
    assert final.acknowledged == final.made == len(await records(devbroker))
    assert await process.wait() == 0
