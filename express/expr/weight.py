"""Weight of values, found out in no more time than it is worth."""

from __future__ import annotations

from typing import Final

from express.values import JSON

LARGE_ITEMS: Final = 1_000
"""A longer array (or a larger object) is left to what counts its steps."""

LARGE_TEXT: Final = 16_384
"""A longer text is left to what counts its steps."""


def weight(value: JSON, most: int) -> int:
    """Return a value's weight: one for each value in it and for each 16 characters; `most` once it is that.

    >>> weight({"a": [1, 2], "b": "x" * 32}, 100), weight([[]] * 1000, 100)
    (9, 100)
    """
    total, todo = 0, [value]
    while todo:
        value = todo.pop()
        kind = type(value)
        total += 1
        if kind is str:
            total += len(value) >> 4
        elif kind is list or kind is dict:
            total += len(value) if kind is dict else 0
            if total + len(value) >= most:
                return most
            todo.extend(value if kind is list else value.values())
        if total >= most:
            return most
    return total
