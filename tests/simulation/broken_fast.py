"""Mistakes on the fast path: batches that are decoded whole, records run in one loop, results written in pieces."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from express.kafka.patches.fetcher import CheckedRecords
from express.kafka.patches.record_batch import WireBatch
from express.ports import ConsumedRecord
from express.runtime.drain.offset_tracker import OffsetTracker
from tests.simulation.draw import Draw
from tests.simulation.world import Variant


class BatchOfResultsDropped(Variant):
    """Forgets a piece of encoded results now and then, after their offsets are entered."""

    name = "results-dropped"

    class _Batch(WireBatch):
        __slots__ = ()

        def extend(self, encoded: bytes, records: int, latest: int) -> None:
            if len(encoded) % 5:
                super().extend(encoded, records, latest)

    patches = (
        ("express.kafka.patches.record_batch", "WireBatch", _Batch),
        ("express.sinks.batches", "WireBatch", _Batch),
    )


class ResultsLate(Variant):
    """Hands a piece of encoded results to the batch a turn of the loop later: a commit may come before them."""

    name = "results-late"

    class _Batch(WireBatch):
        __slots__ = ()

        def extend(self, encoded: bytes, records: int, latest: int) -> None:
            asyncio.get_running_loop().call_later(0.05, super().extend, encoded, records, latest)

    patches = (
        ("express.kafka.patches.record_batch", "WireBatch", _Batch),
        ("express.sinks.batches", "WireBatch", _Batch),
    )


class CountOfBatchWrong(Variant):
    """Numbers the records of a piece wrongly, so that a batch says that it has fewer than there are."""

    name = "count-of-batch"

    class _Batch(WireBatch):
        __slots__ = ()

        def extend(self, encoded: bytes, records: int, latest: int) -> None:
            super().extend(encoded, max(1, records - 1), latest)

    patches = (
        ("express.kafka.patches.record_batch", "WireBatch", _Batch),
        ("express.sinks.batches", "WireBatch", _Batch),
    )


class RecordSkipped(Variant):
    """Loses the last record of a fetched batch that is handed out in parts."""

    name = "record-skipped"

    class _Records(CheckedRecords):
        def take(self, limit: int) -> list[ConsumedRecord]:
            found = super().take(limit)
            return found[:-1] if len(found) > 7 else found

    patches = (("express.kafka.patches.fetcher", "CheckedRecords", _Records),)


class BatchFromItsBeginning(Variant):
    """Hands out a fetched batch whole, also what stands in it before the offset that was asked for."""

    name = "batch-from-its-beginning"

    class _Records(CheckedRecords):
        def _read_batch(self) -> bool:
            after, self._after = self._after, 0
            found = super()._read_batch()
            self._after = max(self._after, after)
            return found

    patches = (("express.kafka.patches.fetcher", "CheckedRecords", _Records),)


class AbortedRead(Variant):
    """Hands out what transactions wrote that were aborted."""

    name = "aborted-read"

    class _Records(CheckedRecords):
        def _is_skipped(self, batch: Any) -> bool:
            return bool(batch.is_control_batch)

    patches = (("express.kafka.patches.fetcher", "CheckedRecords", _Records),)


class FinishedAgain(Variant):
    """Runs records again that the commit it begins from calls finished: the fast path does not look at the map."""

    name = "finished-again"

    class _Tracker(OffsetTracker):
        __slots__ = ()

        @property
        def resuming(self) -> bool:
            return False

    patches = (("express.runtime.drain.assignment", "OffsetTracker", _Tracker),)

    def shape(self, draw: Draw) -> Draw:
        """Much has finished behind what is unfinished when partitions move."""
        ends = {"quick": 0.7, "slow": 0.3}
        return replace(draw, ordering="none", ends=ends, gentle=False, faults={"rebalance": 1.0, "crash": 1.0})


class Overtaking(Variant):
    """Lets the fast path run a record past an earlier one of its key."""

    name = "overtaking"

    patches = (("express.runtime.records.fast_path:FastPath", "_is_special", lambda self, assigned, record: False),)

    def shape(self, draw: Draw) -> Draw:
        """Few keys."""
        return replace(draw, ordering="key", keys=2)


FAST: tuple[type[Variant], ...] = (
    BatchOfResultsDropped,
    ResultsLate,
    CountOfBatchWrong,
    RecordSkipped,
    BatchFromItsBeginning,
    AbortedRead,
    FinishedAgain,
    Overtaking,
)
"""The mistakes that are made on the fast path only."""
