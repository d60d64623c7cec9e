"""The outcome of a run: figures of its processes, and what must be known before the figures are believed."""

from __future__ import annotations

import hashlib
from datetime import datetime

from express.bench.aws_cost import cost_figures
from express.bench.collect import Collector
from express.bench.environment import configured, environment
from express.bench.histogram import Histogram
from express.bench.plan import Plan
from express.bench.protocol import GeneratorReport, WorkerReport
from express.bench.result import Counts, GeneratorFigures, ReaderFigures, Result, StateShare, WorkerFigures

BUSY_SHARE = 0.8
"""A generator, or a reader, that takes more of a processor than this is what holds the load back."""

LATE_MS = 10.0
"""A schedule error above this, and above a tenth of the p99 measured, spoils the figures."""


def result_of(
    plan: Plan,
    collector: Collector,
    worker: WorkerReport,
    generator: GeneratorReport,
    states: list[StateShare],
    *,
    started: datetime,
    interrupted: bool,
    reader: ReaderFigures | None = None,
    notes: tuple[str, ...] = (),
) -> Result:
    """The result; `notes` are warnings of whoever made the run."""
    counts = collector.counts
    ended = counts.succeeded + counts.failed + counts.timed_out
    seconds = max(collector.last_end - collector.begin, 0.001)
    wall = seconds + plan.load.warmup_seconds
    throughput = ended / seconds
    result = Result(
        workflow=plan.name,
        definition_sha256=hashlib.sha256(plan.definition.encode()).hexdigest(),
        started=started.isoformat(timespec="seconds"),
        load=plan.load,
        seconds=seconds,
        throughput=throughput,
        counts=counts,
        latency_ms=collector.latencies(),
        series=collector.series(),
        states=states,
        errors=worker.errors,
        generator=_generator_figures(generator, wall),
        worker=_worker_figures(worker, wall, max(generator.made, ended, 1)),
        reader=reader,
        cost=cost_figures(collector.totals, plan.prices, throughput),
        environment={**environment(), "configuration": configured(plan.config)},
        interrupted=interrupted,
    )
    result.warnings = [*notes, *warnings(result)]
    return result


def _generator_figures(report: GeneratorReport, wall: float) -> GeneratorFigures:
    late = Histogram()
    late.counts, late.count = report.errors, sum(report.errors.values())
    return GeneratorFigures(
        made=report.made,
        cpu_seconds=round(report.cpu_seconds, 3),
        cpu_share=round(report.cpu_seconds / wall, 3),
        error_p50_ms=late.percentile(50),
        error_p99_ms=late.percentile(99),
        error_max_ms=late.percentile(100),
        blocked_bytes=report.blocked_bytes,
        cpus=report.cpus,
    )


def _worker_figures(report: WorkerReport, wall: float, events: int) -> WorkerFigures:
    return WorkerFigures(
        cpu_seconds=round(report.cpu_seconds, 3),
        cpu_share=round(report.cpu_seconds / wall, 3),
        cpu_seconds_per_million=round(report.cpu_seconds / events * 1e6, 2),
        resident_bytes=report.resident_bytes,
        loop_lag_p99_ms=report.loop_lag_p99_ms,
        gc_pause_max_ms=report.gc_pause_max_ms,
    )


MOST_FAILED = 0.01
"""A larger share of events without success is not what anybody wants to measure."""


def mostly_failed(result: Result) -> bool:
    """Return whether so many executions failed or timed out that the figures are of no use."""
    return unsuccessful(result.counts) > MOST_FAILED * result.counts.scheduled


def unsuccessful(counts: Counts) -> int:
    """Return how many executions ended without success."""
    return counts.failed + counts.timed_out


def warnings(result: Result) -> list[str]:
    """Return what a reader must know before the figures."""
    found, counts = list(_dishonesty(result)), result.counts
    if mostly_failed(result):
        share = unsuccessful(counts) / counts.scheduled
        found.insert(0, f"{share:.1%} OF THE EXECUTIONS DID NOT SUCCEED: these are the figures of failures")
    if counts.dropped:
        found.append(f"{counts.dropped:,} events were dropped: the backlog of {result.load.backlog:,} was full")
    if counts.unfinished:
        found.append(f"{counts.unfinished:,} executions had not ended when the drain was over; they count as that long")
    if counts.behind:
        found.append(f"{counts.behind:,} events began more than 100 ms behind schedule")
    if result.load.closed is not None:
        found.append("closed model: a stall holds the load back too, so these latencies flatter; prefer --rate")
    return found


def _dishonesty(result: Result) -> list[str]:
    """Return where the measuring itself got in the way."""
    found, generator, reader = [], result.generator, result.reader
    if result.load.closed is None and generator.cpu_share > BUSY_SHARE:
        found.append(
            f"the generator took {generator.cpu_share:.0%} of a processor: it is the bottleneck, not the workflow"
        )
    late = generator.error_p99_ms
    if result.load.closed is None and late > max(LATE_MS, result.latency_ms.e2e.p99 / 10):
        found.append(
            f"the generator was {late:.1f} ms late at its p99: the load was not quite what was asked for "
            "(latencies count from the schedule all the same)"
        )
    if reader is not None and reader.cpu_share > BUSY_SHARE:
        found.append(
            f"the reader of the results took {reader.cpu_share:.0%} of a processor: "
            "part of the end-to-end latency is its own"
        )
    return found
