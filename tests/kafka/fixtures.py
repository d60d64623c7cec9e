"""The fixtures `devbroker` and `kafka`: addresses of a development broker and of a real Apache Kafka.

The real one is started once per run, when the first test asks for it; `EXPRESS_TEST_KAFKA=host:port` names one that
runs already. Where it can't be started, the tests that want it are skipped, and pytest says what to install.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.kafka.jars import DEFAULT_VERSION, OLDEST_VERSION, Missing, fetch

if TYPE_CHECKING:
    from tests.kafka.real import RealKafka  # which imports a client, as the broker does: not for every test

RUNNING = os.environ.get("EXPRESS_TEST_KAFKA")
WHY_NOT = pytest.StashKey[str]()
MARK = "kafka"
EACH = "each_kafka"
SKIPPED = "real Kafka: its tests were skipped; "


@pytest.fixture
async def devbroker() -> AsyncIterator[str]:
    """The address of a fresh development broker on this test's event loop."""
    from express.devbroker import Broker

    async with Broker() as broker:
        yield broker.address


@pytest.fixture(scope="session")
def devbroker_process() -> Iterator[str]:
    """The address of a development broker in a process of its own; tests share it."""
    command = [sys.executable, "-m", "express.devbroker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(params=["devbroker", pytest.param("kafka", marks=pytest.mark.kafka)])
def address(request: pytest.FixtureRequest) -> str:
    """Once the address of a development broker and once that of a real Kafka: for the compatibility checks."""
    found: str = request.getfixturevalue("devbroker_process" if request.param == "devbroker" else "kafka")
    return found


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """The bootstrap address of a real Kafka; tests share it, so they name their topics and groups apart."""
    from tests.kafka.real import RealKafka

    need_kafka(request)
    if RUNNING:
        yield RUNNING
        return
    with RealKafka() as started:
        yield started.address


@pytest.fixture(scope="module", params=[OLDEST_VERSION, DEFAULT_VERSION])
def each_kafka(request: pytest.FixtureRequest) -> Iterator[RealKafka]:
    """A broker of the oldest version that is supported, and one of the newest."""
    from tests.kafka.real import RealKafka

    need_kafka(request)
    with RealKafka(version=request.param) as started:
        yield started


@pytest.fixture(scope="session")
def kafka_jars(request: pytest.FixtureRequest) -> None:
    """For tests that start a `RealKafka` of their own, to kill it or to have three: skips where that can't be."""
    need_kafka(request)


def need_kafka(request: pytest.FixtureRequest) -> None:
    """Skip if no real Kafka can be run."""
    why_not = request.config.stash.get(WHY_NOT, None)
    if why_not is not None:
        pytest.skip(SKIPPED + why_not)


def mark_kafka(items: list[pytest.Item]) -> None:
    """Mark whoever uses a real Kafka: `-m "not kafka"` leaves them out."""
    for item in items:
        if _wants_kafka(item):
            item.add_marker(MARK)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch the jars before the first test: a download does not count against a test's time."""
    wanted = any(item.get_closest_marker(MARK) for item in session.items)
    if not wanted or RUNNING or session.config.option.collectonly:
        return
    try:
        fetch()
        if any(EACH in getattr(item, "fixturenames", ()) for item in session.items):
            fetch(OLDEST_VERSION)
    except Missing as missing:
        session.config.stash[WHY_NOT] = str(missing)


def _wants_kafka(item: pytest.Item) -> bool:
    return bool({"kafka", "kafka_jars", EACH} & set(getattr(item, "fixturenames", ())))
