"""Compressed record batches, unpacked with a bound: a few KiB can become gigabytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import cramjam

FIRST_GUESS = 8
"""The first output buffer is so many times as large as the input; it grows by the same while it is too small."""

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16
_SIZE = struct.Struct(">i")
_GZIP = zlib.MAX_WBITS | 16


class TooLarge(ValueError):
    """There is more than the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"its batch has more than {limit} bytes unpacked")


def unpacked(codec: int, data: bytes, limit: int) -> bytes:
    """`data` unpacked by the codec of a batch's attributes.

    Raises TooLarge, ValueError for a codec that does not exist, and what the codecs raise for broken data.
    """
    unpack = _CODECS.get(codec)
    if unpack is None:
        raise ValueError(f"there is no codec {codec}")
    return unpack(data, limit)


def _gzip(data: bytes, limit: int) -> bytes:
    found = b""
    while data:
        member = zlib.decompressobj(_GZIP)
        found += member.decompress(data, limit + 1 - len(found))
        if len(found) > limit:
            raise TooLarge(limit)
        if not member.eof:
            raise ValueError("gzip data that is cut off")
        data = member.unused_data
    return found


def _snappy(data: bytes, limit: int) -> bytes:
    """Plain, or in the blocks of the xerial library, as Java's client writes it."""
    if not data.startswith(_XERIAL):
        return _snappy_block(data, limit)
    parts, left, at = [], limit, _XERIAL_HEADER
    while at < len(data):
        (size,) = _SIZE.unpack_from(data, at)
        at += _SIZE.size
        if not 0 <= size <= len(data) - at:
            raise ValueError("a snappy block that is cut off")
        parts.append(_snappy_block(data[at : at + size], left))
        left -= len(parts[-1])
        at += size
    return b"".join(parts)


def _snappy_block(data: bytes, limit: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(data) > limit:
        raise TooLarge(limit)
    return bytes(cramjam.snappy.decompress_raw(data))


def _growing(unpack_into: Callable[[bytes, bytearray], int]) -> Callable[[bytes, int], bytes]:
    """A codec that does not tell how much there is: buffers that grow until it fits."""

    def unpack(data: bytes, limit: int) -> bytes:
        size = max(FIRST_GUESS * len(data), 1 << 16)
        while True:
            size = min(size, limit)
            buffer = bytearray(size)
            try:
                return bytes(memoryview(buffer)[: unpack_into(data, buffer)])
            except cramjam.DecompressionError as error:
                if "whole buffer" not in str(error):
                    raise
                if size == limit:
                    raise TooLarge(limit) from None
            size *= FIRST_GUESS

    return unpack


_CODECS: dict[int, Callable[[bytes, int], bytes]] = {
    1: _gzip,
    2: _snappy,
    3: _growing(cramjam.lz4.decompress_into),
    4: _growing(cramjam.zstd.decompress_into),
}
