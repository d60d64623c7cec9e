"""The door for payloads: what is let in is JSON that can be run, held and written again.

One parser for all ways in (Kafka and the API), so that they agree. Limits: 256 KiB (AWS), 200 levels (orjson
reads 1,024 but writes 254), 50,000 values (256 KiB of `[{},{},...]` take 6 MiB of heap), integers of 64 bits
(orjson would turn larger ones into floats without a word). Duplicate keys: the last one wins.

An ordinary event is checked by its bytes alone, in less than a microsecond: depth and number of values are
bounded by the number of brackets and commas, a large integer needs 19 digits in a row. Only what looks
suspicious is walked.
"""

from __future__ import annotations

import re

from orjson import JSONDecodeError

from express.engine.program import Width
from express.errors import DATA_LIMIT_EXCEEDED, RUNTIME, ExpressError
from express.values import JSON, PAYLOAD_LIMIT, loads

DEPTH_LIMIT = 200
NODE_LIMIT = 50_000
INTEGER_MIN, INTEGER_MAX = -(1 << 63), (1 << 63) - 1

CHILD_BYTES = 3_400
"""What a branch or an iteration that waits for a task takes: frame, coroutine and asyncio task."""

ALONE = Width()

POISON = "POISON"
OVERSIZE = "OVERSIZE"

_DIGITS_TO_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_LONG_NUMBER = b"0" * 19
_STRIDE = 3
_SAMPLED_NUMBER = b"0" * (len(_LONG_NUMBER) // _STRIDE)
"""As many of every third byte are digits, wherever the long number stands: half the work for ordinary events."""

_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?', re.DOTALL)


class Rejected(ExpressError):
    """A payload that no execution is started with. `disposition` is POISON or OVERSIZE, `error` an ASL name."""

    def __init__(self, disposition: str, error: str, cause: str) -> None:
        self.disposition = disposition
        self.error = error
        self.cause = cause
        super().__init__(f"{disposition}: {cause}")


def admit(value: bytes | None, limit: int = PAYLOAD_LIMIT) -> JSON:
    """The JSON value that `value` holds.

    Raises Rejected for what is no JSON in UTF-8, is larger than `limit` bytes, or is beyond the limits above.
    """
    if value is None:
        raise Rejected(POISON, RUNTIME, "The record has no value (a tombstone).")
    size = len(value)
    if size > limit:
        raise Rejected(OVERSIZE, DATA_LIMIT_EXCEEDED, f"The payload has {size} bytes; the limit is {limit}.")
    try:
        data = loads(value)
    except JSONDecodeError as error:
        raise Rejected(POISON, RUNTIME, f"Not valid JSON: {error}") from None
    if size > 2 * DEPTH_LIMIT:
        brackets = value.count(b"[") + value.count(b"{")
        if brackets > DEPTH_LIMIT or (size > NODE_LIMIT and brackets + value.count(b",") >= NODE_LIMIT):
            _check_shape(data)
    if (
        value[::_STRIDE].translate(_DIGITS_TO_ZERO).find(_SAMPLED_NUMBER) >= 0
        and value.translate(_DIGITS_TO_ZERO).find(_LONG_NUMBER) >= 0
    ):
        _check_integers(value)
    return data


def heap_bytes(value: bytes, width: Width = ALONE) -> int:
    """About how much memory the parsed `value` and an execution over it take, from its bytes alone.

    Calibrated to be too high rather than too low: an empty object in an array takes 64 bytes and a place in
    the array, a short string 56, a number 24 to 32. Branches and iterations under way take CHILD_BYTES each;
    there are no more iterations than the value may have items, as long as no task makes more of them.
    """
    brackets, commas = value.count(b"[") + value.count(b"{"), value.count(b",")
    heap = 2_048 + 2 * len(value) + 96 * brackets + 64 * (commas + value.count(b":"))
    if width.children:
        heap += CHILD_BYTES * min(width.children, max(width.holders, commas + 1))
    return heap


def _check_shape(data: JSON) -> None:
    """Refuse what is nested too deep or has too many values; a key counts with its value as one."""
    nodes = depth = 0
    level = [data]
    while level:
        nodes += len(level)
        if nodes > NODE_LIMIT:
            raise Rejected(OVERSIZE, DATA_LIMIT_EXCEEDED, f"The payload has more than {NODE_LIMIT} values.")
        containers = [value for value in level if type(value) is dict or type(value) is list]
        depth += bool(containers)
        if depth > DEPTH_LIMIT:
            raise Rejected(POISON, RUNTIME, f"The payload is nested deeper than {DEPTH_LIMIT} levels.")
        level = [child for value in containers for child in (value.values() if type(value) is dict else value)]


def _check_integers(value: bytes) -> None:
    """Refuse integers beyond 64 bits; digits within strings and fractions are none."""
    for match in _STRING_OR_NUMBER.finditer(value):
        token = match.group()
        if len(token) < len(_LONG_NUMBER) or token[0] == 0x22 or not token.lstrip(b"-").isdigit():
            continue
        if len(token) > 20 or not INTEGER_MIN <= int(token) <= INTEGER_MAX:
            shown = token[:40].decode()
            raise Rejected(POISON, RUNTIME, f"The integer {shown} does not fit into 64 bits.")
