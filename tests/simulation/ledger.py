"""The log of one partition: record batches as they came, holes, transactions, what a `read_committed` reader gets."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from express.ports import Headers
from tests.simulation.batches import head, marker, placed

OPEN, COMMITTED, ABORTED = "open", "committed", "aborted"


class Identity(NamedTuple):
    """A producer id and its epoch."""

    id: int
    epoch: int


class Part:
    """What one producer has written to one partition and is not ended there, from its first record on."""

    __slots__ = ("first", "state")

    def __init__(self, first: int) -> None:
        self.first = first
        self.state = OPEN


class Entry(NamedTuple):
    """One record that a worker has written. `arrived` counts over all logs."""

    offset: int
    arrived: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    part: Part | None = None

    @property
    def committed(self) -> bool:
        """Whether it counts for a reader of committed records."""
        return self.part is None or self.part.state == COMMITTED


class Sequences(NamedTuple):
    """What a partition knows of a producer: its epoch, and first and last sequence and offset of its latest batches."""

    epoch: int
    latest: tuple[tuple[int, int, int], ...]


REMEMBERED = 5
"""Batches of a producer whose repetition is recognized, as in Kafka."""


class Ledger:
    """One partition. Markers of transactions take an offset, as they do in Kafka."""

    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.end = 0
        self.start = 0
        self.open: dict[int, Part] = {}
        """By producer id: what is not ended."""
        self.producers: dict[int, Sequences] = {}
        self._batches: list[tuple[int, bytes]] = []
        """First offset and bytes of each batch."""
        self._lasts: list[int] = []
        """Their last offsets."""
        self._aborted: list[tuple[int, int, int]] = []
        """Producer, first offset and marker of transactions that were aborted."""

    @property
    def stable(self) -> int:
        """The last stable offset: where the first open transaction begins."""
        return min((part.first for part in self.open.values()), default=self.end)

    def append(self, data: bytes, producer: int | None = None, skipped: int = 0) -> int:
        """Add a batch, in a transaction of `producer` or in none, leaving `skipped` offsets out; its first offset."""
        base = self.end + skipped
        if producer is not None:
            self.open.setdefault(producer, Part(base))
        self._append(placed(data, base), base)
        return base

    def mark(self, producer: Identity, timestamp: int, decision: str) -> None:
        """Write the marker that ends what a producer has open here."""
        part = self.open.pop(producer.id, None)
        if part is not None:
            part.state = decision
            if decision == ABORTED:
                self._aborted.append((producer.id, part.first, self.end))
        self._append(placed(marker(*producer, timestamp, commit=decision == COMMITTED), self.end), self.end)

    def read(self, position: int, limit: int) -> tuple[bytes, list[tuple[int, int]]]:
        """Batches from the one that holds `position` on, below the last stable offset; and what of them was aborted.

        At least one batch, however large, and no further one that would go beyond `limit` bytes.
        """
        stable, size = self.stable, 0
        first = index = bisect_left(self._lasts, position)
        while index < len(self._batches) and self._batches[index][0] < stable:
            size += len(self._batches[index][1])
            if size > limit and index > first:
                break
            index += 1
        if index == first:
            return b"", []
        last = self._lasts[index - 1]
        aborted = [(producer, start) for producer, start, end in self._aborted if end >= position and start <= last]
        return b"".join(data for _, data in self._batches[first:index]), aborted

    def _append(self, data: bytes, base: int) -> None:
        last = base + head(data).last
        self._batches.append((base, data))
        self._lasts.append(last)
        self.end = last + 1
