"""`express verify`: whether every input record has its terminal record, told by reading the topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import rich_click
import uvloop

from express.cli import EXIT_FINDINGS
from express.config import Config, load
from express.errors import ConfigError

if TYPE_CHECKING:
    from express.verify.verify import Target, Verdict

COLUMNS = {
    "records": "records",
    "results": "results",
    "dead_letters": "dead letters",
    "duplicates": "duplicates",
    "lost": "lost",
    "open": "to come",
    "committed": "committed",
}
"""Field of a partition's findings → column."""

RARE = ("unknown", "gone", "phantoms", "mismatched", "renamed", "disordered", "ahead")
"""Columns that are shown where they hold something."""


@rich_click.command()
@rich_click.option(
    "-c", "--config", "files", multiple=True, type=click.Path(), help="Configuration file; may be repeated."
)
@rich_click.option("-p", "--profile", help="Profile: its [profile.NAME] wins over the rest of the files.")
@rich_click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a value of the configuration; may be repeated.",
)
@rich_click.option("--pipeline", "names", multiple=True, help="Pipeline to check; may be repeated. Default: all.")
@rich_click.option(
    "--bootstrap", metavar="HOST:PORT", help="Broker to connect to first, instead of the configured ones."
)
@rich_click.option("--input", "inputs", multiple=True, metavar="TOPIC", help="Input topic; may be repeated.")
@rich_click.option("--output", metavar="TOPIC", help="Topic of the results.")
@rich_click.option("--dead-letters", default="", metavar="TOPIC", help="Topic of the dead letters.")
@rich_click.option("--group", default="", help="Consumer group. Without it, all input has to be finished.")
@rich_click.option("--ordering", type=click.Choice(["key", "partition", "none"]), default="key", show_default=True)
@rich_click.option("--exactly-once", is_flag=True, help="Count a second terminal record as a finding.")
@rich_click.option("--drained", is_flag=True, help="Count an input record without a terminal record as a finding.")
@rich_click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    files: tuple[str, ...],
    profile: str | None,
    settings: tuple[str, ...],
    names: tuple[str, ...],
    exactly_once: bool,
    drained: bool,
    as_json: bool,
    **explicit: Any,
) -> None:
    """Read input, output, dead letters and commits, and say whether anything is missing or doubled.

    What to read is configured (`-c`), or given by --bootstrap, --input, --output, --dead-letters and --group.
    May be run at any time, beside running workers: what is not finished yet counts as to come. Exit codes: 0 all
    is well, 1 something is missing, doubled against the promise, or wrong.
    """
    from express.telemetry.process_log import log_to_stderr
    from express.verify.verify import verify

    log_to_stderr("warning", "text", "verify")
    if explicit["inputs"] or explicit["output"]:
        config, targets = Config(), [_explicit(explicit)]
    else:
        config = load(files, profile=profile, settings=settings).config
        targets = _configured(config, names)
    properties = _properties(config, explicit["bootstrap"])
    verdicts = [
        uvloop.run(verify(properties, target, exactly_once=exactly_once, drained=drained)) for target in targets
    ]
    _print(verdicts, as_json=as_json)
    ctx.exit(0 if all(verdict.ok for verdict in verdicts) else EXIT_FINDINGS)


def _explicit(explicit: dict[str, Any]) -> Target:
    from express.verify.verify import Target

    if not (explicit["inputs"] and explicit["output"]):
        raise click.UsageError("--input and --output go together")
    return Target(
        name=explicit["group"] or explicit["output"],
        inputs=list(explicit["inputs"]),
        output=explicit["output"],
        dead_letters=explicit["dead_letters"],
        group=explicit["group"],
        ordering=explicit["ordering"],
    )


def _configured(config: Config, names: tuple[str, ...]) -> list[Target]:
    from express.config import choose
    from express.verify.verify import target_of

    known = {pipeline.name: pipeline for pipeline in config.pipelines}
    if not known:
        raise ConfigError("nothing to verify: the configuration has no [[pipelines]]")
    for name in names:
        choose(name, known, "pipeline")
    return [target_of(config, known[name]) for name in names or known]


def _properties(config: Config, bootstrap: str | None) -> dict[str, Any]:
    from express.kafka.properties import client_properties

    properties = client_properties(config.kafka).consumer
    return {**properties, "bootstrap_servers": bootstrap} if bootstrap else properties


def _print(verdicts: list[Verdict], *, as_json: bool) -> None:
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(verdicts), indent=2))
        return
    click.echo("\n\n".join("\n".join(_lines(verdict)) for verdict in verdicts))


def _lines(verdict: Verdict) -> list[str]:
    """A row per partition, then the answer."""
    columns = {**COLUMNS, **{field: field for field in RARE if verdict.totals.get(field)}}
    rows = [["partition", *columns.values()]]
    for found in verdict.partitions:
        cells = [getattr(found, field) for field in columns]
        rows.append([f"{found.topic}-{found.partition}", *("-" if cell is None else f"{cell:,}" for cell in cells)])
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return [*lines, *_examples(verdict), "", _answer(verdict)]


def _examples(verdict: Verdict) -> list[str]:
    """Offsets to look at, for what is wrong."""
    return [
        f"{found.topic}-{found.partition}: {kind} at {', '.join(map(str, offsets))}"
        for found in verdict.partitions
        for kind, offsets in found.examples.items()
        if kind not in ("open", "gone", "unknown")
    ]


def _answer(verdict: Verdict) -> str:
    totals = verdict.totals
    covered = totals["records"] - totals["lost"] - totals["open"] - totals["unknown"]
    seen = f"{verdict.name}: {covered:,} of {totals['records']:,} records have a terminal record"
    counted = f"{totals['lost']:,} lost, {totals['duplicates']:,} duplicated, {totals['open']:,} to come"
    strangers = f"; {verdict.strangers:,} records of the output are of other inputs" if verdict.strangers else ""
    judged = "ok" if verdict.ok else f"NOT OK: {'; '.join(verdict.reasons)}"
    return f"{seen}; {counted}{strangers}\n{judged}"
