"""One client connection: frames in, requests handled one after the other, responses out in the same order.

As in Apache Kafka, a request that waits (a fetch without data, a join) holds up the ones behind it on its
connection. While one waits, or the client does not read its answers, no more is read from the socket: what a
client can make the broker hold is bounded by one request.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import Any, cast

from express.devbroker.apis import API_VERSIONS, BY_KEY, SPOKEN, Api
from express.devbroker.call import Answer, Call
from express.devbroker.codes import Code
from express.devbroker.member import Client
from express.devbroker.messages.admin import ApiVersionsResponse
from express.devbroker.node import Node
from express.devbroker.wire import Cursor, MalformedError, Message, decode, encode, skip_tags

log = logging.getLogger("express.devbroker")

SIZE = 4
READ_AHEAD = 1 << 20
_HEAD = struct.Struct(">hhih")
_LENGTH = struct.Struct(">i")
_REPLY_HEAD = struct.Struct(">ii")


class Connection(asyncio.Protocol):
    """Speaks the protocol with one client."""

    def __init__(self, node: Node, connections: set[Connection]) -> None:
        self._node = node
        self._connections = connections
        self._buffer = bytearray()
        self._waiting: asyncio.Task[None] | None = None
        self._choked = False
        self._host = ""
        self._transport: asyncio.Transport

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its base class
        peer = transport.get_extra_info("peername")
        self._host = f"/{peer[0]}" if peer else ""
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and nobody waits for the answer."""
        self._connections.discard(self)
        self._buffer.clear()
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        self._buffer += data
        self._work()

    def pause_writing(self) -> None:
        """The client does not read: handle no more of its requests."""
        self._choked = True

    def resume_writing(self) -> None:
        """The client reads again."""
        self._choked = False
        self._work()

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    # -- requests

    def _work(self) -> None:
        """Handle what is complete in the buffer, until something waits."""
        try:
            while not self._choked and self._waiting is None and not self._transport.is_closing():
                frame = self._next_frame()
                if frame is None:
                    break
                self._handle(frame)
        except MalformedError as error:
            log.debug("hanging up on %s: %s", self._host, error)
            self.close()
        except Exception as error:
            self._fail(error)
        self._regulate()

    def _fail(self, error: Exception) -> None:
        """Hang up: the client may try again. A disk that takes no more is told once until it has answered again."""
        if not isinstance(error, OSError):
            log.exception("a request failed; hanging up on %s", self._host)
        elif self._node.trouble != str(error):
            self._node.trouble = str(error)
            log.error("the data folder can't be written; hanging up on %s: %s", self._host, error)
        self.close()

    def _next_frame(self) -> bytes | None:
        if len(self._buffer) < SIZE:
            return None
        size = _LENGTH.unpack_from(self._buffer)[0]
        if not _HEAD.size <= size <= self._node.settings.max_request_bytes:
            raise MalformedError(f"a request of {size} bytes")
        if len(self._buffer) < SIZE + size:
            return None
        with memoryview(self._buffer) as view:
            frame = bytes(view[SIZE : SIZE + size])
        del self._buffer[: SIZE + size]
        return frame

    def _regulate(self) -> None:
        """Read from the socket only if what is read can be worked on."""
        if self._transport.is_closing():
            return
        if len(self._buffer) > READ_AHEAD and (self._choked or self._waiting is not None):
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _handle(self, frame: bytes) -> None:
        key, version, correlation, _ = _HEAD.unpack_from(frame)
        api = BY_KEY.get(key)
        if api is None or not api.first <= version <= api.last:
            return self._unsupported(key, version, correlation)
        flexible = version >= api.flexible
        cursor = Cursor(frame, 8)
        client_id = _client_id(cursor)
        if flexible:
            skip_tags(cursor)
        request = decode(api.request, version, flexible, cursor)
        answer = api.handle(self._node, request, Call(version, Client(client_id, self._host)))
        return self._answer(api, version, correlation, answer)

    def _answer(self, api: Api, version: int, correlation: int, answer: Answer) -> None:
        if isinstance(answer, Message):
            self._send(answer, version, correlation, version >= api.flexible)
        elif answer is not None:
            self._waiting = asyncio.ensure_future(self._answer_later(api, version, correlation, answer))

    async def _answer_later(self, api: Api, version: int, correlation: int, answer: Any) -> None:
        try:
            self._send(await answer, version, correlation, version >= api.flexible)
        except Exception as error:
            self._fail(error)
        self._waiting = None
        self._work()

    def _unsupported(self, key: int, version: int, correlation: int) -> None:
        """A client that asks for too new a version of ApiVersions is told which there are (KIP-511)."""
        if key != API_VERSIONS:
            raise MalformedError(f"version {version} of API {key} is not spoken here")
        self._send(ApiVersionsResponse(error=Code.UNSUPPORTED_VERSION, apis=SPOKEN), 0, correlation, False)

    def _send(self, response: Message, version: int, correlation: int, flexible: bool) -> None:
        out = [b"", b"\0"] if flexible else [b""]
        encode(response, version, flexible, out)
        out[0] = _REPLY_HEAD.pack(sum(map(len, out)) + SIZE, correlation)
        if not self._transport.is_closing():
            self._transport.writelines(out)


def _client_id(cursor: Cursor) -> str:
    size = int.from_bytes(cursor.take(2), signed=True)
    try:
        return cursor.take(size).decode() if size > 0 else ""
    except UnicodeDecodeError as error:
        raise MalformedError("a client id that is no text") from error
