"""Compatibility: idempotence and transactions, on the development broker and on a real Kafka."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from express.devbroker.codes import Code
from express.devbroker.messages.offsets import OffsetFetchRequest, OffsetFetchTopic
from express.devbroker.messages.transactions import (
    DescribedTransaction,
    DescribeProducersRequest,
    DescribeTransactionsRequest,
    InitProducerIdRequest,
    InitProducerIdResponse,
    TransactionTopic,
)
from tests.kafka.clients import consumer, end_offset, new_topic, producer, read, read_all
from tests.kafka.requests import (
    add,
    batch_of,
    begun,
    commit_positions,
    committed,
    end,
    fetch,
    fetched,
    join,
    joining,
    sync,
    until,
    write,
)
from tests.kafka.wire import GROUP, TRANSACTION, Wire, unique

COMMITTED = {"isolation_level": "read_committed"}


async def test_idempotent_producers_have_their_own_ids(address: str) -> None:
    """Each gets another producer id, and its records arrive once and in order."""
    topic = await new_topic(address)
    async with Wire(address) as wire:
        ids = {(await begun(wire, None)).producer_id for _ in range(3)}
    async with producer(address, enable_idempotence=True, max_batch_size=2048) as client:
        await asyncio.gather(*[await client.send(topic, b"%d" % number, partition=0) for number in range(1000)])

    assert len(ids) == 3
    assert [record.value for record in await read_all(address, topic, 1000)] == [b"%d" % n for n in range(1000)]


async def test_a_batch_sent_twice_is_written_once(address: str) -> None:
    """The last five batches of a producer are known again: each is answered with the offset it has already."""
    topic = await new_topic(address)
    async with Wire(address) as wire:
        who = await begun(wire, None)
        batches = [batch_of(who, 2 * number, b"a", b"b", transactional=False) for number in range(5)]
        first = [(await write(wire, topic, None, batch)).base_offset for batch in batches]
        again = [await write(wire, topic, None, batch) for batch in batches]

    assert first == [0, 2, 4, 6, 8]
    assert [(answer.error, answer.base_offset) for answer in again] == [(Code.NONE, offset) for offset in first]
    assert await end_offset(address, topic) == 10


async def test_a_gap_in_the_sequence_is_refused(address: str) -> None:
    """A batch that does not follow the last one is refused, as is one of an epoch that is over."""
    topic = await new_topic(address)
    async with Wire(address) as wire:
        who = await begun(wire, None)
        assert (await write(wire, topic, None, batch_of(who, 0, b"a", transactional=False))).error == Code.NONE
        gap = await write(wire, topic, None, batch_of(who, 5, b"b", transactional=False))
        who.epoch += 1
        assert (await write(wire, topic, None, batch_of(who, 0, b"c", transactional=False))).error == Code.NONE
        who.epoch -= 1
        fenced = await write(wire, topic, None, batch_of(who, 1, b"d", transactional=False))

    assert gap.error == Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert fenced.error == Code.INVALID_PRODUCER_EPOCH
    assert await end_offset(address, topic) == 2


async def test_committed_records_are_seen(address: str) -> None:
    """Records of a committed transaction over several partitions are all seen."""
    topic = await new_topic(address, 3)
    async with producer(address, transactional_id=unique("tx")) as client:
        for round_ in range(3):
            async with client.transaction():
                for index in range(3):
                    await client.send(topic, b"%d" % round_, partition=index)
    records = await read_all(address, topic, 9, **COMMITTED)

    for index in range(3):
        assert [record.value for record in records if record.partition == index] == [b"0", b"1", b"2"]


async def test_aborted_records_are_not_seen(address: str) -> None:
    """`read_committed` skips aborted records; without it they are read like any other."""
    topic = await new_topic(address)
    async with producer(address, transactional_id=unique("tx")) as client:
        for number in range(6):
            await client.begin_transaction()
            await client.send_and_wait(topic, b"%d" % number)
            await (client.abort_transaction() if number % 2 else client.commit_transaction())
    seen = await read_all(address, topic, 3, **COMMITTED)

    assert [record.value for record in seen] == [b"0", b"2", b"4"]
    assert [record.offset for record in seen] == [0, 4, 8]  # a marker takes an offset of its own
    assert len(await read_all(address, topic, 6)) == 6
    assert await end_offset(address, topic) == 12


async def test_an_open_transaction_hides_what_follows(address: str) -> None:
    """Up to the end of an open transaction nothing is seen with `read_committed`, not even others' plain records."""
    topic = await new_topic(address)
    async with producer(address, transactional_id=unique("tx")) as client, producer(address) as plain:
        await plain.send_and_wait(topic, b"before")
        await client.begin_transaction()
        await client.send_and_wait(topic, b"inside")
        await plain.send_and_wait(topic, b"after")
        async with consumer(address, topic, **COMMITTED) as reader:
            (first,) = await read(reader, 1)
            assert await reader.getmany(timeout_ms=300) == {}
            async with Wire(address) as wire:
                (answer,) = await fetched(wire, fetch(topic, 1, isolation=1))
            assert (answer.last_stable_offset, answer.high_watermark) == (1, 3)
            assert await end_offset(address, topic, **COMMITTED) == 1
            assert await end_offset(address, topic) == 3
            await client.commit_transaction()
            rest = await read(reader, 2)

    assert [record.value for record in (first, *rest)] == [b"before", b"inside", b"after"]


