"""Record batches (message format 2): the header, which is all that the broker looks at, and control batches.

A batch is stored as it was received. Only its base offset and leader epoch are set: they lie before the part
that the checksum covers (KIP-98), so no batch is ever re-encoded and the work is per batch, not per record.
The checksum itself is not verified here (Python has no fast CRC-32C); consumers verify it.
"""

from __future__ import annotations

import struct
from mmap import mmap
from typing import NamedTuple

from express.devbroker.codes import Code, RefusedError

HEADER = struct.Struct(">qiibIhiqqqhii")
LENGTH_PREFIX = 12  # base offset and length: what the length field does not count
NO_PRODUCER = -1
CODEC_MASK = 0x07
TRANSACTIONAL = 0x10
CONTROL = 0x20
EPOCH = struct.pack(">i", 0)
_OFFSET = struct.Struct(">q")


class Header(NamedTuple):
    """The fixed part of a record batch."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.length + LENGTH_PREFIX

    @property
    def last_offset(self) -> int:
        """Offset of the last record."""
        return self.base_offset + self.last_delta

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last record; they wrap at 2**31."""
        return (self.base_sequence + self.last_delta) & 0x7FFFFFFF

    @property
    def is_transactional(self) -> bool:
        """The batch belongs to a transaction."""
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        """The batch is a transaction marker, not data."""
        return bool(self.attributes & CONTROL)


def read_header(data: bytes | mmap, at: int = 0) -> Header:
    """Read a batch's header; the caller knows that there are enough bytes."""
    return Header._make(HEADER.unpack_from(data, at))


def check_produced(data: bytes | None, max_bytes: int) -> Header:
    """The header of the one batch a producer sent for a partition, if the batch is sound."""
    if data is None or len(data) < HEADER.size:
        raise RefusedError(Code.CORRUPT_MESSAGE, "no whole record batch")
    header = read_header(data)
    if header.magic != 2:
        raise RefusedError(Code.UNSUPPORTED_FOR_MESSAGE_FORMAT, f"message format {header.magic}, only 2 is served")
    if header.size > max_bytes:
        raise RefusedError(Code.MESSAGE_TOO_LARGE, f"{header.size} bytes, {max_bytes} is the limit")
    if header.size < len(data):
        raise RefusedError(Code.INVALID_RECORD, "more than one record batch for a partition")
    if header.size > len(data):
        raise RefusedError(Code.CORRUPT_MESSAGE, "the record batch is cut off")
    if header.records < 1 or header.last_delta != header.records - 1:
        raise RefusedError(Code.INVALID_RECORD, f"{header.records} records up to offset delta {header.last_delta}")
    if header.is_control:
        raise RefusedError(Code.INVALID_RECORD, "producers write no control batches")
    return header


def placed(data: bytes, base_offset: int) -> bytes:
    """The batch as it lies at `base_offset` of a log."""
    return b"".join((_OFFSET.pack(base_offset), data[8:12], EPOCH, data[16:]))


def marker(base_offset: int, producer_id: int, epoch: int, committed: bool, timestamp_ms: int) -> bytes:
    """The control batch that ends a transaction in a partition (KIP-98, "Control Messages")."""
    key = struct.pack(">hh", 0, int(committed))
    value = struct.pack(">hi", 0, 0)
    body = b"\0\0\0" + bytes([len(key) << 1]) + key + bytes([len(value) << 1]) + value + b"\0"
    record = bytes([len(body) << 1]) + body
    covered = struct.pack(
        ">hiqqqhii", TRANSACTIONAL | CONTROL, 0, timestamp_ms, timestamp_ms, producer_id, epoch, -1, 1
    )
    checksum = crc32c(covered + record)
    length = HEADER.size - LENGTH_PREFIX + len(record)
    return struct.pack(">qiibI", base_offset, length, 0, 2, checksum) + covered + record


def marks_commit(batch: bytes) -> bool:
    """Return whether a control batch commits (or aborts); the type is the second half of its record's key."""
    return batch[HEADER.size + 8] == 1


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), byte by byte: for control batches only.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    value = 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ _CRC_TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
