"""Looking into a record batch: only for searches by time, everything else works with whole batches."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from express.devbroker.batch import CODEC_MASK, HEADER, Header, read_header
from express.devbroker.wire import Cursor, MalformedError, read_varint

HIGHEST_TIME = -3
MAX_UNPACKED = 64 << 20


class Stamp(NamedTuple):
    """Offset and time of a record."""

    timestamp: int
    offset: int


def first_at_time(batch: bytes, timestamp: int, start_offset: int) -> Stamp:
    """The first record in `batch` at or after `timestamp` that is not deleted; HIGHEST_TIME asks for the latest.

    A batch that can't be read (a codec whose library is missing, broken bytes) stands as a whole for its records.
    """
    header = read_header(batch)
    wanted = header.max_timestamp if timestamp == HIGHEST_TIME else timestamp
    try:
        for stamp in stamps(header, batch):
            if stamp.timestamp >= wanted and stamp.offset >= start_offset:
                return stamp
    except (MalformedError, ImportError, zlib.error):
        pass
    return Stamp(header.max_timestamp, max(header.base_offset, start_offset))


def stamps(header: Header, batch: bytes) -> Iterator[Stamp]:
    """Time and offset of each record."""
    cursor = Cursor(CODECS[header.attributes & CODEC_MASK](batch[HEADER.size :]))
    for _ in range(header.records):
        end = _signed(cursor) + cursor.pos
        cursor.take(1)
        yield Stamp(header.base_timestamp + _signed(cursor), header.base_offset + _signed(cursor))
        cursor.take(end - cursor.pos)


def _signed(cursor: Cursor) -> int:
    value = read_varint(cursor)
    return (value >> 1) ^ -(value & 1)


def _gzip(data: bytes) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(data, MAX_UNPACKED)


def _snappy(data: bytes) -> bytes:
    """Snappy, in blocks behind a 16-byte header as the Java clients write it, or bare."""
    import cramjam

    if not data.startswith(b"\x82SNAPPY\0"):
        return _unpacked(cramjam.snappy.decompress_raw, data)
    cursor, blocks = Cursor(data, 16), []
    while cursor.pos < len(data):
        block = cursor.take(int.from_bytes(cursor.take(4)))
        blocks.append(_unpacked(cramjam.snappy.decompress_raw, block))
    return b"".join(blocks)


def _lz4(data: bytes) -> bytes:
    import cramjam

    return _unpacked(cramjam.lz4.decompress, data)


def _zstd(data: bytes) -> bytes:
    import cramjam

    return _unpacked(cramjam.zstd.decompress, data)


def _unpacked(decompress: Callable[[bytes], object], data: bytes) -> bytes:
    import cramjam

    try:
        return bytes(decompress(data))  # type: ignore[call-overload, no-any-return]
    except cramjam.DecompressionError as error:
        raise MalformedError(f"broken compressed records: {error}") from error


def _unknown(data: bytes) -> bytes:
    raise MalformedError("an unknown compression codec")


CODECS: tuple[Callable[[bytes], bytes], ...] = (bytes, _gzip, _snappy, _lz4, _zstd, _unknown, _unknown, _unknown)
