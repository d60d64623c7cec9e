"""Record batches (message format 2) as brokers keep them, made and read with aiokafka's code, not the product's."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from express.ports import Headers

_HEADER = struct.Struct(">qiibIhiqqqhii")
_CRC_AT = struct.calcsize(">qiib")
_ATTRIBUTES_AT = struct.calcsize(">qiibI")
_BASE = struct.Struct(">q")
_CONTROL = 0x20

Row = tuple[int, bytes | None, bytes | None, Headers]
"""Timestamp, key, value, headers."""


class Head(NamedTuple):
    """The header of a batch. `last` counts from `base`, `sequence` is the first record's."""

    base: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last: int
    first_timestamp: int
    max_timestamp: int
    producer: int
    epoch: int
    sequence: int
    number: int


def head(data: bytes) -> Head:
    """The header of a batch that is there whole."""
    return Head(*_HEADER.unpack_from(data))


def placed(data: bytes, base: int) -> bytes:
    """A batch as its log keeps it: its first record is at `base`. The checksum does not cover that."""
    return _BASE.pack(base) + data[_BASE.size :]


def is_whole(data: bytes) -> bool:
    """Whether the length and the checksum of a batch are right."""
    about = head(data)
    return about.length == len(data) - 12 and about.crc == calc_crc32c(data[_ATTRIBUTES_AT:])


def records(data: bytes) -> list[Any]:
    """The records of a batch, unpacked and decoded."""
    return list(DefaultRecordBatch(data))


def batch(
    rows: Iterable[tuple[int, Row]], producer: int = -1, epoch: int = -1, *, transactional: bool = False
) -> bytes:
    """A batch of rows, each with its distance from the first offset: compaction leaves holes."""
    builder = DefaultRecordBatchBuilder(2, 0, transactional, producer, epoch, 0, 1 << 30)
    for offset, (timestamp, key, value, headers) in rows:
        builder.append(offset, timestamp, key, value, list(headers))
    return bytes(builder.build())


def marker(producer: int, epoch: int, timestamp: int, *, commit: bool) -> bytes:
    """The control batch that ends a transaction."""
    key, value = struct.pack(">hh", 0, 1 if commit else 0), struct.pack(">hi", 0, 0)
    data = bytearray(batch([(0, (timestamp, key, value, ()))], producer, epoch, transactional=True))
    attributes = head(bytes(data)).attributes | _CONTROL
    struct.pack_into(">h", data, _ATTRIBUTES_AT, attributes)
    struct.pack_into(">I", data, _CRC_AT, calc_crc32c(bytes(data[_ATTRIBUTES_AT:])))
    return bytes(data)
