"""What survives the death of the broker: a process that is killed with SIGKILL, and started again on its folder."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from express.devbroker import Broker
from express.devbroker.codes import Code
from express.devbroker.messages.admin import CreateTopicsRequest, NewTopic
from express.devbroker.messages.records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from express.errors import StoreError
from tests.kafka.clients import admin, consumer, end_offset, new_topic, producer, read, read_all
from tests.kafka.requests import (
    add,
    batch_of,
    begun,
    commit,
    commit_positions,
    committed,
    end,
    write,
)
from tests.kafka.wire import Wire
from tests.patience import PATIENCE


class Killable:
    """A development broker in a process, on a folder and a port that stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = "0"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it; its address."""
        command = [sys.executable, "-m", "express.devbroker", "--port", self._port, "--data", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()
        self._port = address.rpartition(":")[2]
        return address

    def limit(self, size: int | None) -> None:
        """Let no file of the broker's be larger than `size`, as if the disk were full; None: any."""
        assert self._process is not None
        limit = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def suspend(self) -> None:
        """Let it hang, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; the exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        with process:
            return process.wait()

    def restart(self, number: int = signal.SIGKILL) -> str:
        """Kill it and start it again."""
        self.stop(number)
        return self.start()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Killable]:
    """A broker to be killed."""
    killable = Killable(tmp_path / "data")
    yield killable
    killable.stop()


async def test_records_and_positions_survive_sigkill(broker: Killable) -> None:
    """What was acknowledged is there after SIGKILL, at the same offsets; so are positions and configurations."""
    address = broker.start()
    topic = await new_topic(address, 3, **{"retention.bytes": "10000000"})
    where = TopicPartition(topic, 1)
    async with producer(address, enable_idempotence=True) as client:
        for number in range(2000):
            await client.send(topic, b"%d" % number, partition=1)
    async with Wire(address) as wire:
        assert await commit(wire, "group", where, 1990, metadata="kept") == Code.NONE
    assert broker.restart() == address
    async with Wire(address) as wire:
        assert await committed(wire, "group", where) == (1990, "kept")
    records = [record.value for record in await read_all(address, topic, 2000)]
    async with producer(address) as client:
        assert (await client.send_and_wait(topic, b"next", partition=1)).offset == 2000

    assert records == [b"%d" % number for number in range(2000)]


async def until_refused(address: str) -> None:
    """Create topics until the journal takes no more: the broker hangs up."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        async with Wire(address) as wire:
            for number in range(1_000):
                name = f"{number}-{'x' * 200}"
                topic = NewTopic(name=name, partitions=1, replication_factor=1, assignments=[], configs=[])
                await wire.call(CreateTopicsRequest(topics=[topic], timeout_ms=1_000, validate_only=False))
        raise AssertionError("no limit was met")


async def test_a_full_disk_leaves_whole_batches(broker: Killable) -> None:
    """What is not acknowledged is not half there: with room again all goes on, also after SIGKILL."""
    address = broker.start()
    topic = await new_topic(address)
    async with producer(address) as client:
        await client.send_and_wait(topic, b"0" * 3_000)
        broker.limit(5_000)
        waiting = asyncio.create_task(client.send_and_wait(topic, b"1" * 3_000))
        await until_refused(address)
        broker.limit(None)
        await waiting
    broker.restart()
    async with producer(address) as client:
        await client.send_and_wait(topic, b"2" * 3_000)

    assert [record.value[:1] for record in await read_all(address, topic, 3)] == [b"0", b"1", b"2"]
    assert await end_offset(address, topic) == 3


async def test_a_consumer_group_goes_on_after_sigkill(broker: Killable) -> None:
    """A running consumer joins again by itself and continues at its position."""
    address = broker.start()
    topic = await new_topic(address)
    async with producer(address) as client:
        for number in range(10):
            await client.send_and_wait(topic, b"%d" % number)
    async with consumer(address, topic, group_id="group") as reader:
        await read(reader, 10)
        await reader.commit({TopicPartition(topic, 0): 10})
        broker.restart()
        async with producer(address) as client:
            await client.send_and_wait(topic, b"after")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.getone()).value == b"after"


async def test_a_replayed_batch_is_known_after_sigkill(broker: Killable) -> None:
    """Idempotence outlives the broker: the sequences lie in the records, and producer ids are not given out twice."""
    address = broker.start()
    topic = await new_topic(address)
    async with Wire(address) as wire:
        who = await begun(wire, None)
        batch = batch_of(who, 0, b"a", b"b", transactional=False)
        assert (await write(wire, topic, None, batch)).base_offset == 0
    broker.restart()
    async with Wire(address) as wire:
        assert (await write(wire, topic, None, batch)).base_offset == 0
        gap = await write(wire, topic, None, batch_of(who, 7, b"c", transactional=False))
        assert gap.error == Code.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert (await begun(wire, None)).producer_id > who.producer_id
    assert await end_offset(address, topic) == 2


