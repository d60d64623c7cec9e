"""The log of one partition: offsets with holes, transactions, what a `read_committed` reader may see."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from express.ports import Headers, Partition, Position

OPEN, COMMITTED, ABORTED = "open", "committed", "aborted"


class Transaction:
    """One transaction of one producer, from its first record to its markers."""

    __slots__ = ("offsets", "producer", "state", "touched")

    def __init__(self, producer: int) -> None:
        self.producer = producer
        self.state = OPEN
        self.touched: list[Ledger] = []
        self.offsets: dict[Partition, Position] = {}
        """Positions that become valid with it."""


class Entry(NamedTuple):
    """One record in a log. `arrived` counts over all logs."""

    offset: int
    arrived: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    transaction: Transaction | None = None

    @property
    def committed(self) -> bool:
        """Whether it counts for a reader of committed records."""
        return self.transaction is None or self.transaction.state == COMMITTED


class Ledger:
    """One partition. Markers of transactions take an offset, as they do in Kafka."""

    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.entries: list[Entry] = []
        self.offsets: list[int] = []
        self.end = 0
        self.start = 0
        self.open: dict[Transaction, int] = {}
        self.sequences: dict[tuple[int, int], int] = {}

    @property
    def stable(self) -> int:
        """The last stable offset: where the first open transaction begins."""
        return min(self.open.values(), default=self.end)

    def append(self, entry: Entry) -> None:
        """Add a record; its offset is not below the end."""
        if entry.transaction is not None and entry.transaction not in self.open:
            self.open[entry.transaction] = entry.offset
            entry.transaction.touched.append(self)
        self.entries.append(entry)
        self.offsets.append(entry.offset)
        self.end = entry.offset + 1

    def mark(self, transaction: Transaction) -> None:
        """Write the marker that ends a transaction here."""
        del self.open[transaction]
        self.end += 1

    def read(self, position: int, limit: int) -> tuple[list[Entry], int]:
        """Committed records from `position` on, and where to read next."""
        stable = self.stable
        found: list[Entry] = []
        index = bisect_left(self.offsets, position)
        while index < len(self.entries) and len(found) < limit:
            entry = self.entries[index]
            if entry.offset >= stable:
                break
            if entry.committed:
                found.append(entry)
            position = entry.offset + 1
            index += 1
        if index == len(self.entries):
            position = max(position, stable)  # past markers, which are no records
        return found, position
