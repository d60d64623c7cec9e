"""`express bench`: honest load on a workflow, and what AWS would charge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import rich_click

from express.cli import EXIT_HANDLER
from express.cli.numbers import (
    MOST_AT_ONCE,
    MOST_KEYS,
    MOST_PARTITIONS,
    MOST_PROCESSES,
    MOST_RUNS,
    MOST_WAITING,
    Finite,
    Seed,
)
from express.config.quantities import Duration

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
@rich_click.argument("named_first", metavar="WORKFLOW", nargs=-1)
@rich_click.option("--pipeline", metavar="FILE[#NAME]", help="Through Kafka: a pipeline of this configuration.")
@rich_click.option("--no-worker", is_flag=True, help="With --pipeline: its workers run elsewhere already.")
@rich_click.option("-w", "--workers", type=MOST_PROCESSES, help="With --pipeline: worker processes.")
@rich_click.option("--partitions", type=MOST_PARTITIONS, help="With --pipeline: make topics that are missing.")
@rich_click.option("--target", metavar="URL", help="Call StartSyncExecution there instead of running here.")
@rich_click.option(
    "-i",
    "--input",
    "given",
    help="Events: iot, orders, documents, or a file (.json, .jsonl, .csv, .template.json). "
    "Default, for a sample workflow only: its sample events.",
)
@rich_click.option("--event-bytes", metavar="SIZE", help="Fill events up: 1KiB, 100..256KiB, lognormal:1KiB..64KiB.")
@rich_click.option("--keys", type=MOST_KEYS, help="So many different record keys (devices, of iot).")
@rich_click.option("--key-skew", default="uniform", show_default=True, help="How often each: uniform, zipf:1.1.")
@rich_click.option("--key-field", metavar="PATH", help="The member of an event that is its key: device.id")
@rich_click.option(
    "-r", "--rate", help="Events per second: 20000, a ramp 1000:20000/60s, steps 1000/10s,5000/10s, or replay."
)
@rich_click.option("-d", "--duration", callback=_duration, help="How long. Default: the stages' time, or 30s.")
@rich_click.option("--time-field", metavar="PATH", help="With --rate replay: the member that holds an event's time.")
@rich_click.option("--speed", type=Finite(0, 1_000_000, min_open=True), default=1.0, help="Of a replay: 10 is tenfold.")
@rich_click.option("--arrivals", type=click.Choice(["constant", "poisson"]), default="constant", show_default=True)
@rich_click.option("--closed", type=MOST_AT_ONCE, help="So many lanes, each waits for its end, instead of a rate.")
@rich_click.option("--warmup", default="1s", show_default=True, callback=_duration, help="Before anything counts.")
@rich_click.option("--concurrency", type=MOST_AT_ONCE, default=10_000, show_default=True, help="At a time, at most.")
@rich_click.option("--backlog", type=MOST_WAITING, default=100_000, show_default=True, help="Waiting; more is dropped.")
@rich_click.option("--drain", default="10s", show_default=True, callback=_duration, help="For what runs at the end.")
@rich_click.option("--seed", type=Seed(), default=1, show_default=True, help="Of events, arrivals and mocks.")
@rich_click.option("--mock", metavar="FILE[#TESTCASE]", help="Answer tasks from a Step Functions Local mock file.")
@rich_click.option("-t", "--threshold", "conditions", multiple=True, help="e2e.p99<20ms, failed.rate<0.1%, dropped==0")
@rich_click.option("--find-max", metavar="CONDITION", help="Find the highest rate that keeps to it (e2e.p99<50ms).")
@rich_click.option("--precision", type=Finite(0.01, 1), default=0.05, show_default=True, help="Of --find-max.")
@rich_click.option("--repeat", type=MOST_RUNS, help="Runs. Default: 1; of a rate with --find-max: 3.")
@rich_click.option(
    "-o", "--out", type=click.Path(file_okay=False), help="Write report, JSON, CSV and histograms there."
)
@rich_click.option("--report", type=click.Path(dir_okay=False), help="Write the HTML report to this file.")
@rich_click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@rich_click.option("-c", "--config", "files", multiple=True, type=click.Path(), help="Configuration with [functions].")
@rich_click.option("-f", "--function", "named", multiple=True, metavar="NAME=MODULE:FUNCTION", help="Register one.")
@rich_click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override one value.")
@click.pass_context
def run(ctx: click.Context, /, named_first: tuple[str, ...], **options: Any) -> None:
    """Run WORKFLOW, or a pipeline, under load and tell how it kept up.

    The model is open: events are due by schedule whether or not earlier ones have ended, and latency counts from
    when they were due. `express bench compare A.json B.json` compares two results.

    Exit codes: 99 a threshold failed, or more than 1 % of the executions did; 104 bad configuration, 105
    interrupted, 107 a handler crashed at import.
    """
    from express.bench.plan import HandlerCrash
    from express.bench.thresholds import parse_threshold
    from express.cli.bench.plan import plan_of
    from express.cli.bench.session import Session

    if options["pipeline"] and named_first and Path(named_first[0]).is_file():
        raise click.UsageError(f"--pipeline says itself what its workflow is: leave out {named_first[0]}")
    # What follows the options is more conditions: --threshold 'e2e.p99<20ms' 'dropped==0'.
    workflow = None if options["pipeline"] or not named_first else named_first[0]
    more = named_first if workflow is None else named_first[1:]
    thresholds = [parse_threshold(text) for text in (*options["conditions"], *more)]
    wanted = options["find_max"]
    condition = parse_threshold(wanted) if wanted else None
    session = Session(plan_of(ctx, workflow, options), thresholds, options)
    try:
        code = session.measure() if condition is None else session.find_max(condition)
    except HandlerCrash as error:
        click.echo(f"express: {error}", err=True)
        code = EXIT_HANDLER
    ctx.exit(code)


@command.command("compare")
@rich_click.argument("a", type=click.Path(exists=True, dir_okay=False))
@rich_click.argument("b", type=click.Path(exists=True, dir_okay=False))
@rich_click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare_command(a: str, b: str, as_json: bool) -> None:
    """Compare two results of `express bench --json`: what changed, and what is noise."""
    import msgspec

    from express.bench.compare import compare
    from express.bench.output import read_result

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

    from express.bench.result import schema

    click.echo(msgspec.json.format(msgspec.json.encode(schema()), indent=2))
