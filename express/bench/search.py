"""The highest rate that keeps a promise: doubling until one does not, then halving the gap, with repeats.

A single run near the edge says little, so each rate that matters is tried again, and the answer is an interval:
the highest rate whose trials passed, and the lowest whose trials did not.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import msgspec

MOST_TRIALS = 60


class Trial(msgspec.Struct, frozen=True):
    """One run at a rate, and whether the promise held."""

    rate: float
    passed: bool


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """The capacity that was found. `rate` 0: not even the lowest passed; `failing` None: none that was tried failed."""

    rate: float
    failing: float | None
    passes: int
    confirmations: int
    trials: list[Trial]

    @property
    def uncertainty(self) -> float:
        """Return how far apart the two ends are, as a share of the rate."""
        if not self.rate or self.failing is None:
            return float("inf")
        return self.failing / self.rate - 1


def search(
    first: float, *, precision: float = 0.05, repeats: int = 3, highest: float = 1e6
) -> Generator[float, bool, Capacity]:
    """Yields the rate to try next and is sent whether it passed; returns the capacity.

    The answer has passed the majority of `repeats` trials; one that does not becomes the new upper end, and the
    search goes on below it.
    """
    trials: list[Trial] = []
    low, failing, rate = 0.0, float("inf"), first
    while len(trials) < MOST_TRIALS:
        passed = yield rate
        trials.append(Trial(rate, passed))
        low, failing = (max(low, rate), failing) if passed else (low, min(failing, rate))
        if failing == float("inf") and low < highest:
            rate = min(low * 2, highest)
        elif low == 0.0 and failing > 1:
            rate = failing / 2
        elif low and failing / low > 1 + precision and failing < float("inf"):
            rate = (low + failing) / 2
        else:
            passes = yield from _confirm(low, repeats, trials)
            if passes * 2 > repeats or low == 0.0:
                return _capacity(low, failing, passes, repeats, trials)
            failing, low = low, max((t.rate for t in trials if t.passed and t.rate < low), default=0.0)
            rate = (low + failing) / 2
    return _capacity(low, failing, 0, repeats, trials)


def _confirm(rate: float, repeats: int, trials: list[Trial]) -> Generator[float, bool, int]:
    """Try a rate until it has been tried `repeats` times; how often it passed."""
    tried = [trial.passed for trial in trials if trial.rate == rate]
    while rate and len(tried) < repeats:
        passed = yield rate
        trials.append(Trial(rate, passed))
        tried.append(passed)
    return sum(tried)


def _capacity(low: float, failing: float, passes: int, repeats: int, trials: list[Trial]) -> Capacity:
    return Capacity(
        rate=low,
        failing=None if failing == float("inf") else failing,
        passes=passes,
        confirmations=repeats,
        trials=trials,
    )


def run_search(steps: Generator[float, bool, Capacity], attempt: Callable[[float], bool]) -> Capacity:
    """Drive a search with a plain function."""
    try:
        rate = next(steps)
        while True:
            rate = steps.send(attempt(rate))
    except StopIteration as end:
        capacity: Capacity = end.value
        return capacity
