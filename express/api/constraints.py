"""The constraints of the service model, checked before any rule of an action.

Every violation is found and told in one text, as AWS does. A value of the wrong JSON type is another error
(SerializationException) and is told alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from express.errors import ApiError
from express.values import JSON, text


class Shape(Protocol):
    """The shape of a request's member."""

    def problems(self, value: JSON, path: str) -> Iterator[str]:
        """Every constraint that `value`, which is never null, breaks. Raises ApiError for a wrong type."""


class Text:
    """A string of `low` to `high` characters. `secret`: its value is never repeated in a message."""

    def __init__(self, low: int = 0, high: int | None = None, *, pattern: str = "", secret: bool = False) -> None:
        self.low = low
        self.high = high
        self.pattern = pattern
        self.secret = secret
        self._matches = re.compile(pattern.replace(r"\p{ASCII}", r"[\x00-\x7f]"), re.DOTALL).fullmatch

    def problems(self, value: JSON, path: str) -> Iterator[str]:
        """Length, then pattern."""
        if type(value) is not str:
            raise unreadable(value, "a String")
        shown = None if self.secret else value
        if len(value) < self.low:
            yield broken(path, shown, f"have length greater than or equal to {self.low}")
        if self.high is not None and len(value) > self.high:
            yield broken(path, shown, f"have length less than or equal to {self.high}")
        if self.pattern and not self._matches(value):
            yield broken(path, shown, f"satisfy regular expression pattern: {self.pattern}")


class Enum:
    """One of some words."""

    def __init__(self, *words: str, told: str = "") -> None:
        """`words` in the model's order; `told` in the order that AWS was seen to list them in."""
        self.words = words
        self._told = told or ", ".join(words)
        self._known = frozenset(words)

    def problems(self, value: JSON, path: str) -> Iterator[str]:
        """Membership."""
        if type(value) is not str:
            raise unreadable(value, "a String")
        if value not in self._known:
            yield broken(path, value, f"satisfy enum value set: [{self._told}]")


class Whole:
    """An integer within bounds."""

    def __init__(self, low: int | None = None, high: int | None = None) -> None:
        self.low = low
        self.high = high

    def problems(self, value: JSON, path: str) -> Iterator[str]:
        """Bounds."""
        if type(value) is not int:
            raise unreadable(value, "an Integer")
        yield from _bounds(value, path, self.low, self.high)


class Decimal:
    """A number within bounds."""

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        self.low = low
        self.high = high

    def problems(self, value: JSON, path: str) -> Iterator[str]:
        """Bounds."""
        if type(value) not in (int, float):
            raise unreadable(value, "a Float")
        yield from _bounds(value, path, self.low, self.high)


class Flag:
    """A boolean."""

    def problems(self, value: JSON, path: str) -> Iterator[str]:
        """Nothing but its type."""
        if type(value) is not bool:
            raise unreadable(value, "a Boolean")
        yield from ()


class Many:
    """A list of `low` to `high` values of one shape."""

    def __init__(self, item: Shape, low: int = 0, high: int | None = None) -> None:
        self.item = item
        self.low = low
        self.high = high

    def problems(self, value: JSON, path: str) -> Iterator[str]:
        """Length, then the items, counted from 1."""
        if type(value) is not list:
            raise unreadable(value, "a List")
        if len(value) < self.low:
            yield broken(path, text(value), f"have length greater than or equal to {self.low}")
        if self.high is not None and len(value) > self.high:
            yield broken(path, text(value), f"have length less than or equal to {self.high}")
        for i, item in enumerate(value, 1):
            if item is not None:
                yield from self.item.problems(item, f"{path}.{i}.member")


class Object:
    """A structure. The name of a member that must be there ends in `*`; members it does not know are ignored."""

    def __init__(self, members: Mapping[str, Shape]) -> None:
        self.members = {name.rstrip("*"): shape for name, shape in members.items()}
        self.required = tuple(name[:-1] for name in members if name.endswith("*"))

    def problems(self, value: JSON, path: str) -> Iterator[str]:
        """Missing members, then what is wrong with the others. A member that is null is a missing one."""
        if type(value) is not dict:
            raise unreadable(value, "a Structure")
        prefix = f"{path}." if path else ""
        for name in self.required:
            if value.get(name) is None:
                shape = self.members[name]
                null = "" if isinstance(shape, Text) and shape.secret else " null"
                yield f"Value{null} at '{prefix}{name}' failed to satisfy constraint: Member must not be null"
        for name, part in value.items():
            known = self.members.get(name)
            if known is not None and part is not None:
                yield from known.problems(part, prefix + name)


def _bounds(value: Any, path: str, low: float | None, high: float | None) -> Iterator[str]:
    if low is not None and value < low:
        yield broken(path, str(value), f"have value greater than or equal to {low}")
    if high is not None and value > high:
        yield broken(path, str(value), f"have value less than or equal to {high}")


def broken(path: str, shown: str | None, constraint: str) -> str:
    """One violation. `shown` None: the value is not repeated."""
    value = "Value" if shown is None else f"Value '{shown}'"
    return f"{value} at '{path}' failed to satisfy constraint: Member must {constraint}"


_TOKENS = {
    dict: "START_OBJECT",
    list: "START_ARRAY",
    str: "STRING_VALUE",
    bool: "BOOLEAN_VALUE",
    int: "NUMBER_VALUE",
    float: "NUMBER_VALUE",
    type(None): "NULL_VALUE",
}


def unreadable(value: JSON, wanted: str) -> ApiError:
    """A value of another JSON type than the model's."""
    return ApiError("SerializationException", f"{_TOKENS[type(value)]} can not be converted to {wanted}")


def check(shape: Object, request: JSON) -> dict[str, JSON]:
    """The request without its nulls and the members that the model does not have.

    Raises ApiError with every violation.
    """
    problems = list(shape.problems(request, ""))
    if problems:
        plural = "s" if len(problems) > 1 else ""
        raise ApiError(
            "ValidationException", f"{len(problems)} validation error{plural} detected: {'; '.join(problems)}"
        )
    return {name: value for name, value in request.items() if value is not None and name in shape.members}
