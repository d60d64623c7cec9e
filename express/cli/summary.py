"""The last lines of `express dev`: what came of the events, how fast, and what AWS would charge."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from express.metering import Totals, cost, standard_cost
from express.runtime.counters import Histogram
from express.service.dev import Development
from express.service.prepare import prices
from express.verify.tally import Tally

MIB = 1 << 20


def lines(development: Development, found: Tally | None) -> Iterator[str]:
    """The summary; `found` is what an independent reader counted, if it did."""
    if found is None:
        yield f"{development.terminal:,} terminal records when interrupted, as the workers counted them"
    else:
        yield from _counted(development, found)
    yield _latency(development)
    yield from _money(development)


def _counted(development: Development, found: Tally) -> Iterator[str]:
    statuses = ", ".join(f"{count:,} {status}" for status, count in sorted(found.statuses.items(), reverse=True))
    yield (
        f"{found.expected:,} events, {found.found:,} with a terminal record: {statuses}, "
        f"{found.dead_letters:,} dead letters; {found.missing:,} missing, {found.duplicates:,} doubled"
    )
    seconds = max(found.last_ms - found.first_ms, 1) / 1000
    rate = found.found / seconds
    workers = development.options.workers
    cpu = development.service.totals.cpu_seconds
    yield (
        f"{rate:,.0f} events/s over {seconds:.1f} s, {rate / workers:,.0f} per worker process; "
        f"{found.found / max(cpu, 0.01):,.0f} per second of a worker's processor time ({cpu:.1f} s)"
    )


def _latency(development: Development) -> str:
    data = development.service.totals.overall()
    histogram = msgspec.convert(data["end_to_end_ms"], Histogram) if data else Histogram()
    memory = development.peak_bytes / MIB
    return f"end to end p50 {histogram.bound(0.5)}, p99 {histogram.bound(0.99)}; at most {memory:.0f} MiB per worker"


def _money(development: Development) -> Iterator[str]:
    data = development.service.totals.overall()
    billed = msgspec.convert(data.get("totals", {}), Totals)
    table = prices(development.config)
    price = cost(billed, table)
    yield (
        f"{billed.gb_seconds:,.1f} GB-s; AWS Express would charge ${price.total:,.4f} "
        f"(${price.requests:,.4f} for requests, ${price.duration:,.4f} for duration), "
        f"Standard ${standard_cost(billed, table):,.2f}"
    )
