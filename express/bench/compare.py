"""Two results side by side: what changed, and what is noise.

Each side needs samples of every figure. Where a result holds repeats, these are the samples; a single run is cut
into its seconds instead, which knows the noise within a run but not that between runs, and the verdict says so. The
difference of the means of logarithms has a Welch interval (95 %), which reads as a ratio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean, variance

import msgspec

from express.bench.result import Result, Second

T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
"""Student's t for 95 %, two sides, by degrees of freedom from 1 on; then towards 1.96."""

LEAST_REPEATS = 2

_FROM_SECONDS: dict[str, Callable[[Second], float]] = {
    "e2e.p50": lambda second: second.p50,
    "e2e.p99": lambda second: second.p99,
    "queue.p99": lambda second: second.queue_p99,
    "throughput": lambda second: second.ended,
}
LOWER_IS_BETTER = {"throughput": False}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `low` and `high` bound the change as a share of A; None: there is too little to tell."""

    figure: str
    a: float
    b: float
    change: float
    low: float | None
    high: float | None
    verdict: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All figures, and what the samples were."""

    samples: str
    changes: list[Change]
    notes: list[str]


def compare(a: Result, b: Result) -> Comparison:
    """Return what is different in `b`."""
    by_runs = min(len(a.repeats), len(b.repeats)) >= LEAST_REPEATS
    if by_runs:
        figures = [name for name in a.repeats[0] if name in b.repeats[0]]
        changes = [
            _change(name, [run[name] for run in a.repeats], [run[name] for run in b.repeats]) for name in figures
        ]
    else:
        changes = [
            _change(name, *([read(second) for second in _steady(result)] for result in (a, b)))
            for name, read in _FROM_SECONDS.items()
        ]
    samples = (
        f"{len(a.repeats)} and {len(b.repeats)} repeats"
        if by_runs
        else "the seconds of one run each: noise between runs is not seen, --repeat 5 shows it"
    )
    return Comparison(samples=samples, changes=changes, notes=_notes(a, b))


def _steady(result: Result) -> Sequence[Second]:
    """The seconds that were full."""
    return [second for second in result.series[: max(int(result.load.seconds), 1)] if second.ended]


def _change(name: str, a: Sequence[float], b: Sequence[float]) -> Change:
    interval = ratio_interval(a, b)
    mean_a, mean_b = (fmean(side) if side else 0.0 for side in (a, b))
    low, high = (None, None) if interval is None else (interval[0] - 1, interval[1] - 1)
    return Change(
        figure=name,
        a=mean_a,
        b=mean_b,
        change=mean_b / mean_a - 1 if mean_a else 0.0,
        low=low,
        high=high,
        verdict=verdict(low, high, lower_is_better=LOWER_IS_BETTER.get(name, True)),
    )


def ratio_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of B's mean over A's, by logarithms; None with fewer than two positive samples a side."""
    sides = [[math.log(value) for value in side if value > 0] for side in (a, b)]
    if any(len(side) < LEAST_REPEATS for side in sides):
        return None
    means = [fmean(side) for side in sides]
    errors = [variance(side) / len(side) for side in sides]
    total = sum(errors)
    freedom = total**2 / sum(e**2 / (len(s) - 1) for e, s in zip(errors, sides, strict=True)) if total else 1e9
    middle, reach = means[1] - means[0], _t95(freedom) * math.sqrt(total)
    return math.exp(middle - reach), math.exp(middle + reach)


def _t95(freedom: float) -> float:
    """Student's t; between whole degrees of freedom the lower one, which is on the safe side."""
    whole = max(int(freedom), 1)
    return T95[whole - 1] if whole <= len(T95) else 1.96 + 2.6 / whole


def verdict(low: float | None, high: float | None, *, lower_is_better: bool = True) -> str:
    """The interval in words.

    >>> verdict(-0.02, 0.06)
    'no change beyond ±6 %'
    >>> verdict(0.08, 0.15), verdict(0.08, 0.15, lower_is_better=False)
    ('worse by 8 to 15 %', 'better by 8 to 15 %')
    """
    if low is None or high is None:
        return "too few samples"
    if low <= 0 <= high:
        return f"no change beyond ±{math.ceil(round(max(-low, high) * 100, 6))} %"
    near, far = sorted((abs(low), abs(high)))
    better = (high < 0) == lower_is_better
    return f"{'better' if better else 'worse'} by {near * 100:.0f} to {far * 100:.0f} %"


def _notes(a: Result, b: Result) -> list[str]:
    """Return what makes the two runs differ before anything was measured."""
    notes = []
    if a.definition_sha256 != b.definition_sha256:
        notes.append("the definitions differ")
    changed = [
        name for name in a.load.__struct_fields__ if getattr(a.load, name) != getattr(b.load, name) and name != "seed"
    ]
    if changed:
        notes.append(f"the loads differ: {', '.join(changed)}")
    around = [
        name for name in ("cpu", "cpus", "python", "packages") if a.environment.get(name) != b.environment.get(name)
    ]
    if around:
        notes.append(f"the environments differ: {', '.join(around)}")
    return notes
