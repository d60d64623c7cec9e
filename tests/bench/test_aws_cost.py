"""The cost block against AWS's worked examples."""

from __future__ import annotations

import tomllib

import pytest

from express.bench.aws_cost import MONTH_SECONDS, cost_figures
from express.bench.collect import Collector
from express.bench.protocol import FAILED, SUCCEEDED
from express.docs.samples import shipped
from express.metering import Totals, price_tables
from tests.bench.samples import packed

PRICES = price_tables(tomllib.loads(shipped("prices.toml").read_text()))["aws"]


def test_aws_first_worked_example() -> None:
    """A million Express workflows of 30 seconds at 64 MB: $1.00 for requests, $31.25 for duration."""
    totals = Totals(requests=1_000_000, duration_ms=30_000_000_000, mb_ms=30_000_000_000 * 64)
    figures = cost_figures(totals, PRICES, 1_000_000 / MONTH_SECONDS)

    assert figures.run.requests == pytest.approx(1.00)
    assert figures.run.duration == pytest.approx(31.25)
    assert figures.million == figures.run
    assert figures.month.total == pytest.approx(32.25)
    assert figures.month_events == 1_000_000


def test_a_month_uses_up_the_tiers() -> None:
    """At a rate that fills 1,000 GB-hours, the rest of the month is cheaper per event than the first million."""
    totals = Totals(requests=1000, duration_ms=30_000_000, mb_ms=30_000_000 * 64, transitions=5000)
    figures = cost_figures(totals, PRICES, 100)
    per_million = figures.month.duration / figures.month_events * 1e6

    assert figures.million.duration == pytest.approx(31.25)
    assert per_million < 31.25 * 0.5
    assert figures.million.standard == pytest.approx((5_000_000 - 4000) * 0.025 / 1000)


def test_every_execution_is_billed_whatever_its_outcome() -> None:
    """Samples are billed by the rule: up to 100 ms, up to 64 MB; failures too, warm-up not."""
    collector = Collector(begin=100.0)
    collector.add(
        packed(
            (100.0, 100.0, 100.001, 60_000_000, 3, SUCCEEDED),
            (100.1, 100.1, 100.35, 70_000_000, 4, FAILED),
            (99.9, 100.0, 100.1, 60_000_000, 3, SUCCEEDED),
        )
    )

    assert collector.totals == Totals(requests=2, duration_ms=400, mb_ms=100 * 64 + 300 * 128, transitions=7)


def test_no_executions_cost_nothing() -> None:
    """A run in which nothing ended has a bill of zero, and no division by zero."""
    figures = cost_figures(Totals(), PRICES, 0.0)

    assert (figures.run.total, figures.million.total, figures.month.total) == (0, 0, 0)
