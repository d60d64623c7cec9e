"""Metrics in Prometheus form, made from the workers' reports when they are asked for.

Names follow Prometheus' "Metric and label naming": base units, `_total` on counters, no label whose values a payload
could choose. The table in `docs/metrics.md` is generated from the families here and tested against them.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import get_type_hints

from prometheus_client.core import (
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector, CollectorRegistry

from express import __version__
from express.runtime.counters import Counters
from express.telemetry.metric_families import Families, merged
from express.telemetry.worker_report import ENDINGS, NESTED, Data, Totals, in_flight

GB_SECOND = 1_024_000
"""MB-milliseconds in a GB-second."""


class CounterFamily:
    """A counter family: its name without `_total`, labels, and how to read it from a pipeline's counters."""

    def __init__(self, name: str, text: str, read: Callable[[Data], float], by: str = "state_machine") -> None:
        self.name = name
        self.text = text
        self.read = read
        self.by = by


def _plain(name: str) -> Callable[[Data], float]:
    return lambda counters: float(counters.get(name, 0))


def _billed(name: str, unit: float) -> Callable[[Data], float]:
    return lambda counters: float(counters.get("totals", {}).get(name, 0)) / unit


def _declared() -> Iterator[CounterFamily]:
    """Yield the families that fields of `Counters` declare with `metric`."""
    for name, hint in get_type_hints(Counters, include_extras=True).items():
        for meta in getattr(hint, "__metadata__", ()):
            yield CounterFamily(meta.title, meta.description, _plain(name), meta.extra["by"])


COUNTERS = (
    *_declared(),
    CounterFamily("express_state_transitions", "States entered, and retries.", _billed("transitions", 1)),
    CounterFamily("express_billed_requests", "Executions that AWS would charge for.", _billed("requests", 1)),
    CounterFamily("express_billed_duration_seconds", "Duration AWS would charge for.", _billed("duration_ms", 1000)),
    CounterFamily("express_billed_gb_seconds", "GB-seconds AWS would charge for.", _billed("mb_ms", GB_SECOND)),
)
"""Families that are one number per pipeline or state machine."""

MEMORY_STEP = 64_000_000
MEMORY_STEPS = (1, 2, 3, 4, 6, 8, 16)
"""Buckets of the memory that executions are billed at, in steps of 64 MB."""

DEAD_LETTERS = ("poison", "oversize", "unwritable")


