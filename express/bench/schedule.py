"""Due times of events: rates that are constant, ramp or step, evenly spaced or as a Poisson process."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Sequence

import msgspec

from express.config.quantities import Duration
from express.errors import ConfigError

FASTEST = 100_000_000
"""Most events per second of a rate."""

_STAGE = re.compile(r"(?P<first>[\d_.]+)(?::(?P<last>[\d_.]+))?(?:/(?P<time>.+))?\Z")


class Stage(msgspec.Struct, frozen=True):
    """For `seconds` the rate goes from `first` to `last` events per second, in a straight line."""

    first: float
    last: float
    seconds: float

    @property
    def events(self) -> float:
        """Return how many events are due in all."""
        return (self.first + self.last) / 2 * self.seconds

    def time(self, events: float) -> float:
        """Return when so many events are due, in seconds from the start of the stage: by integrating rate × time.

        >>> Stage(0, 100, 10).time(500)
        10.0
        """
        if events <= 0:
            return 0.0
        slope = (self.last - self.first) / self.seconds
        return 2 * events / (self.first + math.sqrt(max(self.first**2 + 2 * slope * events, 0.0)))


def parse_rate(text: str, seconds: float | None) -> list[Stage]:
    """The stages that `--rate` and `--duration` describe.

    `20000` is constant; `1000:20000/60s` a ramp; stages joined by commas follow each other
    (`1000/10s,5000/10s`). The last rate is held until `seconds`, which also cut the stages off.

    >>> parse_rate("1000:20000/60s", 90)
    [Stage(first=1000.0, last=20000.0, seconds=60.0), Stage(first=20000.0, last=20000.0, seconds=30.0)]

    Raises ConfigError.
    """
    parts = [_parse_stage(part.strip(), text) for part in text.split(",")]
    stages = [Stage(first, last, time) for first, last, time in parts if time is not None]
    if any(time is None for _, _, time in parts[:-1]) or any(
        time is None and first != last for first, last, time in parts
    ):
        raise ConfigError(f"rate {text!r}: every ramp, and every stage but the last, needs its time: 1000:20000/60s")
    given = sum(stage.seconds for stage in stages)
    hold = parts[-1][1]
    if seconds is None:
        return stages if parts[-1][2] is not None else [*stages, Stage(hold, hold, 30.0)]
    if seconds > given:
        return [*stages, Stage(hold, hold, seconds - given)]
    return _cut(stages, seconds)


def _parse_stage(part: str, text: str) -> tuple[float, float, float | None]:
    match = _STAGE.match(part)
    try:
        if match is None:
            raise ValueError("expected RATE, RATE/TIME or FROM:TO/TIME, such as 20000 or 1000:20000/60s")
        first = float(match["first"])
        last = float(match["last"] or match["first"])
        time = Duration.parse(match["time"]) if match["time"] else None
        if max(first, last) <= 0 or (time is not None and time <= 0):
            raise ValueError("a rate and a time must be above 0")
        if max(first, last) > FASTEST:
            raise ValueError(f"a rate is {FASTEST:,} events per second at most")
    except ValueError as error:
        raise ConfigError(f"rate {text!r}: {error}") from None
    return first, last, None if time is None else float(time)


def _cut(stages: Sequence[Stage], seconds: float) -> list[Stage]:
    """The first `seconds` of `stages`."""
    kept = []
    for stage in stages:
        share = min(1.0, seconds / stage.seconds)
        if share > 0:
            kept.append(Stage(stage.first, stage.first + (stage.last - stage.first) * share, stage.seconds * share))
        seconds -= stage.seconds
        if seconds <= 0:
            break
    return kept


def due_between(stages: Sequence[Stage], start: float, end: float) -> float:
    """Return how many events the stages have between two times, in seconds from their start.

    >>> due_between([Stage(0, 100, 10), Stage(100, 100, 5)], 9, 11)
    195.0
    """
    total = 0.0
    for stage in stages:
        first, last = max(0.0, start), min(stage.seconds, end)
        if first < last:
            slope = (stage.last - stage.first) / stage.seconds
            total += (stage.first + slope * (first + last) / 2) * (last - first)
        start, end = start - stage.seconds, end - stage.seconds
    return total


def arrivals(stages: Sequence[Stage], *, poisson: bool = False, seed: int = 1) -> Iterator[float]:
    """Return when each event is due, in seconds from the start, in order.

    A Poisson process of any rate is one of rate 1 in stretched time, so both kinds differ in their steps only.
    """
    chance = random.Random(seed)
    position = chance.expovariate(1.0) if poisson else 0.0
    began = passed = 0.0
    for stage in stages:
        events = stage.events
        while position - passed < events:
            yield began + stage.time(position - passed)
            position += chance.expovariate(1.0) if poisson else 1.0
        began += stage.seconds
        passed += events
