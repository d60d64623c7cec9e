"""Keys and sizes by chance: their distributions, and what is refused."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from express.errors import ConfigError
from express.load.distributions import draw_keys, draw_sizes


def test_zipf_keys_have_zipfs_shares() -> None:
    """Of 1,000 keys with S = 1.1 the first is drawn as often as 1 ÷ Σ k^-1.1 says, and every number is in range."""
    draw = draw_keys(1_000, "zipf:1.1", random.Random(1))
    drawn = Counter(draw() for _ in range(100_000))
    total = sum(k**-1.1 for k in range(1, 1_001))

    assert drawn[0] / 100_000 == pytest.approx(1 / total, rel=0.03)
    assert drawn[9] / 100_000 == pytest.approx(10**-1.1 / total, rel=0.1)
    assert set(drawn) <= set(range(1_000))


def test_uniform_keys_are_alike() -> None:
    """Without skew all keys come about as often."""
    draw = draw_keys(10, "uniform", random.Random(1))
    drawn = Counter(draw() for _ in range(20_000))

    assert len(drawn) == 10
    assert max(drawn.values()) < 1.15 * min(drawn.values())


def test_sizes_have_their_distribution() -> None:
    """One size is one size; a range is even from end to end; a lognormal has its p50 and p99."""
    constant, even, skewed = (
        sorted(draw() for draw in [draw_sizes(text, random.Random(1))] for _ in range(20_000))
        for text in ("1KiB", "100..256KiB", "lognormal:1KiB..64KiB")
    )

    assert constant[0] == constant[-1] == 1024
    assert (even[0] < 200, even[-1] > 262_000) == (True, True)
    assert even[10_000] == pytest.approx((100 + 262_144) / 2, rel=0.03)
    assert skewed[10_000] == pytest.approx(1024, rel=0.05)
    assert skewed[19_800] == pytest.approx(65_536, rel=0.15)


@pytest.mark.parametrize("text", ["", "big", "0", "2KiB..1KiB", "lognormal:1KiB", "normal:1..2", "1..2..3"])
def test_a_bad_size_is_refused(text: str) -> None:
    """What is no size is a configuration error that shows it."""
    with pytest.raises(ConfigError, match="event size"):
        draw_sizes(text, random.Random(1))


@pytest.mark.parametrize("text", ["", "zipf", "zipf:", "zipf:0", "zipf:x", "normal:1"])
def test_a_bad_skew_is_refused(text: str) -> None:
    """What is no skew is a configuration error that says what would be one."""
    with pytest.raises(ConfigError, match=r"zipf:1\.1"):
        draw_keys(10, text, random.Random(1))
