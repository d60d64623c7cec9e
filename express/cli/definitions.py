"""Shared by commands that run a workflow: its findings if it can't be run, and functions named on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import click

from express.cli import EXIT_FINDINGS
from express.config import Function
from express.errors import DefinitionError


def refuse(ctx: click.Context, file: str, error: DefinitionError) -> NoReturn:
    """Show the findings about a file on stderr and end."""
    from express.cli.diagnosis import Options, diagnose
    from express.cli.rendering import FORMATS

    found = diagnose(file, Path(file).read_bytes(), Options(type="EXPRESS"))
    findings = [f for f in found if f.diagnostic.severity == "ERROR"]
    click.echo(FORMATS["text"](findings) if findings else str(error), err=True)
    click.echo(f"express: {file} can't be run", err=True)
    ctx.exit(EXIT_FINDINGS)


def registered(entries: Iterable[str]) -> dict[str, Function]:
    """The functions that `--function NAME=MODULE:FUNCTION` registers, as rows of `[functions]`."""
    table = {}
    for entry in entries:
        name, equals, handler = entry.rpartition("=")
        if not equals or ":" not in handler:
            raise click.UsageError(f"--function {entry}: expected NAME=MODULE:FUNCTION")
        table[name] = Function(handler=handler)
    return table
