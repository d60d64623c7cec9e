"""Running the development broker as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop

from express.devbroker.broker import Broker

NOTICE = "development broker: one node, no replication, no TLS, no access control; not for production"


async def serve(broker: Broker) -> None:
    """Run until SIGINT or SIGTERM. The address goes to stdout as one line, once clients can connect."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with broker:
        print(NOTICE, file=sys.stderr)
        print(broker.address, flush=True)
        await stop.wait()


def run(broker: Broker) -> None:
    """Serve on a loop of its own: uvloop, which sends batches without copying them together first."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(broker))
