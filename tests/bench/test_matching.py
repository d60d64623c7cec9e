"""What was produced and what came of it are brought together by offset, whichever is known first."""

from __future__ import annotations

from array import array

import pytest

from express.bench.collect import Collector
from express.bench.matching import Matching
from express.bench.protocol import FAILED, REJECTED, SUCCEEDED, acknowledged, frame_head, pack_acknowledged

AHEAD = 1_700_000_000.0


def rows(*terminals: tuple[int, int, float, float, float, int]) -> bytes:
    """(partition, offset, seen, started, stopped, status), times in seconds of the monotonic clock."""
    packed = array("d")
    for partition, offset, seen, started, stopped, status in terminals:
        times = [(AHEAD + when) * 1000 if when else 0.0 for when in (started, stopped)]
        packed.extend((partition, offset, seen, *times, 100, 64, status))
    return packed.tobytes()


def test_either_may_be_known_first() -> None:
    """A result counts with the time its record was due, whether it is seen before or after the acknowledgement."""
    collector = Collector(0.0)
    matching = Matching(collector, AHEAD)
    matching.produce(0, 10, [1.0, 2.0])
    matching.add(rows((0, 11, 2.5, 2.1, 2.4, SUCCEEDED), (1, 5, 3.5, 3.1, 3.2, FAILED)))
    matching.produce(1, 5, [3.0])
    latencies = collector.latencies()

    assert (matching.outstanding, matching.strangers, matching.duplicates) == (1, 0, 0)
    assert (collector.counts.succeeded, collector.counts.failed) == (1, 1)
    assert latencies.e2e.max == pytest.approx(500, rel=0.001)
    assert latencies.queue.max == pytest.approx(100, rel=0.01)
    assert latencies.execution.max == pytest.approx(300, rel=0.01)
    assert collector.totals.duration_ms == 200


def test_repeated_and_foreign_results_count_apart() -> None:
    """The second result of a record is a duplicate; one of a record that nobody here produced is a stranger's."""
    collector = Collector(0.0)
    matching = Matching(collector, AHEAD)
    matching.produce(0, 10, [1.0])
    matching.add(rows(*[(0, 10, 1.5, 1.1, 1.2, SUCCEEDED)] * 2, (0, 99, 1.5, 1.1, 1.2, SUCCEEDED)))

    assert (matching.duplicates, matching.strangers, collector.counts.succeeded) == (1, 1, 1)


def test_what_has_no_result_is_unfinished() -> None:
    """In the end, records without a result count as unfinished, for as long as they had taken; dead letters do not."""
    collector = Collector(0.0)
    matching = Matching(collector, AHEAD)
    matching.produce(0, 0, [1.0, 2.0, -1.0])
    matching.add(rows((0, 0, 1.5, 0, 0, REJECTED)))
    matching.give_up(5.0)

    assert (collector.counts.scheduled, collector.counts.rejected, collector.counts.unfinished) == (2, 1, 1)
    assert collector.latencies().e2e.max == pytest.approx(3000, rel=0.001)
    assert matching.outstanding == 0


def test_acknowledgements_survive_their_frame() -> None:
    """Partition, offset and due times are read as they were written."""
    frame = pack_acknowledged(3, 1 << 40, [1.5, 2.5])
    _, size = frame_head(frame[:5])
    partition, offset, due = acknowledged(frame[5 : 5 + size])

    assert (partition, offset, list(due)) == (3, 1 << 40, [1.5, 2.5])
