"""The command group: lazy, forgiving about prefixes, with documented exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from express import __version__
from express.cli import COMMANDS, EXIT_CONFIG, EXIT_FINDINGS, EXIT_INTERRUPTED
from express.errors import ConfigError, ExpressError, SourceError

from .conftest import Run, load


def test_help_lists_every_command(run: Run) -> None:
    """Every row of the table is shown with its line."""
    result = run("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)


def test_the_version(run: Run) -> None:
    """Name and version."""
    assert run("--version").stdout == f"express, version {__version__}\n"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_row_is_a_command(name: str) -> None:
    """The table names commands that are there, and each has a help text of its own."""
    assert load(name).help


def test_a_unique_prefix_is_enough(run: Run) -> None:
    """`expl` stands for `explain`."""
    assert run("expl", "E0201").stdout.startswith("E0201")


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    """With the command that was probably meant, on stderr."""
    result = run("vaildate")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Did you mean 'validate'?" in result.stderr


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (ConfigError("no such key"), EXIT_CONFIG),
        (SourceError("gone"), EXIT_FINDINGS),
        (KeyboardInterrupt(), EXIT_INTERRUPTED),
    ],
)
def test_our_errors_are_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int
) -> None:
    """No traceback, the message on stderr, the documented exit code; --debug shows the traceback."""

    def fail() -> None:
        raise raised

    monkeypatch.setattr("express.cli._load", lambda target: click.Command("validate", callback=fail))
    result = run("validate")
    assert (result.exit_code, result.stdout) == (code, "")
    assert isinstance(raised, KeyboardInterrupt) or result.stderr == f"express: {raised}\n"
    if isinstance(raised, ExpressError):
        with pytest.raises(ExpressError):
            run("--debug", "validate")


def test_help_imports_no_command() -> None:
    """The group's help costs the import of no command and no engine."""
    script = (
        "import sys; from express.cli import main; main(['--help'], standalone_mode=False); "
        "print([m for m in sys.modules if m.startswith(('express.', 'aiokafka', 'aiohttp', 'uvloop'))])"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "['express.errors', 'express.standard_streams', 'express.cli']"


HEAVY = {"aiohttp", "aiokafka", "asyncio", "botocore", "express.integrations", "express.runtime", "prometheus_client"}


@pytest.mark.parametrize(
    ("words", "resource", "heavy"),
    [
        ("validate FILE", "arn:aws:lambda:us-east-1:123456789012:function:f", set()),
        ("validate FILE", "arn:aws:states:::lambda:invoke", {"asyncio", "botocore", "express.integrations"}),
        ("compile FILE", "arn:aws:lambda:us-east-1:123456789012:function:f", {"asyncio", "express.integrations"}),
        ("exec FILE", "", {"asyncio", "express.integrations", "express.runtime"}),
    ],
)
def test_a_command_imports_only_what_it_needs(words: str, resource: str, heavy: set[str], tmp_path: Path) -> None:
    """A command imports no client of something that it does not call."""
    state = {"Type": "Task", "Resource": resource, "End": True} if resource else {"Type": "Succeed"}
    (tmp_path / "a.asl.json").write_text(json.dumps({"StartAt": "A", "States": {"A": state}}))
    script = (
        "import sys; from express.cli import main; main(sys.argv[1:], standalone_mode=False); "
        f"print(*sorted(set(sys.modules) & {HEAVY!r}))"
    )
    arguments = [str(tmp_path / "a.asl.json") if word == "FILE" else word for word in words.split()]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()[-1].split()) <= heavy


def test_it_runs_as_a_module() -> None:
    """`python -m express` is the command."""
    done = subprocess.run([sys.executable, "-m", "express", "explain", "E0203"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("E0203")
