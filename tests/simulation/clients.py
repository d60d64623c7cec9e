"""Stand-ins for aiokafka's producer and consumer, as far as sources and sinks use them, over the simulated network.

Written after aiokafka 0.14: an idempotent producer repeats a batch for ever; a consumer asks its listener before
it joins anew and after it has joined, logs what the listener raises, keeps its heartbeat meanwhile, and begins
to fetch a new assignment from the committed offsets before the listener has said where to begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import (
    ConcurrentTransactions,
    IllegalGenerationError,
    IllegalOperation,
    IllegalStateError,
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    ProducerFenced,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from express.ports import Partition, Position
from tests.simulation.broker import Identity, Row
from tests.simulation.group import Joined
from tests.simulation.ledger import Entry
from tests.simulation.network import Lines

if TYPE_CHECKING:
    from tests.simulation.world import World

BACKOFF_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0

REJOIN = (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError)


class Client:
    """What both have: the network, and connections of their own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broker = world.broker
        self.lines = Lines()
        self.closed = False

    async def call(self, kind: str, step: Callable[..., Any], *arguments: Any) -> Any:
        """One request."""
        return await self.world.network.call(self.lines, kind, step, *arguments)

    async def insist(self, kind: str, step: Callable[..., Any], *arguments: Any) -> Any:
        """One request, repeated while its fate is unknown or the broker is busy."""
        while True:
            try:
                return await self.call(kind, step, *arguments)
            except (KafkaConnectionError, ConcurrentTransactions):
                if self.closed or self.world.network.closed:
                    raise
                await asyncio.sleep(BACKOFF_SECONDS)
            except InvalidProducerEpoch as error:
                raise ProducerFenced from error

    async def close(self) -> None:
        """Close the connections."""
        self.closed = True
        self.lines.close()
        await asyncio.sleep(0)


class SimBatch:
    """A record batch in the making, `BatchBuilder`."""

    def __init__(self, limit: int) -> None:
        self.rows: list[Row] = []
        self._limit = limit

    def append(self, *, timestamp: int, key: bytes | None, value: bytes | None, headers: Any) -> object | None:
        """Add a record; None where the batch is full."""
        if len(self.rows) >= self._limit:
            return None
        self.rows.append((timestamp, key, value, tuple(headers)))
        return self

    def close(self) -> None:
        """No more records."""

    def size(self) -> int:
        """Bytes."""
        return sum(80 + len(value or b"") for _, _, value, _ in self.rows)


