"""The simulated brokers: logs, idempotent and transactional producers, commits. Each request is one step.

What is modelled because promises hang on it: the repetition of a batch is recognized by its sequence, and one that is
out of sequence is refused; an older producer epoch is refused, and so is a batch for a partition that is not in the
producer's transaction; InitProducerId ends the open transaction of the former owner before it answers; EndTxn answers
when the decision is made, and its markers and offsets become visible later; brokers abort a transaction by themselves
after its timeout. A broker that starts may forget to write the markers of what was ended just then (KAFKA-20734): what
they would have ended stays open, and goes with the next transaction of the same producer id. TxnOffsetCommit knows
neither member nor generation, since aiokafka sends none (no KIP-447).

What refuses a request raises aiokafka's error of that name; `answers` makes its code of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aiokafka.errors import (
    ConcurrentTransactions,
    CorruptRecordException,
    DuplicateSequenceNumber,
    InvalidProducerEpoch,
    InvalidTxnState,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetMetadataTooLargeError,
    OutOfOrderSequenceNumber,
    UnknownTopicOrPartitionError,
)

from express.ports import Partition, Position
from tests.simulation.batches import Head, Row, batch, head, is_whole, records
from tests.simulation.group import Group
from tests.simulation.ledger import (
    ABORTED,
    COMMITTED,
    REMEMBERED,
    Entry,
    Identity,
    Ledger,
    Part,
    Sequences,
)
from tests.simulation.loop import Process, SimLoop

PREPARED = {COMMITTED: "PrepareCommit", ABORTED: "PrepareAbort"}
COMPLETE = {COMMITTED: "CompleteCommit", ABORTED: "CompleteAbort"}


class TransactionalIdNotFound(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """Nobody has ever begun with a transactional id; aiokafka has no name for it."""

    errno = 105


class InvalidRecord(KafkaError):  # type: ignore[misc]
    """A topic does not take such a record; aiokafka has no name for it."""

    errno = 87


class Terms(NamedTuple):
    """What a topic takes."""

    max_bytes: int = 1_048_588
    """`max.message.bytes`: of a batch, as it comes."""
    keyed: bool = False
    """Whether it is compacted, so that every record needs a key."""


class _Producer:
    """What the transaction coordinator knows of one transactional id."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.epoch = -1
        self.timeout_ms = 0
        self.transaction: Transaction | None = None
        self.ending = ""
        """The decision whose markers are not written yet."""
        self.last: tuple[int, str] | None = None
        """Epoch and decision of the last transaction: EndTxn may be repeated."""

    @property
    def identity(self) -> Identity:
        """The id and the present epoch."""
        return Identity(self.id, self.epoch)

    @property
    def state(self) -> str:
        """As Kafka names it."""
        if self.ending:
            return PREPARED[self.ending]
        if self.transaction is not None:
            return "Ongoing"
        return COMPLETE[self.last[1]] if self.last is not None else "Empty"


class Transaction:
    """One transaction of one producer, from its first request to its decision."""

    def __init__(self) -> None:
        self.added: dict[Partition, None] = {}
        """The partitions that were added to it (AddPartitionsToTxn)."""
        self.group = False
        """Whether the group was (AddOffsetsToTxn)."""


class Described(NamedTuple):
    """What the coordinator tells of a transactional id."""

    state: str
    timeout_ms: int
    producer: Identity


