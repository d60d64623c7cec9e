"""The price that AWS would charge for what was measured."""

from __future__ import annotations

from express.bench.result import Bill, CostFigures
from express.metering import PriceTable, Totals, cost, standard_cost

MONTH_SECONDS = 730 * 3600
"""AWS's price pages count 730 hours."""

MILLION = 1_000_000


def bill(totals: Totals, prices: PriceTable) -> Bill:
    """The price of these executions as all of an account's month."""
    express = cost(totals, prices)
    return Bill(
        requests=express.requests,
        duration=express.duration,
        total=express.total,
        standard=standard_cost(totals, prices),
    )


def scaled(totals: Totals, requests: int) -> Totals:
    """The sums of `requests` executions of the same kind."""
    share = requests / totals.requests if totals.requests else 0.0
    return Totals(
        requests=requests if totals.requests else 0,
        duration_ms=round(totals.duration_ms * share),
        mb_ms=round(totals.mb_ms * share),
        transitions=round(totals.transitions * share),
    )


def cost_figures(totals: Totals, prices: PriceTable, per_second: float) -> CostFigures:
    """The bill of the run, of a million executions, and of a month at `per_second` of them."""
    month_events = round(per_second * MONTH_SECONDS)
    return CostFigures(
        table=prices.description,
        requests=totals.requests,
        gb_seconds=totals.gb_seconds,
        billed_ms=totals.duration_ms,
        billed_mb=round(totals.mb_ms / totals.duration_ms) if totals.duration_ms else 0,
        transitions=totals.transitions,
        run=bill(totals, prices),
        million=bill(scaled(totals, MILLION), prices),
        month=bill(scaled(totals, month_events), prices),
        month_events=month_events,
    )
