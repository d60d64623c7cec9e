"""The simulated brokers: logs, idempotent and transactional producers, commits. Each request is one step.

What is modelled because promises hang on it: a second copy of a batch is taken once; an older producer epoch is
refused; InitProducerId ends the open transaction of the former owner before it answers; EndTxn answers when the
decision is made, and its markers and offsets become visible later; brokers abort a transaction by themselves
after its timeout. TxnOffsetCommit knows neither member nor generation, since aiokafka sends none (no KIP-447).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aiokafka.errors import (
    ConcurrentTransactions,
    InvalidProducerEpoch,
    InvalidTxnState,
    OffsetMetadataTooLargeError,
)

from express.ports import Headers, Partition, Position
from tests.simulation.group import Group
from tests.simulation.ledger import ABORTED, COMMITTED, Entry, Ledger, Transaction
from tests.simulation.loop import SimLoop

Row = tuple[int, bytes | None, bytes | None, Headers]
"""Timestamp, key, value, headers."""

TRANSACTION_TIMEOUT = 10.0


class Identity(NamedTuple):
    """A producer id and its epoch."""

    id: int
    epoch: int


class _Producer:
    """What the transaction coordinator knows of one transactional id."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.epoch = -1
        self.transaction: Transaction | None = None
        self.ending = False
        """A decision is made and the markers are not written yet."""
        self.last: tuple[int, str] | None = None
        """Epoch and decision of the last transaction: EndTxn may be repeated."""