class SimProducer(Client):
    """`AIOKafkaProducer`: idempotent, or transactional."""

    def __init__(self, world: World, *, transactional_id: str | None = None, **properties: Any) -> None:
        super().__init__(world)
        self.client = self
        self._id = transactional_id and world.rename(transactional_id)
        self._identity: Identity | None = None
        self._sequences: dict[Partition, int] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._sender = SimpleNamespace(sender_task=None)
        self._in_transaction = False
        self._empty = True
        self._broken: KafkaError | None = None
        self._closed = False

    async def start(self) -> None:
        """Connect, get a producer id."""
        self._sender.sender_task = asyncio.create_task(self._send_for_ever())
        if self._id is not None:
            self._identity = await self.insist("transaction", self.broker.init_transactions, self._id)
        else:
            self._identity = await self.call("ask", self.broker.new_id)

    async def stop(self) -> None:
        """Send everything, then close."""
        while self._sending:
            await asyncio.wait(list(self._sending))
        self._closed = True
        await self._end_sender()
        await self.close()

    async def partitions_for(self, topic: str) -> set[int]:
        """The partitions of a topic."""
        return set(range(await self.call("ask", self.broker.count, topic)))

    def create_batch(self) -> SimBatch:
        """A new batch."""
        return SimBatch(self.world.draw.batch_records)

    async def send_batch(self, batch: SimBatch, topic: str, *, partition: int) -> asyncio.Future[None]:
        """Hand a batch over; the future is done when it is acknowledged."""
        if self._id is not None and not self._in_transaction:
            raise IllegalOperation("not in a transaction")
        if self._broken is not None:
            raise self._broken
        target = Partition(topic, partition)
        sequence = self._sequences[target] = self._sequences.get(target, -1) + 1
        self._empty = False
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        arguments = self._id, self._identity, sequence, target, tuple(batch.rows)
        self._send(self._settle(done, "produce", self.broker.produce, *arguments))
        return done

    async def begin_transaction(self) -> None:
        """Nothing is sent yet."""
        if self._broken is not None:
            raise self._broken
        assert not self._in_transaction
        self._in_transaction, self._empty = True, True

    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group: str
    ) -> None:
        """Make positions part of the transaction."""
        positions = {Partition(*tp): Position(*at) for tp, at in offsets.items()}
        self._empty = False
        await self._insist_alive(self.broker.send_offsets, self._id, self._identity, positions)

    async def commit_transaction(self) -> None:
        """Commit when everything is acknowledged."""
        while self._sending:
            await asyncio.wait(list(self._sending))
        if self._broken is not None:
            raise self._broken
        if not self._empty:
            await self._insist_alive(self.broker.end_transaction, self._id, self._identity)
        self._in_transaction = False

    async def _insist_alive(self, step: Callable[..., Any], *arguments: Any) -> None:
        """What aiokafka's sender task does for us. Once that is killed, nobody answers any more."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._send(self._settle(done, "transaction", step, *arguments))
        await asyncio.shield(done)

    def _send(self, sending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(sending)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _settle(self, done: asyncio.Future[None], kind: str, step: Callable[..., Any], *arguments: Any) -> None:
        try:
            await self.insist(kind, step, *arguments)
        except KafkaError as error:
            self._broken = error
            if not done.done():
                done.set_exception(error)
                done.exception()  # it may be that nobody waits
        else:
            if not done.done():
                done.set_result(None)

    async def _send_for_ever(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for sending in sorted(self._sending, key=asyncio.Task.get_name):
                sending.cancel()

    async def _end_sender(self) -> None:
        task = self._sender.sender_task
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class SimConsumer(Client):
    """`AIOKafkaConsumer`, subscribed to topics in a group."""

    def __init__(self, world: World, **properties: Any) -> None:
        super().__init__(world)
        self._coordinator = self
        self._fetcher = self._client = self
        self._coordination_task: asyncio.Task[None] | None = None
        self._heartbeat_task: asyncio.Task[None] | None = None
        self._commit_refresh_task: asyncio.Task[None] | None = None
        self._fetch_task: asyncio.Task[None] | None = None
        self._listener: Any = None
        self._member = ""
        self.generation = -1
        self._positions: dict[Partition, int] = {}
        """By assigned partition; -1 while unknown."""
        self._seeks = 0
        self._assigned = asyncio.Event()
        self._rejoin = asyncio.Event()
        self._grown = asyncio.Event()

    def subscribe(self, topics: Collection[str], listener: Any) -> None:
        """Remember who is to be told."""
        self._listener = listener

    async def start(self) -> None:
        """Join; returns with the first assignment."""
        await self.call("ask", self.broker.count, "in")
        self.broker.grown.append(self._grown.set)
        self._coordination_task = asyncio.create_task(self._coordinate())
        await self._assigned.wait()

    async def stop(self) -> None:
        """Leave the group and close."""
        self.closed = True
        if self._grown.set in self.broker.grown:
            self.broker.grown.remove(self._grown.set)
        for task in (self._coordination_task, self._heartbeat_task, self._commit_refresh_task):
            await _end(task)
        if self._member:
            await self.call("group", self.broker.group.leave, self._member)
        await self.close()

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Entry]]:
        """What can be read; waits for a record. Nothing during a rebalance."""
        self.world.maybe_break_client()
        if not self._assigned.is_set():
            await self._assigned.wait()
        found = self._collect(partitions, max_records or 500)
        if found or not timeout_ms:
            return found
        self._grown.clear()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._grown.wait()
        except TimeoutError:
            return {}
        return self._collect(partitions, max_records or 500) if self._assigned.is_set() else {}

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Read from `offset` on."""
        if tp not in self._positions:
            raise IllegalStateError(f"{tp} is not assigned")
        self._positions[Partition(*tp)] = offset
        self._seeks += 1

    async def ensure_coordinator_known(self) -> None:
        """The network knows the way."""

    async def _do_commit_offsets(self, assignment: Any, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """One OffsetCommit as a member of the present generation."""
        positions = {Partition(*tp): Position(*at) for tp, at in offsets.items()}
        try:
            await self.call("commit", self.broker.commit, self._member, self.generation, positions)
        except REJOIN as error:
            self._forget(error)
            self._rejoin.set()
            raise

    @property
    def _subscription(self) -> Any:
        assignment = SimpleNamespace(tps=self._positions.keys(), state_value=self._state)
        return SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))

    def _state(self, tp: TopicPartition) -> Any:
        position = self._positions.get(Partition(*tp))
        return None if position is None else SimpleNamespace(has_valid_position=position >= 0, position=position)

    async def fetch_committed_offsets(self, partitions: Sequence[TopicPartition]) -> dict[Any, OffsetAndMetadata]:
        """Ask the coordinator."""
        wanted = [Partition(*tp) for tp in partitions]
        found = await self.insist("ask", self.broker.committed, wanted)
        self.world.checks.fetched(wanted, found)
        return {TopicPartition(*p): OffsetAndMetadata(*found.get(p, (-1, ""))) for p in wanted}

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[Any, int]:
        """First offsets."""
        return await self._bounds(partitions, end=False)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[Any, int]:
        """Last stable offsets."""
        return await self._bounds(partitions, end=True)

    def assignment(self) -> set[TopicPartition]:
        """What is ours. Empty here, since lag is not looked at."""
        return set()

    async def _bounds(self, partitions: Sequence[TopicPartition], *, end: bool) -> dict[Any, int]:
        wanted = [Partition(*tp) for tp in partitions]

        def ask() -> dict[Partition, int]:
            return self.broker.bounds(wanted, end=end)

        found = await self.insist("ask", ask)
        return {TopicPartition(*p): found[p] for p in wanted}

    def _collect(self, partitions: Collection[TopicPartition], limit: int) -> dict[TopicPartition, list[Entry]]:
        found: dict[TopicPartition, list[Entry]] = {}
        for partition, position in self._positions.items():
            if position < 0 or limit <= 0 or (partitions and partition not in partitions):
                continue
            records, after = self.broker.ledgers[partition].read(position, min(limit, self.world.draw.poll_records))
            self._positions[partition] = after
            if records:
                found[TopicPartition(*partition)] = records
                limit -= len(records)
        return found

    # The group --------------------------------------------------------------------------------------

    async def _coordinate(self) -> None:
        try:
            await self._coordinate_until_closed()
        except Exception as error:
            self.world.loop.failures.append(f"simulated client: {error!r}")
            raise

    async def _coordinate_until_closed(self) -> None:
        prepared = False
        while not self.closed:
            if not prepared:
                self._assigned.clear()
                await self._tell("revoked", list(self._positions))
                prepared = True
            await _end(self._heartbeat_task)
            self._rejoin.clear()
            try:
                joined = await self.call("group", self.broker.group.join, self._member)
            except UnknownMemberIdError:
                self._member = ""
                continue
            except KafkaError:
                if self.world.network.closed:
                    return
                await asyncio.sleep(BACKOFF_SECONDS)
                continue
            prepared = False
            await self._have_joined(joined)
            await self._rejoin.wait()

    async def _have_joined(self, joined: Joined) -> None:
        self._member, self.generation, partitions = joined
        self._positions = dict.fromkeys(partitions, -1)
        await _end(self._commit_refresh_task)
        self._commit_refresh_task = asyncio.create_task(self._refresh(partitions, self._seeks))
        self._assigned.set()
        await self._tell("assigned", list(partitions))
        self._heartbeat_task = asyncio.create_task(self._beat(self.generation))

    async def _refresh(self, partitions: Sequence[Partition], seeks: int) -> None:
        """Begin at the committed offsets, which may be out of date, until the listener seeks."""
        found = await self.insist("ask", self.broker.committed, partitions)
        if self._seeks == seeks:
            for partition in partitions:
                self._positions[partition] = found[partition].offset if partition in found else 0

    async def _beat(self, generation: int) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await self.call("group", self.broker.group.heartbeat, self._member, generation)
            except REJOIN as error:
                self._forget(error)
                self._rejoin.set()
                if not isinstance(error, RebalanceInProgressError):
                    return
            except KafkaError:
                if self.world.network.closed:
                    return

    def _forget(self, error: Exception) -> None:
        if not isinstance(error, RebalanceInProgressError):
            self.generation = -1
            self._member = ""

    async def _tell(self, what: str, partitions: Sequence[Partition]) -> None:
        """Ask the listener; what it raises is logged by aiokafka, and here."""
        answer = getattr(self._listener, f"on_partitions_{what}")([TopicPartition(*p) for p in partitions])
        try:
            await answer
        except Exception as error:
            self.world.loop.failures.append(f"listener: {error!r}")


async def _end(task: asyncio.Task[Any] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
