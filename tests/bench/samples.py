"""Made-up samples and results."""

from __future__ import annotations

import hashlib
import tomllib
from array import array

from express.bench.aws_cost import cost_figures
from express.bench.collect import Collector
from express.bench.environment import environment
from express.bench.result import GeneratorFigures, Load, Result, WorkerFigures
from express.docs.samples import shipped
from express.metering import price_tables

LOAD = Load(
    input="iot",
    rate="100",
    arrivals="constant",
    closed=None,
    seconds=10.0,
    warmup_seconds=0.0,
    concurrency=100,
    backlog=100,
    seed=1,
)


def packed(*rows: tuple[float, float, float, int, int, int]) -> bytes:
    """Rows as the worker sends them."""
    return array("d", [float(value) for row in rows for value in row]).tobytes()


def result_of(collector: Collector, name: str = "machine") -> Result:
    """A result of these samples."""
    prices = price_tables(tomllib.loads(shipped("prices.toml").read_text()))["aws"]
    return Result(
        workflow=name,
        definition_sha256=hashlib.sha256(name.encode()).hexdigest(),
        started="2026-01-01T00:00:00+00:00",
        load=LOAD,
        seconds=10.0,
        throughput=100.0,
        counts=collector.counts,
        latency_ms=collector.latencies(),
        series=collector.series(),
        states=[],
        errors={},
        generator=GeneratorFigures(),
        worker=WorkerFigures(),
        cost=cost_figures(collector.totals, prices, 100.0),
        environment=environment(),
    )


def steady(latency: float, jitter: float = 0.0) -> Collector:
    """Ten seconds of a hundred events each; every other second is slower by `jitter`."""
    collector = Collector(begin=0.0)
    for number in range(1000):
        due = number / 100
        ended = due + latency * (1 + jitter * (int(due) % 2))
        collector.add(packed((due, due, ended, 51_000_000, 2, 0)))
    return collector
