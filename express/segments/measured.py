"""Segments that follow the size of the data, for data that may be near the limit.

The others estimate it: at most so many times what they began with. Where that is too much, the same states run as
text that adds up the sizes of what it puts into the data. It measures each value once, and all of the data only where
the sum passes the limit.
"""

from __future__ import annotations

from express.expr.python.emitter import Made, Value, is_local, scalar_size
from express.expr.size_growth import Growth
from express.segments.cursor import Cursor
from express.segments.snippets import is_lasting
from express.segments.text import SegmentText
from express.values import PAYLOAD_LIMIT, size


class MeasuredText(SegmentText):
    """The text of a segment in which `b` (`b1`, `b2` … in inner scopes) is close to the size of the data."""

    def answer(self, point: Cursor) -> None:
        """An answer counts where it is put."""
        self.add("z = len(dumps(r))")
        self.add(f"if z > {PAYLOAD_LIMIT}: raise Large")
        point.sizes = {**point.sizes, "r": "z"}

    def error(self, point: Cursor, error: Made) -> None:
        """An error output counts where it is put."""

    def short(self, texts: list[str], most: int) -> bool:
        """Texts may have any length."""
        return False

    def child(self, point: Cursor, growth: tuple[int, int]) -> Cursor:
        """An inner scope has a bound of its own."""
        return super().child(point, (1, 0))

    def begun(self, point: Cursor, child: Cursor, payload: str) -> None:
        """An inner scope begins with the size of its payload, or with that of all it is a part of."""
        outer = _bound(point) if payload == point.data else self._size(point, payload)
        self.add(f"{_bound(child)} = {outer}")

    def looped(self, point: Cursor, plus: int, items: str) -> None:
        """Measure nothing here: what a loop makes is measured where it is put."""

    def open_region(self, point: Cursor) -> None:
        """There are no regions."""

    def note(self, point: Cursor) -> None:
        """There are no regions."""

    def settle(self, point: Cursor) -> None:
        """The bound is always up to date."""

    def grown(self, point: Cursor, growth: Growth, value: Value, *, kept: bool = False, plus: int = 8) -> None:
        """Add the size of a new value, or start anew with it."""
        bound = _bound(point)
        added = str(growth[1]) if growth is not None and not growth[0] else self._size(point, value)
        kept = kept or (self.variables and point.data == "d")
        self.add(f"{bound} = {bound} + {added} + {plus}" if kept else f"{bound} = {added}")
        self.add(f"if {bound} > {PAYLOAD_LIMIT}:")
        self.indent += 1
        self.add(f"{bound} = {self.size_of(point)}")
        if self.variables:
            self.add(f"if {bound} > {PAYLOAD_LIMIT}: raise Large")
        self.indent -= 1

    def sent(self, point: Cursor, growth: Growth, value: Value, name: str) -> None:
        """Measure what goes to a task, part by part."""
        self.add(f"if {self._size(point, value)} > {PAYLOAD_LIMIT}: raise Large")

    def _size(self, point: Cursor, value: Value) -> str:
        """Text of the size of a value: each local is measured once."""
        if isinstance(value, Made):
            sizes = [str(2 + sum(size(name) + 2 for name in value)), *(self._size(point, v) for v in value.values())]
            fixed = sum(int(text) for text in sizes if text.isdigit())
            return " + ".join([str(fixed), *(text for text in sizes if not text.isdigit())])
        if value in point.sizes:
            return point.sizes[value]
        if not is_lasting(value):
            return f"len(dumps({value}))"
        if not is_local(value):
            return str(scalar_size(value))
        name = self.name("y")
        self.add(f"{name} = len(dumps({value}))")
        point.sizes = {**point.sizes, value: name}
        return name


def _bound(point: Cursor) -> str:
    return f"b{point.data[1:]}"