class Broker:
    """Everything that would survive a crash of all workers."""

    def __init__(self, loop: SimLoop, chance: random.Random, metadata_limit: int = 4_096) -> None:
        self.loop = loop
        self.chance = chance
        self.metadata_limit = metadata_limit
        self.ledgers: dict[Partition, Ledger] = {}
        self.positions: dict[Partition, Position] = {}
        self.group = Group(loop, chance)
        self.grown: list[Callable[[], None]] = []
        """Called whenever a log has grown or become readable."""
        self.on_commit: Callable[[Partition, Position], None] = lambda partition, position: None
        """Called with every commit that takes effect."""
        self.on_append: Callable[[Ledger, Entry], None] = lambda ledger, entry: None
        self.marker_seconds = 0.0
        """Most that the markers of a transaction take."""
        self._producers: dict[str, _Producer] = {}
        self._next_id = 1
        self._arrived = 0

    def topic(self, name: str, partitions: int) -> None:
        """Make a topic."""
        for number in range(partitions):
            self.ledgers[Partition(name, number)] = Ledger(name, number)

    def count(self, topic: str) -> int:
        """How many partitions a topic has."""
        return sum(partition.topic == topic for partition in self.ledgers)

    def feed(self, partition: Partition, row: Row, skipped: int = 0) -> int:
        """Append an input record, leaving `skipped` offsets out, as compaction does; its offset."""
        ledger = self.ledgers[partition]
        offset = ledger.end + skipped
        self._append(ledger, offset, row, None)
        self._tell()
        return offset

    # Producers --------------------------------------------------------------------------------------

    def new_id(self) -> Identity:
        """The identity of an idempotent producer without a transactional id."""
        self._next_id += 1
        return Identity(self._next_id, 0)

    def init_transactions(self, transactional_id: str) -> Identity:
        """InitProducerId: fence the former owner, end its transaction. ConcurrentTransactions until that is done."""
        producer = self._producers.get(transactional_id)
        if producer is None:
            self._next_id += 1
            producer = self._producers[transactional_id] = _Producer(self._next_id)
        if producer.ending:
            raise ConcurrentTransactions
        producer.epoch += 1
        producer.last = None
        if producer.transaction is not None:
            self._decide(producer, ABORTED)
            raise ConcurrentTransactions
        return Identity(producer.id, producer.epoch)

    def produce(
        self, transactional_id: str | None, identity: Identity, sequence: int, target: Partition, rows: Sequence[Row]
    ) -> None:
        """Append a batch, once."""
        transaction = self._begin(transactional_id, identity) if transactional_id else None
        ledger = self.ledgers[target]
        if ledger.sequences.get(identity, -1) >= sequence:
            return
        ledger.sequences[identity] = sequence
        for row in rows:
            self._append(ledger, ledger.end, row, transaction)
        self._tell()

    def send_offsets(self, transactional_id: str, identity: Identity, positions: Mapping[Partition, Position]) -> None:
        """TxnOffsetCommit: these positions become valid with the transaction."""
        self._check_metadata(positions)
        self._begin(transactional_id, identity).offsets.update(positions)

    def end_transaction(self, transactional_id: str, identity: Identity) -> None:
        """EndTxn, commit. Repeating it after success succeeds."""
        producer = self._fenced(transactional_id, identity)
        if producer.ending:
            raise ConcurrentTransactions
        if producer.transaction is None:
            if producer.last == (identity.epoch, COMMITTED):
                return
            raise InvalidTxnState
        self._decide(producer, COMMITTED)

    def _fenced(self, transactional_id: str, identity: Identity) -> _Producer:
        producer = self._producers[transactional_id]
        if identity != (producer.id, producer.epoch):
            raise InvalidProducerEpoch
        return producer

    def _begin(self, transactional_id: str, identity: Identity) -> Transaction:
        """The open transaction of a producer, begun where there is none (AddPartitionsToTxn)."""
        producer = self._fenced(transactional_id, identity)
        if producer.ending:
            raise ConcurrentTransactions
        if producer.transaction is None:
            producer.transaction = transaction = Transaction(producer.id)
            self.loop.call_later(TRANSACTION_TIMEOUT, self._expire, producer, transaction)
        return producer.transaction

    def _expire(self, producer: _Producer, transaction: Transaction) -> None:
        if producer.transaction is transaction and not producer.ending:
            producer.epoch += 1
            self._decide(producer, ABORTED)

    def _decide(self, producer: _Producer, decision: str) -> None:
        producer.ending = True
        delay = self.chance.random() * self.marker_seconds
        if delay:
            self.loop.call_later(delay, self._complete, producer, decision)
        else:
            self._complete(producer, decision)

    def _complete(self, producer: _Producer, decision: str) -> None:
        """Write the markers; the offsets of a committed transaction take effect."""
        transaction = producer.transaction
        assert transaction is not None
        transaction.state = decision
        for ledger in transaction.touched:
            ledger.mark(transaction)
        producer.transaction = None
        producer.ending = False
        producer.last = (producer.epoch, decision)
        if decision == COMMITTED:
            for partition, position in transaction.offsets.items():
                self._store(partition, position)
        self._tell()

    # Positions --------------------------------------------------------------------------------------

    def commit(self, member: str, generation: int, positions: Mapping[Partition, Position]) -> None:
        """OffsetCommit: refused where the member is not of the current generation."""
        self.group.check(member, generation)
        self._check_metadata(positions)
        for partition, position in positions.items():
            self._store(partition, position)

    def committed(self, partitions: Sequence[Partition]) -> dict[Partition, Position]:
        """OffsetFetch, without `require_stable`: what pending transactions will commit is not waited for."""
        return {p: self.positions[p] for p in partitions if p in self.positions}

    def bounds(self, partitions: Sequence[Partition], *, end: bool) -> dict[Partition, int]:
        """ListOffsets, for a reader of committed records."""
        return {p: self.ledgers[p].stable if end else self.ledgers[p].start for p in partitions}

    def _check_metadata(self, positions: Mapping[Partition, Position]) -> None:
        if any(len(metadata) > self.metadata_limit for _, metadata in positions.values()):
            raise OffsetMetadataTooLargeError

    def _store(self, partition: Partition, position: Position) -> None:
        self.on_commit(partition, position)
        self.positions[partition] = position
        self.loop.note(partition.number, position.offset, len(position.metadata))

    def _append(self, ledger: Ledger, offset: int, row: Row, transaction: Transaction | None) -> None:
        self._arrived += 1
        entry = Entry(offset, self._arrived, *row, transaction)
        ledger.append(entry)
        self.loop.note(ledger.number, offset, len(row[2] or b""))
        self.on_append(ledger, entry)

    def _tell(self) -> None:
        for tell in list(self.grown):
            tell()
