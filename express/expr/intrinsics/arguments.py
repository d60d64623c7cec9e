"""Arguments of intrinsic functions: each check gives the argument back or raises Refused."""

from __future__ import annotations

import math

from express.values import JSON, is_number

MAX_CHARACTERS = 10_000
_INT = 2**31


class Refused(Exception):
    """The arguments are not what the function takes. The text is for us; AWS says no more than "Invalid arguments"."""


def as_list(value: JSON) -> list[JSON]:
    """An array."""
    if type(value) is not list:
        raise Refused("an array is expected")
    return value


def as_string(value: JSON) -> str:
    """A text."""
    if type(value) is not str:
        raise Refused("a string is expected")
    return value


def as_short(value: JSON) -> str:
    """A text of up to 10,000 characters."""
    content = as_string(value)
    if len(content) > MAX_CHARACTERS:
        raise Refused(f"more than {MAX_CHARACTERS} characters")
    return content


def as_integer(value: JSON) -> int:
    """An integer; others are rounded half up, as Java's `Math.round` does."""
    if type(value) is int:
        return value
    if not is_number(value) or not math.isfinite(value):
        raise Refused("a number is expected")
    floor = math.floor(value)
    return int(floor + (value - floor >= 0.5))


def as_int32(value: JSON) -> int:
    """An integer of 32 bits, rounded if need be."""
    return in_int32(as_integer(value))


def in_int32(value: int) -> int:
    """An integer of 32 bits."""
    if not -_INT <= value < _INT:
        raise Refused("a number is beyond 32 bits")
    return value
