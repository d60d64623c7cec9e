"""Listening sockets that let a crowd in a few at a time.

The event loop's own servers take all connections that wait before they look at anything else; two thousand that come
at once, as after a network was away, stop everybody else for as long as it takes to greet them. Here others have
their turn in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence

BACKLOG = 1_024
PER_TURN = 8
"""Connections that are let in before others have their turn: about a millisecond."""


class Doors:
    """The listening sockets of one address. Made and closed on their loop."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        connected: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._connected = connected
        self._tls = tls
        self._greeting: set[asyncio.Task[None]] = set()
        for door in sockets:
            self._loop.add_reader(door.fileno(), self._let_in, door)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first one."""
        host, port = self._sockets[0].getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Let nobody in any more."""
        for door in self._sockets:
            self._loop.remove_reader(door.fileno())
            door.close()
        for task in self._greeting:
            task.cancel()

    def _let_in(self, door: socket.socket) -> None:
        for _ in range(PER_TURN):
            try:
                connection, _ = door.accept()
            except OSError:  # nobody is left, has gone again, or there are no descriptors
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._greet(connection))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # gone before it was greeted, or no TLS
                await self._loop.connect_accepted_socket(self._connected, connection, ssl=self._tls)
        except BaseException:
            connection.close()
            raise


async def open_doors(
    host: str, port: int, connected: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None
) -> Doors:
    """Listen on every address that `host` has. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            if sockets and not port:  # all on the port that the first was given
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            sockets.append(_listening(family, address))
    except BaseException:
        for opened in sockets:
            opened.close()
        raise
    return Doors(sockets, connected, tls)


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setblocking(False)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        door.bind(address)
        door.listen(BACKLOG)
    except BaseException:
        door.close()
        raise
    return door
