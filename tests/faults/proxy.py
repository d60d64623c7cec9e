"""A TCP proxy that delays, slows down, holds back or breaks what passes through it.

The kernel's own means (netem) are not to be had everywhere; a proxy on the broker's second listener is.
"""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

CHUNK = 65_536
END_TXN = 26
"""The key of Kafka's request that commits or aborts a transaction."""
LINGER_OFF = b"\1\0\0\0\0\0\0\0"
"""struct linger: close with RST, throw away what is not sent."""


class Late(msgspec.Struct):
    """Holds up the next `left` requests that end a transaction, each for a time between `seconds`."""

    left: int
    seconds: tuple[float, float]
    answers: bool = False
    """Pass the request on, and hold up its answer."""


class FaultProxy:
    """Listens on `port` and passes everything on to `target`, both on 127.0.0.1."""

    def __init__(self, port: int, target: int, seed: int = 0) -> None:
        self.port = port
        self.delay = 0.0
        """Seconds that each chunk waits, in each direction."""
        self.jitter = 0.0
        """Up to so many seconds more or less."""
        self.bytes_per_second = 0
        """Of each direction of each connection; 0 is without limit."""
        self.resets = 0
        self.late = Late(0, (0.0, 0.0))
        self.held_up = 0
        """Requests that end a transaction, and are held up just now."""
        self._target = target
        self._random = random.Random(seed)
        self._open = asyncio.Event()
        self._open.set()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        tasks = list(self._connections)
        self.heal()
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)

    def hold(self) -> None:
        """Let nothing through any more, without closing anything: as when a cable is cut."""
        self._open.clear()

    def heal(self) -> None:
        """End `hold` and every delay."""
        self.delay = self.jitter = 0.0
        self.bytes_per_second = 0
        self._open.set()

    def reset(self) -> None:
        """Break every connection with RST."""
        for writer in list(self._connections.values()):
            raw = writer.get_extra_info("socket")
            with suppress(OSError, AttributeError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
            writer.transport.abort()
            self.resets += 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        there: asyncio.StreamWriter | None = None
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self._target)
            async with asyncio.TaskGroup() as group:
                silence = asyncio.Event()
                silence.set()
                group.create_task(self._pump_requests(reader, there, silence))
                group.create_task(self._pump(back, writer, silence))
        except* (OSError, EOFError, _Closed):
            pass
        finally:
            del self._connections[task]
            writer.close()
            if there is not None:
                there.close()

    async def _pump_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence: asyncio.Event
    ) -> None:
        """Pass requests on, one by one. One that is held up arrives even if the client has gone by then."""
        while True:
            head = await reader.readexactly(4)
            request = await reader.readexactly(int.from_bytes(head))
            if self.late.left and int.from_bytes(request[:2]) == END_TXN:
                await self._hold_up(head + request, writer, silence)
            else:
                await self._pass(head + request, writer)

    async def _hold_up(self, data: bytes, writer: asyncio.StreamWriter, silence: asyncio.Event) -> None:
        late = self.late
        late.left -= 1
        self.held_up += 1
        seconds = self._random.uniform(*late.seconds)
        if late.answers:
            silence.clear()
            await self._pass(data, writer)
            await asyncio.sleep(seconds)
            silence.set()
        else:
            await asyncio.sleep(seconds)
            await self._pass(data, writer)
        self.held_up -= 1

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence: asyncio.Event) -> None:
        while data := await reader.read(CHUNK):
            await silence.wait()
            await self._pass(data, writer)
        raise _Closed

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        wait = self.delay + self._random.uniform(-self.jitter, self.jitter)
        if self.bytes_per_second:
            wait += len(data) / self.bytes_per_second
        if wait > 0:
            await asyncio.sleep(wait)
        writer.write(data)
        await writer.drain()


class _Closed(Exception):
    """One side has closed: the other is to be closed as well."""
