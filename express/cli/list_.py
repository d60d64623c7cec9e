"""`express list`: the state machines of a running server, or the executions of one."""

from __future__ import annotations

import click
import rich_click

from express.cli.client import Client, duration, print_json, print_table, server_options, when

STATUSES = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]


@rich_click.command()
@rich_click.argument("machine", required=False)
@rich_click.option("--status", type=click.Choice(STATUSES), help="Only executions with this status.")
@rich_click.option("--json", "as_json", is_flag=True, help="Print the API's answers as JSON.")
@server_options
def command(machine: str | None, status: str | None, as_json: bool, url: str) -> None:
    """List state machines or, of MACHINE (name or ARN), the executions that run or are kept, newest first."""
    client = Client(url)
    if machine is None:
        machines = list(client.machines())
        if as_json:
            print_json(machines)
            return
        shown = [(m["name"], m["type"], when(m["creationDate"]), m["stateMachineArn"]) for m in machines]
        print_table(shown, ("NAME", "TYPE", "CREATED", "ARN"))
        return
    arn = client.machine_arn(machine)
    executions = list(client.pages("ListExecutions", "executions", stateMachineArn=arn, statusFilter=status))
    if as_json:
        print_json(executions)
        return
    rows = [(e["status"], when(e["startDate"]), duration(e), e["name"], e["executionArn"]) for e in executions]
    print_table(rows, ("STATUS", "STARTED", "TOOK", "NAME", "ARN"))
