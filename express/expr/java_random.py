"""Java's `java.util.Random`, which decides what a seed gives on AWS."""

from __future__ import annotations

_MULTIPLIER = 0x5DEECE66D
_MASK = (1 << 48) - 1


def next_double(seed: int) -> float:
    """The first number in [0, 1) of `new java.util.Random(seed).nextDouble()`.

    >>> next_double(42)
    0.7275636800328681
    """
    state = (seed ^ _MULTIPLIER) & _MASK
    state = (state * _MULTIPLIER + 0xB) & _MASK
    high = state >> 22
    state = (state * _MULTIPLIER + 0xB) & _MASK
    return ((high << 27) + (state >> 21)) / (1 << 53)
