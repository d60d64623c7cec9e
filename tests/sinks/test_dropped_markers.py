"""Exactly once on a broker that drops markers: the development broker does so when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any

import pytest
from aiokafka import TopicPartition

from express.devbroker import Broker, apis
from express.devbroker.node import Settings
from express.devbroker.transactions import OFFSETS
from express.errors import PipelineStopped, SinkError
from express.kafka import transactional
from express.kafka.transactional import OpenTransactions, TransactionalId
from express.ports import Outgoing, Partition, Position
from express.sinks import takeover
from express.sinks.takeover import MARKS, Claim
from express.sinks.transactions import KafkaTransactions
from express.sinks.writer import Writer
from tests.kafka.clients import new_topic
from tests.kafka.requests import until
from tests.patience import PATIENCE
from tests.runtime.test_delivery import flow
from tests.sinks.control import Trusting
from tests.sinks.test_transactions import Setup

FIRST, SECOND = b"first", b"second"
TOO_LARGE = b"x" * 5000
SMALL = {"max.message.bytes": "2000"}


class Dropping(Setup):
    """Topics on a broker that drops the next marker of each of `drops`."""

    def __init__(self) -> None:
        self.drops: set[str] = set()
        self.broker = Broker(settings=Settings(drop_marker=self._drop))

    def _drop(self, transactional_id: str, topic: str, partition: int) -> bool:
        found = topic in self.drops
        self.drops.discard(topic)
        return found

    async def create(self) -> None:
        source = await new_topic(self.broker.address)
        super().__init__(self.broker.address, source, await new_topic(self.broker.address, 1, **SMALL))

    def hang_up(self) -> None:
        """Break every connection, as a broker that is killed does."""
        for connection in tuple(self.broker._connections):
            connection.close()

    def drop(self, *topics: str) -> None:
        """Drop the next markers of these."""
        self.drops = set(topics)


@pytest.fixture
async def setup() -> AsyncIterator[Dropping]:
    found = Dropping()
    async with found.broker:
        await found.create()
        yield found


async def left_open(setup: Dropping, *, commit: bool, records: bool = True, offsets: bool = True) -> None:
    """End a transaction of an owner that dies, without the markers of its records, of its positions, or of both."""
    drops = [setup.out] * records + [OFFSETS] * offsets
    async with setup.opened() as dead:
        if commit:
            setup.drop(*drops)
            setup.add(dead, FIRST)
            await dead.flush({setup.origin: Position(1)})
            return
        writer = dead._writers[setup.origin]
        await writer._producer.begin_transaction()
        await writer._producer.send_and_wait(setup.out, FIRST, partition=0)
        await writer._producer.send_offsets_to_transaction({TopicPartition(*setup.origin): 1}, setup.group)
        writer._settled = False
        setup.drop(*drops)


async def gone_on(setup: Dropping) -> bool:
    """Take the partition over and do what is not committed; whether it was."""
    async with setup.opened() as sink:
        found = await setup.committed()
        if not found:
            setup.add(sink, FIRST)
            await sink.flush({setup.origin: Position(1)})
    return bool(found)


async def fail_second(setup: Dropping, sink: KafkaTransactions) -> None:
    """Begin a transaction that fails; a new owner has it aborted."""
    setup.add(sink, TOO_LARGE)
    with pytest.raises((SinkError, PipelineStopped)):
        await sink.flush({setup.origin: Position(2)})
    async with setup.opened():
        pass


@pytest.mark.parametrize("offsets", [False, True], ids=["offsets-ended", "offsets-open"])
@pytest.mark.parametrize("records", [False, True], ids=["records-ended", "records-open"])
@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
async def test_what_was_left_open_is_ended_the_way_the_rest_was(
    setup: Dropping, *, commit: bool, records: bool, offsets: bool
) -> None:
    """After the takeover a record and its position are both there, or neither; the next owner's record is once."""
    await left_open(setup, commit=commit, records=records, offsets=offsets)

    assert await gone_on(setup) is commit
    assert not setup.drops
    assert await setup.all_visible() == [FIRST]
    assert await setup.committed() == {tuple(setup.origin): (1, "")}


@pytest.mark.parametrize("commit", [True, False], ids=["offsets-of-a-commit", "records-of-an-abort"])
async def test_without_the_takeover_it_would_double(setup: Dropping, *, commit: bool) -> None:
    """The negative control: who trusts the broker runs the record again and commits both."""
    setup.kind = Trusting
    await left_open(setup, commit=commit, records=not commit, offsets=commit)

    assert not await gone_on(setup)
    assert await setup.all_visible() == [FIRST, FIRST]


async def give_up_and_go_on(setup: Dropping, sink: KafkaTransactions) -> None:
    """A flush that fails for what is open; opened anew, the sink finds its last commit, and goes on after it."""
    setup.add(sink, SECOND)
    with pytest.raises(SinkError, match="open after a connection broke"):
        await sink.flush({setup.origin: Position(2)})
    await sink.open([setup.origin])
    assert await setup.committed() == {tuple(setup.origin): (1, "")}
    setup.add(sink, SECOND)
    await sink.flush({setup.origin: Position(2)})

    assert await setup.all_visible() == [FIRST, SECOND]


