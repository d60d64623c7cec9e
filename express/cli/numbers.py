"""Numbers of command lines, each with its bounds: what nothing here could hold is refused with them."""

from __future__ import annotations

import math
from typing import Any

import click

MOST_PROCESSES = click.IntRange(1, 1024)
MOST_PARTITIONS = click.IntRange(1, 10_000)
MOST_KEYS = click.IntRange(1, 10_000_000)
MOST_AT_ONCE = click.IntRange(1, 1_000_000)
MOST_WAITING = click.IntRange(1, 10_000_000)
MOST_EVENTS = click.IntRange(1, 10**12)
MOST_RUNS = click.IntRange(1, 1000)


class Finite(click.FloatRange):
    """A number in a range that is neither infinite nor none at all, as `nan` is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. Fails as click does."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class Seed(click.ParamType):  # type: ignore[type-arg] # generic in newer releases alone
    """A whole number of at most 18 digits."""

    name = "integer"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number. Fails as click does."""
        text = str(value).strip()
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            self.fail(f"{text[:40]!r} is not a whole number of at most 18 digits.", param, ctx)
        return int(text)
