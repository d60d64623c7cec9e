"""JSON with random members: events that a load test makes by the thousand from one example.

A template is JSON in which an object with one `$` member stands for a value that is drawn each time:

| member | value |
|---|---|
| `{"$int": [0, 100]}` | a whole number, both ends included |
| `{"$float": [0, 1]}`, `{"$float": [0, 1, 2]}` | a number; with a third entry, rounded to so many digits |
| `{"$normal": [20, 4]}`, `{"$normal": [20, 4, 2]}` | from a normal distribution: mean, deviation, digits |
| `{"$bool": 0.1}` | true, with this probability |
| `{"$choice": ["a", "b"]}` | one of these, themselves templates |
| `{"$weighted": [[9, "a"], [1, "b"]]}` | one of these, as often as its weight says |
| `{"$text": [5, 20]}` | so many lower-case letters |
| `{"$pattern": "o-######"}` | `#` a digit, `?` a letter, the rest as it is |
| `{"$uuid": true}` | a random UUID |
| `{"$count": 1}` | this number, then one more for each event |
| `{"$now": "ms"}` | the time: `ms`, `s`, or `iso` for a text |
| `{"$key": true}` | the key that `--keys` drew for this event |
| `{"$repeat": [1, 3, X]}` | a list of one to three X |
| `{"$format": ["sensor-{}", X]}` | a text with values in the places of `{}` |
| `{"$literal": X}` | X as it is |

The same seed gives the same events, but for `$now`.
"""

from __future__ import annotations

import random
import string
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from express.config import choose
from express.errors import ConfigError
from express.values import JSON

Make = Callable[[], JSON]


class EventTemplate:
    """A compiled template. `make` gives one event; `key` is what `$key` stands for next."""

    def __init__(self, tree: JSON, chance: random.Random) -> None:
        """Raises ConfigError that names the place."""
        self.chance = chance
        self.key = ""
        self.make = self._compile(tree, "")

    def _compile(self, tree: JSON, place: str) -> Make:
        if isinstance(tree, dict):
            names = [name for name in tree if name.startswith("$")]
            if names and len(tree) == 1:
                return self._random(names[0], tree[names[0]], f"{place}/{names[0]}")
            if names:
                raise ConfigError(f"template {place or '/'}: {names[0]} must be the only member of its object")
            return self._object({name: self._compile(value, f"{place}/{name}") for name, value in tree.items()})
        if isinstance(tree, list):
            makers = [self._compile(value, f"{place}/{index}") for index, value in enumerate(tree)]
            return lambda: [make() for make in makers]
        return lambda: tree

    def _object(self, members: dict[str, Make]) -> Make:
        pairs = list(members.items())
        return lambda: {name: make() for name, make in pairs}

    def _random(self, name: str, argument: JSON, place: str) -> Make:
        choose(name, MEMBERS, f"member in template {place.rpartition('/')[0] or '/'}:")
        try:
            return MEMBERS[name](self, argument, place)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"template {place}: {error}") from None

    # Members ----------------------------------------------------------------------------------------

    def _int(self, argument: JSON, _place: str) -> Make:
        low, high = _numbers(argument, 2, int)
        if low > high:
            raise ValueError("the first must not be above the second")
        chance = self.chance
        span = high - low + 1
        return lambda: low + int(chance.random() * span)

    def _float(self, argument: JSON, _place: str) -> Make:
        low, high = _numbers(argument, 2, float, more=1)[:2]
        return _rounded(lambda: self.chance.uniform(low, high), argument)

    def _normal(self, argument: JSON, _place: str) -> Make:
        mean, deviation = _numbers(argument, 2, float, more=1)[:2]
        return _rounded(lambda: self.chance.gauss(mean, deviation), argument)

    def _bool(self, argument: JSON, _place: str) -> Make:
        (share,) = _numbers([argument], 1, float)
        return lambda: self.chance.random() < share

    def _choice(self, argument: JSON, place: str) -> Make:
        makers = [self._compile(entry, f"{place}/{i}") for i, entry in enumerate(_filled(argument))]
        return lambda: makers[int(self.chance.random() * len(makers))]()

    def _weighted(self, argument: JSON, place: str) -> Make:
        pairs = [_pair(entry) for entry in _filled(argument)]
        weights = [_numbers([weight], 1, float)[0] for weight, _ in pairs]
        if min(weights) < 0 or not sum(weights):
            raise ValueError("weights must not be negative, nor all 0")
        makers = [self._compile(tree, f"{place}/{i}") for i, (_, tree) in enumerate(pairs)]
        return lambda: self.chance.choices(makers, weights)[0]()

    def _text(self, argument: JSON, _place: str) -> Make:
        low, high = _bounds(argument)
        letters = string.ascii_lowercase
        return lambda: "".join(self.chance.choices(letters, k=self.chance.randint(low, high)))

    def _pattern(self, argument: JSON, _place: str) -> Make:
        if not isinstance(argument, str):
            raise TypeError("expected a text with # for digits and ? for letters")
        sets = [{"#": string.digits, "?": string.ascii_lowercase}.get(mark, mark) for mark in argument]
        return lambda: "".join(marks if len(marks) == 1 else self.chance.choice(marks) for marks in sets)

    def _uuid(self, _argument: JSON, _place: str) -> Make:
        return lambda: str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def _count(self, argument: JSON, _place: str) -> Make:
        (number,) = _numbers([argument], 1, int)

        def following() -> JSON:
            nonlocal number
            number += 1
            return number - 1

        return following

    def _now(self, argument: JSON, _place: str) -> Make:
        choose(str(argument), CLOCKS, "form of $now:")
        return CLOCKS[str(argument)]

    def _key(self, _argument: JSON, _place: str) -> Make:
        return lambda: self.key

    def _repeat(self, argument: JSON, place: str) -> Make:
        if not isinstance(argument, list) or len(argument) != 3:
            raise TypeError("expected [LEAST, MOST, TEMPLATE]")
        low, high = _bounds(argument[:2])
        make = self._compile(argument[2], f"{place}/2")
        return lambda: [make() for _ in range(self.chance.randint(low, high))]

    def _format(self, argument: JSON, place: str) -> Make:
        text, *values = _filled(argument)
        if not isinstance(text, str) or text.count("{}") != len(values):
            raise ValueError("expected a text, and a value for each {} in it")
        makers = [self._compile(value, f"{place}/{i}") for i, value in enumerate(values, 1)]
        parts = text.split("{}")
        return lambda: parts[0] + "".join(f"{make()}{part}" for make, part in zip(makers, parts[1:], strict=True))

    def _literal(self, argument: JSON, _place: str) -> Make:
        return lambda: argument


