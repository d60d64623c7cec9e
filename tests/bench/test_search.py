"""The search for capacity, on queues whose capacity is known."""

from __future__ import annotations

import heapq
import random

import pytest

from express.bench.histogram import Histogram
from express.bench.search import Capacity, run_search, search


def simulated_p99(rate: float, servers: int, service: float, seconds: float, noise: random.Random) -> float:
    """The p99 in seconds of a queue with constant service times: what a mocked task with Concurrency is."""
    free = [0.0] * servers
    histogram = Histogram()
    for number in range(int(rate * seconds)):
        due = number / rate
        began = max(due, heapq.heappop(free))
        ended = began + service * noise.uniform(0.98, 1.02)
        heapq.heappush(free, ended)
        histogram.record(ended - due)
    return histogram.percentile(99) / 1000


@pytest.mark.parametrize(("servers", "service"), [(1, 0.01), (20, 0.05), (7, 0.003)])
@pytest.mark.parametrize("first", [10.0, 1000.0, 20_000.0])
def test_capacity_is_what_theory_gives(servers: int, service: float, first: float) -> None:
    """servers ÷ service time is found within 10 %, from wherever the search starts, and lies in the interval."""
    noise = random.Random(1)
    found = run_search(
        search(first, precision=0.05),
        lambda rate: simulated_p99(rate, servers, service, 4, noise) < 2 * service,
    )

    assert found.rate == pytest.approx(servers / service, rel=0.1)
    assert found.failing is not None
    assert found.uncertainty <= 0.06
    assert found.passes >= 2


def test_a_lucky_pass_is_not_believed() -> None:
    """A rate that passes once but not again is given up for a lower one."""
    lucky = iter([True])

    def attempt(rate: float) -> bool:
        return rate <= 100 or (100 < rate <= 130 and next(lucky, False))

    found = run_search(search(120, precision=0.05), attempt)

    assert found.rate <= 100
    assert found.failing is not None
    assert found.passes >= 2


def test_nothing_passes() -> None:
    """When not even a trickle keeps to the condition, the capacity is 0."""
    found = run_search(search(64), lambda _rate: False)

    assert (found.rate, found.uncertainty) == (0.0, float("inf"))


def test_everything_passes() -> None:
    """When all passes up to the highest rate, that is the answer, with no failing rate."""
    found: Capacity = run_search(search(1000, highest=10_000), lambda _rate: True)

    assert (found.rate, found.failing) == (10_000, None)
