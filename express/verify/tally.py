"""Counts the terminal records of a part of a log, for a run that knows where its input began.

It reads and understands records as `express verify` does, and is quicker: the input itself is not read, only the
offsets that terminal records name. What the runtime says it has done plays no part here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from express.kafka.survey import Range, Survey
from express.ports import ConsumedRecord, Partition
from express.verify.audit import by_name, is_result, origin

STATUS = "express.status"
STARTED, STOPPED = "express.start-time", "express.stop-time"


class Tally(msgspec.Struct):
    """Counts of a reader. `statuses` counts results by status; `first_ms` to `last_ms` is when they ran."""

    expected: int = 0
    found: int = 0
    duplicates: int = 0
    strangers: int = 0
    dead_letters: int = 0
    statuses: dict[str, int] = {}
    first_ms: int = 0
    last_ms: int = 0

    @property
    def missing(self) -> int:
        """Input records without a terminal record."""
        return self.expected - self.found


async def tally(
    properties: Mapping[str, Any], inputs: Mapping[Partition, Range], outputs: Mapping[Partition, Range]
) -> Tally:
    """Read `outputs` and hold them against the records of `inputs`. Raises SourceError."""
    counting = _Counting(inputs)
    async with Survey(properties) as survey:
        async for _, records in survey.read(outputs):
            counting.add(records)
    return counting.result()


class _Counting:
    def __init__(self, inputs: Mapping[Partition, Range]) -> None:
        self._inputs = inputs
        self._seen = {at: bytearray(end - start) for at, (start, end) in inputs.items()}
        self._statuses: Counter[str] = Counter()
        self._tally = Tally(expected=sum(end - start for start, end in inputs.values()))

    def add(self, records: Iterable[ConsumedRecord]) -> None:
        """Take records of the output and dead-letter topics."""
        for record in records:
            headers = by_name(record.headers)
            self._mark(headers)
            if is_result(headers):
                self._statuses[headers[STATUS].decode()] += 1
                self._note_times(headers)
            else:
                self._tally.dead_letters += 1

    def _mark(self, headers: Mapping[str, bytes]) -> None:
        at, offset = origin(headers) or (Partition("", 0), 0)
        start, end = self._inputs.get(at, (0, 0))
        if not start <= offset < end:
            self._tally.strangers += 1
            return
        seen = self._seen[at]
        self._tally.duplicates += seen[offset - start]
        seen[offset - start] = 1

    def _note_times(self, headers: Mapping[str, bytes]) -> None:
        started, stopped = int(headers[STARTED]), int(headers[STOPPED])
        tally = self._tally
        tally.first_ms = min(tally.first_ms or started, started)
        tally.last_ms = max(tally.last_ms, stopped)

    def result(self) -> Tally:
        """The sums."""
        self._tally.found = sum(sum(seen) for seen in self._seen.values())
        self._tally.statuses = dict(self._statuses)
        return self._tally
