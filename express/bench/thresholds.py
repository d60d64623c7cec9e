"""Thresholds that a run must keep to: `e2e.p99<20ms`, `failed.rate<0.1%`, `dropped==0`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

import msgspec

from express.bench.result import Result
from express.config import choose
from express.errors import ConfigError

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
LATENCIES = ("e2e", "queue", "execution")
STATISTICS = ("mean", "max", "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99")
COUNTS = ("scheduled", "started", "succeeded", "failed", "timed_out", "rejected", "dropped", "unfinished", "behind")
FIGURES = (
    *(f"{latency}.{statistic}" for latency in LATENCIES for statistic in STATISTICS),
    *COUNTS,
    *(f"{name}.rate" for name in COUNTS if name != "scheduled"),
    "throughput",
)
"""Every figure a threshold can name. Latencies are milliseconds, rates shares of the events that were scheduled."""

_FORM = re.compile(
    r"\s*(?P<name>[a-z0-9_.]+)\s*(?P<op><=|>=|==|<|>)\s*(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s|%)?\s*\Z"
)
_SCALE = {None: 1.0, "us": 0.001, "ms": 1.0, "s": 1000.0, "%": 0.01}


class Threshold(msgspec.Struct, frozen=True):
    """One condition. `value` is in the figure's own unit."""

    text: str
    figure: str
    operator: str
    value: float

    def holds(self, found: float) -> bool:
        """Return whether a figure keeps to it."""
        return OPERATORS[self.operator](found, self.value)


def parse_threshold(text: str) -> Threshold:
    """The condition that `text` writes.

    >>> parse_threshold("e2e.p99<20ms").value, parse_threshold("failed.rate < 0.1%").value
    (20.0, 0.001)

    Raises ConfigError.
    """
    match = _FORM.match(text)
    if match is None:
        raise ConfigError(f"threshold {text!r}: expected a figure, one of < <= == >= >, and a value: e2e.p99<20ms")
    name, unit = match["name"], match["unit"]
    choose(name, FIGURES, f"figure in threshold {text!r}:")
    is_time, is_share = name.partition(".")[0] in LATENCIES, name.endswith(".rate")
    if (unit in ("us", "ms", "s")) != is_time or (unit == "%" and not is_share):
        raise ConfigError(f"threshold {text!r}: {name} is {_unit(is_time, is_share)}")
    return Threshold(text.strip(), name, match["op"], float(match["value"]) * _SCALE[unit])


def _unit(is_time: bool, is_share: bool) -> str:
    if is_time:
        return "a time and needs a unit: us, ms or s"
    return "a share: 0.001 or 0.1%" if is_share else "a number without a unit"


def figure(result: Result, name: str) -> float:
    """The value of a figure; a figure that is none because nothing was measured is infinite."""
    first, _, second = name.partition(".")
    if first in LATENCIES:
        latency = getattr(result.latency_ms, first)
        return float(getattr(latency, second.replace(".", "_"))) if latency.count else float("inf")
    if first == "throughput":
        return result.throughput
    count = getattr(result.counts, first)
    return count / max(result.counts.scheduled, 1) if second == "rate" else float(count)
