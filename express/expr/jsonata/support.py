"""Helpers of generated code: guards and the operators whose rules do not fit into a Python expression.

Everything here gives exactly what the complete evaluator gives, or raises Miss so that it decides.
"""

from __future__ import annotations

from collections.abc import Callable
from math import fmod, inf, isfinite, nan
from typing import NoReturn

from express.budget import pay
from express.expr.jsonata.errors import JsonataError, Miss
from express.expr.jsonata.numbers import EXACT, MAX_SAFE, normal, number_text, quote, rounded
from express.expr.weight import LARGE_ITEMS, weight
from express.values import JSON, equal, is_number, utf16_key

_COMPARED = 200
"""Weight of a value that is too large to be compared in generated code, which may do so again and again."""

_SPREAD = 16
"""Most items of an array that is spread in a loop."""

NOT_FINITE = "Attempting to invoke string function on Infinity or NaN"


def miss() -> NoReturn:
    """Leave it to the complete evaluator."""
    raise Miss


def fix(value: JSON) -> JSON:
    """A number as JSONata keeps it: whole ones without fraction.

    >>> fix(2.0), fix(0.5)
    (2, 0.5)
    """
    kind = type(value)
    if kind is float and isfinite(value):
        return normal(value)
    if kind is int and -EXACT <= value <= EXACT:
        return value
    raise Miss


def output(value: JSON) -> JSON:
    """A number as it leaves the expression: AWS writes one that is not finite as a string.

    >>> output(2.0), output(1e400)
    (2, 'Infinity')
    """
    return number_text(value) if type(value) is float and not isfinite(value) else fix(value)


def exact(value: JSON) -> JSON:
    """A number to calculate with later: whole ones without fraction, and none that a double can't hold.

    >>> exact(2.0), exact(0.5)
    (2, 0.5)
    """
    fixed = fix(value)
    if type(fixed) is int and not -EXACT <= fixed <= EXACT:
        raise Miss
    return fixed


def string(value: JSON) -> str:
    """`$string(value)`.

    >>> string([1.0, {"a": 0.1}]), string(None), string("x")
    ('[1,{"a":0.1}]', 'null', 'x')
    """
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is float:  # with at most 15 digits the shortest text is the rounded one, too
        plain = 1e-4 <= value < 1e15 and not value.is_integer() and len(text := repr(value)) <= 16
        return text if plain else _float(value)
    if kind is int and -MAX_SAFE <= value <= MAX_SAFE:
        return repr(value)
    weighs = weight(value, LARGE_ITEMS)
    if weighs >= LARGE_ITEMS:
        raise Miss
    pay(8 * weighs)
    return _json(value)


def _float(value: float) -> str:
    if not isfinite(value):
        raise JsonataError("D3001", NOT_FINITE)
    text = f"{value:.15g}"
    return text if "e" not in text and value else number_text(rounded(value))


def _json(value: JSON) -> str:
    kind = type(value)
    if kind is str:
        return quote(value)
    if kind is int or kind is float:
        return number_text(rounded(value))
    if kind is dict:
        return "{" + ",".join([f"{quote(k)}:{_json(v)}" for k, v in value.items()]) + "}"
    if kind is list:
        return "[" + ",".join([_json(v) for v in value]) + "]"
    return "null" if value is None else "true" if value else "false"


def truth(value: JSON) -> bool:
    """`$boolean(value)`.

    >>> truth(""), truth(0), truth({"a": 0}), truth(None)
    (False, False, True, False)
    """
    if type(value) is list:
        raise Miss
    return bool(value)


def same(a: JSON, b: JSON) -> bool:
    """`a = b`."""
    kind = type(a)
    if kind is str or type(b) is str:
        return bool(a == b)
    if (kind is list or kind is dict) and kind is type(b):
        weighs = weight(a, _COMPARED)
        if weighs >= _COMPARED:
            raise Miss
        pay(6 * weighs)
    return equal(a, b)


def less(a: JSON, b: JSON) -> bool:
    """`a < b` of two numbers or two strings."""
    if type(a) is str and type(b) is str:
        return a < b if a.isascii() or b.isascii() else utf16_key(a) < utf16_key(b)
    if is_number(a) and is_number(b):
        return bool(a < b)
    raise Miss


def greater(a: JSON, b: JSON) -> bool:
    """`a > b` of two numbers or two strings."""
    return less(b, a)


def at_most(a: JSON, b: JSON) -> bool:
    """`a <= b` of two numbers or two strings."""
    return not less(b, a)


def at_least(a: JSON, b: JSON) -> bool:
    """`a >= b` of two numbers or two strings."""
    return not less(a, b)


def divide(a: float, b: float) -> float:
    """`a / b`; dividing by zero is no error in itself.

    >>> divide(1, 4), divide(1, 0)
    (0.25, inf)
    """
    if b == 0:
        return nan if a == 0 else inf if a > 0 else -inf
    return a / b


def remainder(a: float, b: float) -> float:
    """`a % b`, with the sign of `a`.

    >>> remainder(-7, 3)
    -1.0
    """
    return fmod(a, b) if b else nan


def item(value: JSON, index: int) -> JSON:
    """`value[index]` of an array."""
    if type(value) is not list:
        raise Miss
    found = value[index]
    if type(found) is list:
        raise Miss
    return found


def one(items: list[JSON]) -> JSON:
    """The sequence that a function like `$map` gives, where it is not empty."""
    if len(items) > 1:
        return items
    if not items:
        raise Miss
    return items[0]


def mapped(items: list[JSON], function: Callable[[JSON], JSON]) -> JSON:
    """`$map` of an array and a lambda of one parameter."""
    return one([function(item) for item in items])


def mapped_by_index(items: list[JSON], function: Callable[[JSON, int], JSON]) -> JSON:
    """`$map` of an array and a lambda of two parameters."""
    return one([function(item, index) for index, item in enumerate(items)])


def filtered(items: list[JSON], function: Callable[[JSON], bool]) -> JSON:
    """`$filter` of an array and a lambda of one parameter."""
    return one([item for item in items if function(item)])


def filtered_by_index(items: list[JSON], function: Callable[[JSON, int], bool]) -> JSON:
    """`$filter` of an array and a lambda of two parameters."""
    return one([item for index, item in enumerate(items) if function(item, index)])


def selected(items: JSON, condition: Callable[[JSON], bool]) -> list[JSON]:
    """The items of an array that meet a condition."""
    return [item for item in looped(items) if condition(item)]


def spread(array: list[JSON]) -> list[JSON]:
    """An array whose items become those of another one, in a loop."""
    if len(array) > _SPREAD:
        raise Miss
    return array


def looped(value: JSON, most: int = LARGE_ITEMS, cost: int = 3) -> list[JSON]:
    """An array that generated code may loop over; each item costs so many units."""
    if type(value) is not list or len(value) > most:
        raise Miss
    pay(cost * len(value))
    return value