MEMBERS: dict[str, Callable[[EventTemplate, JSON, str], Make]] = {
    f"${name}": getattr(EventTemplate, f"_{name}")
    for name in (
        *("int", "float", "normal", "bool", "choice", "weighted", "text", "pattern", "uuid"),
        *("count", "now", "key", "repeat", "format", "literal"),
    )
}
"""`$` member → what compiles its argument."""

CLOCKS: dict[str, Make] = {
    "ms": lambda: int(time.time() * 1000),
    "s": lambda: int(time.time()),
    "iso": lambda: datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
}


def _numbers(argument: JSON, count: int, kind: type, more: int = 0) -> list[Any]:
    """`count` numbers, and up to `more` beyond them; whole ones where `kind` is int."""
    kinds = (int,) if kind is int else (int, float)
    fits = isinstance(argument, list) and count <= len(argument) <= count + more
    if not fits or any(type(number) not in kinds for number in argument):
        raise TypeError(f"expected {count} {'whole ' if kind is int else ''}number{'s' if count > 1 else ''}")
    return list(argument)


def _bounds(argument: JSON) -> tuple[int, int]:
    low, high = _numbers(argument, 2, int)
    if not 0 <= low <= high:
        raise ValueError("expected two whole numbers, the first not above the second")
    return low, high


def _rounded(draw: Callable[[], float], argument: JSON) -> Make:
    if len(argument) < 3:
        return draw
    digits = int(argument[2])
    return lambda: round(draw(), digits)


def _filled(argument: JSON) -> list[JSON]:
    if not isinstance(argument, list) or not argument:
        raise TypeError("expected a list that is not empty")
    return argument


def _pair(entry: JSON) -> tuple[JSON, JSON]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise TypeError("expected pairs of weight and value")
    return entry[0], entry[1]
