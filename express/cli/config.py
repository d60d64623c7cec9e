"""`express config`: what is configured, where it comes from, and what there is to configure."""

from __future__ import annotations

from pathlib import Path

import click
import orjson
import rich_click

from express.cli.definitions import refuse
from express.config import Config, Duration, Size, flat, load, schema
from express.config.lines import dotted


@rich_click.group()
def command() -> None:
    """Show the configuration that a run would use."""


@command.command(cls=rich_click.RichCommand)
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
@rich_click.option("--origin", is_flag=True, help="Show where each value comes from.")
@rich_click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(
    ctx: click.Context,
    files: tuple[str, ...],
    profile: str | None,
    settings: tuple[str, ...],
    origin: bool,
    as_json: bool,
) -> None:
    """Print every value, defaults too, after files, profile, environment and --set.

    A configuration that `express run` would refuse is refused.
    """
    loaded = load(files, profile=profile, settings=settings)
    if loaded.config.pipelines:
        _prepare(ctx, loaded.config, files)
    rows = [(dotted(path), _written(value), loaded.origin(path)) for path, value in flat(loaded.config)]
    if as_json:
        entries = [{"key": key, "value": value, "origin": where} for key, value, where in rows]
        click.echo(orjson.dumps(entries, option=orjson.OPT_INDENT_2))
        return
    width = max(len(f"{key} = {_text(value)}") for key, value, _ in rows) if origin else 0
    for key, value, where in rows:
        line = f"{key} = {_text(value)}"
        click.echo(f"{line:<{min(width, 60)}}  # {where}" if origin else line)


@command.command("schema", cls=rich_click.RichCommand)
def schema_() -> None:
    """Print the JSON Schema of a configuration file, for editors."""
    click.echo(orjson.dumps(schema(), option=orjson.OPT_INDENT_2))


def _prepare(ctx: click.Context, config: Config, files: tuple[str, ...]) -> None:
    """Look at the configuration as a run does before it starts anything: client properties, prices, definitions."""
    from express.service.prepare import BrokenWorkflow, prepare

    try:
        prepare(config, [Path(file).parent for file in files])
    except BrokenWorkflow as error:
        refuse(ctx, error.file, error)


def _written(value: object) -> object:
    """A value as a configuration file has it."""
    if isinstance(value, Duration):
        return f"{float(value):g}s"
    return int(value) if isinstance(value, Size) else value


def _text(value: object) -> str:
    return "(unset)" if value is None else orjson.dumps(value).decode()
