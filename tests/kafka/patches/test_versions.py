"""The one gate before everything that needs a certain aiokafka: each patch has a way back to the documented API."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from express.kafka.limits import Limits
from express.kafka.patches import versions
from express.kafka.patches.fetcher import ChecksumDoubts, consumer_class
from express.kafka.patches.produce import sending_in_parts
from express.kafka.patches.record_batch import batch_maker

FLOOR = Path(__file__).parents[3] / "express"


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An aiokafka that no patch was tested with."""
    monkeypatch.setattr(versions, "VERSIONS", ())


def test_an_unknown_version_closes_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed version is known; one that is not closes the gate for all patches at once."""
    assert versions.is_known()
    monkeypatch.setattr(versions.aiokafka, "__version__", "0.99.0")
    assert not versions.is_known()


@pytest.mark.usefixtures("unknown")
async def test_each_patch_falls_back() -> None:
    """With an unknown version the consumer, the batches and the requests are aiokafka's own."""

    def send(*arguments: Any) -> Awaitable[Any]:
        raise AssertionError(arguments)

    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    assert consumer_class(AIOKafkaConsumer, ChecksumDoubts()) is AIOKafkaConsumer
    assert type(batch_maker(producer, Limits())("t")) is type(producer.create_batch())
    assert sending_in_parts(send) is send
    await producer.stop()


def test_private_members_are_touched_in_one_package() -> None:
    """What begins with an underscore in a client of aiokafka is read and set in `kafka/patches` only."""
    members = (
        "_coordinator",
        "_subscription",
        "_fetcher",
        "_sender",
        "_txn_manager",
        "_message_accumulator",
        "_on_connection_closed",
    )
    found = [
        f"{file.relative_to(FLOOR)}: {member}"
        for file in FLOOR.rglob("*.py")
        if file.parent != FLOOR / "kafka" / "patches"
        for member in members
        for line in file.read_text(encoding="utf-8").splitlines()
        if f".{member}" in line and f"self.{member}" not in line
    ]
    assert found == []
