"""Reports of workers to their parent, once a second, and the sums over workers, dead ones included.

Counters arrive as plain data, since the runtime that counts and the telemetry that shows do not know each
other. Sums keep the identity started = succeeded + failed + timed out + aborted + in flight: of a worker that
died, what was in flight counts as aborted (and as abandoned: the records run again elsewhere), and what it did
after its last report is unknown and not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from express.telemetry.execution_samples import ExecutionSample

Data: TypeAlias = dict[str, Any]
"""Counters as plain data: numbers, lists of numbers, and tables of them."""

NESTED = "(nested)"
"""The pipeline of executions that executions start. No pipeline of a configuration can have this name."""

GAUGES = ("waiting", "heap_bytes", "stopped")
"""Counters that say how things are, not what has happened: they end with their worker."""

ENDPOINT_GAUGES = ("open", "running", "waiting")
"""The same of endpoints."""

ENDINGS = ("succeeded", "failed", "timed_out", "aborted")


class PipelineReport(msgspec.Struct):
    """One pipeline in one worker. `lag` holds topic, partition, records not polled yet."""

    pipeline: str
    state_machine: str
    counters: Data
    lag: list[tuple[str, int, int]] = []
    partitions: int = 0


class Report(msgspec.Struct):
    """One worker, all in all. `checks` are what its health depends on: name → what is wrong, or ""."""

    worker: int
    pid: int
    ready: bool = False
    draining: bool = False
    checks: dict[str, str] = {}
    unreachable: dict[str, str] = {}
    """Broker → why no connection to it can be made."""
    waiting: dict[str, str] = {}
    """Pipeline → why it is not ready; only of those that are not."""
    stopped: list[str] = []
    """Pipelines that stand still, since something will never be written."""
    blocked: list[str] = []
    """Pipelines whose output has not been taken for long."""
    pipelines: list[PipelineReport] = []
    tasks: dict[str, Data] = {}
    endpoints: dict[str, Data] = {}
    handlers: dict[str, Data] = {}
    """Function → its calls that hold threads, and the seconds of the longest."""
    blocked_seconds: dict[str, float] = {}
    """Function → the seconds for which its calls have blocked the loop."""
    loop_lag: Data = {}
    gc_pause: Data = {}
    traces: dict[str, int] = {}
    log_dropped: int = 0
    kept: list[ExecutionSample] = []
    cpu_seconds: float = 0.0
    resident_bytes: int = 0


class Totals:
    """The latest report of every live worker and the sums of the dead ones."""

    def __init__(self) -> None:
        self.live: dict[int, Report] = {}
        self.deaths: dict[int, int] = {}
        self.peak_bytes = 0
        self._retired: dict[tuple[str, str], Data] = {}
        self._retired_tasks: dict[str, Data] = {}
        self._retired_endpoints: dict[str, Data] = {}
        self._retired_blocked: Data = {}
        self._retired_lag: Data = {}
        self._retired_gc: Data = {}
        self._retired_cpu = 0.0
        self._retired_traces: Data = {}
        self._retired_log_dropped = 0
        self.api: Callable[[], Data] = dict
        """Counts of an API server in this process: requests, traces, dropped log events, and how late its loop is."""

    def update(self, report: Report) -> None:
        """A worker reported."""
        self.live[report.worker] = report
        self.peak_bytes = max(self.peak_bytes, report.resident_bytes)

    def retire(self, worker: int, *, died: bool) -> None:
        """A worker has ended; `died` if it was not told to."""
        if died:
            self.deaths[worker] = self.deaths.get(worker, 0) + 1
        report = self.live.pop(worker, None)
        if report is None:
            return
        for row in report.pipelines:
            key = (row.pipeline, row.state_machine)
            self._retired[key] = add(self._retired.get(key, {}), closed(row.counters))
        for name, data in report.tasks.items():
            self._retired_tasks[name] = add(self._retired_tasks.get(name, {}), data)
        for name, data in report.endpoints.items():
            ended = {key: value for key, value in data.items() if key not in ENDPOINT_GAUGES}
            self._retired_endpoints[name] = add(self._retired_endpoints.get(name, {}), ended)
        self._retired_cpu += report.cpu_seconds
        self._retired_blocked = add(self._retired_blocked, report.blocked_seconds)
        self._retired_lag = add(self._retired_lag, report.loop_lag)
        self._retired_gc = add(self._retired_gc, report.gc_pause)
        self._retired_traces = add(self._retired_traces, report.traces)
        self._retired_log_dropped += report.log_dropped

    def pipelines(self) -> dict[tuple[str, str], Data]:
        """(pipeline, state machine) → its counters over all workers there ever were."""
        sums = dict(self._retired)
        for report in self.live.values():
            for row in report.pipelines:
                key = (row.pipeline, row.state_machine)
                sums[key] = add(sums.get(key, {}), row.counters)
        return sums

    def overall(self) -> Data:
        """The counters of all pipelines together, without the executions that executions started."""
        return total(data for (pipeline, _), data in self.pipelines().items() if pipeline != NESTED)

    def tasks(self) -> dict[str, Data]:
        """Integration → what its calls came to."""
        sums = dict(self._retired_tasks)
        for report in self.live.values():
            for name, data in report.tasks.items():
                sums[name] = add(sums.get(name, {}), data)
        return sums

    def endpoints(self) -> dict[str, Data]:
        """Endpoint → what stands before it: workers that leave it alone, calls that run and wait."""
        sums = dict(self._retired_endpoints)
        for report in self.live.values():
            for name, data in report.endpoints.items():
                sums[name] = add(sums.get(name, {}), data)
        return sums

    def handlers(self) -> dict[str, Data]:
        """Function → its calls that hold threads now, and the seconds of the longest of them."""
        rows: dict[str, Data] = {}
        for report in self.live.values():
            for name, data in report.handlers.items():
                row = rows.get(name, {})
                rows[name] = {**add(row, data), "seconds": max(row.get("seconds", 0.0), data["seconds"])}
        return rows

    def blocked_seconds(self) -> Data:
        """Function → the seconds for which its calls have blocked loops."""
        return total([self._retired_blocked, *(report.blocked_seconds for report in self.live.values())])

    def lag(self) -> dict[tuple[str, int], int]:
        """(topic, partition) → records not polled yet, as its present owner sees it."""
        return {
            (topic, partition): records
            for report in self.live.values()
            for row in report.pipelines
            for topic, partition, records in row.lag
        }

    def blocked(self) -> dict[str, list[str]]:
        """Return why → the pipelines that can't write, once for each worker."""
        reports = list(self.live.values())
        return {
            "stopped": [name for report in reports for name in report.stopped],
            "output": [name for report in reports for name in report.blocked],
        }

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all workers there ever were."""
        return self._retired_cpu + sum(report.cpu_seconds for report in self.live.values())

    def loop_lag(self) -> Data:
        """Return how late the loops of the workers were."""
        here = self.api().get("loop_lag", {})
        return total([self._retired_lag, here, *(report.loop_lag for report in self.live.values())])

    def gc_pause(self) -> Data:
        """Return how long collections of garbage took."""
        here = self.api().get("gc_pause", {})
        return total([self._retired_gc, here, *(report.gc_pause for report in self.live.values())])

    def traces(self) -> Data:
        """Outcome → executions that became traces."""
        parts = [self._retired_traces, self.api().get("traces", {}), *(report.traces for report in self.live.values())]
        return total(parts)

    def log_dropped(self) -> int:
        """Execution log events that were dropped."""
        here = self._retired_log_dropped + int(self.api().get("log_dropped", 0))
        return here + sum(report.log_dropped for report in self.live.values())


def in_flight(counters: Data) -> int:
    """Executions running.

    >>> in_flight({"started": 5, "succeeded": 2, "failed": 1})
    2
    """
    return int(counters.get("started", 0) - sum(counters.get(name, 0) for name in ENDINGS))


def closed(counters: Data) -> Data:
    """The counters of a worker that is gone: nothing is in flight any more."""
    lost = in_flight(counters)
    kept = {name: value for name, value in counters.items() if name not in GAUGES}
    return add(kept, {"aborted": lost, "abandoned": lost})


def total(parts: Iterable[Data]) -> Data:
    """The sum of all parts."""
    result: Data = {}
    for part in parts:
        result = add(result, part)
    return result


def add(a: Data, b: Data) -> Data:
    """Sums, member by member; neither argument is changed.

    >>> add({"n": 1, "h": {"counts": [1, 0]}}, {"n": 2, "h": {"counts": [1, 1]}, "m": 1})
    {'n': 3, 'h': {'counts': [2, 1]}, 'm': 1}
    """
    result = dict(a)
    for name, value in b.items():
        result[name] = _sum(result[name], value) if name in result else value
    return result


def _sum(a: Any, b: Any) -> Any:
    if isinstance(a, dict):
        return add(a, b)
    if isinstance(a, list):
        return [x + y for x, y in zip(a, b, strict=True)]
    return a + b
