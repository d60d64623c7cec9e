"""Families of metrics from rows: labels and values, added up where they are the same, within a limit of series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from express.telemetry.worker_report import Data

Labels: TypeAlias = tuple[str, ...]

OVERFLOW = "__overflow__"
"""The label value of series beyond the limit, all in one."""


class Families:
    """Makes families. `bounds` are the upper bounds of histograms' buckets, `series` the most of one family."""

    def __init__(self, bounds: Sequence[str], series: int) -> None:
        self._bounds = bounds
        self._series = series

    def counter(
        self, name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]
    ) -> CounterMetricFamily:
        """A counter of rows."""
        family = CounterMetricFamily(name, text, labels=labels)
        for names, (value,) in self._capped((names, (value,)) for names, value in values):
            family.add_metric(names, value)
        return family

    def gauge(self, name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]) -> GaugeMetricFamily:
        """A gauge of rows."""
        family = GaugeMetricFamily(name, text, labels=labels)
        for names, (value,) in self._capped((names, (value,)) for names, value in values):
            family.add_metric(names, value)
        return family

    def histogram(
        self, name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, Data]]
    ) -> HistogramMetricFamily:
        """A histogram of rows that hold `counters.Histogram` as plain data; empty ones are left out."""
        rows = [(names, (data["sum_ms"] / 1000, *data["counts"])) for names, data in values if data]
        return self.buckets(name, text, labels, rows, self._bounds)

    def buckets(
        self,
        name: str,
        text: str,
        labels: Labels,
        rows: Iterable[tuple[Labels, tuple[float, ...]]],
        bounds: Sequence[str],
    ) -> HistogramMetricFamily:
        """A histogram of rows that are a sum and the counts of all buckets."""
        family = HistogramMetricFamily(name, text, labels=labels)
        for names, (whole, *counts) in self._capped(rows):
            seen = list(accumulate(counts))
            family.add_metric(names, list(zip(bounds, seen, strict=True)), whole)
        return family

    def _capped(self, rows: Iterable[tuple[Labels, tuple[float, ...]]]) -> Iterable[tuple[Labels, tuple[float, ...]]]:
        """Rows with the same labels added up, and those beyond the limit in one of their own (S23)."""
        whole = merged(rows)
        if len(whole) <= self._series:
            return whole
        kept, rest = whole[: self._series - 1], whole[self._series - 1 :]
        overflow = (OVERFLOW,) * len(rest[0][0])
        return [*kept, *merged((overflow, values) for _, values in rest)]


def merged(rows: Iterable[tuple[Labels, tuple[float, ...]]]) -> list[tuple[Labels, tuple[float, ...]]]:
    """Rows with the same labels added up."""
    sums: dict[Labels, tuple[float, ...]] = {}
    for labels, values in rows:
        before = sums.get(labels)
        sums[labels] = values if before is None else tuple(a + b for a, b in zip(before, values, strict=True))
    return list(sums.items())
