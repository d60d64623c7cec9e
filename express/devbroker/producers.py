"""Idempotence: which batches of which producer a partition has seen (KIP-98, "Idempotent Producer Guarantees").

The last five batches of each producer are remembered, as many as a client may have in flight.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import NamedTuple

from express.devbroker.batch import NO_PRODUCER, Header
from express.devbroker.codes import Code, RefusedError

REMEMBERED = 5
MAX_PRODUCERS = 10_000  # per partition; the one that wrote longest ago is forgotten first


class Seen(NamedTuple):
    """A batch that was appended."""

    first: int
    last: int
    base_offset: int


class Producer:
    """State of one producer in a partition."""

    __slots__ = ("batches", "epoch", "timestamp")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.timestamp = -1
        """Of its last batch."""
        self.batches: deque[Seen] = deque(maxlen=REMEMBERED)

    @property
    def last_sequence(self) -> int:
        """The sequence number of its last record, -1 if there is none in this epoch."""
        return self.batches[-1].last if self.batches else -1


class Producers:
    """The producers of one partition, by id."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Producer] = OrderedDict()

    def check(self, header: Header) -> int | None:
        """None if the batch is to be appended; the offset it has already if it was sent twice.

        Raises RefusedError for a fenced epoch and for a gap in the sequence.
        """
        producer = self._known.get(header.producer_id)
        if header.producer_id == NO_PRODUCER or producer is None:
            return None
        if header.producer_epoch < producer.epoch:
            raise RefusedError(Code.INVALID_PRODUCER_EPOCH, f"epoch {header.producer_epoch} is fenced")
        if header.producer_epoch > producer.epoch or not producer.batches:
            _expect(header, 0 if header.producer_epoch > producer.epoch else header.base_sequence)
            return None
        for seen in producer.batches:
            if (seen.first, seen.last) == (header.base_sequence, header.last_sequence):
                return seen.base_offset
        _expect(header, (producer.batches[-1].last + 1) & 0x7FFFFFFF)
        return None

    def note(self, header: Header, base_offset: int) -> None:
        """Remember a batch that was appended."""
        if header.producer_id == NO_PRODUCER:
            return
        producer = self.fence(header.producer_id, header.producer_epoch)
        producer.timestamp = header.max_timestamp
        if not header.is_control:
            producer.batches.append(Seen(header.base_sequence, header.last_sequence, base_offset))

    def all(self) -> Iterable[tuple[int, Producer]]:
        """The producers that are remembered, by id."""
        return self._known.items()

    def fence(self, producer_id: int, epoch: int) -> Producer:
        """The producer at `epoch`: what it wrote at a lower one is forgotten and refused from now on."""
        producer = self._known.get(producer_id)
        if producer is None or producer.epoch < epoch:
            self._known[producer_id] = producer = Producer(epoch)
        self._known.move_to_end(producer_id)
        if len(self._known) > MAX_PRODUCERS:
            self._known.popitem(last=False)
        return producer


def _expect(header: Header, sequence: int) -> None:
    if header.base_sequence != sequence:
        raise RefusedError(
            Code.OUT_OF_ORDER_SEQUENCE_NUMBER, f"sequence {header.base_sequence}, {sequence} was expected"
        )
