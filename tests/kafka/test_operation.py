"""What an operator meets, on a real Kafka and with whole services: brokers that go, topics that change, members."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import NewPartitions

from express.errors import ConfigError
from express.kafka.survey import Survey
from tests.kafka.clients import admin
from tests.kafka.real import RealKafka
from tests.patience import PATIENCE
from tests.service.kit import BLOCK, DOUBLE, Gate, Lab, until
from tests.service.test_service import ended, numbers


@pytest.fixture
def broker(kafka_jars: None, request: pytest.FixtureRequest) -> Iterator[RealKafka]:
    """A broker of the test's own, with the configuration that it is parametrized with."""
    with RealKafka(configs=getattr(request, "param", None)) as cluster:
        yield cluster


def hurry(lab: Lab, *lines: str) -> None:
    """Write `lines` into [kafka.client], and find new partitions quickly."""
    text = lab.file.read_text()
    lab.file.write_text(text.replace("session_timeout_ms", f"{', '.join(lines)}, session_timeout_ms", 1))


async def until_committed(lab: Lab) -> None:
    """Wait until nothing of the input is left to be committed."""
    async with Survey(lab.properties) as survey:
        ends = {at: end for at, (_, end) in (await survey.bounds([lab.topics[0]])).items() if end}
        group = f"{lab.run}-numbers"
        while {at: found.offset for at, found in (await survey.committed(group)).items()} != ends:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_stop_that_cannot_commit_says_so(broker: RealKafka, tmp_path: Path) -> None:
    """SIGTERM while the broker is down: it ends in time, with 1 and a line, and the records run again later."""
    lab = Lab(broker.address, tmp_path, BLOCK)
    await lab.prepare(1)
    async with Gate() as gate:
        async with lab.service(1, "workers.drain=2s") as service:
            assert await service.ready(PATIENCE), lab.logs
            await lab.produce([gate.record])
            await gate.knocked.wait()
            broker.kill()
            began = time.monotonic()
            service.stop()
            gate.open()
        assert time.monotonic() - began < 35  # a client waits 40 for an answer
        assert lab.exit_code == 1
        assert any("stopped without its last commit: what it had finished will run again" in line for line in lab.logs)

        broker.launch(1)  # on this thread: a process dies with the thread that started it
        await asyncio.to_thread(broker.wait_ready)
        async with lab.service(1) as service:
            await until(lambda: ended(service) == 1)
    assert (lab.exit_code, (await lab.count()).found) == (0, 1)


@pytest.mark.parametrize("broker", [{"offset.metadata.max.bytes": "1000"}], indirect=True)
async def test_brokers_with_little_metadata(
    broker: RealKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Exactly once does not start where the brokers can't keep the map; at least once does, with a warning."""
    lab = Lab(broker.address, tmp_path, DOUBLE)
    await lab.prepare()
    with pytest.raises(ConfigError, match=r"pipelines\.numbers\.delivery: .*offset\.metadata\.max\.bytes.*have 1000"):
        async with lab.service(1, "pipelines.0.delivery=exactly_once"):
            pass

    async with lab.service(1) as service:
        await lab.produce(numbers(100))
        await until(lambda: ended(service) == 100)
    assert "the brokers have offset.metadata.max.bytes=1000" in caplog.text
    assert (lab.exit_code, (await lab.count()).missing) == (0, 0)


async def test_a_static_member_that_was_killed_is_back_at_once(kafka: str, tmp_path: Path) -> None:
    """With `group_instance_id` a killed worker's partitions wait for its successor, not for the session timeout."""
    lab = Lab(kafka, tmp_path, DOUBLE)
    await lab.prepare()
    text = lab.file.read_text().replace(
        "session_timeout_ms = 6000", 'session_timeout_ms = 60000, group_instance_id = "a"'
    )
    lab.file.write_text(text)
    async with lab.service(2) as service:
        assert await service.ready(PATIENCE), lab.logs
        await lab.produce(numbers(500))
        await until(lambda: ended(service) == 500)
        os.kill(service.supervisor.pids[0], signal.SIGKILL)
        await until(lambda: service.totals.deaths == {0: 1})
        began = time.monotonic()
        await lab.produce(numbers(500))
        while (await lab.count()).missing:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        seconds = time.monotonic() - began
    found = await lab.count()

    assert seconds < 55  # the session ends after 60
    assert (lab.exit_code, found.expected) == (0, 1_000)


async def test_a_topic_that_comes_later(kafka: str, tmp_path: Path) -> None:
    """A pipeline whose topics are missing says which, is not ready, and begins once they are there."""
    lab = Lab(kafka, tmp_path, DOUBLE)
    async with lab.service(1) as service:
        await until(lambda: any(lab.topics[1] in line for line in lab.logs))
        await until(lambda: "there is no topic" in service.supervisor.ready()["worker 0"])
        assert "pipeline " in service.supervisor.ready()["worker 0"]
        await lab.prepare()
        assert await service.ready(PATIENCE), lab.logs
        await lab.produce(numbers(100))
        await until(lambda: ended(service) == 100)
    assert (lab.exit_code, (await lab.count()).missing) == (0, 0)


async def test_an_input_that_is_deleted_and_made_anew(kafka: str, tmp_path: Path) -> None:
    """Its records are new ones; it may have more or fewer partitions than the old topic."""
    lab = Lab(kafka, tmp_path, DOUBLE)
    hurry(lab, "metadata_max_age_ms = 500")
    await lab.prepare(3)
    async with lab.service(1) as service:
        for partitions in (5, 2):
            assert await service.ready(PATIENCE), lab.logs
            await lab.produce(numbers(90))
            await until_committed(lab)
            async with admin(kafka) as client:
                await client.delete_topics([lab.topics[0]])
            await until(lambda: not service.totals.lag())
            await lab.prepare(partitions)
        await lab.produce(numbers(90))
        await until(lambda: ended(service) == 270)

    assert (lab.exit_code, (await lab.count()).missing) == (0, 0)


async def test_partitions_that_are_added(kafka: str, tmp_path: Path) -> None:
    """New partitions of the input are drained like the others, from their beginning."""
    lab = Lab(kafka, tmp_path, DOUBLE)
    hurry(lab, "metadata_max_age_ms = 500")
    await lab.prepare(2)
    async with lab.service(1) as service:
        assert await service.ready(PATIENCE), lab.logs
        await lab.produce(numbers(100))
        await until(lambda: ended(service) == 100)
        async with admin(kafka) as client:
            await client.create_partitions({lab.topics[0]: NewPartitions(6)})
        await lab.produce(numbers(400))
        await until(lambda: ended(service) == 500)
    found = await lab.count()

    assert (lab.exit_code, found.expected, found.missing, found.duplicates) == (0, 500, 0, 0)
