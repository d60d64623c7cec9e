"""`express start`, `stop`, `redrive`, `approve` and `reject`: executions of a running server, by the API alone."""

from __future__ import annotations

import time

import click
import rich_click

from express.cli import EXIT_FINDINGS
from express.cli.client import Client, server_options
from express.values import JSON

POLL_SECONDS = 0.2


def _text(given: str, what: str) -> str:
    """A JSON text as it was given, or of the file behind an `@`."""
    from express.config.files import read_bytes

    return read_bytes(given[1:], what).decode() if given.startswith("@") else given


@rich_click.command()
@rich_click.argument("machine")
@rich_click.option("-n", "--name", help="Name of the execution. Default: a random one.")
@rich_click.option("-i", "--input", "given", default="{}", help="JSON, or @FILE. Default: {}")
@rich_click.option(
    "--wait", is_flag=True, help="Wait for its end and print its output; exit code 1 unless it succeeds."
)
@server_options
@click.pass_context
def start(ctx: click.Context, machine: str, name: str | None, given: str, wait: bool, url: str) -> None:
    """Start an execution of MACHINE (name or ARN) and print its ARN."""
    client = Client(url)
    text = _text(given, "the input")
    arn = client.call("StartExecution", stateMachineArn=client.machine_arn(machine), name=name, input=text)
    execution = str(arn["executionArn"])
    click.echo(execution, err=wait)
    if wait and not _show(_ended(client, execution)):
        ctx.exit(EXIT_FINDINGS)


def _ended(client: Client, execution: str) -> dict[str, JSON]:
    while (found := client.call("DescribeExecution", executionArn=execution))["status"] == "RUNNING":
        time.sleep(POLL_SECONDS)
    return found


def _show(found: dict[str, JSON]) -> bool:
    """Print the output, or why there is none; whether it has succeeded."""
    if found["status"] == "SUCCEEDED":
        click.echo(found.get("output", ""))
        return True
    click.echo(f"express: {found['status']} {found.get('error') or ''}: {found.get('cause') or ''}", err=True)
    return False


@rich_click.command()
@rich_click.argument("execution")
@rich_click.option("--error", help="Error of the execution.")
@rich_click.option("--cause", help="Cause of the error.")
@server_options
def stop(execution: str, error: str | None, cause: str | None, url: str) -> None:
    """Stop EXECUTION (ARN): it ends as ABORTED."""
    Client(url).call("StopExecution", executionArn=execution, error=error, cause=cause)


@rich_click.command()
@rich_click.argument("execution")
@rich_click.option("--token", help="Repeats with the same token within 15 minutes are one redrive.")
@server_options
def redrive(execution: str, token: str | None, url: str) -> None:
    """Run EXECUTION (ARN) again from the states that did not succeed."""
    Client(url).call("RedriveExecution", executionArn=execution, clientToken=token)


@rich_click.command()
@rich_click.argument("token")
@rich_click.option("-o", "--output", "given", default="{}", help="Result of the task: JSON, or @FILE. Default: {}")
@server_options
def approve(token: str, given: str, url: str) -> None:
    """Let the task that waits for TOKEN succeed."""
    Client(url).call("SendTaskSuccess", taskToken=token, output=_text(given, "the output"))


@rich_click.command()
@rich_click.argument("token")
@rich_click.option("--error", default="Rejected", show_default=True, help="Error of the task.")
@rich_click.option("--cause", help="Cause of the error.")
@server_options
def reject(token: str, error: str, cause: str | None, url: str) -> None:
    """Let the task that waits for TOKEN fail."""
    Client(url).call("SendTaskFailure", taskToken=token, error=error, cause=cause)