async def test_positions_go_with_the_transaction(address: str) -> None:
    """A position sent to a transaction counts when it is committed, and never if it is aborted."""
    topic, group = await new_topic(address), unique("group")
    where = TopicPartition(topic, 0)
    async with producer(address, transactional_id=unique("tx")) as client, Wire(address) as wire:
        await wire.find(group)
        await client.begin_transaction()
        await client.send_and_wait(topic, b"x")
        await client.send_offsets_to_transaction({where: 3}, group)
        assert await committed(wire, group, where) == (-1, "")
        await client.commit_transaction()
        await until(lambda: has_position(wire, group, where, 3))
        await client.begin_transaction()
        await client.send_offsets_to_transaction({where: 9}, group)
        await client.abort_transaction()
        assert await committed(wire, group, where) == (3, "")


async def has_position(wire: Wire, group: str, where: TopicPartition, offset: int) -> bool:
    """Whether a group has come to `offset`: markers are written after the commit is answered."""
    return (await committed(wire, group, where))[0] == offset


async def test_undecided_positions_can_be_waited_for(address: str) -> None:
    """With `require_stable` a position in an open transaction is told to be undecided (KIP-447)."""
    topic, group, name = await new_topic(address), unique("group"), unique("tx")
    asked = OffsetFetchRequest(group=group, topics=[OffsetFetchTopic(name=topic, partitions=[0])], require_stable=True)
    async with Wire(address) as wire:
        await wire.find(group)
        who = await begun(wire, name)
        assert await commit_positions(wire, name, who, group, topic, 7) == Code.NONE
        open_ = (await wire.call(asked)).topics[0].partitions[0]
        assert open_.error == Code.UNSTABLE_OFFSET_COMMIT
        assert await end(wire, name, who, True) == Code.NONE
        await until(lambda: has_position(wire, group, TopicPartition(topic, 0), 7))


async def described(wire: Wire, name: str) -> DescribedTransaction:
    """What the coordinator says of a transactional id."""
    answer = await wire.settled(DescribeTransactionsRequest(transactional_ids=[name]))
    found: DescribedTransaction = answer.transactions[0]
    return found


async def opened_at(wire: Wire, topic: str, who: InitProducerIdResponse) -> int:
    """The first offset of what a producer has open in partition 0 of a topic, -1 if nothing is."""
    request = DescribeProducersRequest(topics=[TransactionTopic(name=topic, partitions=[0])])
    (partition,) = (await wire.settled(request)).topics[0].partitions
    (found,) = [known for known in partition.producers if known.producer_id == who.producer_id]
    assert (found.epoch, found.last_sequence) == (who.epoch, 1)
    return int(found.open_since)


