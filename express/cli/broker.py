"""`express broker`: the development Kafka broker by itself."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from express.devbroker import Broker, Settings
from express.devbroker.serve import run
from express.errors import StoreError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=9092,
    show_default=True,
    help="Port to listen on; 0 is any free one.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder that keeps everything, also over a kill. Without it everything is in memory.",
)
@click.option(
    "--partitions",
    type=click.IntRange(1, 10_000),
    default=12,
    show_default=True,
    help="Partitions of topics that are created when they are first used.",
)
def command(host: str, port: int, data: Path | None, partitions: int) -> None:
    """Run a Kafka broker for development: one node, no replication, no TLS, no access control.

    It speaks Kafka's own protocol to any client, consumer groups and transactions included, until Ctrl-C.
    Its address is printed once clients can connect. Never run production on it.
    """
    broker = Broker(host, port, data, Settings(partitions=partitions, auto_create=True))
    try:
        run(broker)
    except OSError as error:
        raise StoreError(
            f"the broker can't start on {host}:{port}: {error.strerror}. --port 0 takes any free port"
        ) from error
