"""Billing: AWS's worked examples and the edges of its rounding."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.metering import (
    PriceTable,
    Totals,
    billed_duration_ms,
    billed_memory_mb,
    cost,
    gb_seconds,
    price_tables,
    standard_cost,
    used_memory,
)

PRICES = price_tables(tomllib.loads((Path(__file__).parents[2] / "config/prices.toml").read_text()))


@pytest.mark.parametrize(
    ("ms", "billed"), [(0, 100), (1, 100), (100, 100), (101, 200), (1_234, 1_300), (299_950, 300_000)]
)
def test_duration_rounds_up(ms: int, billed: int) -> None:
    """Duration is charged in steps of 100 ms, one at least."""
    assert billed_duration_ms(ms / 1000) == billed


def test_binary_fractions_do_not_cost_a_step() -> None:
    """A sum of decimal fractions that float misses by a hair stays on its step."""
    assert billed_duration_ms(0.1 + 0.2) == 300


@pytest.mark.parametrize(("mb", "billed"), [(50.01, 64), (64.0, 64), (64.01, 128), (130, 192), (0, 64)])
def test_memory_rounds_up(mb: float, billed: int) -> None:
    """Memory is charged in chunks of 64 MB, one at least."""
    assert billed_memory_mb(round(mb * 1_000_000)) == billed


def test_aws_memory_example() -> None:
    """Pricing page: a definition of 50 KB and 400 parallel Map items of 32 KB are billed 64 MB."""
    used = used_memory(50_000, 400 * 32_000)

    assert used == 62_850_000
    assert billed_memory_mb(used) == 64


def test_aws_price_example() -> None:
    """Pricing page: 100 million executions of 10 s at 64 MB cost 482.97 $ a month."""
    totals = Totals(requests=100_000_000, duration_ms=10**12, mb_ms=64 * 10**12)
    price = cost(totals, PRICES["aws"])

    assert totals.gb_seconds == 62_500_000
    assert (round(price.requests, 2), round(price.duration, 2), round(price.total, 2)) == (
        100.0,
        382.97,
        482.97,
    )


def test_small_price_example() -> None:
    """A million executions of 200 ms at 64 MB cost 1.21 $."""
    totals = Totals(requests=1_000_000, duration_ms=200_000_000, mb_ms=64 * 200_000_000)

    assert round(cost(totals, PRICES["aws"]).total, 2) == 1.21


def test_flat_price() -> None:
    """The flat table charges 0.00001 $ for every GB-second and 1 $ for a million requests."""
    totals = Totals(requests=1_000_000, mb_ms=1_024_000 * 100_000)
    price = cost(totals, PRICES["flat"])

    assert (price.requests, round(price.duration, 9)) == (1.0, 1.0)


def test_standard_price_example() -> None:
    """100,000 executions of 5 transitions cost 12.40 $ as Standard workflows, 12.65 $ with 10,000 retries."""
    assert round(standard_cost(Totals(transitions=500_000), PRICES["aws"]), 2) == 12.40
    assert round(standard_cost(Totals(transitions=510_000), PRICES["aws"]), 2) == 12.65
    assert standard_cost(Totals(transitions=3_999), PRICES["aws"]) == 0


def test_shortest_execution() -> None:
    """Whatever is shorter and smaller than one step is billed 0.00625 GB-seconds."""
    assert gb_seconds(billed_duration_ms(0.0004), billed_memory_mb(used_memory(900, 300))) == 0.00625


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 50), st.integers(0, 40))))
def test_totals_add_up_in_any_split(executions: list[tuple[int, int, int]]) -> None:
    """Totals of parts, merged in any order, are the totals of the whole."""
    whole, left, right = Totals(), Totals(), Totals()
    for i, (ms, mb, transitions) in enumerate(executions):
        whole.add(ms * 100, mb * 64, transitions)
        (left if i % 2 else right).add(ms * 100, mb * 64, transitions)
    right.merge(left)

    assert right == whole
    assert whole.requests == len(executions)


def test_price_file_is_strict() -> None:
    """A misspelt price, or tiers that leave a gap at the end, are refused."""
    good = {"description": "d", "per_million_requests": 1, "per_thousand_transitions": 1}
    with pytest.raises(msgspec.ValidationError, match="per_gb_hours"):
        price_tables({"x": {**good, "duration": [{"per_gb_hours": 1}]}})
    with pytest.raises(ValueError, match="last tier"):
        price_tables({"x": {**good, "duration": [{"per_gb_hour": 1, "gb_hours": 10}]}})
    assert isinstance(PRICES["aws"], PriceTable)
