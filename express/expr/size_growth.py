"""Growth of an expression's result over its input, known at compile time.

An execution must notice a payload over 262,144 bytes without serialising every state's data. So each compiled
Read, Write and Template that can make data larger carries `growth = (times, plus)`: measured as compact JSON text,
result <= times x size of the data + plus. None: not known, measure. The engine carries an upper bound on the size
of its data and measures exactly only when the bound passes the limit. Numbers make the one difficulty (`1e15` is
written `1000000000000000.0`): the engine's first bound is five times the bytes it read, which covers every form.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, cast

from express.errors import ExpressionError
from express.expr.scope import Read, Scope, Write
from express.values import JSON, size

Growth: TypeAlias = tuple[int, int] | None

SAME: Growth = (1, 0)
"""The result is a part of the data."""


class Reader(Protocol):
    """A Read that knows its growth."""

    growth: Growth

    def __call__(self, data: JSON, scope: Scope, /) -> JSON:
        """The value."""


class Template(Protocol):
    """A compiled payload template: a Read; `constant` ones give the very same value every time."""

    constant: bool
    growth: Growth

    def __call__(self, data: JSON, scope: Scope, /) -> JSON:
        """The payload."""


class Writer(Protocol):
    """A Write whose result has at most the raw input's size plus the value's plus `growth[1]` (ResultPath)."""

    growth: Growth

    def __call__(self, raw: JSON, value: JSON, /) -> JSON:
        """The merged data."""


def reader(read: Read, growth: Growth) -> Reader:
    """`read`, labelled with its growth."""
    labelled = cast("Any", read)
    labelled.growth = growth
    return cast("Reader", labelled)


def template(read: Read, growth: Growth, *, constant: bool) -> Template:
    """`read`, labelled as a template."""
    labelled = cast("Any", read)
    labelled.growth = growth
    labelled.constant = constant
    return cast("Template", labelled)


def writer(write: Write, growth: Growth) -> Writer:
    """`write`, labelled with its growth."""
    labelled = cast("Any", write)
    labelled.growth = growth
    return cast("Writer", labelled)


def total(parts: list[Growth], plus: int) -> Growth:
    """The growth of a value made of `parts` and `plus` constant bytes.

    >>> total([(1, 0), (2, 4)], 10), total([(1, 0), None], 0)
    ((3, 14), None)
    """
    times = 0
    for part in parts:
        if part is None:
            return None
        times += part[0]
        plus += part[1]
    return times, plus


def scaled(part: Growth, times: int, plus: int) -> Growth:
    """The growth of something at most `times` as large as `part`, plus `plus` bytes.

    >>> scaled((1, 5), 2, 2)
    (2, 12)
    """
    return None if part is None else (part[0] * times, part[1] * times + plus)


def after(first: Growth, then: Growth) -> Growth:
    """The growth of something made of what has grown already.

    >>> after((2, 3), (4, 5)), after(None, (1, 0))
    ((8, 17), None)
    """
    return None if first is None or then is None else (first[0] * then[0], first[1] * then[0] + then[1])


def constant(value: JSON) -> Growth:
    """The growth of a constant; raises ExpressionError for one that can't be written (an integer beyond 64 bits)."""
    try:
        return 0, size(value)
    except TypeError as error:
        raise ExpressionError(f"A constant can't be written as JSON: {error}") from error
