"""The display of `express dev` while it runs: figures from the workers' reports, as a table or as plain lines."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from express.cli.columns import fitting
from express.metering import PriceTable, Totals, cost
from express.runtime.counters import Histogram
from express.service.dev import Development, terminal_of
from express.telemetry.worker_report import Data, in_flight

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

FRAMES_PER_SECOND = 3.0
WINDOW_SECONDS = 5.0
"""Rates and percentiles are those of the last few seconds."""

MIB = 1 << 20


class Row(msgspec.Struct, frozen=True):
    """The figures of one workflow, or of all."""

    name: str
    arrived: float
    left: float
    running: int
    lag: int
    p50: str
    p99: str
    succeeded: int
    failed: int
    dead: int
    gb_seconds: float
    dollars: float


class Sampler:
    """Keeps the last reports, to tell rates."""

    def __init__(self, development: Development, prices: PriceTable) -> None:
        self._development = development
        self._prices = prices
        self._samples: deque[tuple[float, dict[str, Data]]] = deque()
        self.begin(time.monotonic())

    def begin(self, at: float) -> None:
        """Nothing was counted at that time."""
        self._samples = deque([(at, {})])

    def rows(self) -> list[Row]:
        """The figures now: one row per workflow, then the sum."""
        totals = self._development.service.totals
        machines: dict[str, Data] = {machine: data for (_, machine), data in totals.pipelines().items()}
        machines["total"] = totals.overall()
        now = time.monotonic()
        self._samples.append((now, machines))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW_SECONDS:
            self._samples.popleft()
        return [self._row(name, data, now) for name, data in machines.items()]

    def _row(self, name: str, data: Data, now: float) -> Row:
        then, before = self._samples[0]
        old = before.get(name, {})
        seconds = max(now - then, 0.001)
        recent = _recent(data.get("end_to_end_ms"), old.get("end_to_end_ms"))
        billed = msgspec.convert(data.get("totals", {}), Totals)
        return Row(
            name=name,
            arrived=(data.get("records", 0) - old.get("records", 0)) / seconds,
            left=(terminal_of(data) - terminal_of(old)) / seconds,
            running=in_flight(data) if data else 0,
            lag=self._lag(name),
            p50=recent.bound(0.5),
            p99=recent.bound(0.99),
            succeeded=data.get("succeeded", 0),
            failed=data.get("failed", 0) + data.get("timed_out", 0),
            dead=sum(data.get(reason, 0) for reason in ("poison", "oversize", "unwritable")),
            gb_seconds=billed.gb_seconds,
            dollars=cost(billed, self._prices).total,
        )

    def _lag(self, machine: str) -> int:
        totals = self._development.service.totals
        return sum(
            records
            for report in totals.live.values()
            for row in report.pipelines
            if machine in (row.state_machine, "total")
            for _, _, records in row.lag
        )


def _recent(data: Data | None, old: Data | None) -> Histogram:
    """Return what was counted since."""
    if not data:
        return Histogram()
    before = old["counts"] if old else [0] * len(data["counts"])
    return Histogram([a - b for a, b in zip(data["counts"], before, strict=True)], data["sum_ms"])


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.arrived:,.0f}",
        f"{row.left:,.0f}",
        f"{row.running:,}",
        f"{row.lag:,}",
        row.p50 or "–",
        row.p99 or "–",
        f"{row.succeeded:,}",
        f"{row.failed:,}",
        f"{row.dead:,}",
        f"{row.gb_seconds:,.1f}",
        f"${row.dollars:,.4f}",
    )


HEADINGS = ("workflow", "in/s", "out/s", "in flight", "lag", "p50", "p99", "succeeded", "failed", "dead", "GB-s", "AWS")


DROPPABLE = ("GB-s", "in/s", "p50", "AWS", "in flight", "dead", "succeeded", "lag")
"""Columns that are left out first where a terminal is narrow."""


def table(development: Development, rows: list[Row], width: int) -> RenderableType:
    """A frame of the live view for a terminal of `width` columns."""
    from rich.console import Group
    from rich.text import Text

    grid = fitting(lambda hidden: _grid(rows, hidden), DROPPABLE, width)
    made = Text(f"{development.progress.acknowledged:,} events made")
    return Group(made, grid, *(Text(line, style="dim") for line in worker_lines(development)))


def _grid(rows: list[Row], hidden: frozenset[str]) -> Table:
    from rich import box
    from rich.table import Table

    shown = [index for index, heading in enumerate(HEADINGS) if heading not in hidden]
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for index in shown:
        grid.add_column(HEADINGS[index], justify="right" if index else "left", no_wrap=True)
    *machines, total = rows
    for row in machines:
        grid.add_row(*(_cells(row)[index] for index in shown), end_section=row is machines[-1])
    grid.add_row(*(_cells(total)[index] for index in shown), style="bold")
    return grid


def worker_lines(development: Development) -> list[str]:
    """A line per worker: its state, memory and processor time."""
    lines = []
    readiness = development.service.supervisor.ready()
    for number, report in sorted(development.service.totals.live.items()):
        state = readiness.get(f"worker {number}") or "ready"
        memory = report.resident_bytes / MIB
        lag = msgspec.convert(report.loop_lag, Histogram).bound(0.99) if report.loop_lag else ""
        figures = f"{memory:.0f} MiB · {report.cpu_seconds:.1f} s CPU · loop lag p99 {lag or 'unknown'}"
        lines.append(f"worker {number} · {state} · {figures}")
    return lines


def line(row: Row) -> str:
    """The sum as one plain line."""
    figures: dict[str, Any] = dict(zip(HEADINGS, _cells(row), strict=True))
    return " · ".join(f"{figures[name]} {name}" for name in HEADINGS[1:])
