"""The form that records have within Kafka's record batches (message format 2): numbers, headers.

    record = varint(length of the rest), attributes (0), varint(timestamp - first), varint(offset - first),
             varint(length), key, varint(length), value, varint(number), headers
    header = varint(length), name in UTF-8, varint(length), value

A varint is zigzag-coded, seven bits a byte, the lowest first; the length -1 stands for null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import msgspec

SMALL = 8_192
"""Numbers below have their varint in the table."""


def varint(number: int) -> bytes:
    r"""The varint of any number of 64 bits.

    >>> varint(0), varint(-1), varint(64), varint(300)
    (b'\x00', b'\x01', b'\x80\x01', b'\xd8\x04')
    """
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    data = bytearray()
    while rest > 0x7F:
        data.append(rest & 0x7F | 0x80)
        rest >>= 7
    data.append(rest)
    return bytes(data)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where the next one begins. Raises ValueError for what is cut off or too long.

    >>> read_varint(varint(-300), 0)
    (-300, 2)
    """
    value = shift = 0
    for byte in data[at : at + 10]:
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value >> 1 ^ -(value & 1), at
        shift += 7
    raise ValueError("a varint that is cut off or too long")


VARINTS = tuple(varint(number) for number in range(SMALL))
NULL = varint(-1)


def sized(data: bytes | None) -> bytes:
    """`data` with its length in front."""
    if data is None:
        return NULL
    size = len(data)
    return (VARINTS[size] if size < SMALL else varint(size)) + data


def read_sized(data: bytes, at: int) -> tuple[bytes | None, int]:
    """Return what `sized` wrote at `at`, and where the next thing begins. Raises ValueError for what is cut off."""
    size, at = read_varint(data, at)
    if size < 0:
        return None, at
    if at + size > len(data):
        raise ValueError("longer than what there is")
    return data[at : at + size], at + size


def encode_headers(headers: Iterable[tuple[str, bytes | None]]) -> bytes:
    """Headers as they stand in a record, with their number in front."""
    parts = [sized(name.encode()) + sized(value) for name, value in headers]
    return varint(len(parts)) + b"".join(parts)


class HeaderBlock(msgspec.Struct, gc=False):
    """Headers that are encoded already; read as a sequence, they are decoded.

    >>> block = HeaderBlock(encode_headers([("a", b"1"), ("b", b"2")]))
    >>> list(block), len(block.encoded)
    ([('a', b'1'), ('b', b'2')], 9)
    """

    encoded: bytes

    @overload
    def __getitem__(self, index: int) -> tuple[str, bytes]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[str, bytes]]: ...

    def __getitem__(self, index: int | slice) -> tuple[str, bytes] | Sequence[tuple[str, bytes]]:
        return self._decoded()[index]

    def __len__(self) -> int:
        return read_varint(self.encoded, 0)[0]

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return iter(self._decoded())

    def _decoded(self) -> list[tuple[str, bytes]]:
        count, at = read_varint(self.encoded, 0)
        found = []
        for _ in range(count):
            name, at = read_sized(self.encoded, at)
            value, at = read_sized(self.encoded, at)
            found.append(((name or b"").decode(), value or b""))
        return found
