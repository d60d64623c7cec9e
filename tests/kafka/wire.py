"""A client that speaks one request at a time, in whatever version: for what real clients hide or never do.

It uses the development broker's own message classes; since it talks to a real Kafka with them too, it holds them to
the protocol.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from express.devbroker.apis import APIS, Api
from express.devbroker.messages.groups import FindCoordinatorRequest
from express.devbroker.wire import Cursor, Message, decode, encode, skip_tags
from tests.patience import PATIENCE

GROUP, TRANSACTION = 0, 1
NOT_YET = frozenset({14, 15, 16, 51})  # the coordinator is loading, not there yet, or busy with the last transaction
NOT_LED = frozenset({3, 5, 6})  # a partition that was created a moment ago has no leader yet
API_OF: dict[type[Message], Api] = {api.request: api for api in APIS}


def response_of(request: type[Message]) -> type[Message]:
    """The response class that goes with a request class."""
    name = request.__name__.removesuffix("Request") + "Response"
    found: type[Message] = getattr(sys.modules[request.__module__], name)
    return found


class Wire:
    """A connection to the first of the brokers at `address`."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.split(",")[0].partition(":")
        self._port = int(port)
        self._correlation = 0
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def send(self, request: Message, version: int) -> None:
        """Send a request without waiting for the answer."""
        api = API_OF[type(request)]
        flexible = version >= api.flexible
        self._correlation += 1
        out = [struct.pack(">hhih", api.key, version, self._correlation, 4), b"wire", b"\0" if flexible else b""]
        encode(request, version, flexible, out)
        data = b"".join(out)
        self._writer.write(struct.pack(">i", len(data)) + data)
        await self._writer.drain()

    async def receive(self, kind: type[Message], version: int) -> Any:
        """The next answer, which must be one to a request of this kind and nothing more."""
        flexible = version >= API_OF[kind].flexible
        size = int.from_bytes(await self._reader.readexactly(4))
        cursor = Cursor(await self._reader.readexactly(size), 4)
        if flexible:
            skip_tags(cursor)
        response = decode(response_of(kind), version, flexible, cursor)
        assert cursor.pos == size, f"{size - cursor.pos} bytes left over after {response}"
        return response

    async def call(self, request: Message, version: int | None = None) -> Any:
        """Send a request, in the newest version we know unless told otherwise, and get its answer."""
        version = API_OF[type(request)].last if version is None else version
        await self.send(request, version)
        return await self.receive(type(request), version)

    async def settled(self, request: Message, version: int | None = None, not_yet: frozenset[int] = NOT_YET) -> Any:
        """Like `call`, but ask again as long as the answer is that it is too early."""
        async with asyncio.timeout(PATIENCE):
            while True:
                response = await self.call(request, version)
                if not not_yet & codes(response):
                    return response
                await asyncio.sleep(0.02)

    async def find(self, key: str, kind: int = GROUP) -> None:
        """Wait until the coordinator of a group or transactional id can be asked."""
        await self.settled(FindCoordinatorRequest(key=key, key_type=kind))

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def codes(message: Message) -> set[int]:
    """All error codes anywhere in a response."""
    found = set()
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if name == "error":
            found.add(int(value))
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Message):
                found |= codes(part)
    return found


def unique(prefix: str) -> str:
    """A name that nobody else has, since tests share the broker."""
    return f"{prefix}-{uuid4().hex[:12]}"


def record_batch(
    *values: bytes, producer_id: int = -1, epoch: int = -1, sequence: int = -1, transactional: bool = False
) -> bytes:
    """A record batch as a producer sends it."""
    builder = DefaultRecordBatchBuilder(2, 0, transactional, producer_id, epoch, sequence, 1 << 30)
    for index, value in enumerate(values):
        builder.append(index, 1_700_000_000_000 + index, None, value, [])
    return bytes(builder.build())
