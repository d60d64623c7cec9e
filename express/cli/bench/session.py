"""One call of `express bench`: its runs, and what is shown, written and answered by the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from express.bench.assemble_result import BUSY_SHARE, MOST_FAILED, mostly_failed
from express.bench.in_process import Bench
from express.bench.output import write, write_all
from express.bench.pipeline import PipelineBench
from express.bench.plan import Plan
from express.bench.report import html
from express.bench.result import Result, Verdict, encode
from express.bench.schedule import parse_rate
from express.bench.search import Capacity, run_search, search
from express.bench.thresholds import Threshold, figure
from express.cli import EXIT_INTERRUPTED, EXIT_THRESHOLD
from express.cli.bench.live import AnyBench, View, summary
from express.cli.bench.plan import at_rate
from express.errors import ConfigError

FAILURES = frozenset({"failed", "failed.rate", "timed_out", "timed_out.rate"})
"""Figures whose threshold says how many failures are expected."""

FIRST_RATE = 1000.0
FIND_SECONDS = 5.0


class Session:
    """One call of the command: runs, and what is shown and written of them."""

    def __init__(self, plan: Plan, thresholds: list[Threshold], options: dict[str, Any]) -> None:
        self._plan = plan
        self._thresholds = thresholds
        self._options = options
        self._view = View()
        self._interrupted = False

    def measure(self) -> int:
        """Run as often as asked; print and write the median run; the exit code."""
        runs: list[tuple[Result, AnyBench]] = []
        for number in range(self._options["repeat"] or 1):
            if self._options["repeat"]:
                self._view.say(f"run {number + 1} of {self._options['repeat']}")
            runs.append(self._once(self._plan))
            if self._interrupted:
                break
        result, bench = sorted(runs, key=lambda entry: entry[0].latency_ms.e2e.p99)[len(runs) // 2]
        if len(runs) > 1:
            result.repeats = [_main_figures(each) for each, _ in runs]
        self._judge(result)
        self._write(result, bench)
        self._print(result)
        if self._interrupted:
            return EXIT_INTERRUPTED
        unexpected = mostly_failed(result) and not any(row.figure in FAILURES for row in self._thresholds)
        if unexpected:
            self._view.say(
                f"express: more than {MOST_FAILED:.0%} did not succeed; --threshold 'failed.rate<5%' allows it"
            )
        return EXIT_THRESHOLD if unexpected or not all(verdict.passed for verdict in result.thresholds) else 0

    def find_max(self, condition: Threshold) -> int:
        """Search for the capacity and print it; the exit code."""
        started = first_rate(self._options["rate"])
        seconds = self._options["duration"] or FIND_SECONDS
        limited: list[float] = []

        def attempt(rate: float) -> bool:
            if self._interrupted:
                return False
            result, _ = self._once(at_rate(self._plan, f"{rate:.3f}", seconds), quiet=True)
            found = figure(result, condition.figure)
            counts = result.counts
            passed = condition.holds(found) and not counts.dropped and not counts.unfinished
            passed = passed and (condition.figure in FAILURES or not mostly_failed(result))
            if not passed and result.generator.cpu_share > BUSY_SHARE:
                limited.append(rate)
            self._view.say(f"{rate:12,.1f}/s  {condition.figure} {found:g}  {'passed' if passed else 'failed'}")
            return passed

        steps = search(started, precision=self._options["precision"], repeats=self._options["repeat"] or 3)
        capacity = run_search(steps, attempt)
        if self._interrupted:
            return EXIT_INTERRUPTED
        self._print_capacity(capacity, condition, limited)
        return 0 if capacity.rate else EXIT_THRESHOLD

    def _once(self, plan: Plan, *, quiet: bool = False) -> tuple[Result, AnyBench]:
        bench = Bench(plan) if plan.load.pipeline is None else PipelineBench(plan)
        return asyncio.run(self._watched(bench, quiet=quiet)), bench

    async def _watched(self, bench: AnyBench, *, quiet: bool) -> Result:
        def interrupt() -> None:
            self._interrupted = True
            bench.interrupt()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        showing = None if quiet else asyncio.create_task(self._view.show(bench))
        try:
            return await bench.run()
        finally:
            if showing is not None:
                showing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await showing

    def _judge(self, result: Result) -> None:
        for threshold in self._thresholds:
            found = figure(result, threshold.figure)
            verdict = Verdict(threshold=threshold.text, found=found, passed=threshold.holds(found))
            result.thresholds.append(verdict)

    def _write(self, result: Result, bench: AnyBench) -> None:
        if self._options["out"]:
            started = time.time() - (time.monotonic() - bench.begin)
            write_all(self._options["out"], result, bench.collector, started)
        if self._options["report"]:
            write(Path(self._options["report"]), html(result))

    def _print(self, result: Result) -> None:
        if self._options["as_json"]:
            click.echo(encode(result))
            return
        for line in summary(result):
            click.echo(line)

    def _print_capacity(self, capacity: Capacity, condition: Threshold, limited: list[float]) -> None:
        if self._options["as_json"]:
            click.echo(msgspec.json.format(msgspec.json.encode(capacity), indent=2))
        else:
            for line in capacity_lines(capacity, condition.text):
                click.echo(line)
        if limited:
            self._view.say(f"warning    the generator was the bottleneck from {min(limited):,.0f}/s on")


def first_rate(text: str | None) -> float:
    """Return where a search begins. Raises ConfigError."""
    stages = [] if text is None else parse_rate(text, None)
    if any(stage != stages[0] or stage.first != stage.last for stage in stages):
        raise ConfigError(f"rate {text!r}: --find-max begins with one rate and finds the others itself")
    return stages[0].first if stages else FIRST_RATE


def capacity_lines(capacity: Capacity, condition: str) -> list[str]:
    """Return what a search found, in words."""
    if not capacity.rate:
        return [f"no rate that was tried keeps to {condition}"]
    lines = [f"{capacity.rate:,.0f} events/s keep to {condition}: {capacity.passes} of {capacity.confirmations} trials"]
    if capacity.failing is None:
        return [*lines, "no higher rate was tried"]
    return [
        *lines,
        f"{capacity.failing:,.0f} events/s do not (+{capacity.uncertainty:.1%}); {len(capacity.trials)} trials",
    ]


def _main_figures(result: Result) -> dict[str, float]:
    """Return what `compare` looks at."""
    names = ("e2e.p50", "e2e.p99", "e2e.p99.9", "queue.p99", "execution.p50", "execution.p99", "throughput")
    return {
        **{name: figure(result, name) for name in names if figure(result, name) != float("inf")},
        "cpu_seconds_per_million": result.worker.cpu_seconds_per_million,
    }
