"""A partition: a log, the producers that wrote to it, and the transactions that are open in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from express.devbroker.batch import Header, marker, marks_commit, placed, read_header
from express.devbroker.log import Blobs, Log
from express.devbroker.producers import Producer, Producers


class Aborted(NamedTuple):
    """A transaction that was aborted: its first record and its marker."""

    producer_id: int
    first: int
    last: int


class Partition:
    """One partition of a topic. Whoever watches it is told of every change."""

    def __init__(self, blobs: Blobs) -> None:
        self.log = Log(blobs)
        self.watchers: set[Callable[[], None]] = set()
        self._producers = Producers()
        self._open: dict[int, int] = {}  # producer id → first offset of its open transaction
        self._aborted: list[Aborted] = []
        for header, batch in blobs.recover():
            self._recover(header, batch)

    @property
    def stable_offset(self) -> int:
        """Up to where no transaction is open: what `read_committed` may see (KIP-98, "LSO")."""
        return min(self._open.values(), default=self.log.next_offset)

    def append(self, header: Header, data: bytes) -> int:
        """Append a producer's batch; its base offset, or the earlier one if it was sent twice."""
        known = self._producers.check(header)
        if known is not None:
            return known
        base = self.log.next_offset
        header = header._replace(base_offset=base)
        self.log.append(header, placed(data, base))
        self._note(header)
        self.changed()
        return base

    def end_transaction(self, producer_id: int, epoch: int, committed: bool, timestamp_ms: int) -> None:
        """Write the marker that ends the producer's transaction here, and fence its lower epochs.

        Without an open transaction there is nothing to mark.
        """
        self._producers.fence(producer_id, epoch)
        if producer_id not in self._open:
            return
        data = marker(self.log.next_offset, producer_id, epoch, committed, timestamp_ms)
        header = read_header(data)
        self.log.append(header, data)
        self._close_transaction(header, committed)
        self.changed()

    def producers(self) -> Iterator[tuple[int, Producer, int]]:
        """The producers that wrote here: id, what is known of it, first offset of its open transaction or -1."""
        for producer_id, known in self._producers.all():
            yield producer_id, known, self._open.get(producer_id, -1)

    def aborted_between(self, first: int, upper: int) -> list[Aborted]:
        """The aborted transactions with records in `first` up to `upper`."""
        return [gone for gone in self._aborted if gone.last >= first and gone.first < upper]

    def drop_before(self, offset: int) -> None:
        """Delete the records before `offset`."""
        self.log.start_at(offset)
        self._aborted = [gone for gone in self._aborted if gone.last >= self.log.start_offset]
        self.changed()

    def shrink_to(self, max_bytes: int) -> None:
        """Keep at most `max_bytes`."""
        self.log.shrink_to(max_bytes)
        self._aborted = [gone for gone in self._aborted if gone.last >= self.log.start_offset]

    def changed(self) -> None:
        """Tell the watchers."""
        for watcher in tuple(self.watchers):
            watcher()

    def _recover(self, header: Header, batch: Callable[[], bytes]) -> None:
        """Take over a batch that lies in the log from before a restart."""
        self.log.index(header)
        if header.is_control:
            self._producers.note(header, header.base_offset)
            self._close_transaction(header, marks_commit(batch()))
        else:
            self._note(header)

    def _note(self, header: Header) -> None:
        self._producers.note(header, header.base_offset)
        if header.is_transactional:
            self._open.setdefault(header.producer_id, header.base_offset)

    def _close_transaction(self, header: Header, committed: bool) -> None:
        first = self._open.pop(header.producer_id, None)
        if first is not None and not committed:
            self._aborted.append(Aborted(header.producer_id, first, header.base_offset))
