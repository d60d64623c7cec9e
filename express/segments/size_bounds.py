"""Sizes of the values that segments have in locals: bounds known at compile time, for estimates of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from express.expr.python.emitter import Made, Value, is_local, scalar_size
from express.expr.size_growth import Growth
from express.segments.history import paths
from express.values import size

if TYPE_CHECKING:
    from express.segments.cursor import Cursor, SizeRegion


class Bounds:
    """The bounds of locals, relative to the region in which they were read or made."""

    def __init__(self) -> None:
        self._born: dict[str, tuple[SizeRegion | None, int, int]] = {}

    def born(self, point: Cursor, name: str, growth: Growth) -> None:
        """A local has a value as large as `growth` says, unless it is known to have had it before."""
        if growth is not None and name not in self._born:
            bound = point.times * growth[0], point.plus * growth[0] + growth[1]
            self._born[name] = (point.region, *bound)

    def parts(self, point: Cursor, value: Value) -> tuple[int, int] | None:
        """Return how large an object is whose parts were bounded when they were read; None where one was not."""
        if not isinstance(value, Made):
            return self._part(point, value)
        times, plus = 0, 2
        for name, item in value.items():
            part = self.parts(point, item)
            if part is None:
                return None
            times, plus = times + part[0], plus + part[1] + size(name) + 2
        return times, plus

    def _part(self, point: Cursor, value: str) -> tuple[int, int] | None:
        """Return the bound of a part that was read before the bound was computed anew."""
        if not is_local(value):
            fixed = scalar_size(value)
            return None if fixed is None else (0, fixed)
        if value not in self._born:
            return None
        region, times, plus = self._born[value]
        return (times, plus) if region is point.region else (min(times, 1), 0 if times else plus)

    def apart(self, point: Cursor, value: Value) -> int:
        """Return how many parts of an object count for nothing: at places that are apart, all are of one whole."""
        if not isinstance(value, Made):
            return 0
        places: dict[str, tuple[str | int, ...]] = {}
        for path, name in point.reads.items():
            if path[0] == point.data:
                places.setdefault(name, path)
        names = [name for _, name in paths((), value) if name in places and self._part(point, name) == (1, 0)]
        within = any(places[a] == places[b][: len(places[a])] for a in names for b in names if a != b)
        return 0 if within or len(set(names)) < len(names) else max(len(names) - 1, 0)
