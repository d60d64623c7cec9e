"""The transaction coordinator (KIP-98): producer ids and epochs, and what an open transaction has touched.

Everything happens within one turn of the event loop, so the in-between states of Apache Kafka are never seen by a
client. They are journalled all the same: a broker that is killed between the decision and the markers writes the
missing markers when it is started again.

Tests may have markers dropped, as Apache Kafka 4.3.0 to 4.4.0 do while they start (KAFKA-20734): the coordinator takes
the transaction for ended, and the partition or the group for which the marker was meant does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

from express.devbroker.batch import NO_PRODUCER, Header
from express.devbroker.codes import Code, RefusedError
from express.devbroker.groups import Groups
from express.devbroker.journal import Journal, OffsetCommitted, ProducerIdUsed, TransactionMoved
from express.devbroker.member import Clock, Timer
from express.devbroker.topics import Topics

MAX_TIMEOUT_MS = 900_000
LAST_EPOCH = 32_766  # a producer id whose epochs are used up is replaced by a new one


class Status(StrEnum):
    """The state of a transaction."""

    EMPTY = "Empty"
    ONGOING = "Ongoing"
    PREPARE_COMMIT = "PrepareCommit"
    PREPARE_ABORT = "PrepareAbort"
    COMPLETE_COMMIT = "CompleteCommit"
    COMPLETE_ABORT = "CompleteAbort"


Drop = Callable[[str, str, int], bool]
"""Decides if the marker for a partition is dropped, by transactional id, topic and partition number.

