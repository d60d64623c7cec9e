"""Chance with a shape, as command lines write it: which key an event has, and how large it is. All from a seed."""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Callable
from itertools import accumulate

from express.config.quantities import Size
from express.errors import ConfigError

Draw = Callable[[], int]

LARGEST_EVENT = 16 * 1024 * 1024
"""Most bytes of an event that a load test makes: 64 times what an execution takes."""

_Z99 = 2.3263478740408408
"""The 99th percentile of the standard normal distribution."""


def draw_keys(count: int, skew: str, chance: random.Random) -> Draw:
    """Numbers from 0 to `count` - 1: all alike (`uniform`), or number k as often as 1 ÷ (k + 1)^S (`zipf:S`).

    >>> draw = draw_keys(3, "zipf:2", random.Random(1))
    >>> drawn = [draw() for _ in range(4900)]
    >>> [round(drawn.count(key) / 100) for key in range(3)]  # 36 : 9 : 4
    [36, 9, 4]

    Raises ConfigError.
    """
    if skew == "uniform":
        return lambda: int(chance.random() * count)
    name, _, text = skew.partition(":")
    try:
        exponent = float(text)
        if name != "zipf" or not 0 < exponent <= 10:
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"key skew {skew!r}: expected uniform, or zipf:S with 0 < S <= 10, such as zipf:1.1"
        ) from None
    upto = list(accumulate((number + 1) ** -exponent for number in range(count)))
    total = upto[-1]
    return lambda: min(bisect(upto, chance.random() * total), count - 1)


def draw_sizes(text: str, chance: random.Random) -> Draw:
    """Sizes in bytes: `1KiB`, evenly from `100..256KiB`, or `lognormal:1KiB..64KiB` (its p50 and p99).

    >>> draw = draw_sizes("100..1KiB", random.Random(1))
    >>> all(100 <= draw() <= 1024 for _ in range(1000))
    True

    Raises ConfigError.
    """
    name, colon, numbers = text.rpartition(":")
    low, dots, high = numbers.partition("..")
    try:
        first = Size.parse(low)
        last = Size.parse(high) if dots else first
        if last > LARGEST_EVENT:
            raise ValueError(f"an event has {LARGEST_EVENT:,} bytes at most")
        if (colon and (name != "lognormal" or not dots)) or not 0 < first <= last:
            raise ValueError("expected 1KiB, 100..256KiB, or lognormal:1KiB..64KiB")
    except ValueError as error:
        raise ConfigError(f"event size {text!r}: {error}") from None
    if not colon:
        return lambda: chance.randint(first, last)
    mu, sigma = math.log(first), math.log(last / first) / _Z99
    return lambda: min(int(chance.lognormvariate(mu, sigma)), LARGEST_EVENT)
