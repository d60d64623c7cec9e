"""When events are due."""

from __future__ import annotations

import itertools
import math

import pytest

from express.bench.schedule import Stage, arrivals, parse_rate
from express.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds", "expected"),
    [
        ("500", 10, [Stage(500, 500, 10)]),
        ("500", None, [Stage(500, 500, 30)]),
        ("10:20/4s", None, [Stage(10, 20, 4)]),
        ("10:20/4s", 6, [Stage(10, 20, 4), Stage(20, 20, 2)]),
        ("10:20/4s", 2, [Stage(10, 15, 2)]),
        ("10/1s,20/1s", None, [Stage(10, 10, 1), Stage(20, 20, 1)]),
        ("10/1s,20", 3, [Stage(10, 10, 1), Stage(20, 20, 2)]),
    ],
)
def test_a_rate_is_stages(text: str, seconds: float | None, expected: list[Stage]) -> None:
    """Constant rates, ramps and steps; the last rate is held until the duration, which also cuts off."""
    assert parse_rate(text, seconds) == expected


@pytest.mark.parametrize("text", ["", "fast", "0", "-5", "10:20", "10:20/4", "10,20/1s", "10/0s", "1..2"])
def test_a_bad_rate_is_refused(text: str) -> None:
    """What is no rate is a configuration error that shows the text."""
    with pytest.raises(ConfigError, match="rate "):
        parse_rate(text, 10)


def test_constant_arrivals_are_even() -> None:
    """1,000 a second are a millisecond apart, and as many as rate × time."""
    due = list(arrivals([Stage(1000, 1000, 2)]))

    assert len(due) == 2000
    assert all(math.isclose(b - a, 0.001, abs_tol=1e-9) for a, b in itertools.pairwise(due))


@pytest.mark.parametrize("stage", [Stage(0, 100, 10), Stage(100, 0, 10), Stage(10, 1000, 3)])
def test_a_ramp_is_the_integral_of_its_rate(stage: Stage) -> None:
    """By any time, as many events are due as the area under the rate up to then, give or take one."""
    due = list(arrivals([stage]))

    assert len(due) == pytest.approx(stage.events, abs=1)
    for share in (0.25, 0.5, 0.9):
        time = stage.seconds * share
        area = stage.first * time + (stage.last - stage.first) * time**2 / stage.seconds / 2
        assert sum(when < time for when in due) == pytest.approx(area, abs=1.001)


def test_stages_follow_each_other() -> None:
    """A step begins where the one before ends, with no gap and no event too many."""
    due = list(arrivals([Stage(10, 10, 1), Stage(100, 100, 1)]))

    assert (len(due), sum(when < 1 for when in due)) == (110, 10)
    assert due == sorted(due)


def test_poisson_arrivals_are_exponential_and_seeded() -> None:
    """Gaps have the mean and the deviation of an exponential distribution; the same seed gives the same times."""
    due = list(arrivals([Stage(1000, 1000, 20)], poisson=True, seed=7))
    gaps = [b - a for a, b in itertools.pairwise(due)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))

    assert mean == pytest.approx(0.001, rel=0.03)
    assert deviation == pytest.approx(0.001, rel=0.05)
    assert due == list(arrivals([Stage(1000, 1000, 20)], poisson=True, seed=7))
    assert due != list(arrivals([Stage(1000, 1000, 20)], poisson=True, seed=8))