async def test_transactions_are_described(address: str) -> None:
    """The coordinator says how the last transaction of an id stands, of which producer, and with which timeout."""
    topic, name = await new_topic(address), unique("tx")
    async with Wire(address) as wire:
        await wire.find(name, TRANSACTION)
        assert (await described(wire, name)).error == Code.TRANSACTIONAL_ID_NOT_FOUND
        who = await begun(wire, name, 23_001)
        states = []
        for committed in (True, False):
            states.append(await described(wire, name))
            assert await add(wire, name, who, topic) == Code.NONE
            states.append(await described(wire, name))
            assert await end(wire, name, who, committed) == Code.NONE
            await until(lambda: is_ended(wire, name))
        states.append(await described(wire, name))

    assert [found.state for found in states] == ["Empty", "Ongoing", "CompleteCommit", "Ongoing", "CompleteAbort"]
    assert {(found.producer_id, found.epoch) for found in states} == {(who.producer_id, who.epoch)}
    assert {found.timeout_ms for found in states} == {23_001}
    named = [[(part.name, part.partitions) for part in found.topics] for found in states]
    assert named == [[], [(topic, [0])], [], [(topic, [0])], []]


async def is_ended(wire: Wire, name: str) -> bool:
    """Whether the markers of a transaction are written, as far as the coordinator knows."""
    return (await described(wire, name)).state.startswith("Complete")


async def test_producers_are_described(address: str) -> None:
    """The leader says which producers have written to a partition, and from where on a transaction is open."""
    topic, name = await new_topic(address), unique("tx")
    async with Wire(address) as wire:
        who = await begun(wire, name)
        assert await add(wire, name, who, topic) == Code.NONE
        assert (await write(wire, topic, name, batch_of(who, 0, b"a", b"b"))).error == Code.NONE
        assert await opened_at(wire, topic, who) == 0
        assert await end(wire, name, who, True) == Code.NONE
        await until(lambda: is_ended(wire, name))
        assert await opened_at(wire, topic, who) == -1
        missing = DescribeProducersRequest(topics=[TransactionTopic(name=topic, partitions=[7])])
        code = (await wire.call(missing)).topics[0].partitions[0].error

    assert code == Code.UNKNOWN_TOPIC_OR_PARTITION


async def test_positions_of_a_stale_member_are_refused(address: str) -> None:
    """TxnOffsetCommit v3 names the member: a zombie of an older generation can't commit (KIP-447)."""
    topic, group, name = await new_topic(address), unique("group"), unique("tx")
    async with Wire(address) as wire:
        joined = await join(wire, joining(group))
        await sync(wire, group, joined)
        who = await begun(wire, name)
        good = {"generation": joined.generation, "member_id": joined.member_id}
        stale = {"generation": joined.generation + 1, "member_id": joined.member_id}
        stranger = {"generation": joined.generation, "member_id": "nobody"}
        sent = [
            await commit_positions(wire, name, who, group, topic, 5, **member) for member in (stale, stranger, good)
        ]
        await end(wire, name, who, True)
        await until(lambda: has_position(wire, group, TopicPartition(topic, 0), 5))

    assert sent == [Code.ILLEGAL_GENERATION, Code.UNKNOWN_MEMBER_ID, Code.NONE]


async def test_a_zombie_is_fenced(address: str) -> None:
    """A second producer with the same transactional id takes over: the first's open transaction is gone."""
    topic, name = await new_topic(address), unique("tx")
    zombie = AIOKafkaProducer(bootstrap_servers=address, transactional_id=name)
    await zombie.start()
    try:
        await zombie.begin_transaction()
        await zombie.send_and_wait(topic, b"zombie")
        async with producer(address, transactional_id=name) as client:
            async with client.transaction():
                await client.send_and_wait(topic, b"alive")
            with pytest.raises((ProducerFenced, KafkaError)):
                await zombie.commit_transaction()
    finally:
        await zombie.stop()
    (record,) = await read_all(address, topic, 1, **COMMITTED)

    assert record.value == b"alive"


async def test_a_rebuilt_producer_frees_the_readers(address: str) -> None:
    """After an error a new producer with the same id ends what was left open, so that readers go on."""
    topic, name = await new_topic(address), unique("tx")
    async with Wire(address) as wire:
        left = await begun(wire, name)
        assert await add(wire, name, left, topic) == Code.NONE
        assert (await write(wire, topic, name, batch_of(left, 0, b"left open"))).error == Code.NONE
    async with producer(address, transactional_id=name) as client, client.transaction():
        await client.send_and_wait(topic, b"new")
    (record,) = await read_all(address, topic, 1, **COMMITTED)

    assert record.value == b"new"


