"""A workflow file for commands that run it: what `express validate` would show if it can't be run."""

from __future__ import annotations

from typing import NoReturn

import click

from express.cli import EXIT_FINDINGS
from express.errors import DefinitionError


def refuse(ctx: click.Context, file: str, text: bytes, error: DefinitionError) -> NoReturn:
    """Show the findings on stderr and end."""
    from express.cli.diagnosis import Options, diagnose
    from express.cli.rendering import FORMATS

    findings = [f for f in diagnose(file, text, Options(type="EXPRESS")) if f.diagnostic.severity == "ERROR"]
    click.echo(FORMATS["text"](findings) if findings else str(error), err=True)
    click.echo(f"express: {file} can't be run", err=True)
    ctx.exit(EXIT_FINDINGS)
