"""The development broker: started and stopped in process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self

from express.devbroker.connection import Connection
from express.devbroker.folder import Folder
from express.devbroker.node import Node, Settings


class Broker:
    """A Kafka broker for development and tests: one node, no replication, no encryption, no access control.

        async with Broker() as broker:
            producer = AIOKafkaProducer(bootstrap_servers=broker.address)

    It runs on the event loop that starts it. `data` is a folder to keep everything in, also across SIGKILL; without
    it all is in memory and gone in the end. Port 0 picks a free one.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        data: str | Path | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._data = data
        self._settings = settings if settings is not None else Settings()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._node: Node | None = None
        self._folder: Folder | None = None

    @property
    def address(self) -> str:
        """`host:port`, as clients want it; the broker must run."""
        assert self._node is not None, "the broker is not started"
        return f"{self._node.host}:{self._node.port}"

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        try:
            node = self._open(loop)
            self._server = await loop.create_server(lambda: Connection(node, self._connections), self._host, self._port)
        except BaseException:
            self._release()
            raise
        node.host, node.port = self._host, self._server.sockets[0].getsockname()[1]

    def _open(self, loop: asyncio.AbstractEventLoop) -> Node:
        """The state: fresh, or as the data folder has it."""
        if self._data is None:
            self._node = Node(loop, self._settings)
            return self._node
        folder = self._folder = Folder(self._data)
        node = self._node = Node(loop, self._settings, folder, folder.blobs)
        for event in folder.replay():
            node.restore(event)
        folder.keep_topics({topic.uid for topic in node.topics})
        folder.begin(node.events)
        node.transactions.resume()
        return node

    def _release(self) -> None:
        if self._node is not None:
            self._node.close()
        if self._folder is not None:
            self._folder.close()
        self._node = self._folder = None

    async def stop(self) -> None:
        """Hang up on everybody and release everything; doing it twice is fine."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for connection in tuple(self._connections):
            connection.close()
        await server.wait_closed()
        self._release()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
