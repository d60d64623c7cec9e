"""The histogram against raw samples, and against the HdrHistogram package as referee."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.bench.histogram import HIGHEST, Histogram, end_of, hgrm, hlog, start_of

PERCENTS = (0, 10, 50, 75, 90, 99, 99.9, 99.99, 100)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value / 1_000_000)
    return histogram


def drawn(count: int = 20_000) -> list[int]:
    chance = random.Random(3)
    return [int(chance.lognormvariate(7, 2)) for _ in range(count)]


@given(st.lists(st.integers(0, HIGHEST), min_size=1, max_size=200), st.sampled_from(PERCENTS))
def test_percentiles_agree_with_the_samples(values: list[int], percent: float) -> None:
    """A percentile is the sample of that rank, rounded up by less than 0.1 %."""
    rank = max(1, int(percent * len(values) / 100 + 0.5))
    exact = sorted(values)[rank - 1]
    found = filled(values).percentile(percent) * 1000

    assert exact <= round(found) <= exact * 1.001 + 1


@given(st.integers(0, HIGHEST))
def test_buckets_leave_no_gap(value: int) -> None:
    """A value lies in its bucket, and the next bucket begins after it."""
    (index,) = filled([value]).counts

    assert start_of(index) <= value <= end_of(index)
    assert start_of(index + 1) == end_of(index) + 1


def test_the_referee_agrees_on_every_percentile() -> None:
    """The HdrHistogram package, fed the same samples, gives the same percentiles, mean and count."""
    hdrh = pytest.importorskip("hdrh.histogram")
    values = drawn()
    theirs = hdrh.HdrHistogram(1, HIGHEST, 3)
    for value in values:
        theirs.record_value(value)
    ours = filled(values)

    assert theirs.get_total_count() == ours.count
    for percent in PERCENTS[1:]:
        assert theirs.get_value_at_percentile(percent) == round(ours.percentile(percent) * 1000)
    assert theirs.get_mean_value() / 1000 == pytest.approx(ours.mean, rel=1e-3)
    assert theirs.get_stddev() / 1000 == pytest.approx(ours.deviation, rel=1e-3)


def test_the_referee_reads_what_we_write() -> None:
    """The package decodes our V2 form to the same counts, and every line of our log."""
    hdrh = pytest.importorskip("hdrh.histogram")
    values = drawn(5_000)
    ours = filled(values)
    theirs = hdrh.HdrHistogram.decode(ours.encode())

    assert theirs.get_total_count() == len(values)
    assert [theirs.get_value_at_percentile(p) for p in PERCENTS] == [round(ours.percentile(p) * 1000) for p in PERCENTS]

    text = hlog({0: {"e2e": ours, "queue": Histogram()}, 1: {"e2e": filled([5])}}, 1000.0)
    merged = hdrh.HdrHistogram(1, HIGHEST, 3)
    for line in text.splitlines()[4:]:
        tag, start, _, _, packed = line.split(",")
        assert (tag, start[1:]) in {("Tag=e2e", ".000")}
        merged.add(hdrh.HdrHistogram.decode(packed))
    assert merged.get_total_count() == len(values) + 1


def test_merging_is_recording_all() -> None:
    """Two histograms merged are the histogram of both."""
    values = drawn(2_000)
    left, right = filled(values[:500]), filled(values[500:])
    left.merge(right)
    whole = filled(values)

    assert (left.counts, left.count, left.max, left.mean) == (whole.counts, whole.count, whole.max, whole.mean)


def test_hgrm_is_a_percentile_table() -> None:
    """The text has HdrHistogram's head and foot, rises in every column, and ends at 100 %."""
    text = hgrm(filled(drawn(1_000)))
    rows = [line.split() for line in io.StringIO(text) if line.strip() and line[0] == " "][1:]

    assert text.startswith("       Value     Percentile TotalCount 1/(1-Percentile)\n\n")
    assert "#[Max     =" in text
    assert [float(row[0]) for row in rows] == sorted(float(row[0]) for row in rows)
    assert [float(row[1]) for row in rows] == sorted(float(row[1]) for row in rows)
    assert (float(rows[-1][1]), int(rows[-1][2])) == (1.0, 1_000)


def test_out_of_range_counts_at_the_ends() -> None:
    """Nothing is lost: a negative duration counts as 0, one beyond the range as its end."""
    histogram = Histogram()
    histogram.record(-1)
    histogram.record(1e9)

    assert histogram.count == 2
    assert (histogram.percentile(1), histogram.max) == (0.0, HIGHEST / 1000)
