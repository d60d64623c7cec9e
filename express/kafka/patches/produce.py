"""Produce requests written in parts, where aiokafka is of a version that is known.

It puts a request together from the inside out and copies the batches at each level, eight times in all. That is
nothing beside most requests, and half a microsecond a record where a flush has megabytes. Here only what stands between
the batches is put together, and they go to the transport as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v3
from aiokafka.protocol.types import String
from aiokafka.util import wait_for

from express.kafka.patches.versions import is_known

Send: TypeAlias = Callable[..., Awaitable[Any]]
"""`AIOKafkaConnection.send`."""

LAYOUT = ProduceRequest_v3.SCHEMA
"""That of the versions 3 to 7; aiokafka knows none above. Those below are of brokers older than Kafka 0.11."""

SMALL = 1 << 16
"""Requests of fewer bytes are written in one piece."""

_INT = struct.Struct(">i")
_ABOUT = struct.Struct(">hii")
_ENTRY = struct.Struct(">ii")
_TEXT = String()


def sending_in_parts(send: Send) -> Send:
    """`send` for a connection, but for the produce requests that we know how to write."""
    if not is_known():
        return send

    def send_in_parts(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Awaitable[Any]:
        if type(request) is not ProduceRequest or not expect_response or self._writer is None:
            return send(self, request, expect_response)
        built = request.prepare(self._versions)
        if built.SCHEMA is not LAYOUT:
            return send(self, request, expect_response)
        number = self._next_correlation_id()
        head = built.build_request_header(correlation_id=number, client_id=self._client_id).encode()
        _write(self, [head, *parts(built)])
        answer = self._loop.create_future()
        self._requests.append((number, built, answer))
        waiting: Awaitable[Any] = wait_for(answer, self._request_timeout)
        return waiting

    return send_in_parts


def parts(request: Any) -> Iterator[bytes | bytearray]:
    """The bytes of a produce request of LAYOUT: what `encode` gives, with each of its batches a part of its own."""
    between = _TEXT.encode(request.transactional_id)
    between += _ABOUT.pack(request.required_acks, request.timeout, len(request.topics))
    for topic, batches in request.topics:
        between += _TEXT.encode(topic) + _INT.pack(len(batches))
        for partition, batch in batches:
            yield between + _ENTRY.pack(partition, len(batch))
            yield batch
            between = b""


def _write(connection: AIOKafkaConnection, pieces: list[bytes | bytearray]) -> None:
    size = sum(map(len, pieces))
    whole = [_INT.pack(size), *pieces]
    try:
        if size < SMALL:
            connection._writer.write(b"".join(whole))
        else:
            connection._writer.writelines(whole)
    except OSError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {connection.host}:{connection.port} broken: {error}") from error
