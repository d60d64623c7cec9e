"""A log: the batches of one partition in order, found by offset, by time and by size.

The index is three arrays, so that a million batches cost some 24 MB, not a million objects. The bytes themselves
lie in a `Blobs`: in memory, or in files (`storage.py`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Protocol

from express.devbroker.batch import Header


class Blobs(Protocol):
    """Storage of a log's bytes: a sequence of batches that grows at the end and is dropped from the front."""

    def recover(self) -> Iterable[tuple[Header, Callable[[], bytes]]]:
        """The batches that lie there from before, with their bytes on demand."""

    def append(self, data: bytes) -> None:
        """Add a batch."""

    def read(self, first: int, last: int, edges: array[int]) -> list[bytes]:
        """The batches `first` up to but not including `last`; `edges` are the positions where batches begin."""

    def drop(self, count: int, edges: array[int]) -> None:
        """Forget the first `count` batches."""

    def close(self) -> None:
        """Release what is held."""

    def delete(self) -> None:
        """Remove everything for good."""


class MemoryBlobs:
    """Batches as a list of byte strings."""

    def __init__(self) -> None:
        self._batches: list[bytes] = []

    def recover(self) -> Iterable[tuple[Header, Callable[[], bytes]]]:
        """Nothing lies in memory from before."""
        return ()

    def append(self, data: bytes) -> None:
        """Add a batch."""
        self._batches.append(data)

    def read(self, first: int, last: int, edges: array[int]) -> list[bytes]:
        """The batches `first` up to but not including `last`."""
        return self._batches[first:last]

    def drop(self, count: int, edges: array[int]) -> None:
        """Forget the first `count` batches."""
        del self._batches[:count]

    def close(self) -> None:
        """Nothing is held but memory."""

    def delete(self) -> None:
        """Free the memory."""
        self._batches.clear()


class Log:
    """Batches with their offsets. Offsets leave no gaps: nothing is ever compacted."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.start_offset = 0
        self.next_offset = 0
        self._bases = array("q")
        self._times = array("q")  # the highest time in each batch
        self._edges = array("q", [0])

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._edges[-1] - self._edges[0]

    def append(self, header: Header, data: bytes) -> None:
        """Add a batch whose base offset is `next_offset`."""
        self.blobs.append(data)
        self.index(header)

    def index(self, header: Header) -> None:
        """Add a batch to the index whose bytes are in place already."""
        if not self._bases:
            self.start_offset = max(self.start_offset, header.base_offset)
        self._bases.append(header.base_offset)
        self._times.append(header.max_timestamp)
        self._edges.append(self._edges[-1] + header.size)
        self.next_offset = header.last_offset + 1

    def read(self, offset: int, upper: int, max_bytes: int, *, at_least_one: bool) -> list[bytes]:
        """Whole batches from the one with `offset` on, below `upper`, in at most `max_bytes`.

        `at_least_one` lets a first batch pass that is larger than that, or no reader would get past it (KIP-74).
        """
        if offset >= upper:
            return []
        first = max(bisect_right(self._bases, offset) - 1, 0)
        end = bisect_left(self._bases, upper)
        last = min(end, bisect_right(self._edges, self._edges[first] + max_bytes) - 1)
        if last <= first:
            last = first + 1 if at_least_one and first < end else first
        return self.blobs.read(first, last, self._edges) if last > first else []

    def at_time(self, timestamp: int) -> bytes | None:
        """The first batch that reaches `timestamp`, None if there is none."""
        found = next((i for i, time in enumerate(self._times) if time >= timestamp), None)
        return None if found is None else self.blobs.read(found, found + 1, self._edges)[0]

    def latest(self) -> bytes | None:
        """The first batch that holds the highest time."""
        return self.at_time(max(self._times)) if self._times else None

    def drop_before(self, offset: int) -> None:
        """Delete what lies before `offset`; bytes go by whole batches, the start offset goes exactly."""
        self.start_offset = max(self.start_offset, min(offset, self.next_offset))
        count = bisect_right(self._bases, self.start_offset) - 1
        if self.start_offset == self.next_offset:
            count = len(self._bases)
        if count > 0:
            self._drop(count)

    def start_at(self, offset: int) -> None:
        """After a restart: begin at `offset`, even if all the records before it are gone."""
        self.next_offset = max(self.next_offset, offset)
        self.drop_before(offset)

    def shrink_to(self, max_bytes: int) -> None:
        """Drop the oldest batches until at most `max_bytes` are left, but never the last batch."""
        count = min(bisect_left(self._edges, self._edges[-1] - max_bytes), len(self._bases) - 1)
        if count > 0:
            self.drop_before(self._bases[count])

    def _drop(self, count: int) -> None:
        self.blobs.drop(count, self._edges)
        del self._bases[:count], self._times[:count], self._edges[:count]
