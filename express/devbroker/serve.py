"""Running the development broker as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop

from express.devbroker.broker import Broker

NOTICE = "development broker: one node, no replication, no TLS, no access control; not for production"


async def serve(broker: Broker, *, end_with_stdin: bool = False) -> None:
    """Run until SIGINT or SIGTERM. The address goes to stdout as one line, once clients can connect.

    `end_with_stdin`: also until stdin ends, as it does when whoever has started us is killed.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with broker:
        print(NOTICE, file=sys.stderr)
        print(broker.address, flush=True)
        watch = asyncio.create_task(_end_of_stdin(stop)) if end_with_stdin else None
        await stop.wait()
        if watch is not None:
            watch.cancel()


async def _end_of_stdin(stop: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin.buffer)
    while await reader.read(65_536):
        pass
    stop.set()


def run(broker: Broker, *, end_with_stdin: bool = False) -> None:
    """Serve on a loop of its own: uvloop, which sends batches without copying them together first."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(broker, end_with_stdin=end_with_stdin))
