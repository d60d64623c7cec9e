"""`express top`: what a running server does, machine by machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import rich_click

from express.cli.client import Client, server_options
from express.cli.columns import fitting
from express.cli.numbers import Finite
from express.errors import ApiError
from express.values import JSON

if TYPE_CHECKING:
    from rich.table import Table

LOOK_SECONDS = 1.0
PLAIN_WIDTH = 200
HEAD = ("STATE MACHINE", "RUNNING", "SUCCEEDED ≥", "FAILED", "P50 ms", "SLOWEST ms", "LAST FAILURE")
DROPPABLE = ("P50 ms", "LAST FAILURE", "SLOWEST ms")
"""Columns that are left out first where a terminal is narrow."""

CAPTION = "SUCCEEDED ≥: of its successes a busy server keeps a sample; there were at least so many"


@rich_click.command()
@rich_click.option("--once", is_flag=True, help="Print one table and end.")
@rich_click.option(
    "--minutes", type=Finite(0.1, 1_000_000), default=5.0, show_default=True, help="Minutes to look back."
)
@server_options
def command(once: bool, minutes: float, url: str) -> None:
    """Show running executions and those of the last minutes that the server keeps, once a second.

    Where the output is no terminal, one table is printed.

    A busy server keeps every failure and the slowest, but of the other successes a sample: their number is a
    lower bound.
    """
    from rich.console import Console
    from rich.live import Live

    client = Client(url)
    console = Console()
    if once or not console.is_terminal:
        console.print(_table(client, minutes, console.width if console.is_terminal else PLAIN_WIDTH), soft_wrap=True)
        return
    with Live(_table(client, minutes, console.width), console=console, refresh_per_second=2) as live:
        while True:
            time.sleep(LOOK_SECONDS)
            live.update(_table(client, minutes, console.width))


def _table(client: Client, minutes: float, width: int) -> Table:
    since = time.time() - 60 * minutes
    machines = sorted(client.machines(), key=lambda m: str(m["name"]))
    rows = [(str(machine["name"]), *figures(_executions(client, machine), since)) for machine in machines]
    return fitting(lambda hidden: grid(rows, hidden), DROPPABLE, width)


def grid(rows: list[tuple[str, ...]], hidden: frozenset[str]) -> Table:
    """Lay rows out under the heads, without the columns that are hidden."""
    from rich.table import Table

    shown = [index for index, name in enumerate(HEAD) if name not in hidden]
    table = Table(*(HEAD[index] for index in shown), box=None, pad_edge=False, caption=CAPTION)
    for row in rows:
        table.add_row(*(row[index] for index in shown))
    return table


def _executions(client: Client, machine: dict[str, JSON]) -> list[dict[str, JSON]]:
    try:
        return list(
            client.pages("ListExecutions", "executions", stateMachineArn=machine["stateMachineArn"], maxResults=1000)
        )
    except ApiError as error:
        if error.code == "StateMachineTypeNotSupported":
            return []  # a strict server
        raise


def figures(executions: list[dict[str, JSON]], since: float) -> tuple[str, ...]:
    """The cells of a row, from the executions that ended after `since`, and those that run."""
    running = sum(e["status"] == "RUNNING" for e in executions)
    ended = [e for e in executions if e["status"] != "RUNNING" and e["stopDate"] >= since]
    failed = [e for e in ended if e["status"] != "SUCCEEDED"]
    took = sorted(1000 * (e["stopDate"] - e["startDate"]) for e in ended)
    last = max((e["stopDate"] for e in failed), default=None)
    return (
        str(running),
        str(len(ended) - len(failed)),
        str(len(failed)),
        f"{took[len(took) // 2]:.0f}" if took else "",
        f"{took[-1]:.0f}" if took else "",
        time.strftime("%H:%M:%S", time.localtime(last)) if last is not None else "",
    )
