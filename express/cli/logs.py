"""`express logs`: the executions of a state machine as they end, with their events on demand."""

from __future__ import annotations

import time
from json import dumps

import click
import rich_click

from express.cli.client import Client, duration, server_options, when
from express.values import JSON

LOOK_SECONDS = 0.5
REMEMBERED = 10_000
"""Executions that `-f` remembers to have shown."""

_COLOURS = {"SUCCEEDED": "green", "RUNNING": "blue"}


@rich_click.command()
@rich_click.argument("machine")
@rich_click.option("-f", "--follow", is_flag=True, help="Go on showing executions as they end, until Ctrl-C.")
@rich_click.option("--events", is_flag=True, help="Show the history events of each execution.")
@rich_click.option("--failed", is_flag=True, help="Only executions that did not succeed.")
@server_options
def command(machine: str, follow: bool, events: bool, failed: bool, url: str) -> None:
    """Show the executions of MACHINE (name or ARN) that have ended, oldest first, one per line."""
    client = Client(url)
    arn = client.machine_arn(machine)
    seen: dict[str, None] = {}
    while True:
        for execution in reversed(_ended(client, arn)):
            if execution["executionArn"] not in seen:
                seen[execution["executionArn"]] = None
                if not (failed and execution["status"] == "SUCCEEDED"):
                    _show(client, execution, events)
        while len(seen) > REMEMBERED:
            del seen[next(iter(seen))]
        if not follow:
            return
        time.sleep(LOOK_SECONDS)


def _ended(client: Client, arn: str) -> list[dict[str, JSON]]:
    """Newest first."""
    found = client.pages("ListExecutions", "executions", stateMachineArn=arn, maxResults=1000)
    return [execution for execution in found if execution["status"] != "RUNNING"]


def _show(client: Client, execution: dict[str, JSON], events: bool) -> None:
    status = execution["status"]
    line = [
        when(execution["stopDate"]),
        click.style(status.ljust(9), fg=_COLOURS.get(status, "red")),
        duration(execution).rjust(9),
        execution["executionArn"],
    ]
    if status != "SUCCEEDED":
        described = client.call("DescribeExecution", executionArn=execution["executionArn"])
        line.append(f"{described.get('error', '')}: {described.get('cause', '')}".strip(": ").partition("\n")[0][:200])
    click.echo("  ".join(line).rstrip())
    if events:
        for event in client.pages("GetExecutionHistory", "events", executionArn=execution["executionArn"]):
            click.echo(f"    {_event(event)}")


def _event(event: dict[str, JSON]) -> str:
    details: dict[str, JSON] = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    shown = {k: v for k, v in details.items() if not k.endswith("Details")}
    return f"{event['id']:>4} {event['type']:<24} {dumps(shown, ensure_ascii=False) if shown else ''}".rstrip()
