"""Places of a definition's parts in its text."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import msgspec

from express.values import JSON


class Place:
    """The place of one value, as offsets into the text; `key` is -1 where the value has no field name."""

    __slots__ = ("end", "key", "members", "start")

    def __init__(self, start: int, key: int = -1) -> None:
        self.start = start
        self.end = start
        self.key = key
        self.members: dict[str, Place] | list[Place] | None = None


class Position(msgspec.Struct, frozen=True):
    """A line and a column, both counted from 1; `length` characters from there are meant."""

    line: int
    column: int
    length: int = 1


class Duplicate(msgspec.Struct, frozen=True):
    """A field name that its object has already; `offset` is where it stands again."""

    location: str
    name: str
    offset: int


class Scanned:
    """A definition's text, its data, and the place of every part of it."""

    __slots__ = ("_line", "_lines", "data", "duplicates", "root", "text")

    def __init__(self, text: str, data: JSON, root: Place, duplicates: list[Duplicate]) -> None:
        self.text = text
        self.data = data
        self.root = root
        self.duplicates = duplicates
        self._lines: list[int] | None = None
        self._line = (0, "")

    def find(self, location: str, *, by_name: bool = True) -> Position:
        """The position of what a location names, of its nearest ancestor where it does not exist.

        What has a field name is shown by it, an element of a list by its value. A plain value is shown itself
        unless `by_name`.
        """
        return self.show(follow(self.root, location), by_name=by_name)

    def show(self, place: Place, *, by_name: bool = True) -> Position:
        """The position of a place: of its name or of its value."""
        return self.at(*self.spot(place, by_name=by_name))

    def spot(self, place: Place, *, by_name: bool = True) -> tuple[int, int]:
        """The offset at which a place is shown, and how many characters are."""
        named = place.key >= 0 and (by_name or place.members is not None)
        start = place.key if named else place.start
        return start, self._width(place, start)

    def at(self, offset: int, length: int = 1) -> Position:
        """The position of an offset."""
        if self._lines is None:
            self._lines = line_starts(self.text)
        line = bisect.bisect_right(self._lines, offset)
        return Position(line, offset - self._lines[line - 1] + 1, length)

    def line(self, number: int) -> str:
        """The text of a line, without its end; the same string when asked again, as a line may be a megabyte."""
        if self._line[0] == number:
            return self._line[1]
        self.at(0)
        assert self._lines is not None
        start = self._lines[number - 1]
        stop = self._lines[number] if number < len(self._lines) else len(self.text)
        self._line = (number, self.text[start:stop].rstrip("\r\n"))
        return self._line[1]

    def _width(self, place: Place, start: int) -> int:
        """Return how much to underline: a name, or a plain value on its one line."""
        if start == place.key:
            stop = self.text.find(":", start, place.start)
            return max(1, len(self.text[start : stop if stop > 0 else start + 1].rstrip()))
        if place.members is not None:
            return 1
        return max(1, min(place.end - start, 120))


def line_starts(text: str) -> list[int]:
    """The offsets at which the lines of a text begin."""
    starts = [0]
    at = text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def follow(root: Place, location: str) -> Place:
    """The place that a location names below `root`, or its nearest ancestor."""
    place = root
    for found in _path(root, location):
        place = found
    return place


def _path(root: Place, location: str) -> Iterator[Place]:
    """The places on the way to a location; ends where it can't be followed.

    Names may hold `/` and `[`, so the longest member that fits is taken.
    """
    place, rest = root, location
    while rest and rest != "/":
        found = _step(place, rest)
        if found is None:
            return
        place, rest = found
        yield place


def _step(place: Place, rest: str) -> tuple[Place, str] | None:
    members = place.members
    if type(members) is list and rest[0] == "[":
        number, closed, after = rest[1:].partition("]")
        if closed and number.isascii() and number.isdigit() and len(number) < 9 and int(number) < len(members):
            return members[int(number)], after
        return None
    if type(members) is dict and rest[0] == "/":
        return _member(members, rest[1:])
    return None


def _member(members: dict[str, Place], rest: str) -> tuple[Place, str] | None:
    name = rest
    if name in members:
        return members[name], ""
    ends = [i for i, char in enumerate(rest[:4096]) if char in "/["]
    for end in reversed(ends):
        if rest[:end] in members:
            return members[rest[:end]], rest[end:]
    return None
