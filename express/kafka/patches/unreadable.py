"""Records of a batch that aiokafka's decoder does not take."""

from __future__ import annotations

import struct
from typing import Any

from express.ports import ConsumedRecord, Record, Unreadable
from express.record_format import read_sized, read_varint

HEADER = struct.Struct(">qiibIhiqqqhii")

GIVEN_UP = 10_000
"""Most records of one batch that are given up one by one; the last of them says how many more there are."""

_LOG_APPEND_TIME = 0x08


class SalvagedRecord(Record, frozen=True, gc=False):
    """A record that was read with care."""

    timestamp_type: int = 0


def read_carefully(raw: bytes) -> list[ConsumedRecord]:
    """The records of a batch that is not compressed, one by one; from the first broken one on, they are given up.

    Names of headers that are no UTF-8 have U+FFFD in the place of what is wrong, as in Java's client.
    """
    base, _, _, _, _, attributes, last, first_time, latest, *_, count = HEADER.unpack_from(raw)
    stamped = attributes & _LOG_APPEND_TIME
    found: list[ConsumedRecord] = []
    at = HEADER.size
    try:
        for _ in range(count):
            size, start = read_varint(raw, at)
            delta, key, value, offset, headers, end = _read_record(raw, start)
            if end - start != size:
                raise ValueError(f"a record of {end - start} bytes says that it has {size}")
            timestamp = latest if stamped else first_time + delta
            found.append(SalvagedRecord("", 0, base + offset, timestamp, key, value, headers, int(bool(stamped))))
            at = end
    except (ValueError, IndexError) as error:
        after = found[-1].offset + 1 if found else base
        found += give_up(raw[at:], after, base + last + 1, latest, f"it can't be taken apart: {error}")
    return found


def give_up(raw: bytes, first: int, after: int, timestamp: int, why: str) -> list[ConsumedRecord]:
    """Records that can't be read, from `first` until before `after`. The first one has all the bytes there are."""
    shown = min(after, first + GIVEN_UP)
    more = after - shown
    found: list[ConsumedRecord] = [
        Unreadable(n, timestamp, raw if n == first else None, why) for n in range(first, shown)
    ]
    if more > 0:
        found[-1] = Unreadable(shown - 1, timestamp, None, f"{why}; so are the {more} records after it")
    return found


def _read_record(raw: bytes, at: int) -> tuple[int, Any, Any, int, tuple[Any, ...], int]:
    at += 1  # attributes, of which there are none
    delta, at = read_varint(raw, at)
    offset, at = read_varint(raw, at)
    key, at = read_sized(raw, at)
    value, at = read_sized(raw, at)
    count, at = read_varint(raw, at)
    headers = []
    for _ in range(count):
        name, at = read_sized(raw, at)
        content, at = read_sized(raw, at)
        headers.append(((name or b"").decode(errors="replace"), content))
    return delta, key, value, offset, tuple(headers), at
