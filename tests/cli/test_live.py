"""The live view of `express dev`: its figures, its shape on any terminal, and that it is drawn rarely."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from rich.console import Console

from express.cli import top
from express.cli.bench import live as bench_live
from express.cli.columns import fitting
from express.cli.live import FRAMES_PER_SECOND, Sampler, line, table
from express.config import Config
from express.load.generator import Progress
from express.runtime.counters import Counters, Histogram
from express.service.prepare import prices
from express.telemetry.worker_report import PipelineReport, Report, Totals

ROOT = Path(__file__).parents[2]


def development(totals: Totals) -> Any:
    """What the view reads of a run."""
    supervisor = SimpleNamespace(ready=lambda: {"worker 0": ""})
    service = SimpleNamespace(totals=totals, supervisor=supervisor)
    return SimpleNamespace(service=service, progress=Progress(acknowledged=1234))


def report(counters: Counters) -> Report:
    row = PipelineReport("iot", "iot-routing", msgspec.to_builtins(counters), [("iot.events", 0, 77)])
    return Report(0, 1, ready=True, pipelines=[row], resident_bytes=64 << 20, cpu_seconds=1.5)


def test_figures_are_those_of_the_reports() -> None:
    """Sums, lag, percentiles of the last seconds and cost come from what the workers reported."""
    totals = Totals()
    sampler = Sampler(development(totals), prices(Config()))
    counters = Counters(records=110, started=100, succeeded=90, failed=5, poison=10)
    counters.end_to_end_ms.add(4)
    counters.totals.add(100, 64)
    totals.update(report(counters))
    machine, total = sampler.rows()

    assert (machine.name, total.name) == ("iot-routing", "total")
    for row in (machine, total):
        assert (row.succeeded, row.failed, row.dead, row.running, row.lag) == (90, 5, 10, 5, 77)
        assert (row.p50, row.p99, row.gb_seconds) == ("≤5 ms", "≤5 ms", 0.00625)
        assert row.left > 0
    assert "90 succeeded" in line(total)


def test_nothing_to_show_yet() -> None:
    """Before the first report there is a row of zeroes, and no error."""
    view = development(Totals())
    rows = Sampler(view, prices(Config())).rows()

    assert [row.name for row in rows] == ["total"]
    Console(file=io.StringIO(), width=80).print(table(view, rows, 80))


@pytest.mark.parametrize("width", [50, 70, 80, 84, 100, 105, 120, 140])
def test_it_fits_the_terminal(width: int) -> None:
    """No line is longer than the terminal, and the figures that matter most are on all of them."""
    totals = Totals()
    totals.update(report(Counters(records=9_999_999, started=9_999_999, succeeded=9_999_999)))
    view = development(totals)
    console = Console(record=True, width=width, file=io.StringIO())
    sampler = Sampler(view, prices(Config()))
    sampler.begin(time.monotonic() - 100)
    console.print(table(view, sampler.rows(), width))
    text = console.export_text()

    assert all(len(shown) <= width for shown in text.splitlines())
    assert "…" not in text
    assert all(heading in text for heading in ("workflow", "out/s", "p99", "failed"))
    if width >= 70:
        assert all(heading in text for heading in ("lag", "succeeded", "dead", "9,999,999"))


@pytest.mark.parametrize("width", [50, 80, 100, 140])
def test_tables_of_bench_and_top_fit_the_terminal(width: int) -> None:
    """Columns are left out, digits never."""
    figures = {"time": "3600 s", "e2e p50": "12345.67 ms", "p99": "12345.67 ms", "max": "12345.67 ms"}
    names = (
        "time",
        "due/s",
        "done/s",
        "in flight",
        "waiting",
        "lag",
        "e2e p50",
        "p99",
        "max",
        "failed",
        "dropped",
        "behind",
    )
    rows = [tuple(figures.get(name, "123,456") for name in names)]
    shop = [("a-workflow-of-ours", "1,000", "1,234,567", "12,345", "300000", "300000", "12:00:00")]
    for grid, droppable in (
        (lambda hidden: bench_live.grid(names, rows, hidden), bench_live.DROPPABLE),
        (lambda hidden: top.grid(shop, hidden), top.DROPPABLE),
    ):
        console = Console(record=True, width=width, file=io.StringIO())
        made = fitting(grid, droppable, width)
        console.print(made)
        text = console.export_text()

        assert "…" not in text
        assert all(column.header in text for column in made.columns)


def test_a_percentile_beyond_all_buckets_is_a_lower_bound() -> None:
    """What is slower than the last bucket is never told as a figure that somebody measured."""
    histogram = Histogram()
    for ms in (1, 400_000):
        histogram.add(ms)

    assert (histogram.bound(0.5), histogram.bound(0.99)) == ("≤1 ms", ">300000 ms")


def test_a_terminal_gets_a_table() -> None:
    """In a terminal the table is drawn in place, no more than four times a second."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-m", "express", "dev", "--duration", "2s"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # the other side is gone
            break
        if not part:
            break
        shown += part
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    frames = text.count("events made")

    assert os.waitstatus_to_exitcode(status) == 0
    assert "iot-routing" in text
    assert "terminal record" in text
    assert 2 <= frames <= 60
    assert FRAMES_PER_SECOND <= 4
