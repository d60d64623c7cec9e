"""Metrics: sums over workers, the identity of the counters, and bounded series."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from express.runtime.counters import BATCH_BOUNDS, LATENCY_BOUNDS_MS, Counters
from express.telemetry import metric_families, metrics
from express.telemetry.worker_report import PipelineReport, Report, Totals, add, in_flight


def report(worker: int, counters: Counters, **more: Any) -> Report:
    row = PipelineReport("iot", "iot-routing", msgspec.to_builtins(counters), [("t", worker, 10)], 6)
    return Report(worker, pid=100 + worker, pipelines=[row], **more)


def samples(totals: Totals, series: int = 1000) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a scrape, as a strict OpenMetrics parser reads it."""
    text = generate_openmetrics(metrics.registry(totals, LATENCY_BOUNDS_MS, series, BATCH_BOUNDS)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def collected(totals: Totals) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The same without the way through text."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in metrics.ExpressCollector(totals, LATENCY_BOUNDS_MS, batch_bounds=BATCH_BOUNDS).collect()
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def identity(found: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> tuple[float, float]:
    """Executions started, and those that have ended or run."""
    machine = (("state_machine", "iot-routing"),)
    ended = sum(value for (name, _), value in found.items() if name == "express_executions_total")
    running = found.get(("express_in_flight_executions", machine), 0)
    return found.get(("express_executions_started_total", machine), 0), ended + running


def test_workers_add_up() -> None:
    """A scrape shows the sum over workers, histograms included."""
    totals = Totals()
    for worker in (0, 1):
        counters = Counters(started=5, succeeded=3, failed=1)
        counters.execution_ms.add(4)
        counters.totals.add(200, 64, transitions=6)
        totals.update(report(worker, counters))
    found = samples(totals)
    machine = (("state_machine", "iot-routing"),)

    assert found["express_executions_started_total", machine] == 10
    assert found["express_executions_total", (*machine, ("status", "SUCCEEDED"))] == 6
    assert found["express_in_flight_executions", machine] == 2
    assert found["express_billed_gb_seconds_total", machine] == 0.025
    assert found["express_billed_duration_seconds_total", machine] == 0.4
    assert found["express_state_transitions_total", machine] == 12
    assert found["express_execution_duration_seconds_bucket", (("le", "0.003"), *machine)] == 0
    assert found["express_execution_duration_seconds_bucket", (("le", "0.005"), *machine)] == 2
    assert found["express_execution_duration_seconds_count", machine] == 2
    assert found["express_kafka_lag_records", (("partition", "1"), ("topic", "t"))] == 10
    assert found["express_workers", ()] == 2


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["start", "start", "succeeded", "failed", "timed_out", "aborted", "report", "report", "die"]),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_counters_add_up_at_every_scrape(steps: list[tuple[int, str]]) -> None:
    """started = ended + in flight, whatever workers do, report, or die of; and counters never go back."""
    totals, workers = Totals(), {n: Counters() for n in range(3)}
    seen: dict[Any, float] = {}
    for worker, step in steps:
        counters = workers[worker]
        if step == "start":
            counters.started += 1
        elif step == "report":
            totals.update(report(worker, counters))
        elif step == "die":
            totals.retire(worker, died=True)
            workers[worker] = Counters()
        elif counters.in_flight:
            setattr(counters, step, getattr(counters, step) + 1)
        found = collected(totals)
        started, accounted = identity(found)
        assert started == accounted
        for key, value in found.items():
            if key[0].endswith("_total") and not key[0].startswith("express_worker"):
                assert value >= seen.get(key, 0)
                seen[key] = value


def test_a_dead_worker_leaves_its_counts() -> None:
    """What ran in a worker that died is aborted and abandoned, and its gauges are gone."""
    totals = Totals()
    totals.update(report(0, Counters(started=9, succeeded=2, waiting=4, heap_bytes=1000)))
    totals.retire(0, died=True)
    data = totals.overall()

    assert (data["started"], data["aborted"], data["abandoned"], in_flight(data)) == (9, 7, 7, 0)
    assert "waiting" not in data
    assert totals.deaths == {0: 1}
    assert totals.lag() == {}


def test_a_worker_that_never_reported_dies_quietly() -> None:
    """A death before the first report is counted and adds nothing."""
    totals = Totals()
    totals.retire(3, died=True)
    totals.retire(4, died=False)

    assert (totals.deaths, totals.overall()) == ({3: 1}, {})


def test_series_are_bounded() -> None:
    """However many partitions there are, a metric has no more series than the limit; the rest is one sum."""
    totals = Totals()
    lag = [(f"topic-{n % 100}", n, 1) for n in range(20_000)]
    totals.update(Report(0, 1, pipelines=[PipelineReport("p", "m", msgspec.to_builtins(Counters()), lag)]))
    found = {key: value for key, value in samples(totals, 50).items() if key[0] == "express_kafka_lag_records"}

    assert len(found) == 50
    assert sum(found.values()) == 20_000
    overflow = (("partition", metric_families.OVERFLOW), ("topic", metric_families.OVERFLOW))
    assert found["express_kafka_lag_records", overflow] == 19_951


def test_pipelines_of_one_machine_are_one_series() -> None:
    """Two pipelines that run the same state machine add up in its series."""
    totals = Totals()
    rows = [PipelineReport(name, "m", msgspec.to_builtins(Counters(started=2, records=3))) for name in ("a", "b")]
    totals.update(Report(0, 1, pipelines=rows))
    found = samples(totals)

    assert found["express_executions_started_total", (("state_machine", "m"),)] == 4
    assert found["express_kafka_records_total", (("pipeline", "a"),)] == 3


def test_adding_changes_nothing() -> None:
    """Sums are made anew: a report stays what was reported."""
    a, b = {"h": {"counts": [1, 2]}}, {"h": {"counts": [3, 4]}}

    assert add(a, b) == {"h": {"counts": [4, 6]}}
    assert a == {"h": {"counts": [1, 2]}}


def test_names_follow_the_rules() -> None:
    """Names are prefixed, carry base units, and counters end in _total; each has its help text."""
    for family in metrics.ExpressCollector(Totals(), []).describe():
        assert family.name.startswith("express_")
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_ms", "_milliseconds", "_mb", "_count", "_total"))


def test_both_formats_are_written() -> None:
    """Prometheus' own text format is served as well as OpenMetrics."""
    text = generate_latest(metrics.registry(Totals(), LATENCY_BOUNDS_MS, 10, BATCH_BOUNDS)).decode()

    assert "# TYPE express_executions_total counter" in text


def buckets(found: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str) -> dict[float, float]:
    """Upper bound → how many, of the one series of a histogram."""
    return {float(dict(labels)["le"]): value for (sample, labels), value in found.items() if sample == f"{name}_bucket"}


def test_billed_memory_is_a_histogram_of_all_executions() -> None:
    """Executions of the first step are those that are not counted above it; the sum is in bytes."""
    counters = Counters()
    for used in (50_000_001, 64_000_000, 64_000_001, 300_000_000):
        mb = counters.count_memory(used) if used > 64_000_000 else 64
        counters.totals.add(100, mb)
    totals = Totals()
    totals.update(report(0, counters))
    found = samples(totals)
    seen = buckets(found, "express_billed_memory_bytes")
    machine = (("state_machine", "iot-routing"),)

    assert (seen[64_000_000], seen[128_000_000], seen[256_000_000], seen[384_000_000]) == (2, 3, 3, 4)
    assert seen[float("inf")] == found["express_billed_memory_bytes_count", machine] == 4
    assert found["express_billed_memory_bytes_sum", machine] == (64 + 64 + 128 + 320) * 1_000_000


def test_polls_by_their_records() -> None:
    """Every poll that gave records is in a bucket, and the sum is the records."""
    counters = Counters()
    for count in (1, 2, 500, 7):
        counters.records += count
        counters.count_batch(count)
    totals = Totals()
    totals.update(report(0, counters))
    totals.update(report(1, counters))
    found = samples(totals)
    seen = buckets(found, "express_kafka_poll_batch_records")

    assert (seen[1], seen[2], seen[10], seen[200], seen[500]) == (2, 4, 6, 6, 8)
    assert found["express_kafka_poll_batch_records_sum", (("pipeline", "iot"),)] == 1_020


def test_nested_executions_count_for_their_machine_only() -> None:
    """Executions that executions started are in the state machine's families, and in none of a pipeline."""
    totals = Totals()
    own, nested = Counters(started=3, succeeded=3), Counters(started=2, succeeded=1, failed=1)
    one = report(0, own)
    one.pipelines.append(PipelineReport("(nested)", "iot-routing", msgspec.to_builtins(nested)))
    totals.update(one)
    found = collected(totals)

    assert found["express_executions_started_total", (("state_machine", "iot-routing"),)] == 5
    assert not [name for name, labels in found if ("pipeline", "(nested)") in labels]
    assert totals.overall()["started"] == 3
