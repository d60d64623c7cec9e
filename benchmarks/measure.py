"""Timing that holds on a noisy machine: variants take turns in one process, CPU time counts, best and median show."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Timing(NamedTuple):
    """Microseconds of process CPU time per call."""

    best: float
    median: float
    worst: float


def take_turns(variants: Mapping[str, Callable[[int], None]], *, rounds: int, seconds: float) -> dict[str, Timing]:
    """Time `variant(n)`, which makes n calls, in turns; each turn lasts about `seconds`."""
    counts = {name: _calls_in(run, seconds) for name, run in variants.items()}
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            count = counts[name]
            before = time.process_time()
            run(count)
            times[name].append((time.process_time() - before) / count * 1e6)
    return {name: Timing(min(t), statistics.median(t), max(t)) for name, t in times.items()}


def _calls_in(run: Callable[[int], None], seconds: float) -> int:
    count = 1
    while True:
        before = time.process_time()
        run(count)
        spent = time.process_time() - before
        if spent > seconds / 4:
            return max(1, int(count * seconds / spent))
        count *= 4