async def test_transactions_survive_sigkill(broker: Killable) -> None:
    """An open transaction can be committed after a restart, an aborted one stays unseen, positions included."""
    address = broker.start()
    topic = await new_topic(address)
    where = TopicPartition(topic, 0)
    async with producer(address, transactional_id="aborted") as client:
        await client.begin_transaction()
        await client.send_and_wait(topic, b"aborted")
        await client.abort_transaction()
    async with Wire(address) as wire:
        who = await begun(wire, "open")
        assert await add(wire, "open", who, topic) == Code.NONE
        assert (await write(wire, topic, "open", batch_of(who, 0, b"open"))).error == Code.NONE
        assert await commit_positions(wire, "open", who, "group", topic, 5) == Code.NONE
    broker.restart()
    assert await end_offset(address, topic, isolation_level="read_committed") == 2
    async with Wire(address) as wire:
        assert await committed(wire, "group", where) == (-1, "")
        assert await end(wire, "open", who, True) == Code.NONE
    broker.restart()
    (record,) = await read_all(address, topic, 1, isolation_level="read_committed")
    async with Wire(address) as wire:
        assert await committed(wire, "group", where) == (5, "")
        assert await end(wire, "open", who, True) == Code.NONE

    assert record.value == b"open"


async def test_deletions_survive(broker: Killable) -> None:
    """Deleted records and topics do not come back, and a topic's added partitions stay."""
    address = broker.start()
    kept, gone = await new_topic(address), await new_topic(address)
    where = TopicPartition(kept, 0)
    async with producer(address) as client:
        for _ in range(10):
            await client.send_and_wait(kept, b"x")
    async with admin(address) as client:
        await client.delete_topics([gone])
        await client.create_partitions({kept: NewPartitions(3)})
        await client.delete_records({where: RecordsToDelete(before_offset=4)})
    broker.restart(signal.SIGTERM)
    async with admin(address) as client, consumer(address) as reader:
        described = await client.describe_topics([kept, gone])
        assert await reader.beginning_offsets([where]) == {where: 4}
        assert await reader.end_offsets([where]) == {where: 10}

    assert [(topic["error_code"], len(topic["partitions"])) for topic in described] == [(0, 3), (3, 0)]


async def test_everything_deleted_stays_deleted(broker: Killable) -> None:
    """A partition whose records are all deleted goes on at its offset after a restart, not at 0."""
    address = broker.start()
    topic = await new_topic(address)
    async with producer(address) as client:
        for _ in range(10):
            await client.send_and_wait(topic, b"x")
    async with Wire(address) as wire:
        asked = DeleteRecordsPartition(index=0, offset=-1)
        topics = [DeleteRecordsTopic(name=topic, partitions=[asked])]
        await wire.call(DeleteRecordsRequest(topics=topics, timeout_ms=1000))
    broker.restart()
    async with producer(address) as client:
        assert (await client.send_and_wait(topic, b"next")).offset == 10


async def test_it_stops_in_order(broker: Killable) -> None:
    """SIGTERM and SIGINT end it with exit code 0, also while clients are connected."""
    for number in (signal.SIGTERM, signal.SIGINT):
        address = broker.start()
        async with Wire(address):
            assert await asyncio.to_thread(broker.stop, number) == 0


async def test_two_brokers_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second one says so and leaves the folder alone; once the first is gone the folder is free."""
    async with Broker(data=tmp_path):
        with pytest.raises(StoreError, match="another broker"):
            await Broker(data=tmp_path).start()
    async with Broker(data=tmp_path) as again:
        assert again.address


async def test_a_journal_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    """A last line without its end was never acknowledged; nonsense in the middle is an error with its line."""
    async with Broker(data=tmp_path) as broker:
        topic = await new_topic(broker.address)
    journal = tmp_path / "journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'["TopicCreated","half')
    async with Broker(data=tmp_path) as broker:
        assert await end_offset(broker.address, topic) == 0
    journal.write_bytes(b"nonsense\n" + whole)
    with pytest.raises(StoreError, match="line 1"):
        await Broker(data=tmp_path).start()


async def test_the_journal_does_not_grow_without_end(tmp_path: Path) -> None:
    """Only the last position of a partition counts, so the journal is rewritten from time to time."""
    async with Broker(data=tmp_path) as broker, Wire(broker.address) as wire:
        topic = await new_topic(broker.address)
        where = TopicPartition(topic, 0)
        for number in range(2000):
            await commit(wire, "group", where, number, metadata="x" * 4000)
        assert await committed(wire, "group", where) == (1999, "x" * 4000)
    assert (tmp_path / "journal").stat().st_size < 5 << 20
    async with Broker(data=tmp_path) as broker, Wire(broker.address) as wire:
        assert (await committed(wire, "group", where))[0] == 1999