class ExpressCollector(Collector):
    """Makes every family from `totals`.

    `bounds_ms` are the upper bounds of the buckets for durations, `batch_bounds` of those for records of a poll.
    """

    def __init__(
        self, totals: Totals, bounds_ms: Sequence[float], series: int = 1_000, batch_bounds: Sequence[int] = ()
    ) -> None:
        self._totals = totals
        self._batches = [str(bound) for bound in batch_bounds] + ["+Inf"]
        self._series = series
        self._families = Families([f"{bound / 1000:g}" for bound in bounds_ms] + ["+Inf"], series)

    def describe(self) -> Iterable[Metric]:
        """The families without samples, for the registry and the documentation."""
        return ExpressCollector(Totals(), [], self._series).collect()

    def collect(self) -> Iterator[Metric]:
        """Every family with its samples."""
        pipelines = self._totals.pipelines()
        yield from self._pipeline_counters(pipelines)
        yield from self._executions(pipelines)
        yield from self._kafka(pipelines)
        yield from self._tasks()
        yield from self._processes()
        yield from self._api()

    def _pipeline_counters(self, pipelines: Mapping[tuple[str, str], Data]) -> Iterator[Metric]:
        for family in COUNTERS:
            index = 0 if family.by == "pipeline" else 1
            rows = pipelines.items() if index else _draining(pipelines)
            values = [((names[index],), family.read(data)) for names, data in rows]
            yield self._families.counter(family.name, family.text, (family.by,), values)

    def _executions(self, pipelines: Mapping[tuple[str, str], Data]) -> Iterator[Metric]:
        machine = ("state_machine",)
        rows = [(machine_name, data) for (_, machine_name), data in pipelines.items()]
        yield self._families.counter(
            "express_executions",
            "Executions ended, by status.",
            (*machine, "status"),
            [((name, ending.upper()), data.get(ending, 0)) for name, data in rows for ending in ENDINGS],
        )
        yield self._families.gauge(
            "express_in_flight_executions",
            "Executions running.",
            machine,
            [((name,), in_flight(data)) for name, data in rows],
        )
        yield self._families.histogram(
            "express_execution_duration_seconds",
            "From start to end of an execution.",
            machine,
            [((name,), data.get("execution_ms", {})) for name, data in rows],
        )
        yield self._families.buckets(
            "express_billed_memory_bytes",
            "Memory AWS would charge for, in steps of 64 MB.",
            machine,
            [((name,), _memory_buckets(data)) for name, data in rows],
            [str(step * MEMORY_STEP) for step in MEMORY_STEPS] + ["+Inf"],
        )
        memory = SummaryMetricFamily(
            "express_execution_memory_bytes",
            "Memory that executions use by AWS's rule, before rounding.",
            labels=machine,
        )
        for labels, (ended, used) in merged(
            [((name,), (_ended(data), data.get("memory_used_bytes", 0))) for name, data in rows]
        ):
            memory.add_metric(labels, int(ended), used)
        yield memory

    def _kafka(self, pipelines: Mapping[tuple[str, str], Data]) -> Iterator[Metric]:
        rows = [(names[0], data) for names, data in _draining(pipelines)]
        yield self._families.counter(
            "express_dlq_records",
            "Records that went to the dead-letter topic.",
            ("pipeline", "reason"),
            [((name, reason), data.get(reason, 0)) for name, data in rows for reason in DEAD_LETTERS],
        )
        yield self._families.counter(
            "express_executions_throttled",
            "Times that the intake stopped because there was no room for more executions.",
            ("pipeline", "reason"),
            [((name, "intake"), data.get("intake_stops", 0)) for name, data in rows],
        )
        yield self._families.gauge(
            "express_admission_queue_length",
            "Records held back behind an earlier one of their key.",
            ("pipeline",),
            [((name,), data.get("waiting", 0)) for name, data in rows],
        )
        yield self._families.gauge(
            "express_in_flight_bytes",
            "Estimated memory of everything in flight.",
            ("pipeline",),
            [((name,), data.get("heap_bytes", 0)) for name, data in rows],
        )
        yield self._families.histogram(
            "express_admission_wait_seconds",
            "From poll to start: the last record of each batch, and each that waited behind another of its key.",
            ("pipeline",),
            [((name,), data.get("admission_ms", {})) for name, data in rows],
        )
        yield self._families.buckets(
            "express_kafka_poll_batch_records",
            "Records of a poll, where there were any.",
            ("pipeline",),
            [
                ((name,), (data.get("records", 0), *data["poll_batches"]))
                for name, data in rows
                if "poll_batches" in data
            ],
            self._batches,
        )
        yield self._families.gauge(
            "express_kafka_lag_records",
            "Records not polled yet.",
            ("topic", "partition"),
            [((topic, str(number)), lag) for (topic, number), lag in sorted(self._totals.lag().items())],
        )
        yield self._families.gauge(
            "express_pipeline_blocked_workers",
            "Workers in which the pipeline can't write: stopped for good, or waiting for its output.",
            ("pipeline", "why"),
            [
                ((name, why), sum(pipeline == name for pipeline in told))
                for why, told in self._totals.blocked().items()
                for name in dict.fromkeys(told)
            ],
        )
        yield self._families.histogram(
            "express_end_to_end_seconds",
            "From the timestamp of a record to the acknowledgement of its terminal record; of records that have one.",
            ("pipeline",),
            [((name,), data.get("end_to_end_ms", {})) for name, data in rows],
        )

    def _tasks(self) -> Iterator[Metric]:
        tasks = self._totals.tasks()
        by = ("integration",)
        statuses = ("succeeded", "failed", "timed_out", "cancelled")
        scheduled = [((name,), data.get("scheduled", 0)) for name, data in tasks.items()]
        started = [((name,), data.get("scheduled", 0) - data.get("refused", 0)) for name, data in tasks.items()]
        yield self._families.counter(
            "express_tasks_scheduled", "Calls of tasks that executions asked for.", by, scheduled
        )
        yield self._families.counter(
            "express_tasks_started", "Calls of tasks that were started, or wait to be.", by, started
        )
        yield self._families.counter(
            "express_tasks",
            "Calls of tasks ended, by status.",
            (*by, "status"),
            [((name, status.upper()), data.get(status, 0)) for name, data in tasks.items() for status in statuses],
        )
        yield self._families.histogram(
            "express_task_duration_seconds",
            "From the start of a call to its answer.",
            by,
            [((name,), data.get("duration_ms", {})) for name, data in tasks.items()],
        )
        yield self._families.histogram(
            "express_task_schedule_seconds",
            "Time that calls waited for a free slot, thread or process. Calls answered at once are left out.",
            by,
            [((name,), data.get("schedule_ms", {})) for name, data in tasks.items()],
        )
        yield from self._endpoints()
        yield from self._handlers()

    def _endpoints(self) -> Iterator[Metric]:
        endpoints = self._totals.endpoints()
        gauges = {
            "open": (
                "express_endpoint_breaker_open",
                "Workers that do not call an endpoint, because its circuit breaker is open.",
            ),
            "running": ("express_endpoint_calls", "Calls of an endpoint running."),
            "waiting": ("express_endpoint_waiting_calls", "Calls of an endpoint waiting for a free place."),
        }
        for member, (name, text) in gauges.items():
            rows = [((endpoint,), data.get(member, 0)) for endpoint, data in endpoints.items()]
            yield self._families.gauge(name, text, ("endpoint",), rows)
        counters = {
            "opened": ("express_endpoint_breaker_openings", "Openings of circuit breakers."),
            "refused": ("express_endpoint_calls_refused", "Calls refused without being tried."),
        }
        for member, (name, text) in counters.items():
            rows = [((endpoint,), data.get(member, 0)) for endpoint, data in endpoints.items()]
            yield self._families.counter(name, text, ("endpoint",), rows)

    def _handlers(self) -> Iterator[Metric]:
        handlers = self._totals.handlers()
        yield self._families.gauge(
            "express_handler_threads",
            "Threads that calls of a function hold: awaited, or abandoned by executions that have ended.",
            ("function", "state"),
            [((name, state), data[state]) for name, data in handlers.items() for state in ("awaited", "abandoned")],
        )
        yield self._families.gauge(
            "express_handler_longest_call_seconds",
            "For how long the longest of these calls has been running.",
            ("function",),
            [((name,), data["seconds"]) for name, data in handlers.items()],
        )
        yield self._families.counter(
            "express_handler_loop_blocked_seconds",
            "Time for which calls of a function, inline or on the loop, have blocked the loop of their worker.",
            ("function",),
            [((name,), seconds) for name, seconds in self._totals.blocked_seconds().items()],
        )

    def _processes(self) -> Iterator[Metric]:
        live = self._totals.live
        yield self._families.histogram(
            "express_event_loop_lag_seconds",
            "Lateness of the workers' event loops.",
            (),
            [((), self._totals.loop_lag())],
        )
        yield self._families.histogram(
            "express_gc_pause_seconds", "Duration of garbage collections.", (), [((), self._totals.gc_pause())]
        )
        yield self._families.gauge("express_workers", "Workers running.", (), [((), len(live))])
        yield self._families.counter(
            "express_worker_restarts",
            "Workers that died unexpectedly.",
            ("worker",),
            [((str(worker),), count) for worker, count in sorted(self._totals.deaths.items())],
        )
        yield self._families.counter(
            "express_worker_cpu_seconds",
            "User and system time of the workers that run.",
            ("worker",),
            [((str(worker),), report.cpu_seconds) for worker, report in sorted(live.items())],
        )
        yield self._families.gauge(
            "express_worker_resident_bytes",
            "Resident memory of the workers that run.",
            ("worker",),
            [((str(worker),), report.resident_bytes) for worker, report in sorted(live.items())],
        )
        build = {"version": __version__, "python": platform.python_version()}
        yield self._families.gauge("express_build_info", "What runs.", tuple(build), [(tuple(build.values()), 1)])

    def _api(self) -> Iterator[Metric]:
        data = self._totals.api()
        yield self._families.counter(
            "express_api_requests", "Requests answered, by error code.", ("action", "code"), data.get("requests", ())
        )
        yield self._families.histogram(
            "express_api_request_duration_seconds",
            "From the headers of a request to its answer.",
            ("action",),
            [((action,), durations) for action, durations in data.get("durations", {}).items()],
        )
        yield from self._standard(data.get("standard", {}))
        yield self._families.counter(
            "express_traces",
            "Executions that became traces, by outcome: exported, dropped (no room), failed.",
            ("outcome",),
            [((outcome,), count) for outcome, count in self._totals.traces().items()],
        )
        yield self._families.counter(
            "express_execution_log_events_dropped",
            "Execution log events dropped, because they could not be written as fast as they came.",
            (),
            [((), self._totals.log_dropped())],
        )

    def _standard(self, data: Data) -> Iterator[Metric]:
        """The Standard executions of a server."""
        yield self._families.counter(
            "express_standard_executions",
            "Standard executions: started, redriven, succeeded, failed, timed_out, aborted.",
            ("state_machine", "status"),
            data.get("executions", ()),
        )
        yield self._families.counter(
            "express_standard_transitions",
            "State transitions of Standard executions that are committed, which AWS would bill.",
            ("state_machine",),
            data.get("transitions", ()),
        )
        for name, text in (("turns", "turns committed."), ("lost", "turns lost to somebody who was faster.")):
            rows = [((), data[name])] if data else []
            yield self._families.counter(f"express_standard_{name}", f"Standard executions: {text}", (), rows)
        for name, text in (
            ("queued", "turns that wait for the disk."),
            ("in_memory", "those in memory."),
            ("held", "those that can't be taken up."),
        ):
            rows = [((), data[name])] if data else []
            yield self._families.gauge(f"express_standard_{name}", f"Standard executions: {text}", (), rows)


