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
        """Return what does not name a subcommand is a run."""
        return super().parse_args(ctx, args if args and args[0] in SUBCOMMANDS else ["run", *args])


@rich_click.group(cls=BenchGroup)
def command() -> None:
    """Put load on a workflow by schedule: latencies, limits, and what AWS would charge."""


def _duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else float(Duration.parse(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@command.command("run")
@rich_click.argument("named_first", metavar="WORKFLOW", nargs=-1)
@rich_click.option(
    "--pipeline", metavar="FILE[#NAME]", help="Pipeline of a configuration, to send the load through Kafka."
)
@rich_click.option("--no-worker", is_flag=True, help="Start no workers for --pipeline: they run elsewhere.")
@rich_click.option("-w", "--workers", type=MOST_PROCESSES, help="Worker processes for --pipeline.")
@rich_click.option(
    "--partitions", type=MOST_PARTITIONS, help="Create missing topics of --pipeline with this number of partitions."
)
@rich_click.option(
    "--target", metavar="URL", help="Server to call StartSyncExecution on, instead of running the workflow here."
)
@rich_click.option(
    "-i",
    "--input",
    "given",
    help="Events: iot, orders, documents, or a file (.json, .jsonl, .csv, .template.json). "
    "Default, for a sample workflow only: its sample events.",
)
@rich_click.option(
    "--event-bytes", metavar="SIZE", help="Size that events are padded to: 1KiB, 100..256KiB, lognormal:1KiB..64KiB."
)
@rich_click.option("--keys", type=MOST_KEYS, help="Number of different record keys; of iot events, devices.")
@rich_click.option(
    "--key-skew", default="uniform", show_default=True, help="Distribution of the keys: uniform, or zipf:1.1."
)
@rich_click.option("--key-field", metavar="PATH", help="Member of an event that is its record key: device.id.")
@rich_click.option(
    "-r", "--rate", help="Events per second: 20000, a ramp 1000:20000/60s, steps 1000/10s,5000/10s, or replay."
)
@rich_click.option(
    "-d", "--duration", callback=_duration, help="Duration of the load. Default: the time of its stages, or 30s."
)
@rich_click.option("--time-field", metavar="PATH", help="Member of an event that holds its time, for --rate replay.")
@rich_click.option(
    "--speed", type=Finite(0, 1_000_000, min_open=True), default=1.0, help="Speed of a replay: 10 is tenfold."
)
@rich_click.option("--arrivals", type=click.Choice(["constant", "poisson"]), default="constant", show_default=True)
@rich_click.option(
    "--closed",
    type=MOST_AT_ONCE,
    help="Lanes, instead of a rate: each starts an execution when its last one has ended.",
)
@rich_click.option(
    "--warmup",
    default="1s",
    show_default=True,
    callback=_duration,
    help="Duration of the load before anything is measured.",
)
@rich_click.option(
    "--concurrency",
    type=MOST_AT_ONCE,
    default=10_000,
    show_default=True,
    help="Executions running at the same time, at most.",
)
@rich_click.option(
    "--backlog",
    type=MOST_WAITING,
    default=100_000,
    show_default=True,
    help="Events waiting to be started, at most; more are dropped.",
)
@rich_click.option(
    "--drain",
    default="10s",
    show_default=True,
    callback=_duration,
    help="Time that running executions have at the end.",
)
@rich_click.option(
    "--seed",
    type=Seed(),
    default=1,
    show_default=True,
    help="Seed of events, arrivals and mocks: the same seed, the same load.",
)
@rich_click.option("--mock", metavar="FILE[#TESTCASE]", help="Answer tasks from a Step Functions Local mock file.")
@rich_click.option(
    "-t",
    "--threshold",
    "conditions",
    multiple=True,
    help="Conditions that must hold: e2e.p99<20ms, failed.rate<0.1%, dropped==0.",
)
@rich_click.option(
    "--find-max", metavar="CONDITION", help="Search for the highest rate that keeps to a condition: e2e.p99<50ms."
)
@rich_click.option(
    "--precision",
    type=Finite(0.01, 1),
    default=0.05,
    show_default=True,
    help="Gap at which --find-max stops, as a share of the rate.",
)
@rich_click.option(
    "--repeat", type=MOST_RUNS, help="Number of runs. Default: 1; with --find-max 3, of the rate that it found."
)
@rich_click.option("-o", "--out", type=click.Path(file_okay=False), help="Folder for report, JSON, CSV and histograms.")
@rich_click.option("--report", type=click.Path(dir_okay=False), help="File for the HTML report.")
@rich_click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@rich_click.option(
    "-c",
    "--config",
    "files",
    multiple=True,
    type=click.Path(),
    help="Configuration file with [functions]; may be repeated.",
)
@rich_click.option(
    "-f", "--function", "named", multiple=True, metavar="NAME=MODULE:FUNCTION", help="Register a function."
)
@rich_click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a value of the configuration; may be repeated.",
)
@click.pass_context
def run(ctx: click.Context, /, named_first: tuple[str, ...], **options: Any) -> None:
    """Put load on WORKFLOW, or on a pipeline, and report how it kept up.

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