class Broker:
    """Everything that would survive a crash of all workers."""

    def __init__(self, loop: SimLoop, chance: random.Random, metadata_limit: int = 4_096) -> None:
        self.loop = loop
        self.chance = chance
        self.metadata_limit = metadata_limit
        self.ledgers: dict[Partition, Ledger] = {}
        self.terms: dict[str, Terms] = {}
        """By topic, where it is not Kafka's default."""
        self.positions: dict[Partition, Position] = {}
        self.group = Group(loop)
        self.grown: dict[Callable[[], None], None] = {}
        """Called whenever a log has grown or become readable."""
        self.on_commit: Callable[[Partition, Position, bool], None] = lambda partition, position, orphan: None
        """Called with every commit that takes effect, and whether it came over a connection that is closed."""
        self.on_append: Callable[[Ledger, Entry, Process | None], None] = lambda ledger, entry, process: None
        """Called with every record that a process has written."""
        self.forgets = False
        """Whether markers that are not written yet are forgotten when a broker starts."""
        self.marker_seconds = 0.0
        """Most that the markers of a transaction take."""
        self.refused = 0
        """Batches that their topic did not take."""
        self.dropped = 0
        """Transactions whose markers were forgotten."""
        self.pending: dict[int, dict[Partition, Position]] = {}
        """By producer id: positions that become valid when it commits."""
        self._producers: dict[str, _Producer] = {}
        self._next_id = 1
        self._arrived = 0

    def topic(self, name: str, partitions: int) -> None:
        """Make a topic."""
        for number in range(partitions):
            self.ledgers[Partition(name, number)] = Ledger(name, number)

    def topics(self) -> dict[str, int]:
        """How many partitions each topic has."""
        return {partition.topic: partition.number + 1 for partition in self.ledgers}

    @property
    def now_ms(self) -> int:
        """The brokers' clock, in milliseconds since 1970."""
        return int((self.loop.time() + 1_700_000_000) * 1000)

    def feed(
        self, partition: Partition, rows: Sequence[tuple[int, Row]], skipped: int = 0, *, spoilt: bool = False
    ) -> None:
        """Append a batch of input records, each with its distance from the first one's offset.

        `spoilt`: with a checksum that is wrong, as a disk leaves it.
        """
        data = batch(rows)
        self.ledgers[partition].append(data[:-1] + bytes([data[-1] ^ 1]) if spoilt else data, skipped=skipped)
        self._tell()

    def feed_in_transaction(
        self, partition: Partition, rows: Sequence[tuple[int, Row]], skipped: int, seconds: float, *, commit: bool
    ) -> None:
        """The same in a transaction, which is committed or aborted after `seconds`."""
        identity, ledger = self.new_id(), self.ledgers[partition]
        ledger.append(batch(rows, *identity, transactional=True), identity.id, skipped)

        def end() -> None:
            ledger.mark(identity, self.now_ms, COMMITTED if commit else ABORTED)
            self._tell()

        self.loop.call_later(seconds, end) if seconds else end()

    # Producers --------------------------------------------------------------------------------------

    def new_id(self) -> Identity:
        """The identity of an idempotent producer without a transactional id."""
        self._next_id += 1
        return Identity(self._next_id, 0)

    def init_transactions(self, transactional_id: str, timeout_ms: int) -> Identity:
        """InitProducerId: fence the former owner, end its transaction. ConcurrentTransactions until that is done."""
        producer = self._producers.get(transactional_id)
        if producer is None:
            self._next_id += 1
            producer = self._producers[transactional_id] = _Producer(self._next_id)
        if producer.ending:
            raise ConcurrentTransactions
        producer.epoch += 1
        producer.last, producer.timeout_ms = None, timeout_ms
        if producer.transaction is not None:
            self._decide(producer, ABORTED)
            raise ConcurrentTransactions
        return Identity(producer.id, producer.epoch)

    def produce(self, process: Process | None, transactional_id: str | None, target: Partition, data: bytes) -> int:
        """Append a batch, once; the offset of its first record."""
        ledger = self.ledgers.get(target)
        if ledger is None:
            raise UnknownTopicOrPartitionError
        if not is_whole(data):
            raise CorruptRecordException
        about = head(data)
        if transactional_id and target not in self._open(transactional_id, Identity(about.producer, about.epoch)).added:
            raise InvalidTxnState
        known = self._known(ledger, about)
        if known is not None:
            return known
        self._check_terms(target.topic, data)
        base = ledger.append(data, about.producer if transactional_id else None)
        self._remember(ledger, about, base)
        self._note(ledger, placed_records(data, base), ledger.open.get(about.producer), process)
        self._tell()
        return base

    def add_partitions(self, transactional_id: str, identity: Identity, targets: Sequence[Partition]) -> None:
        """AddPartitionsToTxn: begins the transaction where there is none."""
        self._begin(transactional_id, identity).added.update(dict.fromkeys(targets))

    def add_offsets(self, transactional_id: str, identity: Identity) -> None:
        """AddOffsetsToTxn: positions of the group may follow."""
        self._begin(transactional_id, identity).group = True

    def send_offsets(self, transactional_id: str, identity: Identity, positions: Mapping[Partition, Position]) -> None:
        """TxnOffsetCommit: these positions become valid with the transaction."""
        self._check_metadata(positions)
        transaction = self._open(transactional_id, identity)
        if not transaction.group:
            raise InvalidTxnState
        self.pending.setdefault(identity.id, {}).update(positions)

    def end_transaction(self, transactional_id: str, identity: Identity, *, commit: bool) -> None:
        """EndTxn. Repeating it after success succeeds."""
        producer = self._fenced(transactional_id, identity)
        decision = COMMITTED if commit else ABORTED
        if producer.ending:
            raise ConcurrentTransactions
        if producer.transaction is None:
            if producer.last == (identity.epoch, decision):
                return
            raise InvalidTxnState
        self._decide(producer, decision)

    def _check_terms(self, topic: str, data: bytes) -> None:
        """Refuse a batch, all of it, that its topic does not take."""
        terms = self.terms.get(topic)
        if terms is None:
            return
        refusal: KafkaError | None = None
        if len(data) > terms.max_bytes:
            refusal = MessageSizeTooLargeError()
        elif terms.keyed and any(record.key is None for record in records(data)):
            refusal = InvalidRecord()
        if refusal is not None:
            self.refused += 1
            raise refusal

    def _known(self, ledger: Ledger, about: Head) -> int | None:
        """Where a batch was written that comes again; None for the next one in sequence."""
        known = ledger.producers.get(about.producer)
        if known is None:
            return None
        if about.epoch < known.epoch:
            raise InvalidProducerEpoch
        if about.epoch > known.epoch:
            if about.sequence:
                raise OutOfOrderSequenceNumber
            return None
        last = about.sequence + about.last
        for first, latest, base in known.latest:
            if (first, latest) == (about.sequence, last):
                return base
        newest = known.latest[-1][1]
        if last <= newest:
            raise DuplicateSequenceNumber
        if about.sequence != newest + 1:
            raise OutOfOrderSequenceNumber
        return None

    def _remember(self, ledger: Ledger, about: Head, base: int) -> None:
        known = ledger.producers.get(about.producer)
        latest = known.latest if known is not None and known.epoch == about.epoch else ()
        written = about.sequence, about.sequence + about.last, base
        ledger.producers[about.producer] = Sequences(about.epoch, (*latest, written)[-REMEMBERED:])

    def _fenced(self, transactional_id: str, identity: Identity) -> _Producer:
        producer = self._producers[transactional_id]
        if identity != (producer.id, producer.epoch):
            raise InvalidProducerEpoch
        return producer

    def _open(self, transactional_id: str, identity: Identity) -> Transaction:
        """The open transaction of a producer."""
        producer = self._fenced(transactional_id, identity)
        if producer.transaction is None or producer.ending:
            raise InvalidTxnState
        return producer.transaction

    def _begin(self, transactional_id: str, identity: Identity) -> Transaction:
        """The same, begun where there is none."""
        producer = self._fenced(transactional_id, identity)
        if producer.ending:
            raise ConcurrentTransactions
        if producer.transaction is None:
            producer.transaction = transaction = Transaction()
            self.loop.call_later(producer.timeout_ms / 1000, self._expire, producer, transaction)
        return producer.transaction

    def _expire(self, producer: _Producer, transaction: Transaction) -> None:
        if producer.transaction is transaction and not producer.ending:
            producer.epoch += 1
            self._decide(producer, ABORTED)

    def describe(self, transactional_id: str) -> Described:
        """DescribeTransactions."""
        producer = self._producers.get(transactional_id)
        if producer is None:
            raise TransactionalIdNotFound
        return Described(producer.state, producer.timeout_ms, producer.identity)

    @property
    def is_ending(self) -> bool:
        """Whether a decision is made and its markers are not written yet."""
        return any(producer.ending for producer in self._producers.values())

    def restart(self) -> None:
        """Start anew: where brokers forget, the markers of what is being ended are not written any more."""
        for producer in self._producers.values():
            if producer.ending and self.forgets:
                self.dropped += 1
                self._complete(producer, producer.ending, dropped=True)

    def _decide(self, producer: _Producer, decision: str) -> None:
        producer.ending = decision
        delay = self.chance.random() * self.marker_seconds
        if delay:
            self.loop.call_later(delay, self._end, producer, producer.transaction)
        else:
            self._complete(producer, decision)

    def _end(self, producer: _Producer, transaction: Transaction | None) -> None:
        if producer.transaction is transaction:
            self._complete(producer, producer.ending)

    def _complete(self, producer: _Producer, decision: str, *, dropped: bool = False) -> None:
        """Write the markers; the offsets of a committed transaction take effect."""
        transaction = producer.transaction
        assert transaction is not None
        producer.transaction, producer.ending = None, ""
        producer.last = (producer.epoch, decision)
        if dropped:
            return
        for target in transaction.added:
            self.ledgers[target].mark(producer.identity, self.now_ms, decision)
        if transaction.group:
            found = self.pending.pop(producer.id, {})
            for partition, position in found.items() if decision == COMMITTED else ():
                self._store(partition, position)
        self._tell()

    # Positions --------------------------------------------------------------------------------------

    def commit(
        self, member: str, generation: int, positions: Mapping[Partition, Position], *, orphan: bool = False
    ) -> None:
        """OffsetCommit: refused where the member is not of the current generation."""
        self.group.check_commit(member, generation)
        self._check_metadata(positions)
        for partition, position in positions.items():
            self._store(partition, position, orphan=orphan)

    def committed(self, partition: Partition) -> Position:
        """OffsetFetch. Without `require_stable`, what pending transactions will commit is not waited for."""
        return self.positions.get(partition, Position(-1))

    def is_undecided(self, partition: Partition) -> bool:
        """Whether a transaction that is not ended holds a position of a partition."""
        return any(partition in positions for positions in self.pending.values())

    def _check_metadata(self, positions: Mapping[Partition, Position]) -> None:
        if any(len(metadata) > self.metadata_limit for _, metadata in positions.values()):
            raise OffsetMetadataTooLargeError

    def _store(self, partition: Partition, position: Position, *, orphan: bool = False) -> None:
        self.on_commit(partition, position, orphan)
        self.positions[partition] = position
        self.loop.note(partition.number, position.offset, len(position.metadata))

    def _note(self, ledger: Ledger, found: list[Entry], part: Part | None, process: Process | None) -> None:
        for entry in found:
            self._arrived += 1
            self.loop.note(ledger.number, entry.offset, len(entry.value or b""))
            self.on_append(ledger, entry._replace(arrived=self._arrived, part=part), process)

    def _tell(self) -> None:
        for tell in list(self.grown):
            tell()


def placed_records(data: bytes, base: int) -> list[Entry]:
    """The records of a batch whose first one is at `base`."""
    return [Entry(base + r.offset, 0, r.timestamp, r.key, r.value, tuple(r.headers)) for r in records(data)]