def _draining(pipelines: Mapping[tuple[str, str], Data]) -> list[tuple[tuple[str, str], Data]]:
    """The rows of pipelines that drain topics, not those of executions that executions started."""
    return [(names, data) for names, data in pipelines.items() if names[0] != NESTED]


def _ended(counters: Data) -> float:
    return float(sum(counters.get(name, 0) for name in ENDINGS))


def _memory_buckets(counters: Data) -> tuple[float, ...]:
    """The sum in bytes, and the counts of buckets: what is billed above the first step is counted apart."""
    above = {int(mb) * 1_000_000: count for mb, count in counters.get("billed_mb", {}).items()}
    first = counters.get("totals", {}).get("requests", 0) - sum(above.values())
    counts = [0.0] * (len(MEMORY_STEPS) + 1)
    counts[0] = first
    for size, count in above.items():
        counts[bisect_left(MEMORY_STEPS, size / MEMORY_STEP)] += count
    return first * MEMORY_STEP + sum(size * count for size, count in above.items()), *counts


def registry(totals: Totals, bounds_ms: Sequence[float], series: int, batch_bounds: Sequence[int]) -> CollectorRegistry:
    """A registry with every family of a running service."""
    made = CollectorRegistry(auto_describe=False)
    made.register(ExpressCollector(totals, bounds_ms, series, batch_bounds))
    return made


def table() -> str:
    """Every family as a Markdown table: what `docs/metrics.md` holds."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in ExpressCollector(Totals(), []).describe():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(getattr(family, "_labelnames", ()))
        lines.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(lines) + "\n"
