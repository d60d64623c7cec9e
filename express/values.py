"""JSON values as the States Language sees them: text, size, equality, order, timestamps.

`True` is an `int` in Python and no number in JSON, so types are compared by `type(v)`, never by
`isinstance`. Values that an execution holds are never changed in place.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import orjson

JSON: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict with str keys."""

PAYLOAD_LIMIT = 262_144
"""Most bytes of UTF-8 JSON text that an input, an output or a task result may have (AWS quota)."""

loads = orjson.loads

dumps = orjson.dumps
"""A value as compact JSON text in UTF-8.

Raises TypeError for what orjson can't write (deeper than 254 levels, integers beyond 64 bits).
"""

INTEGER_MIN, INTEGER_MAX = -(1 << 63), (1 << 63) - 1
"""The integers that JSON text may hold here. Larger ones would become doubles without a word, so they are refused."""

DIGITS_TO_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_LONG_NUMBER = b"0" * 19
STRIDE = 3
SAMPLED_NUMBER = b"0" * (len(_LONG_NUMBER) // STRIDE)
"""Digits among every third byte of a long number, wherever that stands: half the work for ordinary events."""

_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?', re.DOTALL)

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?(?::?\d\d)?)\Z",
    re.ASCII,
)


def long_integer(json: bytes) -> str | None:
    """Return the first integer of a JSON text that does not fit into 64 bits; None where there is none.

    Digits within strings and fractions are none.

    >>> long_integer(b'{"a": 9223372036854775808}'), long_integer(b'["9223372036854775808", 9223372036854775807]')
    ('9223372036854775808', None)
    """
    if json.translate(DIGITS_TO_ZERO).find(_LONG_NUMBER) < 0:
        return None
    for match in _STRING_OR_NUMBER.finditer(json):
        token = match.group()
        if len(token) < len(_LONG_NUMBER) or token[0] == 0x22 or not token.lstrip(b"-").isdigit():
            continue
        if len(token) > 20 or not INTEGER_MIN <= int(token) <= INTEGER_MAX:
            return token[:40].decode()
    return None


def loads_exactly(json: str | bytes) -> JSON:
    """Return the value of a JSON text. Raises ValueError for what is none, or has an integer beyond 64 bits."""
    value = loads(json)
    long = long_integer(json.encode() if isinstance(json, str) else json)
    if long is not None:
        raise ValueError(f"the integer {long} does not fit into 64 bits")
    return value


def text(value: JSON) -> str:
    """`value` as compact JSON text."""
    return orjson.dumps(value).decode()


def size(value: JSON) -> int:
    """Bytes of `value` as compact JSON text."""
    return len(orjson.dumps(value))


def is_number(value: JSON) -> bool:
    """Return whether `value` is a JSON number (a bool is none)."""
    kind = type(value)
    return kind is int or kind is float


def parsed_bytes(text: bytes) -> int:
    """About how much memory the value of a JSON text takes once parsed, from its bytes alone.

    Calibrated to be too high rather than too low: an empty object in an array takes 64 bytes and a place in
    the array, a short string 56, a number 24 to 32.
    """
    brackets = text.count(b"[") + text.count(b"{")
    return 2 * len(text) + 96 * brackets + 64 * (text.count(b",") + text.count(b":"))


def equal(a: JSON, b: JSON) -> bool:
    """Deep equality: 1 and 1.0 are equal, True and 1 are not.

    >>> equal({"a": [1, 2.0]}, {"a": [1.0, 2]}), equal([True], [1])
    (True, False)
    """
    kind = type(a)
    if kind is not type(b):
        return is_number(a) and is_number(b) and bool(a == b)
    if kind is dict:
        return a.keys() == b.keys() and all(equal(v, b[k]) for k, v in a.items())
    if kind is list:
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def utf16_key(value: str) -> bytes:
    """A sort key in UTF-16 code-unit order, Java's `compareTo` (States Language strings, spec §10.3)."""
    return value.encode("utf-16-be", "surrogatepass")


def parse_timestamp(value: str) -> datetime | None:
    """The instant of an ISO-8601 extended offset date-time, None where `value` is none.

    Capital `T` and a capital `Z` or an offset are required, seconds and a fraction are not.

    >>> parse_timestamp("2016-03-14T01:59:00Z").isoformat()
    '2016-03-14T01:59:00+00:00'
    >>> parse_timestamp("2016-03-14 01:59:00Z") is None
    True
    """
    match = _TIMESTAMP.match(value)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    micro = int((fraction or "0").ljust(6, "0")[:6])
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro, UTC)
        return moment - _offset(offset)
    except (ValueError, OverflowError):
        return None


def _offset(text_: str) -> timedelta:
    if text_ == "Z":
        return timedelta()
    digits = text_[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    if hours > 18 or minutes > 59 or seconds > 59:
        raise ValueError(text_)
    delta = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return delta if text_[0] == "+" else -delta


def format_timestamp(epoch: float) -> str:
    """An instant in seconds since 1970 as AWS writes it: UTC with milliseconds.

    >>> format_timestamp(0.25)
    '1970-01-01T00:00:00.250Z'
    """
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
