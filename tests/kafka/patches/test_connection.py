"""Connections of aiokafka's clients: none is left open."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.client import AIOKafkaClient

from express.kafka.patches.connection import repair_connections
from tests.patience import PATIENCE

API_VERSIONS = 18


class Silent:
    """A broker that says which versions it speaks, by asking a real one, and then nothing more."""

    def __init__(self, broker: str) -> None:
        self._host, _, port = broker.partition(":")
        self._port = int(port)
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = await reader.readexactly(4)
                request = await reader.readexactly(int.from_bytes(size))
                if int.from_bytes(request[:2]) == API_VERSIONS:
                    writer.write(await self._relayed(size + request))
                else:
                    self.asked.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
        finally:
            writer.close()

    async def _relayed(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(request)
        size = await reader.readexactly(4)
        answer = size + await reader.readexactly(int.from_bytes(size))
        writer.close()
        await writer.wait_closed()
        return answer


async def test_a_client_that_is_cancelled_while_it_starts_hangs_up(devbroker: str) -> None:
    """The connection over which it asks for the cluster is nobody's yet, and is closed all the same."""
    repair_connections()
    broker = Silent(devbroker)
    async with broker as address, asyncio.timeout(PATIENCE):
        client = AIOKafkaClient(bootstrap_servers=address)
        starting = asyncio.create_task(client.bootstrap())
        await broker.asked.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await broker.closed.wait()
        await client.close()