async def test_older_epochs_are_told_so(address: str) -> None:
    """Every step of a fenced producer is refused, by the code that its version of the request knows."""
    topic, name = await new_topic(address), unique("tx")
    async with Wire(address) as wire:
        old = await begun(wire, name)
        new = await begun(wire, name)
        assert (new.producer_id, new.epoch) == (old.producer_id, old.epoch + 1)
        added = [await add(wire, name, old, topic, version) for version in (0, 2)]
        ended = [await end(wire, name, old, True, version) for version in (0, 2)]
        stranger = InitProducerIdResponse(producer_id=old.producer_id + 1_000_000, epoch=0)
        unmapped = await add(wire, name, stranger, topic)

    assert added == ended == [Code.INVALID_PRODUCER_EPOCH, Code.PRODUCER_FENCED]
    assert unmapped == Code.INVALID_PRODUCER_ID_MAPPING


async def test_steps_out_of_order_are_refused(address: str) -> None:
    """Nothing can be ended that was not begun, nor written to a partition that the transaction did not name."""
    topic, name = await new_topic(address), unique("tx")
    async with Wire(address) as wire:
        who = await begun(wire, name)
        assert await end(wire, name, who, True) == Code.INVALID_TXN_STATE
        assert (await write(wire, topic, name, batch_of(who, 0, b"x"))).error == Code.INVALID_TXN_STATE
        assert await add(wire, name, who, unique("missing")) == Code.UNKNOWN_TOPIC_OR_PARTITION
        assert await add(wire, name, who, topic) == Code.NONE
        assert (await write(wire, topic, name, batch_of(who, 0, b"x"))).error == Code.NONE
        assert await end(wire, name, who, True) == Code.NONE
        assert await end(wire, name, who, True) == Code.NONE  # once more, as after a lost answer
        assert await end(wire, name, who, False) == Code.INVALID_TXN_STATE

    (record,) = await read_all(address, topic, 1, **COMMITTED)
    assert record.value == b"x"


async def test_a_transaction_times_out(address: str) -> None:
    """What is left open longer than the producer's timeout is aborted, and its producer is fenced."""
    topic, name = await new_topic(address), unique("tx")
    async with Wire(address) as wire:
        who = await begun(wire, name, timeout_ms=500)
        assert await add(wire, name, who, topic) == Code.NONE
        assert (await write(wire, topic, name, batch_of(who, 0, b"late"))).error == Code.NONE

        async def stable() -> bool:
            (answer,) = await fetched(wire, fetch(topic, 0, isolation=1))
            return answer.last_stable_offset == 2

        await until(stable)
        assert await end(wire, name, who, True) == Code.PRODUCER_FENCED


async def test_the_timeout_has_a_limit(address: str) -> None:
    """A timeout over fifteen minutes is refused."""
    async with Wire(address) as wire:
        name = unique("tx")
        await wire.find(name, TRANSACTION)
        request = InitProducerIdRequest(transactional_id=name, timeout_ms=900_001)
        assert (await wire.settled(request)).error == Code.INVALID_TRANSACTION_TIMEOUT


async def test_consume_and_produce_in_one_transaction(address: str) -> None:
    """Read, write and move the position atomically, as exactly-once delivery does: a replay starts after it."""
    source, target, group = await new_topic(address), await new_topic(address), unique("group")
    where = TopicPartition(source, 0)
    async with producer(address) as writer:
        for number in range(5):
            await writer.send_and_wait(source, b"%d" % number)
    async with producer(address, transactional_id=unique("tx")) as client:
        async with consumer(address, source, group_id=group) as reader:
            records = await read(reader, 5)
            async with client.transaction():
                for record in records[:3]:
                    await client.send(target, record.value, partition=0)
                await client.send_offsets_to_transaction({where: 3}, group)
        async with Wire(address) as wire:
            await wire.find(group, GROUP)
            await until(lambda: has_position(wire, group, where, 3))
        async with consumer(address, source, group_id=group) as reader:
            assert [record.value for record in await read(reader, 2)] == [b"3", b"4"]
    results = await read_all(address, target, 3, **COMMITTED)

    assert [record.value for record in results] == [b"0", b"1", b"2"]
