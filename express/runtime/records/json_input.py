"""The door for payloads: what is let in is JSON that can be run, held and written again.

One parser for all ways in (Kafka and the API), so that they agree. Limits: 256 KiB (AWS), 200 levels (orjson
reads 1,024 but writes 254), 50,000 values (256 KiB of `[{},{},...]` take 6 MiB of heap), integers of 64 bits
(orjson would turn larger ones into floats without a word). Duplicate keys: the last one wins.

An ordinary event is checked by its bytes alone, in less than a microsecond: depth and number of values are
bounded by the number of brackets and commas, a large integer needs 19 digits in a row. Only what looks
suspicious is walked.
"""

from __future__ import annotations

from orjson import JSONDecodeError

from express.engine.program import Width
from express.errors import DATA_LIMIT_EXCEEDED, RUNTIME, ExpressError
from express.values import (
    DIGITS_TO_ZERO,
    JSON,
    PAYLOAD_LIMIT,
    SAMPLED_NUMBER,
    STRIDE,
    loads,
    long_integer,
    parsed_bytes,
)

DEPTH_LIMIT = 200
NODE_LIMIT = 50_000

CHILD_BYTES = 3_400
"""Bytes that a branch or an iteration takes while it waits for a task: frame, coroutine and asyncio task."""

ALONE = Width()

POISON = "POISON"
OVERSIZE = "OVERSIZE"


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
    if value[::STRIDE].translate(DIGITS_TO_ZERO).find(SAMPLED_NUMBER) >= 0:
        long = long_integer(value)
        if long is not None:
            raise Rejected(POISON, RUNTIME, f"The integer {long} does not fit into 64 bits.")
    return data


def heap_bytes(value: bytes, width: Width = ALONE) -> int:
    """About how much memory the parsed `value` and an execution over it take, from its bytes alone.

    Branches and iterations under way take CHILD_BYTES each; there are no more iterations than the value may have
    items, as long as no task makes more of them.
    """
    heap = 2_048 + parsed_bytes(value)
    if width.children:
        heap += CHILD_BYTES * min(width.children, max(width.holders, value.count(b",") + 1))
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
