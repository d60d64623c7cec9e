"""The bound on one evaluation of a path: nodes visited, text compared, and bytes of result; and how values are shown.

A definition comes from outside and `$..*..*..*` over a payload within the limits visits billions of nodes, so each
evaluation carries fuel, taken from the budget of the state: a visit costs 2 units or more. Running out is a failure
of the execution (`States.Runtime`), never a stall of the loop.
"""

from __future__ import annotations

from typing import NoReturn

from express.budget import GENERATED, UNITS
from express.errors import RUNTIME, StatesError
from express.expr.scope import Scope
from express.expr.weight import weight
from express.values import JSON, PAYLOAD_LIMIT, dumps, is_number, text

FUEL = UNITS // 2
"""Most nodes that a path may visit."""

_PAIR = 9
"""Units of one comparison of two values within others."""

_CHUNK = 16


class Fuel:
    """The fuel that is left."""

    __slots__ = ("left",)

    def __init__(self, left: int = UNITS) -> None:
        self.left = left

    def spend(self, amount: int) -> None:
        """Take `amount` away; raises StatesError when there was less."""
        self.left -= amount
        if self.left < 0:
            self.exhausted()

    def exhausted(self) -> NoReturn:
        """Fail the evaluation."""
        raise StatesError(RUNTIME, f"The JSONPath expression visits more than {FUEL} nodes.", located=True)


def check_size(nodes: list[JSON]) -> None:
    """Fail if `nodes`, which may overlap (`..`), are more than a payload when written out."""
    total = 0
    for start in range(0, len(nodes), _CHUNK):
        try:
            total += len(dumps(nodes[start : start + _CHUNK]))
        except TypeError:
            total = PAYLOAD_LIMIT + 1
        if total > PAYLOAD_LIMIT:
            text = f"The JSONPath expression selects more than {PAYLOAD_LIMIT} bytes."
            raise StatesError(RUNTIME, text, located=True)


def shown(value: JSON) -> str:
    """`value` as JSON text for a cause, also where it nests deeper than text can be written."""
    try:
        return text(value)
    except TypeError:
        return "(nested too deep to be shown)"


def fuelled(scope: Scope | None) -> Fuel:
    """The fuel that a state has left, or generated code that has no state at hand."""
    return Fuel((GENERATED if scope is None else scope.budget()).units)


def equal(left: JSON, right: JSON, fuel: Fuel) -> bool:
    """Deep equality as `values.equal`, paid for before it is found out."""
    kind = type(left)
    if kind is str:
        if kind is not type(right):
            return False
        fuel.spend(1 + (len(left) >> 10))
        return bool(left == right)
    if (kind is dict or kind is list) and kind is type(right):
        if len(left) != len(right):
            return False
        fuel.spend(2 * weight(left, (fuel.left >> 1) + 1))
        try:
            if left != right:  # Python's equality finds at least as much: to it, True is 1
                return False
        except RecursionError:
            pass
        return _equal(left, right, fuel)
    return _equal(left, right, fuel)


def _equal(left: JSON, right: JSON, fuel: Fuel) -> bool:
    pairs = [(left, right)]
    while pairs:
        a, b = pairs.pop()
        kind = type(a)
        fuel.spend(_PAIR if pairs else 2)
        if kind is not type(b):
            if not (is_number(a) and is_number(b) and a == b):
                return False
        elif kind is dict:
            if len(a) != len(b) or not all(key in b for key in a):
                return False
            fuel.spend(_PAIR * len(a))
            pairs.extend((value, b[key]) for key, value in a.items())
        elif kind is list:
            if len(a) != len(b):
                return False
            fuel.spend(_PAIR * len(a))
            pairs.extend(zip(a, b, strict=True))
        elif a != b:
            return False
    return True