That for the positions of groups goes to partition 0 of OFFSETS."""

OFFSETS = "__consumer_offsets"


def drop_none(transactional_id: str, topic: str, partition: int) -> bool:
    """Write every marker."""
    return False


PREPARED = {True: Status.PREPARE_COMMIT, False: Status.PREPARE_ABORT}
COMPLETED = {True: Status.COMPLETE_COMMIT, False: Status.COMPLETE_ABORT}


class Transaction:
    """A transactional id and its current transaction."""

    def __init__(self, transactional_id: str, producer_id: int, timeout_ms: int) -> None:
        self.id = transactional_id
        self.producer_id = producer_id
        self.epoch = 0
        self.timeout_ms = timeout_ms
        self.status = Status.EMPTY
        self.partitions: set[tuple[str, int]] = set()
        self.groups: set[str] = set()
        self.positions: list[OffsetCommitted] = []
        self.timer: Timer | None = None

    def event(self) -> TransactionMoved:
        """The state as the journal keeps it."""
        return TransactionMoved(
            self.id,
            self.producer_id,
            self.epoch,
            self.timeout_ms,
            self.status,
            sorted(self.partitions),
            sorted(self.groups),
            list(self.positions),
        )


class Transactions:
    """All transactional ids, and the source of producer ids."""

    def __init__(self, journal: Journal, clock: Clock, topics: Topics, groups: Groups, drop: Drop = drop_none) -> None:
        self._drop = drop
        self._journal = journal
        self._clock = clock
        self._topics = topics
        self._groups = groups
        self._last_producer_id = -1
        self._by_id: dict[str, Transaction] = {}
        self._by_producer: dict[int, Transaction] = {}

    def events(self) -> list[ProducerIdUsed | TransactionMoved]:
        """The events that lead to the present state."""
        return [ProducerIdUsed(self._last_producer_id), *(moved.event() for moved in self._by_id.values())]

    # -- what producers ask for

    def new_producer_id(self) -> int:
        """A producer id that was never used."""
        self._last_producer_id += 1
        self._journal.write(ProducerIdUsed(self._last_producer_id))
        return self._last_producer_id

    def begin(self, transactional_id: str, timeout_ms: int, producer_id: int, epoch: int) -> Transaction:
        """Give a transactional id to a new incarnation: what the one before left open is aborted, itself fenced.

        A producer that renews its own epoch says which one it has (KIP-360); others pass -1.
        """
        if not transactional_id:
            raise RefusedError(Code.INVALID_REQUEST, "an empty transactional id")
        if not 0 < timeout_ms <= MAX_TIMEOUT_MS:
            raise RefusedError(Code.INVALID_TRANSACTION_TIMEOUT)
        transaction = self._by_id.get(transactional_id)
        if transaction is None:
            transaction = self._register(Transaction(transactional_id, self.new_producer_id(), timeout_ms))
        else:
            if producer_id != NO_PRODUCER and (producer_id, epoch) != (transaction.producer_id, transaction.epoch):
                raise RefusedError(Code.PRODUCER_FENCED)
            self._renew(transaction)
        transaction.timeout_ms = timeout_ms
        transaction.status = Status.EMPTY
        self._journal.write(transaction.event())
        return transaction

    def add_partitions(self, transaction: Transaction, partitions: list[tuple[str, int]]) -> None:
        """The transaction is going to write to these."""
        self._open(transaction)
        if not transaction.partitions.issuperset(partitions):
            transaction.partitions.update(partitions)
            self._journal.write(transaction.event())

    def add_group(self, transaction: Transaction, group: str) -> None:
        """The transaction is going to commit positions of this group."""
        self._open(transaction)
        if group not in transaction.groups:
            transaction.groups.add(group)
            self._journal.write(transaction.event())

    def add_positions(self, transaction: Transaction, group: str, positions: list[OffsetCommitted]) -> None:
        """Positions that count once the transaction is committed."""
        if transaction.status is not Status.ONGOING or group not in transaction.groups:
            raise RefusedError(Code.INVALID_TXN_STATE)
        transaction.positions.extend(positions)
        self._journal.write(transaction.event())

    def end(self, transaction: Transaction, committed: bool) -> None:
        """Commit or abort; doing the same once more changes nothing."""
        if transaction.status is COMPLETED[committed]:
            return
        if transaction.status is not Status.ONGOING:
            raise RefusedError(Code.INVALID_TXN_STATE)
        self._finish(transaction, committed)

    def current(self, transactional_id: str, producer_id: int, epoch: int) -> Transaction:
        """The transaction of this very producer, or RefusedError."""
        transaction = self._by_id.get(transactional_id)
        if transaction is None or transaction.producer_id != producer_id:
            raise RefusedError(Code.INVALID_PRODUCER_ID_MAPPING)
        if transaction.epoch != epoch:
            raise RefusedError(Code.PRODUCER_FENCED)
        return transaction

    def check_write(self, header: Header, partition: tuple[str, int]) -> None:
        """Check that a transactional batch may be appended: inside an open transaction that named the partition."""
        transaction = self._by_producer.get(header.producer_id)
        if transaction is None:
            raise RefusedError(Code.INVALID_PRODUCER_ID_MAPPING)
        if header.producer_epoch != transaction.epoch:
            raise RefusedError(Code.INVALID_PRODUCER_EPOCH)
        if transaction.status is not Status.ONGOING or partition not in transaction.partitions:
            raise RefusedError(Code.INVALID_TXN_STATE)

    def find(self, transactional_id: str) -> Transaction | None:
        """The transactional id and its last transaction."""
        return self._by_id.get(transactional_id)

    def undecided(self, group: str) -> set[tuple[str, int]]:
        """The partitions for which an open transaction holds a position of `group` (KIP-447)."""
        return {
            (position.topic, position.partition)
            for transaction in self._by_id.values()
            for position in transaction.positions
            if position.group == group
        }

    # -- restart

    def restore(self, event: TransactionMoved | ProducerIdUsed) -> None:
        """Set a state as the journal says."""
        if isinstance(event, ProducerIdUsed):
            self._last_producer_id = max(self._last_producer_id, event.producer_id)
            return
        transaction = Transaction(event.transactional_id, event.producer_id, event.timeout_ms)
        transaction.epoch = event.epoch
        transaction.status = Status(event.status)
        transaction.partitions = {(topic, index) for topic, index in event.partitions}
        transaction.groups = set(event.groups)
        transaction.positions = list(event.positions)
        self._register(transaction)

    def resume(self) -> None:
        """After everything is restored: finish what was decided, and watch over what is still open."""
        for transaction in self._by_id.values():
            if transaction.status in (Status.PREPARE_COMMIT, Status.PREPARE_ABORT):
                self._complete(transaction, transaction.status is Status.PREPARE_COMMIT)
            elif transaction.status is Status.ONGOING:
                self._watch(transaction)

    def close(self) -> None:
        """Stop the timers."""
        for transaction in self._by_id.values():
            self._unwatch(transaction)

    # -- how it is done

    def _register(self, transaction: Transaction) -> Transaction:
        self._by_id[transaction.id] = transaction
        self._by_producer[transaction.producer_id] = transaction
        return transaction

    def _renew(self, transaction: Transaction) -> None:
        """The next epoch of a transactional id."""
        self._next_epoch(transaction)
        if transaction.status is Status.ONGOING:
            self._finish(transaction, committed=False)

    def _next_epoch(self, transaction: Transaction) -> None:
        if transaction.epoch < LAST_EPOCH or transaction.status is Status.ONGOING:
            transaction.epoch += 1
            return
        del self._by_producer[transaction.producer_id]
        transaction.producer_id, transaction.epoch = self.new_producer_id(), 0
        self._by_producer[transaction.producer_id] = transaction

    def _open(self, transaction: Transaction) -> None:
        if transaction.status is not Status.ONGOING:
            transaction.status = Status.ONGOING
            self._watch(transaction)

    def _watch(self, transaction: Transaction) -> None:
        seconds = transaction.timeout_ms / 1000
        transaction.timer = self._clock.call_later(seconds, lambda: self._time_out(transaction))

    def _unwatch(self, transaction: Transaction) -> None:
        if transaction.timer is not None:
            transaction.timer.cancel()
            transaction.timer = None

    def _time_out(self, transaction: Transaction) -> None:
        """Abort what was left open for too long, and fence its producer."""
        if transaction.status is Status.ONGOING:
            self._renew(transaction)

    def _finish(self, transaction: Transaction, committed: bool) -> None:
        transaction.status = PREPARED[committed]
        self._journal.write(transaction.event())
        self._complete(transaction, committed)

    def _complete(self, transaction: Transaction, committed: bool) -> None:
        now_ms = int(time.time() * 1000)
        for name, index in sorted(transaction.partitions):
            if self._topics.has(name, index) and not self._drop(transaction.id, name, index):
                partition = self._topics.partition(name, index)
                partition.end_transaction(transaction.producer_id, transaction.epoch, committed, now_ms)
        if not self._drop(transaction.id, OFFSETS, 0):
            self._decide(transaction, committed)
        self._unwatch(transaction)
        transaction.partitions.clear()
        transaction.groups.clear()
        transaction.status = COMPLETED[committed]
        self._journal.write(transaction.event())

    def _decide(self, transaction: Transaction, committed: bool) -> None:
        """End what the groups of the transaction wait for."""
        decided = [position for position in transaction.positions if position.group in transaction.groups]
        for position in decided if committed else ():
            if self._topics.has(position.topic, position.partition):
                self._groups.commit(position)
        transaction.positions = [position for position in transaction.positions if position not in decided]
