"""Calling the command line in process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from express.cli import main

Run = Callable[..., Result]


def load(name: str) -> click.Command:
    """Import a command of the command line, as running it does."""
    _, command, _ = main.resolve_command(click.Context(main), [name])
    assert command is not None
    return command


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `express` in an empty folder; the answer keeps stdout and stderr apart."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def call(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin, catch_exceptions=False)

    return call
