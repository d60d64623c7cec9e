"""`express bench`: honest load on a workflow, and what AWS would charge."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import rich_click

from express.cli import EXIT_HANDLER, EXIT_INTERRUPTED, EXIT_THRESHOLD
from express.cli.definitions import refuse, registered
from express.config import Function, load
from express.config.quantities import Duration
from express.errors import ConfigError, DefinitionError

if TYPE_CHECKING:
    from express.cli.bench_live import View
    from express.service.bench.conduct import Bench, Plan
    from express.service.bench.result import Result
    from express.service.bench.search import Capacity
    from express.service.bench.thresholds import Threshold

FIRST_RATE = 1000.0
TRACED = 100
"""Executions that are run again after the load, for the time of each state."""

SUBCOMMANDS = ("compare", "run", "schema")


class BenchGroup(rich_click.RichGroup):
    """`express bench WORKFLOW …` runs; `express bench compare A B` and `schema` are commands of their own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What does not name a subcommand is a run."""
        return super().parse_args(ctx, args if args and args[0] in SUBCOMMANDS else ["run", *args])


@rich_click.group(cls=BenchGroup)
def command() -> None:
    """Load on a workflow by schedule: latencies, limits, and what AWS would charge."""


def _duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else float(Duration.parse(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@command.command("run")
@rich_click.argument("workflow", type=click.Path(exists=True, dir_okay=False))
@rich_click.argument("more", nargs=-1, metavar="")
@rich_click.option(
    "-i", "--input", "given", default="iot", show_default=True, help="iot, orders, documents, or a file."
)
@rich_click.option("-r", "--rate", help="Events per second: 20000, a ramp 1000:20000/60s, steps 1000/10s,5000/10s.")
@rich_click.option("-d", "--duration", callback=_duration, help="How long. Default: the stages' time, or 30s.")
@rich_click.option("--arrivals", type=click.Choice(["constant", "poisson"]), default="constant", show_default=True)
@rich_click.option("--closed", type=click.IntRange(1), help="So many lanes, each waits for its end, instead of a rate.")
@rich_click.option("--warmup", default="1s", show_default=True, callback=_duration, help="Before anything counts.")
@rich_click.option(
    "--concurrency", type=click.IntRange(1), default=10_000, show_default=True, help="At a time, at most."
)
@rich_click.option(
    "--backlog", type=click.IntRange(1), default=100_000, show_default=True, help="Waiting; more is dropped."
)
@rich_click.option("--drain", default="10s", show_default=True, callback=_duration, help="For what runs at the end.")
@rich_click.option("--seed", type=int, default=1, show_default=True, help="Of events, arrivals and mocks.")
@rich_click.option("--mock", metavar="FILE[#TESTCASE]", help="Answer tasks from a Step Functions Local mock file.")
@rich_click.option("--target", metavar="URL", help="Call StartSyncExecution there instead of running here.")
@rich_click.option("-t", "--threshold", "conditions", multiple=True, help="e2e.p99<20ms, failed.rate<0.1%, dropped==0")
@rich_click.option("--find-max", metavar="CONDITION", help="Find the highest rate that keeps to it (e2e.p99<50ms).")
@rich_click.option(
    "--precision", type=click.FloatRange(0.01, 1), default=0.05, show_default=True, help="Of --find-max."
)
@rich_click.option("--repeat", type=click.IntRange(1), help="Runs. Default: 1; of a rate with --find-max: 3.")
@rich_click.option(
    "-o", "--out", type=click.Path(file_okay=False), help="Write report, JSON, CSV and histograms there."
)
@rich_click.option("--report", type=click.Path(dir_okay=False), help="Write the HTML report to this file.")
@rich_click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@rich_click.option("-c", "--config", "files", multiple=True, type=click.Path(), help="Configuration with [functions].")
@rich_click.option("-f", "--function", "named", multiple=True, metavar="NAME=MODULE:FUNCTION", help="Register one.")
@rich_click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override one value.")
@click.pass_context
def run(ctx: click.Context, /, workflow: str, **options: Any) -> None:
    """Run WORKFLOW under load and tell how it kept up.

    The model is open: events are due by schedule whether or not earlier ones have ended, and latency counts from
    when they were due. `express bench compare A.json B.json` compares two results.

    Exit codes: 99 a threshold failed, 104 bad configuration, 105 interrupted, 107 a handler crashed at import.
    """
    from express.service.bench.conduct import HandlerCrash
    from express.service.bench.thresholds import parse_threshold

    thresholds = [parse_threshold(text) for text in (*options["conditions"], *options["more"])]
    plan = _plan(ctx, workflow, options)
    session = Session(plan, thresholds, options)
    try:
        wanted = options["find_max"]
        code = session.find_max(parse_threshold(wanted)) if wanted else session.measure()
    except HandlerCrash as error:
        click.echo(f"express: {error}", err=True)
        code = EXIT_HANDLER
    ctx.exit(code)


def _plan(ctx: click.Context, workflow: str, options: dict[str, Any]) -> Plan:
    """Everything that can be wrong is found here. Raises ConfigError."""
    import msgspec

    from express.compiler import compile_definition
    from express.integrations.mocks import read_mocks
    from express.service.bench.conduct import Plan
    from express.service.bench.events import supply
    from express.service.prepare import prices
    from express.service.workflows import machine_name, read_definition

    config = load(options["files"], settings=options["settings"]).config
    functions: dict[str, str | Function] = {**config.functions, **registered(options["named"])}
    config = msgspec.structs.replace(config, functions=functions)
    text = read_definition(workflow)
    try:
        compile_definition(text)
    except DefinitionError as error:
        refuse(ctx, workflow, text, error)
    next(supply(options["given"], options["seed"]))
    mock, _, case = (options["mock"] or "").partition("#")
    folders = (Path(), *(Path(file).parent for file in options["files"]))
    plan = Plan(
        name=machine_name(workflow),
        definition=text.decode(),
        config=config,
        prices=prices(config),
        path=list(dict.fromkeys(str(folder.resolve()) for folder in folders)),
        load=_load(options, 30.0 if options["duration"] is None else options["duration"]),
        stages=[],
        drain_seconds=options["drain"],
        traced=0 if options["find_max"] else TRACED,
        mock=read_mocks(mock) if mock else None,
        case=case or None,
    )
    return plan if options["find_max"] or options["closed"] else _at(plan, options["rate"], options["duration"])


def _load(options: dict[str, Any], seconds: float) -> Any:
    from express.service.bench.result import Load

    if options["target"] and (options["mock"] or options["find_max"]):
        raise ConfigError("--target can't be combined with --mock or --find-max")
    if options["closed"] and (options["rate"] or options["find_max"]):
        raise ConfigError("--closed is another model of load than --rate and --find-max: choose one")
    if not (options["closed"] or options["rate"] or options["find_max"]):
        raise ConfigError("one of --rate, --closed and --find-max is needed")
    arrivals: Literal["constant", "poisson", "closed"] = "closed" if options["closed"] else options["arrivals"]
    return Load(
        input=options["given"],
        rate=options["rate"],
        arrivals=arrivals,
        closed=options["closed"],
        seconds=seconds,
        warmup_seconds=options["warmup"],
        concurrency=options["concurrency"],
        backlog=options["backlog"],
        seed=options["seed"],
        mock=options["mock"],
        target=options["target"],
    )


def _at(plan: Plan, rate: str, duration: float | None, seed: int | None = None) -> Plan:
    """The plan for a rate, with its warm-up before it."""
    import msgspec

    from express.service.bench.schedule import Stage, parse_rate

    stages = parse_rate(rate, duration)
    warmup = plan.load.warmup_seconds
    changed = msgspec.structs.replace(
        plan.load,
        rate=rate,
        seconds=sum(stage.seconds for stage in stages),
        seed=plan.load.seed if seed is None else seed,
    )
    first = stages[0].first
    before = [Stage(first, first, warmup)] if warmup and first else []
    return msgspec.structs.replace(plan, load=changed, stages=[*before, *stages])


class Session:
    """One call of the command: runs, and what is shown and written of them."""

    def __init__(self, plan: Plan, thresholds: list[Threshold], options: dict[str, Any]) -> None:
        from express.cli.bench_live import View

        self._plan = plan
        self._thresholds = thresholds
        self._options = options
        self._view: View = View()
        self._interrupted = False

    def measure(self) -> int:
        """Run as often as asked; print and write the median run; the exit code."""
        runs: list[tuple[Result, Bench]] = []
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
        return EXIT_THRESHOLD if any(not verdict.passed for verdict in result.thresholds) else 0

    def find_max(self, condition: Threshold) -> int:
        """Search for the capacity and print it; the exit code."""
        from express.service.bench.search import run_search, search
        from express.service.bench.thresholds import figure

        started = float(self._options["rate"] or FIRST_RATE)
        seconds = self._options["duration"] or 5.0
        limited: list[float] = []

        def attempt(rate: float) -> bool:
            if self._interrupted:
                return False
            result, _ = self._once(_at(self._plan, f"{rate:.3f}", seconds), quiet=True)
            found = figure(result, condition.figure)
            counts = result.counts
            passed = condition.holds(found) and not counts.dropped and not counts.unfinished
            if not passed and result.generator.cpu_share > 0.8:
                limited.append(rate)
            self._view.say(f"{rate:12,.1f}/s  {condition.figure} {found:g}  {'passed' if passed else 'failed'}")
            return passed

        steps = search(started, precision=self._options["precision"], repeats=self._options["repeat"] or 3)
        capacity = run_search(steps, attempt)
        if self._interrupted:
            return EXIT_INTERRUPTED
        self._print_capacity(capacity, condition, limited)
        return 0 if capacity.rate else EXIT_THRESHOLD

    def _once(self, plan: Plan, *, quiet: bool = False) -> tuple[Result, Bench]:
        from express.service.bench.conduct import Bench

        bench = Bench(plan)
        return asyncio.run(self._watched(bench, quiet=quiet)), bench

    async def _watched(self, bench: Bench, *, quiet: bool) -> Result:
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
        from express.service.bench.result import Verdict
        from express.service.bench.thresholds import figure

        for threshold in self._thresholds:
            found = figure(result, threshold.figure)
            verdict = Verdict(threshold=threshold.text, found=found, passed=threshold.holds(found))
            result.thresholds.append(verdict)

    def _write(self, result: Result, bench: Bench) -> None:
        from express.service.bench.output import write, write_all
        from express.service.bench.report import html

        if self._options["out"]:
            started = time.time() - (time.monotonic() - bench.begin)
            write_all(self._options["out"], result, bench.collector, started)
        if self._options["report"]:
            write(Path(self._options["report"]), html(result))

    def _print(self, result: Result) -> None:
        from express.cli.bench_live import summary
        from express.service.bench.result import encode

        if self._options["as_json"]:
            click.echo(encode(result))
            return
        for line in summary(result):
            click.echo(line)

    def _print_capacity(self, capacity: Capacity, condition: Threshold, limited: list[float]) -> None:
        import msgspec

        if self._options["as_json"]:
            click.echo(msgspec.json.format(msgspec.json.encode(capacity), indent=2))
        else:
            for line in capacity_lines(capacity, condition.text):
                click.echo(line)
        if limited:
            self._view.say(f"warning    the generator was the bottleneck from {min(limited):,.0f}/s on")


def capacity_lines(capacity: Capacity, condition: str) -> list[str]:
    """What a search found, in words."""
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
    """What `compare` looks at."""
    from express.service.bench.thresholds import figure

    names = ("e2e.p50", "e2e.p99", "e2e.p99.9", "queue.p99", "execution.p50", "execution.p99", "throughput")
    return {
        **{name: figure(result, name) for name in names if figure(result, name) != float("inf")},
        "cpu_seconds_per_million": result.worker.cpu_seconds_per_million,
    }


@command.command("compare")
@rich_click.argument("a", type=click.Path(exists=True, dir_okay=False))
@rich_click.argument("b", type=click.Path(exists=True, dir_okay=False))
@rich_click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare_command(a: str, b: str, as_json: bool) -> None:
    """Compare two results of `express bench --json`: what changed, and what is noise."""
    import msgspec

    from express.service.bench.compare import compare
    from express.service.bench.output import read_result

    found = compare(read_result(a), read_result(b))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    click.echo(f"{'':<24}{'A':>14}{'B':>14}  verdict (from {found.samples})")
    for change in found.changes:
        click.echo(f"{change.figure:<24}{change.a:14,.3f}{change.b:14,.3f}  {change.verdict}")
    for note in found.notes:
        click.echo(f"note: {note}")


@command.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a result."""
    import msgspec

    from express.service.bench.result import schema

    click.echo(msgspec.json.format(msgspec.json.encode(schema()), indent=2))
