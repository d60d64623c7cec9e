"""Results of executions that have succeeded at once, in the form that they have within a record batch.

A run of the loop (`runtime.records.fast_path`) ends with hundreds of them. What they have in common is encoded once,
what is different is put between, and all of it goes to the batch of the next flush in one piece. Where the sink has no
such batch, or one is full, a result takes the way that all other records take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from express.ports import Block, Partition, Sink
from express.record_format import NULL, SMALL, VARINTS, HeaderBlock, encode_headers, read_varint, varint
from express.runtime.drain.assignment import AssignedPartition
from express.runtime.meter import LEAST_BILLED
from express.runtime.records.terminal_record import HEX, HEX_BITS, PLAIN

Put: TypeAlias = Callable[[int, bytes | None, bytes, int, Sequence[tuple[str, bytes]]], None]
"""(offset, key, value, when it ended in milliseconds since 1970, further headers): append a result."""

_HEX_MASK = (1 << HEX_BITS) - 1


def writer(assigned: AssignedPartition, topic: str, sink: Sink, now_ms: int) -> tuple[Put, Callable[[], None]]:
    """Return two functions: one appends results in the order of their ends, one hands them to the sink at the end.

    The first execution begins at `now_ms`, each of the others when the one before has ended.
    """
    partition, opened = assigned.partition, getattr(sink, "block", _no_block)
    parts: list[bytes] = []
    add = parts.append
    started_ms, shared_ms, ceiling = now_ms, -1, -1
    block: Block | None
    digits, front, middle, back, stamp = PLAIN, b"", b"", b"", b""
    first = count = left = 0

    def begin() -> None:
        nonlocal block, first, count, left, shared_ms
        block = opened(topic, partition)
        first, left, shared_ms = (0, -1, -1) if block is None else (block.records, block.room, -1)
        count = first

    def close() -> None:
        if parts and block is not None:
            block.extend(b"".join(parts), count - first, started_ms)
            parts.clear()

    def share(offset: int, stopped_ms: int) -> None:
        """Encode what results that end at `stopped_ms` have in common."""
        nonlocal digits, front, middle, back, ceiling, shared_ms, stamp
        digits, front, middle, back, ceiling = assigned.naming.succeeded(offset, started_ms, stopped_ms, LEAST_BILLED)
        shared_ms = stopped_ms if started_ms == stopped_ms else -1
        stamp = b"\0" + varint(0 if block is None else stopped_ms - block.since)

    def put(offset: int, key: bytes | None, value: bytes, stopped_ms: int, more: Sequence[tuple[str, bytes]]) -> None:
        nonlocal started_ms, count, left
        if stopped_ms != shared_ms or offset >= ceiling:
            share(offset, stopped_ms)
        last, code = digits[offset % 1000], HEX[offset & _HEX_MASK]
        head, tail = (front, last) if not more else _with(more, front, last)
        if left >= 0:
            keyed = NULL if key is None else VARINTS[len(key)] + key
            try:
                sizes = VARINTS[count], VARINTS[len(value)]
            except IndexError:  # numbers beyond the table
                sizes = varint(count), varint(len(value))
            body = b"".join((stamp, sizes[0], keyed, sizes[1], value, head, last, middle, code, back, tail))
            size = varint(len(body)) if len(body) >= SMALL else VARINTS[len(body)]
            left -= len(size) + len(body)
            if left >= 0:
                add(size)
                add(body)
                count += 1
                started_ms = stopped_ms
                return
        close()
        started_ms = stopped_ms
        headers = HeaderBlock(b"".join((head, last, middle, code, back, tail)))
        sink.append(topic, partition, stopped_ms, key, value, headers)
        begin()

    begin()
    return put, close


def _with(more: Sequence[tuple[str, bytes]], front: bytes, last: bytes) -> tuple[bytes, bytes]:
    """The first and the last piece of headers, with more of them: their number stands in the first byte."""
    number, rest = read_varint(front, 0)
    return varint(number + len(more)) + front[rest:], last + encode_headers(more)[len(varint(len(more))) :]


def _no_block(topic: str, partition: Partition) -> None:
    """For sinks that take records one at a time only."""