async def test_a_producer_that_survives_looks_after_its_last_commit(setup: Dropping) -> None:
    """After a broken connection nothing joins an acknowledged commit that is still open."""
    async with setup.opened() as sink:
        setup.add(sink, FIRST)
        setup.drop(setup.out, OFFSETS)
        await sink.flush({setup.origin: Position(1)})
        setup.hang_up()
        await until(lambda: _broken(sink, setup))
        await give_up_and_go_on(setup, sink)


async def test_a_producer_that_survives_goes_on_where_nothing_is_open(setup: Dropping) -> None:
    """After a broken connection alone it keeps its producer id."""
    async with setup.opened() as sink:
        setup.add(sink, FIRST)
        await sink.flush({setup.origin: Position(1)})
        setup.hang_up()
        await until(lambda: _broken(sink, setup))
        setup.add(sink, SECOND)
        await sink.flush({setup.origin: Position(2)})

    assert await setup.all_visible() == [FIRST, SECOND]


async def test_a_survivor_takes_nothing_from_its_successor(setup: Dropping) -> None:
    """What it sees open after a broken connection may be the new owner's: it leaves that alone."""
    async with setup.opened() as old:
        setup.add(old, FIRST)
        await old.flush({setup.origin: Position(1)})
        async with setup.opened() as new:
            producer = new._writers[setup.origin]._producer
            await producer.begin_transaction()
            await producer.send_and_wait(setup.out, SECOND, partition=0)
            setup.hang_up()
            await until(lambda: _broken(old, setup))
            setup.add(old, b"zombie")
            with pytest.raises(SinkError, match="open after a connection broke"):
                await old.flush({setup.origin: Position(5)})
            await producer.send_offsets_to_transaction({TopicPartition(*setup.origin): 2}, setup.group)
            await producer.commit_transaction()

    assert await setup.all_visible() == [FIRST, SECOND]
    assert await setup.committed() == {tuple(setup.origin): (2, "")}


async def test_a_surviving_producer_that_trusts_forgets_its_last_commit(setup: Dropping) -> None:
    """The negative control of the one above: what was acknowledged is aborted with the next transaction."""
    setup.kind = Trusting
    async with setup.opened() as sink:
        setup.add(sink, FIRST)
        setup.drop(setup.out, OFFSETS)
        await sink.flush({setup.origin: Position(1)})
        setup.hang_up()
        await until(lambda: _broken(sink, setup))
        await fail_second(setup, sink)

    assert await setup.all_visible() == []
    assert await setup.committed() == {}


async def _broken(sink: KafkaTransactions, setup: Dropping) -> bool:
    return sink._writers[setup.origin]._broken


