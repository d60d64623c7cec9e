"""`express exec`: one execution in this process, without Kafka."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson
import rich_click

from express.cli import EXIT_FINDINGS, EXIT_HANDLER
from express.cli.definitions import refuse, registered
from express.config import load
from express.config.files import MOST_BYTES, read_bytes
from express.errors import DefinitionError
from express.values import JSON

if TYPE_CHECKING:
    from express.engine import History
    from express.service.single_run import SingleRun


@rich_click.command()
@rich_click.argument("workflow", type=click.Path(exists=True, dir_okay=False))
@rich_click.option("-i", "--input", "given", default="{}", help="JSON, @FILE, or - for stdin. Default: {}")
@rich_click.option("--trace", is_flag=True, help="Show the path as a timed tree, on stderr.")
@rich_click.option("--history", is_flag=True, help="Print the history instead of the output, one event per line.")
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
@rich_click.option("--mock", metavar="FILE[#TESTCASE]", help="Answer tasks from a Step Functions Local mock file.")
@rich_click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a value of the configuration; may be repeated.",
)
@click.pass_context
def command(
    ctx: click.Context,
    workflow: str,
    given: str,
    trace: bool,
    history: bool,
    files: tuple[str, ...],
    named: tuple[str, ...],
    mock: str | None,
    settings: tuple[str, ...],
) -> None:
    """Run WORKFLOW (a .asl.json or .asl.yaml file) once and print its output.

    The exit code is 0 if the execution succeeded, 1 if it failed or timed out.
    """
    from express.engine import History
    from express.integrations.local import HandlerError
    from express.integrations.mocks import load_case
    from express.service.single_run import run_once
    from express.service.workflows import machine_name, read_definition

    config = load(files, settings=settings).config
    functions = {**config.function_table(), **registered(named)}
    record = History() if trace or history else None
    name = machine_name(workflow)
    mocks = None if mock is None else load_case(mock, name)
    sys.path[:0] = [str(Path.cwd()), *(str(Path(file).resolve().parent) for file in files)]
    try:
        text = read_definition(workflow)
        once = asyncio.run(run_once(name, text, _input(given), functions, record, config=config, mocks=mocks))
    except HandlerError as error:
        click.echo(f"express: {error}", err=True)
        ctx.exit(EXIT_HANDLER)
    except DefinitionError as error:
        refuse(ctx, workflow, error)
    if record is not None and trace:
        _show_trace(name, record)
    if record is not None and history:
        _print_history(record)
    elif once.finish.status == "SUCCEEDED":
        _print_json(once.finish.output)
    _show_summary(once)
    ctx.exit(0 if once.finish.status == "SUCCEEDED" else EXIT_FINDINGS)


def _input(given: str) -> JSON:
    """Let an input in by the door of records and requests."""
    from express.runtime.records.json_input import Rejected, admit

    try:
        if given == "-":
            text: str | bytes = sys.stdin.buffer.read(MOST_BYTES)
        else:
            text = read_bytes(given[1:], "the input") if given.startswith("@") else given
        return admit(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    except Rejected as error:
        hint = f". {given} is a file: write -i @{given}" if os.path.isfile(given) else ""
        cause = error.cause.replace("Not valid JSON", "the input is not JSON")
        raise click.UsageError(f"{cause}{hint}") from error


def _show_trace(name: str, record: History) -> None:
    from express.cli.trace import lines
    from express.telemetry.spans import tree

    for line in lines(tree(name, record.log)):
        click.echo(line, err=True)


def _print_history(record: History) -> None:
    for event in record.events():
        click.echo(orjson.dumps(event))


def _print_json(value: JSON) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def _show_summary(once: SingleRun) -> None:
    from express.metering import gb_seconds

    finish = once.finish
    ms, mb = once.billed
    click.echo(
        f"{finish.status} · {once.seconds * 1000:.1f} ms · {once.x.transitions} transitions · "
        f"billed {ms} ms at {mb} MB = {gb_seconds(ms, mb):.5f} GB-s",
        err=True,
    )
    if finish.status != "SUCCEEDED":
        click.echo(f"{finish.error}: {finish.cause}" if finish.cause else finish.error, err=True)
