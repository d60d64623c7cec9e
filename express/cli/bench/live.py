"""The display of `express bench` while it runs, and the text of its result. Drawn by the parent."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from express.bench.in_process import Bench
from express.bench.pipeline import PipelineBench
from express.bench.protocol import REPORT_SECONDS
from express.bench.result import Bill, Result, Second
from express.bench.schedule import due_between
from express.cli.columns import fitting

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

AnyBench = Bench | PipelineBench

FRAMES_PER_SECOND = 1.0
"""The table has a row per second that is over, so that more frames would show nothing new, and cost."""

MIB = 1 << 20


class View:
    """The terminal: a table redrawn in place, or a line a second where there is none."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console: Console = Console(stderr=True, highlight=False)
        self._plain = os.environ.get("TERM") == "dumb" or not sys.stderr.isatty()

    def say(self, line: str) -> None:
        """A line for the reader."""
        self.console.print(line, markup=False, soft_wrap=True)

    async def show(self, bench: AnyBench) -> None:
        """Show figures until cancelled."""
        if self._plain:
            shown = 0
            while True:
                await asyncio.sleep(0.5)
                second = seconds_over(bench)
                if second > shown and not is_idle(bench, second - 1):
                    self.say(line(bench, second - 1))
                shown = max(shown, second)
        await self._redraw(bench)

    async def _redraw(self, bench: AnyBench) -> None:
        from rich.live import Live

        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            while True:
                live.update(frame(bench, self.console.width), refresh=True)
                await asyncio.sleep(1 / FRAMES_PER_SECOND)


def seconds_over(bench: AnyBench) -> int:
    """Return how many seconds of the run are over, and told of by the worker."""
    return int(time.monotonic() - bench.begin - 2 * REPORT_SECONDS)


def is_idle(bench: AnyBench, number: int) -> bool:
    """Return whether a second is beyond the load and nothing of it was left: processes end, and states are traced."""
    second = bench.collector.seconds.get(number) or Second(second=number)
    return number >= bench.plan.load.seconds and not (second.ended or second.in_flight or second.waiting)


def cells(bench: AnyBench, number: int) -> tuple[str, ...]:
    """The figures of one second of the run."""
    collector = bench.collector
    second = collector.seconds.get(number) or Second(second=number)
    interval = collector.intervals.get(number)
    p50, p99, most = (0.0, 0.0, 0.0)
    if interval is not None:
        e2e = interval["e2e"]
        p50, p99, most = e2e.percentile(50), e2e.percentile(99), e2e.max
    return (
        f"{number + 1} s",
        f"{_due(bench, number) or second.scheduled:,}",
        f"{second.ended:,}",
        f"{second.in_flight:,}",
        f"{second.waiting:,}",
        *([f"{second.lag:,}"] if bench.plan.load.pipeline else []),
        f"{p50:.2f} ms",
        f"{p99:.2f} ms",
        f"{most:.2f} ms",
        f"{second.failed:,}",
        f"{second.dropped:,}",
        f"{second.behind:,}",
    )


def _due(bench: AnyBench, number: int) -> int:
    """Return what the schedule has for a second, 0 where it is not known before: what waits has not been told of."""
    before = bench.plan.load.warmup_seconds
    return round(due_between(bench.plan.stages, before + number, before + number + 1))


def headings(bench: AnyBench) -> tuple[str, ...]:
    """Return what the cells are; the lag of a consumer group is there for a pipeline only."""
    lag = ["lag"] if bench.plan.load.pipeline else []
    return (
        "time",
        "due/s",
        "done/s",
        "in flight",
        "waiting",
        *lag,
        "e2e p50",
        "p99",
        "max",
        "failed",
        "dropped",
        "behind",
    )


def line(bench: AnyBench, number: int) -> str:
    """One second as a plain line."""
    return " · ".join(
        cell if heading == "time" else f"{cell} {heading}"
        for heading, cell in zip(headings(bench), cells(bench, number), strict=True)
    )


