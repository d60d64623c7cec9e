"""The text in a commit's metadata that tells which offsets above the committed one are finished.

    "x1" + base64(varint(highest - frontier) | varint gap | varint gap | ...)

`frontier` is the committed offset: the lowest unfinished one. `highest` is the highest finished one, and each
gap leads from one unfinished offset below `highest` to the next, beginning at the frontier. A varint holds
seven bits a byte, the lowest first; the high bit says that more follow.

Kafka gives the metadata 4,096 characters (`offset.metadata.max.bytes`). Unfinished offsets as gaps were chosen
over bit sets and run lengths because their worst case is provable: with at most IN_FLIGHT_LIMIT unfinished
offsets within SPAN_LIMIT the text has at most 2,894 characters, whatever the pattern, so that it never has to
be dropped, compressed or throttled.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable

import msgspec

IN_FLIGHT_LIMIT = 1_024
"""Most unfinished offsets of one partition."""

SPAN_LIMIT = 1 << 21
"""Finished offsets reach less than this above the frontier."""

LONGEST = 2_894
"""Most characters that a map has within these limits."""

METADATA_LIMIT = 4_096
"""Characters that Kafka keeps with a commit unless configured otherwise."""

MAGIC = "x1"
_LONGEST_VARINT = 5


class CommitMetadata(msgspec.Struct, frozen=True):
    """The metadata of a commit: the highest finished offset and the unfinished ones below it.

    `unfinished` is ascending and begins with the frontier.
    """

    highest: int
    unfinished: tuple[int, ...]


def encode(frontier: int, highest: int, unfinished: Iterable[int]) -> str:
    """The metadata for a commit of `frontier`. `unfinished` is ascending, begins with `frontier`, ends below `highest`.

    >>> encode(100, 105, [100, 103])
    'x1BQM='
    """
    data = bytearray()
    _write_varint(data, highest - frontier)
    last = frontier
    for offset in unfinished:
        if offset != frontier:
            _write_varint(data, offset - last)
        last = offset
    return MAGIC + b64encode(data).decode()


def decode(frontier: int, metadata: str) -> CommitMetadata | None:
    """The map that came with a commit of `frontier`; None for text that is not ours or is damaged.

    Text of other programs (Kafka Streams, Parallel Consumer) may stand there when they used the group before.

    >>> decode(100, "x1BQM=")
    CommitMetadata(highest=105, unfinished=(100, 103))
    """
    if not metadata.startswith(MAGIC) or len(metadata) > METADATA_LIMIT:
        return None
    try:
        numbers = _read_varints(b64decode(metadata[len(MAGIC) :], validate=True))
    except ValueError:
        return None
    if not numbers or not 0 < numbers[0] < SPAN_LIMIT or 0 in numbers[1:]:
        return None
    highest = frontier + numbers[0]
    unfinished = [frontier]
    for gap in numbers[1:]:
        unfinished.append(unfinished[-1] + gap)
    return CommitMetadata(highest, tuple(unfinished)) if unfinished[-1] < highest else None


def _write_varint(data: bytearray, value: int) -> None:
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)


def _read_varints(data: bytes) -> list[int]:
    """Every number of `data`. Raises ValueError where one is cut off or longer than any of ours."""
    numbers = []
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
        elif shift >= 7 * _LONGEST_VARINT:
            raise ValueError("a varint that is too long")
    if shift:
        raise ValueError("a varint that is cut off")
    return numbers
