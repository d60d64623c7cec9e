"""The outcome of a run as data: what `--json` prints and `bench compare` reads. Version 1 of the format.

Latencies are milliseconds; times and processor times seconds; money US dollars.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

REPLAY = "replay"
"""The rate of a load whose events are due as they were captured."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The load that was asked for. `closed` lanes, or else a rate: the model is open, latencies count from it.

    `pipeline`: through its topics, by `workers` processes that were started for it (0: by others).
    """

    input: str
    rate: str | None
    arrivals: Literal["constant", "poisson", "closed", "replay"]
    closed: int | None
    seconds: float
    warmup_seconds: float
    concurrency: int
    backlog: int
    seed: int
    mock: str | None = None
    target: str | None = None
    pipeline: str | None = None
    workers: int = 1
    event_bytes: str | None = None
    keys: int | None = None
    key_skew: str = "uniform"
    key_field: str | None = None
    time_field: str | None = None
    speed: float = 1.0


class Counts(msgspec.Struct, kw_only=True):
    """Events, after the warm-up.

    scheduled = started + dropped, and started = succeeded + failed + timed_out + rejected + unfinished. `dropped`
    events found the backlog full; `rejected` ones are no JSON that could be run; `unfinished` executions still ran,
    or had not begun, when the drain was over. `behind` began more than 100 ms after they were due.
    """

    scheduled: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    rejected: int = 0
    dropped: int = 0
    unfinished: int = 0
    behind: int = 0


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution, and its histogram in HdrHistogram's compressed V2 form (microseconds)."""

    count: int
    mean: float
    p50: float
    p75: float
    p90: float
    p95: float
    p99: float
    p99_9: float = msgspec.field(name="p99.9")
    p99_99: float = msgspec.field(name="p99.99")
    max: float
    spectrum: list[tuple[float, float]]
    histogram: str


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """`e2e` from the scheduled time to the end, `queue` from there to the start, `execution` from start to end."""

    e2e: Latency
    queue: Latency
    execution: Latency


class Second(msgspec.Struct, kw_only=True):
    """One second of the run; latencies are those of what ended in it.

    `lag`: input records that the pipeline's group had not committed.
    """

    second: int
    scheduled: int = 0
    ended: int = 0
    failed: int = 0
    dropped: int = 0
    behind: int = 0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    queue_p99: float = 0.0
    in_flight: int = 0
    waiting: int = 0
    lag: int = 0


class StateShare(msgspec.Struct, kw_only=True):
    """A state in the executions that were traced after the load. `share` is of their time."""

    name: str
    kind: str
    entered: int = 0
    failed: int = 0
    seconds: float = 0.0
    share: float = 0.0


class GeneratorFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Honesty of the schedule. `schedule_error_ms`: how late events were handed over."""

    made: int = 0
    cpu_seconds: float = 0.0
    cpu_share: float = 0.0
    error_p50_ms: float = 0.0
    error_p99_ms: float = 0.0
    error_max_ms: float = 0.0
    blocked_bytes: int = 0
    cpus: list[int] = []


class WorkerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Resources of the worker. Processor time is that of its whole process while the load ran."""

    cpu_seconds: float = 0.0
    cpu_share: float = 0.0
    cpu_seconds_per_million: float = 0.0
    resident_bytes: int = 0
    loop_lag_p99_ms: float = 0.0
    gc_pause_max_ms: float = 0.0


class ReaderFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever read a pipeline's results. Those of other records than the load's, and repeated ones, are counted."""

    cpu_seconds: float = 0.0
    cpu_share: float = 0.0
    strangers: int = 0
    duplicates: int = 0


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A price: its parts, and the same work as a Standard workflow."""

    requests: float
    duration: float
    total: float
    standard: float


class CostFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The price at AWS of what was measured, for a million such events, and for a month at this rate."""

    table: str
    requests: int
    gb_seconds: float
    billed_ms: int
    billed_mb: int
    transitions: int
    run: Bill
    million: Bill
    month: Bill
    month_events: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold and what was found."""

    threshold: str
    found: float
    passed: bool


class Result(msgspec.Struct, kw_only=True):
    """One run."""

    schema: Literal["express.bench/1"] = "express.bench/1"
    workflow: str
    definition_sha256: str
    started: str
    load: Load
    seconds: float
    throughput: float
    counts: Counts
    latency_ms: Latencies
    series: list[Second]
    states: list[StateShare]
    errors: dict[str, int]
    generator: GeneratorFigures
    worker: WorkerFigures
    reader: ReaderFigures | None = None
    cost: CostFigures
    environment: dict[str, Any]
    warnings: list[str] = []
    thresholds: list[Verdict] = []
    interrupted: bool = False
    repeats: list[dict[str, float]] = []
    """The main figures of each run, where there was more than one; the rest tells of the median one."""


def schema() -> dict[str, Any]:
    """The JSON Schema of `Result`."""
    return msgspec.json.schema(Result)


def encode(result: Result) -> bytes:
    """The result as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2)
