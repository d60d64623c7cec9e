"""What the parent adds up: counts that hold together, thresholds over them, comparisons."""

from __future__ import annotations

import msgspec
import pytest

from express.bench.assemble_result import warnings
from express.bench.collect import Collector
from express.bench.compare import compare, ratio_interval
from express.bench.protocol import DROPPED, FAILED, REJECTED, SUCCEEDED, TIMED_OUT, UNFINISHED
from express.bench.result import GeneratorFigures, Result, encode
from express.bench.thresholds import FIGURES, figure, parse_threshold
from express.errors import ConfigError
from tests.bench.samples import packed, result_of, steady


def test_counts_add_up() -> None:
    """scheduled = started + dropped; started = succeeded + failed + timed out + rejected + unfinished."""
    collector = Collector(begin=0.0)
    collector.add(packed(*((0.5, 0.7, 0.9, 1, 1, s) for s in (SUCCEEDED, FAILED, TIMED_OUT, REJECTED, UNFINISHED))))
    collector.add(packed((0.5, 0.5, 0.5, 0, 0, DROPPED)))
    collector.add_dropped([0.6, -1.0])
    counts = collector.counts

    assert counts.scheduled == counts.started + counts.dropped == 7
    assert counts.started == (counts.succeeded + counts.failed + counts.timed_out + counts.rejected + counts.unfinished)
    assert (counts.dropped, counts.behind, counts.rejected, counts.unfinished) == (2, 5, 1, 1)
    assert collector.latencies().e2e.count == 4
    assert collector.latencies().execution.count == 3


def test_latency_counts_from_the_schedule() -> None:
    """An event that waits a second before it begins has waited in `queue` and in `e2e`, not in `execution`."""
    collector = Collector(begin=0.0)
    collector.add(packed((1.0, 2.0, 2.01, 1, 1, SUCCEEDED)))
    latencies = collector.latencies()

    assert latencies.queue.max == pytest.approx(1000)
    assert latencies.execution.max == pytest.approx(10)
    assert latencies.e2e.max == pytest.approx(1010)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("e2e.p99<11ms", True),
        ("e2e.p99 < 9ms", False),
        ("e2e.max<=0.0111s", True),
        ("queue.p50==0us", True),
        ("failed.rate<0.1%", True),
        ("failed.rate<0.001", True),
        ("dropped==0", True),
        ("succeeded>=1001", False),
        ("throughput>99", True),
    ],
)
def test_thresholds(text: str, holds: bool) -> None:
    """Times, shares and counts are compared in their own units."""
    threshold = parse_threshold(text)

    assert threshold.holds(figure(result_of(steady(0.01)), threshold.figure)) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p99<20ms", "unknown figure"),
        ("e2e.p98<20ms", "unknown figure"),
        ("e2e.p99<20", "is a time"),
        ("dropped<1%", "without a unit"),
        ("failed.rate<1ms", "is a share"),
        ("e2e.p99=20ms", "expected a figure"),
    ],
)
def test_a_bad_threshold_is_refused(text: str, message: str) -> None:
    """A figure that is not there, or a unit that does not fit, is a configuration error."""
    with pytest.raises(ConfigError, match=message):
        parse_threshold(text)


def test_every_figure_has_a_value() -> None:
    """Each figure that a threshold can name is there; a latency without samples is infinite and so holds no bound."""
    full, empty = result_of(steady(0.01)), result_of(Collector(begin=0.0))

    assert all(figure(full, name) >= 0 for name in FIGURES)
    assert figure(empty, "e2e.p99") == float("inf")


def test_a_result_survives_json() -> None:
    """What is written is read again as the same."""
    result = result_of(steady(0.01))

    assert msgspec.json.decode(encode(result), type=Result) == result


def test_noise_is_no_change() -> None:
    """Two runs of the same kind compare as no change, with the noise as a number; a real change is told with bounds."""
    base, same, slower = (result_of(steady(x, jitter=0.04)) for x in (0.010, 0.0101, 0.013))
    first = {change.figure: change for change in compare(base, same).changes}
    second = {change.figure: change for change in compare(base, slower).changes}

    assert first["e2e.p99"].verdict.startswith("no change beyond ±")
    assert second["e2e.p99"].verdict.startswith("worse by 2")
    assert second["e2e.p99"].change == pytest.approx(0.3, abs=0.02)


def test_repeats_are_the_samples_where_there_are_any() -> None:
    """With repeats on both sides these decide, and the comparison says so; different loads are noted."""
    a, b = result_of(steady(0.01)), result_of(steady(0.01), name="other")
    a.repeats = [{"e2e.p99": value} for value in (10.0, 10.2, 9.9)]
    b.repeats = [{"e2e.p99": value} for value in (8.0, 8.1, 7.9)]
    found = compare(a, b)

    assert found.samples == "3 and 3 repeats"
    assert [change.verdict[:6] for change in found.changes] == ["better"]
    assert found.notes == ["the definitions differ"]


def test_the_interval_covers_the_truth() -> None:
    """The ratio of two sides of known means lies in the interval; too few samples give none."""
    low, high = ratio_interval([10, 11, 9, 10], [20, 22, 18, 20]) or (0, 0)

    assert low < 2 < high < 2.6
    assert ratio_interval([10], [20, 21]) is None


def test_the_generator_is_not_believed_when_it_is_the_bottleneck() -> None:
    """A generator that is busy or late is warned about."""
    result = result_of(steady(0.01))
    assert warnings(result) == []

    result.generator = GeneratorFigures(cpu_share=0.95, error_p99_ms=50.0)
    busy, late = warnings(result)
    assert "it is the bottleneck" in busy
    assert "50.0 ms late" in late
