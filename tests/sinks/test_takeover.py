"""Taking over a transactional id whose last transaction was not ended everywhere, though the coordinator says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from express.devbroker.codes import Code
from express.ports import Position
from tests.kafka.clients import new_topic
from tests.kafka.fixtures import need_kafka
from tests.kafka.jars import DEFAULT_VERSION, OLDEST_VERSION
from tests.kafka.real import RealKafka
from tests.kafka.requests import add, batch_of, begun, commit_positions, commit_untold, end, write
from tests.kafka.wire import Wire
from tests.sinks.control import Trusting
from tests.sinks.test_transactions import Setup

pytestmark = pytest.mark.kafka

UNVERIFIED = {"transaction.partition.verification.enable": "false"}
"""Lets a producer write what the coordinator was not told of: as it is once a marker was dropped."""

RECORD = b"result"
POSITION = 5


@pytest.fixture(scope="module", params=[OLDEST_VERSION, DEFAULT_VERSION])
def unverified(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a broker that takes records outside of transactions."""
    need_kafka(request)
    with RealKafka(version=request.param, configs=UNVERIFIED) as started:
        yield started.address


async def ended(setup: Setup, *, commit: bool, records: bool, offsets: bool) -> None:
    """A transaction with a record and a position that was ended, but for what of them is to be left open."""
    name = f"express-{setup.group}-{setup.origin.topic}-{setup.origin.number}"
    position = (setup.group, setup.origin.topic, POSITION)
    async with Wire(setup.address) as wire:
        await wire.find(setup.group)
        who = await begun(wire, name)
        batch = batch_of(who, 0, RECORD)
        assert await add(wire, name, who, await new_topic(setup.address)) == Code.NONE
        if not records:
            assert await add(wire, name, who, setup.out) == Code.NONE
            assert (await write(wire, setup.out, name, batch)).error == Code.NONE
        if not offsets:
            assert await commit_positions(wire, name, who, *position) == Code.NONE
        assert await end(wire, name, who, commit) == Code.NONE
        if records:
            assert (await write(wire, setup.out, name, batch)).error == Code.NONE
        if offsets:
            assert await commit_untold(wire, name, who, *position) == Code.NONE


async def gone_on(setup: Setup) -> bool:
    """Take the partition over and do what is not committed; whether it was."""
    async with setup.opened() as sink:
        found = await setup.committed()
        if not found:
            setup.add(sink, RECORD)
            await sink.flush({setup.origin: Position(POSITION)})
    return bool(found)


@pytest.mark.parametrize("offsets", [False, True], ids=["offsets-ended", "offsets-open"])
@pytest.mark.parametrize("records", [False, True], ids=["records-ended", "records-open"])
@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
async def test_what_was_left_open_is_ended_the_way_the_rest_was(
    unverified: str, *, commit: bool, records: bool, offsets: bool
) -> None:
    """After the takeover a record and its position are both there, or neither; and the next owner's record is once."""
    setup = Setup(unverified, await new_topic(unverified), await new_topic(unverified))
    await ended(setup, commit=commit, records=records, offsets=offsets)

    assert await gone_on(setup) is commit
    assert await setup.all_visible() == [RECORD]
    assert await setup.committed() == {tuple(setup.origin): (POSITION, "")}


async def test_affected_versions_are_named(each_kafka: RealKafka, caplog: pytest.LogCaptureFixture) -> None:
    """Opening says once that brokers may be of those that forget to end transactions, and how many replicas help."""
    setup = Setup(each_kafka.address, await new_topic(each_kafka.address), await new_topic(each_kafka.address))
    async with setup.opened() as sink:
        await sink.open([setup.origin])

    told = [record.getMessage() for record in caplog.records if "KAFKA-20734" in record.getMessage()]
    if each_kafka.version == OLDEST_VERSION:
        assert told == []
    else:
        (line,) = told
        assert line.startswith("the brokers are Kafka 4.4:")
        assert f"{setup.out} has 1;" in line


@pytest.mark.parametrize("commit", [True, False], ids=["offsets-of-a-commit", "records-of-an-abort"])
async def test_without_the_takeover_it_would_double(unverified: str, *, commit: bool) -> None:
    """The negative control: who trusts the brokers runs the record again and commits both."""
    setup = Setup(unverified, await new_topic(unverified), await new_topic(unverified))
    setup.kind = Trusting
    await ended(setup, commit=commit, records=not commit, offsets=commit)

    assert not await gone_on(setup)
    assert await setup.all_visible() == [RECORD, RECORD]
