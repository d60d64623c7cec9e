"""The `express` command: one lazy group, one module per command.

A command costs its import only when it is run; the group's help reads the table alone. stdout carries a
command's result and nothing else; messages go to stderr.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
import rich_click
from click.exceptions import NoSuchCommand

from express import __version__
from express.errors import ConfigError, ExpressError
from express.standard_streams import failed_output, keep_messages, watch_results

EXIT_OK = 0
EXIT_FINDINGS = 1
"""Findings, or an execution that failed."""
EXIT_USAGE = 2
EXIT_IO = 74
"""The output can't be written, or a file can't be read or written."""
EXIT_THRESHOLD = 99
EXIT_CONFIG = 104
EXIT_INTERRUPTED = 105
EXIT_HANDLER = 107
"""A handler module that crashes while it is imported."""
EXIT_BROKEN_PIPE = 141
"""Nobody reads the output any more: what a shell says of a command that ended by SIGPIPE."""

COMMANDS: dict[str, tuple[str, str]] = {
    "approve": ("express.cli.executions:approve", "Let a task that waits for a callback succeed."),
    "bench": (
        "express.cli.bench.command:command",
        "Put load on a workflow by schedule, and say what AWS would charge.",
    ),
    "broker": ("express.cli.broker:command", "Run the development Kafka broker by itself."),
    "compile": ("express.cli.compile:command", "Show what the compiler makes of a definition."),
    "config": ("express.cli.config:command", "Show the configuration, and where each value comes from."),
    "deploy": ("express.cli.deploy:command", "Create or update a state machine on a running server."),
    "describe": ("express.cli.describe:command", "Describe a state machine or an execution of a running server."),
    "dev": ("express.cli.dev:command", "Run the sample workflows on a stream of events, and watch."),
    "docs": ("express.cli.docs:command", "Read the documentation."),
    "env": ("express.cli.env:command", "Print the variables that point AWS tools to the local API."),
    "exec": ("express.cli.exec:command", "Run one execution in this process and print its output."),
    "explain": ("express.cli.explain:command", "Explain a code of `express validate`, with examples."),
    "list": ("express.cli.list_:command", "List state machines of a running server, or executions of one."),
    "logs": ("express.cli.logs:command", "Show executions of a running server as they end."),
    "redrive": ("express.cli.executions:redrive", "Run an execution again from where it failed."),
    "reject": ("express.cli.executions:reject", "Let a task that waits for a callback fail."),
    "run": ("express.cli.run:command", "Drain Kafka topics through workflows, until SIGTERM."),
    "serve": ("express.cli.serve:command", "Serve the Step Functions API for boto3 and the aws command."),
    "start": ("express.cli.executions:start", "Start an execution on a running server."),
    "stop": ("express.cli.executions:stop", "Stop an execution of a running server."),
    "top": ("express.cli.top:command", "Watch what a running server does."),
    "validate": ("express.cli.validate:command", "Find every mistake in state machine definitions."),
    "verify": ("express.cli.verify:command", "Check that no record is missing or doubled."),
}
"""Command → (module:object, the line of `express --help`). A new command is its module and one row here."""


class LazyGroup(rich_click.RichGroup):
    """The group over `COMMANDS`. A unique prefix of a name stands for the name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A stand-in that knows name and help line; `resolve_command` loads the real one."""
        name = _full_name(cmd_name)
        if name is None:
            return None
        return rich_click.RichCommand(name=name, help=COMMANDS[name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Load the command that is about to run, or say which name was meant."""
        name = _full_name(args[0])
        if name is not None:
            return name, _load(COMMANDS[name][0]), args[1:]
        if args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise NoSuchCommand(args[0], possibilities=list(COMMANDS), ctx=ctx)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run as a process: a result that can't be written is one sentence and an exit code of its own."""
        keep_messages()
        watch_results()
        try:
            return super().main(*args, **extra)
        except (SystemExit, OSError):
            failure = failed_output()
            if failure is None:
                raise
        if isinstance(failure, BrokenPipeError):
            sys.exit(EXIT_BROKEN_PIPE)
        click.echo(f"express: the output can't be written: {failure.strerror}", err=True)
        sys.exit(EXIT_IO)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; our own errors become one sentence on stderr and the documented exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)
        except ConfigError as error:
            _fail(ctx, error, EXIT_CONFIG)
        except ExpressError as error:
            _fail(ctx, error, EXIT_FINDINGS)
        except OSError as error:
            if failed_output() is not None:
                raise
            _fail(ctx, error, EXIT_IO)


def _full_name(text: str) -> str | None:
    if text in COMMANDS:
        return text
    matches = [name for name in COMMANDS if text and name.startswith(text)]
    return matches[0] if len(matches) == 1 else None


def _load(target: str) -> click.Command:
    module, _, name = target.partition(":")
    command = getattr(importlib.import_module(module), name)
    assert isinstance(command, click.Command), target
    return command


def _fail(ctx: click.Context, error: ExpressError | OSError, code: int) -> NoReturn:
    if ctx.params.get("debug"):
        raise error
    if isinstance(error, OSError) and error.strerror:
        error = ExpressError(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    click.echo(f"express: {error}", err=True)
    ctx.exit(code)


@rich_click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@rich_click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@rich_click.option(
    "-e",
    "--env-file",
    "env_files",
    multiple=True,
    metavar="FILE",
    help="File of variables for the environment; may be repeated. Default: `.env`, if there is one here.",
)
@rich_click.version_option(__version__, prog_name="express")
def main(debug: bool, env_files: tuple[str, ...]) -> None:
    """Run, test and measure AWS Step Functions Express workflows on your own machines and Kafka.

    `express docs` shows the documentation: first steps, how-to, reference, troubleshooting.

    Exit codes: 0 fine; 1 findings or a failed run; 2 wrong usage; 74 output or a file can't be written;
    99 threshold failed; 104 bad configuration; 105 interrupted; 107 a handler crashed at import; 141 nobody
    reads the output.
    """
    _read_env_files(env_files)


def _read_env_files(named: tuple[str, ...]) -> None:
    """Read env files. What is in the environment stays; of several files the last one wins."""
    files = [Path(name) for name in reversed(named)] or [path for path in (Path(".env"),) if path.is_file()]
    if files:
        from express.config.dotenv import add_to

        for file in files:
            add_to(os.environ, file)
