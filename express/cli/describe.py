"""`express describe`: a state machine or an execution of a running server, as JSON."""

from __future__ import annotations

import click
import rich_click

from express.cli.client import PREFIX, Client, print_json, server_options
from express.values import JSON, loads

_TEXTS = ("definition", "input", "output")
"""Members that hold JSON texts."""


@rich_click.command()
@rich_click.argument("what", metavar="MACHINE|EXECUTION")
@rich_click.option("--history", is_flag=True, help="Print the history of an execution instead, one event per line.")
@rich_click.option("--raw", is_flag=True, help="Print definition, input and output as texts, as the API does.")
@server_options
def command(what: str, history: bool, raw: bool, url: str) -> None:
    """Describe a state machine (name or ARN) or an execution (ARN)."""
    from json import dumps

    client = Client(url)
    if what.startswith(PREFIX) and what.split(":")[5:6] != ["stateMachine"]:
        if history:
            for event in client.pages("GetExecutionHistory", "events", executionArn=what):
                click.echo(dumps(event, ensure_ascii=False))
            return
        print_json(_opened(client.call("DescribeExecution", executionArn=what), raw))
        return
    print_json(_opened(client.call("DescribeStateMachine", stateMachineArn=client.machine_arn(what)), raw))


def _opened(answer: dict[str, JSON], raw: bool) -> dict[str, JSON]:
    """The answer with its JSON texts parsed, for people."""
    if raw:
        return answer
    return {name: loads(value) if name in _TEXTS else value for name, value in answer.items()}
