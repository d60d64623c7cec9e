"""Brings together what was produced and what came of it, by offset: either may be known first."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator

from express.bench.collect import Collector
from express.bench.protocol import TERMINAL_COLUMNS, UNFINISHED

Row = tuple[float, float, float, float, float, float]
"""Seen (monotonic seconds), started, stopped (ms since 1970), billed ms and MB, status."""


class Matching:
    """The records of one load. `ahead` is what the wall clock shows more than the monotonic one."""

    def __init__(self, collector: Collector, ahead: float) -> None:
        self.produced = self.finished = self.duplicates = 0
        self._collector = collector
        self._ahead = ahead
        self._open: dict[int, dict[int, float]] = defaultdict(dict)
        """Partition → offset → when it was due, of records without a result."""
        self._early: dict[int, dict[int, Row]] = defaultdict(dict)
        """The same way round: results of records that the broker has not acknowledged to the generator yet."""
        self._known: dict[int, int] = defaultdict(int)
        """Partition → the offset up to which all is known that was produced."""

    @property
    def outstanding(self) -> int:
        """Records without a result."""
        return self.produced - self.finished

    @property
    def strangers(self) -> int:
        """Results of records that this load did not produce."""
        return sum(map(len, self._early.values()))

    def produce(self, partition: int, offset: int, due: Iterable[float]) -> None:
        """Records that were due then have consecutive offsets from `offset` on."""
        opened, early = self._open[partition], self._early[partition]
        for when in due:
            self.produced += 1
            row = early.pop(offset, None)
            if row is None:
                opened[offset] = when
            else:
                self._finish(when, row)
            offset += 1
        self._known[partition] = max(self._known[partition], offset)

    def add(self, body: bytes) -> None:
        """Take a frame of the reader's."""
        for partition, offset, row in _rows(body):
            due = self._open[partition].pop(offset, None)
            if due is not None:
                self._finish(due, row)
            elif offset < self._known[partition]:
                self.duplicates += 1
            else:
                self._early[partition][offset] = row

    def give_up(self, now: float) -> None:
        """Count what has no result by now as unfinished."""
        for opened in self._open.values():
            for due in opened.values():
                self._collector.take(due, due, now, now, (0, 0), UNFINISHED)
            self.finished += len(opened)
            opened.clear()

    def _finish(self, due: float, row: Row) -> None:
        seen, started_ms, stopped_ms, billed_ms, billed_mb, status = row
        began = started_ms / 1000 - self._ahead if started_ms else seen
        stopped = stopped_ms / 1000 - self._ahead if stopped_ms else seen
        self.finished += 1
        billed = int(billed_ms), int(billed_mb)
        self._collector.take(due, max(began, due), max(stopped, began), seen, billed, int(status))


def _rows(body: bytes) -> Iterator[tuple[int, int, Row]]:
    values = array("d")
    values.frombytes(body)
    for row in zip(*(values[i::TERMINAL_COLUMNS] for i in range(TERMINAL_COLUMNS)), strict=True):
        yield int(row[0]), int(row[1]), row[2:]