async def test_a_connection_that_breaks_while_a_transaction_begins(
    setup: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What joined a transaction over the break is not written to before it was looked at: the last commit stays."""
    async with setup.opened() as sink:
        setup.add(sink, FIRST)
        setup.drop(setup.out, OFFSETS)
        await sink.flush({setup.origin: Position(1)})
        add = TransactionalId.add_partitions

        async def add_and_break(*arguments: Any) -> None:
            monkeypatch.undo()
            await add(*arguments)
            setup.hang_up()
            await until(lambda: _broken(sink, setup))

        monkeypatch.setattr(TransactionalId, "add_partitions", add_and_break)
        await give_up_and_go_on(setup, sink)


class Fencing(KafkaTransactions):
    """Dies when it has its producer id, before it has ended anything."""

    async def _settle(self, writers: Collection[Writer]) -> None:
        (writer,) = writers
        needed, _ = self._targets(writer.origin)
        await Claim(writer.id, self._group, writer.origin, 10_000, needed).fence()
        raise SinkError("dead")


async def test_an_owner_that_dies_with_its_producer_id_leaves_word(setup: Dropping) -> None:
    """That the last transaction was committed outlives two owners that die before they have ended the rest of it."""
    await left_open(setup, commit=True)
    setup.kind = Fencing
    for _ in range(2):
        with pytest.raises(SinkError, match="dead"):
            async with setup.opened():
                pass
    setup.kind = KafkaTransactions

    assert await gone_on(setup)
    assert await setup.all_visible() == [FIRST]


async def test_an_owner_that_dies_while_it_ends_what_was_open(setup: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction that ends it is committed by the next owner, not aborted."""
    await left_open(setup, commit=True)

    async def die(*_: Any, **__: Any) -> None:
        raise SinkError("dead")

    with monkeypatch.context() as patch:
        patch.setattr(TransactionalId, "end", die)
        with pytest.raises(SinkError, match="dead"):
            async with setup.opened():
                pass

    assert await gone_on(setup)
    assert await setup.all_visible() == [FIRST]
    assert await setup.committed() == {tuple(setup.origin): (1, "")}


async def test_brokers_that_allow_no_long_transaction(setup: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word for the next owner is another timeout where `transaction.max.timeout.ms` is less than ten minutes."""
    monkeypatch.setattr("express.devbroker.transactions.MAX_TIMEOUT_MS", MARKS[0] - 1)
    await left_open(setup, commit=True)

    assert await gone_on(setup)
    assert await setup.all_visible() == [FIRST]


async def test_what_nobody_can_end_is_named(setup: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the producer ids of a transactional id were used up, the partition is not opened, and the tool is named."""
    monkeypatch.setattr("express.devbroker.transactions.LAST_EPOCH", 0)
    monkeypatch.setattr("express.sinks.transactions.OPEN_SECONDS", 0.5)
    await left_open(setup, commit=True, offsets=False)

    with pytest.raises(SinkError, match=rf"open transaction in {setup.out}-0.*kafka-transactions\.sh abort"):
        async with setup.opened():
            pass


async def test_outputs_that_are_shared_are_asked_once(setup: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening many partitions with keyed outputs asks the leaders once, not once for each."""
    source = await new_topic(setup.address, 6)
    setup.out = await new_topic(setup.address, 4)
    asked: list[int] = []

    async def counting(client: Any, partitions: Any) -> OpenTransactions:
        asked.append(len(partitions))
        return await transactional.look(client, partitions)

    monkeypatch.setattr(takeover, "look", counting)
    sink = setup.sink()
    await sink.start()
    await sink.open([Partition(source, number) for number in range(6)])
    await sink.stop()

    assert asked == [4]


class Leaderless:
    """`look` for which a partition has no leader as long as it is `away`."""

    def __init__(self, partition: TopicPartition) -> None:
        self.partition = partition
        self.away = False

    async def __call__(self, client: Any, partitions: Collection[TopicPartition]) -> OpenTransactions:
        found = await transactional.look(client, [tp for tp in partitions if not self.away or tp != self.partition])
        return found._replace(unseen=[tp for tp in partitions if self.away and tp == self.partition])


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
async def test_another_topic_without_a_leader_holds_nobody_up(
    setup: Dropping, monkeypatch: pytest.MonkeyPatch, *, commit: bool
) -> None:
    """What executions may write to is looked at when they do, if it could not be looked at before."""
    other = await new_topic(setup.address)
    record = Outgoing(topic=other, key=b"k", value=FIRST)
    look = Leaderless(TopicPartition(other, 0))
    for module in ("express.sinks.takeover", "express.sinks.writer"):
        monkeypatch.setattr(f"{module}.look", look)

    def sink() -> KafkaTransactions:
        return KafkaTransactions([setup.out], setup.group, {"bootstrap_servers": setup.address}, [other])

    monkeypatch.setattr(setup, "sink", sink)
    async with setup.opened() as dead:
        if commit:
            dead.produce(setup.origin, record, 0)
            setup.drop(other)
            await dead.flush({setup.origin: Position(1)})
        else:
            writer = dead._writers[setup.origin]
            await writer._producer.begin_transaction()
            await writer._producer.send_and_wait(other, FIRST, partition=0)
            writer._settled = False
            setup.drop(other)
    look.away = True
    async with setup.opened() as new:
        setup.add(new, SECOND)
        await new.flush({setup.origin: Position(2)})
        new.produce(setup.origin, Outgoing(topic=other, key=b"k", value=SECOND), 0)
        flushing = asyncio.create_task(new.flush({setup.origin: Position(3)}))
        look.away = False
        await flushing

    setup.out = other
    assert await setup.all_visible() == ([FIRST, SECOND] if commit else [SECOND])


async def test_leaders_that_tell_nothing(setup: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the producers of a topic may not be seen (READ), what may be open is ended without looking."""
    await left_open(setup, commit=True)

    async def refused(client: Any, partitions: Collection[TopicPartition]) -> OpenTransactions:
        return OpenTransactions({}, [], list(partitions))

    monkeypatch.setattr(takeover, "look", refused)

    assert await gone_on(setup)
    assert await setup.all_visible() == [FIRST]


async def test_brokers_that_know_no_such_requests(setup: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Kafka 3.0 nothing is asked, and nothing is lost by it: those write their markers."""
    monkeypatch.setattr(apis, "SPOKEN", [api for api in apis.SPOKEN if api.key not in (61, 65)])
    await left_open(setup, commit=True, records=False, offsets=False)

    assert await gone_on(setup)
    assert await setup.all_visible() == [FIRST]


async def test_the_last_transaction_of_a_quiet_topic_becomes_visible() -> None:
    """The whole pipeline: markers are dropped, connections break, and no further record comes; readers see all."""
    drops: set[str] = set()

    def drop(transactional_id: str, topic: str, partition: int) -> bool:
        found = topic in drops
        drops.discard(topic)
        return found

    async with Broker(settings=Settings(drop_marker=drop)) as broker, flow(broker.address, "exactly_once") as f:
        drops.add(f.output)
        await f.put({"n": 1})
        f.worker()
        await until(lambda: not drops)
        for connection in tuple(broker._connections):
            connection.close()
        async with asyncio.timeout(PATIENCE):
            assert await f.terminal() == {(0, 0): 1}
        await f.stop()