DROPPABLE = ("behind", "max", "waiting", "e2e p50", "in flight", "dropped", "lag", "due/s")
"""Columns that are left out first where a terminal is narrow."""


def frame(bench: AnyBench, width: int) -> RenderableType:
    """The last ten seconds as a table for a terminal of `width` columns."""
    from rich.text import Text

    now = seconds_over(bench)
    if now < 1:
        return Text("warming up", style="dim")
    rows = [cells(bench, number) for number in range(max(0, now - 10), now)]
    return fitting(lambda hidden: grid(headings(bench), rows, hidden), DROPPABLE, width)


def grid(names: tuple[str, ...], rows: list[tuple[str, ...]], hidden: frozenset[str]) -> Table:
    """Lay rows out under their names, without the columns that are hidden."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    shown = [index for index, name in enumerate(names) if name not in hidden]
    for index in shown:
        table.add_column(names[index], justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(row[index] for index in shown), style="bold" if row is rows[-1] else "")
    return table


def summary(result: Result) -> Iterator[str]:
    """The result as text."""
    load, counts = result.load, result.counts
    model = f"{load.closed} lanes, closed" if load.closed is not None else f"rate {load.rate}, {load.arrivals}, open"
    after = f"{load.seconds:g} s after {load.warmup_seconds:g} s of warm-up"
    if result.interrupted:
        yield "interrupted: these are the figures up to then"
    yield f"{result.workflow} · {model} · {after} · seed {load.seed}"
    yield ""
    yield f"{'':<10}{'p50':>10}{'p90':>10}{'p99':>10}{'p99.9':>10}{'p99.99':>10}{'max':>10}   ms"
    for name, what in (("e2e", "end to end"), ("queue", "queue"), ("execution", "execution")):
        values = getattr(result.latency_ms, name)
        row = (values.p50, values.p90, values.p99, values.p99_9, values.p99_99, values.max)
        yield f"{what:<10}" + "".join(f"{value:10.3f}" for value in row)
    yield ""
    yield (
        f"{counts.scheduled:,} scheduled · {counts.succeeded:,} succeeded · {counts.failed:,} failed · "
        f"{counts.timed_out:,} timed out · {counts.rejected:,} rejected"
    )
    yield (
        f"{counts.dropped:,} dropped · {counts.behind:,} behind schedule · {counts.unfinished:,} unfinished · "
        f"{result.throughput:,.0f} executions/s"
    )
    yield from _processes(result)
    yield from _costs(result)
    for name, count in result.errors.items():
        yield f"error      {name} × {count:,} (warm-up included)"
    for verdict in result.thresholds:
        yield f"threshold  {verdict.threshold}: {'held' if verdict.passed else 'FAILED'} (found {verdict.found:g})"
    for warning in result.warnings:
        yield f"warning    {warning}"


def _processes(result: Result) -> Iterator[str]:
    worker, generator = result.worker, result.generator
    yield (
        f"worker     {worker.cpu_share:.0%} of a processor, {worker.cpu_seconds_per_million:.1f} CPU seconds "
        f"per million, {worker.resident_bytes / MIB:.0f} MiB"
    )
    yield (
        f"generator  {generator.cpu_share:.0%} of a processor, schedule error p99 {generator.error_p99_ms:.2f} ms, "
        f"max {generator.error_max_ms:.2f} ms"
    )


def _costs(result: Result) -> Iterator[str]:
    cost = result.cost
    yield f"billed     {cost.requests:,} requests, {cost.gb_seconds:,.2f} GB-s ({cost.table})"
    known = cost.transitions > 0
    yield f"million    {_bill(cost.million, known=known)}"
    yield f"month      {_bill(cost.month, known=known)} for {cost.month_events:,} executions at this rate"


def _bill(bill: Bill, *, known: bool) -> str:
    """A bill in words; Standard workflows are charged by transitions, which are not always `known`."""
    standard = f", Standard ${bill.standard:,.2f}" if known else ""
    return f"Express ${bill.total:,.2f} (${bill.requests:,.2f} requests, ${bill.duration:,.2f} duration){standard}"
