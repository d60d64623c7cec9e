"""Filters of JSONPath, `[?(@.price > 10 && @.kind in ['a','b'])]`, lowered to predicates.

The rules are Jayway's, which AWS runs: a number and a string that spells it are equal, order exists only between
two numbers or two strings, what a path does not find equals nothing. Object members are not iterated: a filter on an
object tests the object itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from express.expr.jsonpath.budget import Fuel, equal
from express.expr.jsonpath.nodes import (
    CURRENT,
    Both,
    Comparison,
    Condition,
    Either,
    Literal,
    Name,
    Not,
    Operand,
    Path,
    Pattern,
)
from express.expr.jsonpath.regex import Matcher
from express.values import JSON, is_number, text, utf16_key

Check: TypeAlias = Callable[[JSON, JSON, Fuel], bool]
"""(node, whole document, fuel) → whether the condition holds."""

Value: TypeAlias = Callable[[JSON, JSON, Fuel], Any]
"""(node, whole document, fuel) → a JSON value, or UNDEFINED."""

Lower: TypeAlias = Callable[[Path], Value]
"""Lowers a path inside a filter; given by `path_select`, which these two modules would else both need."""


_SHORT = {int, float, bool, type(None)}
_FEW = 8
_NUMERIC = re.compile(r"\s*[-+]?[0-9.iInN]")
"""The beginning of a text that may spell a number."""


class _Undefined:
    """The value of a path that finds nothing."""


UNDEFINED = _Undefined()


def compile_condition(condition: Condition, lower: Lower) -> Check:
    """The predicate of one condition."""
    if type(condition) is Comparison:
        return _comparison(condition, lower)
    if type(condition) is Not:
        inner = compile_condition(condition.condition, lower)
        return lambda node, document, fuel: not inner(node, document, fuel)
    parts = tuple(compile_condition(part, lower) for part in cast("Both | Either", condition).conditions)
    if type(condition) is Both:
        return lambda node, document, fuel: all(part(node, document, fuel) for part in parts)
    return lambda node, document, fuel: any(part(node, document, fuel) for part in parts)


def comparisons(condition: Condition) -> int:
    """Return what the comparisons of a condition cost, those of paths inside and of large values not counted."""
    if type(condition) is Comparison:
        return 2 if type(condition.right) is Literal and _near(condition.left) else 4
    if type(condition) is Not:
        return comparisons(condition.condition)
    return sum(map(comparisons, cast("Both | Either", condition).conditions))


def _near(operand: Operand) -> bool:
    """Return whether an operand is `@` or `@.name`."""
    return type(operand) is Path and operand.root == CURRENT and (not operand.steps or _own_member(operand) is not None)


def _comparison(condition: Comparison, lower: Lower) -> Check:
    left = _operand(condition.left, lower)
    if condition.op == "exists":
        return _exists(left, cast("Path", condition.left))
    if condition.op == "=~":
        return _matches(left, cast("Pattern", condition.right))
    compare = COMPARISONS[condition.op]
    name = _own_member(condition.left)
    if name is not None and type(condition.right) is Literal:
        return _member_check(name, compare, condition.right.value)
    right = _operand(condition.right, lower)
    return lambda node, document, fuel: compare(left(node, document, fuel), right(node, document, fuel), fuel)


def _own_member(operand: Operand) -> str | None:
    """The name in `@.name`, what most filters look at."""
    if type(operand) is not Path or operand.root != CURRENT or len(operand.steps) != 1:
        return None
    step = operand.steps[0]
    return step.names[0] if type(step) is Name and len(step.names) == 1 else None


def _member_check(name: str, compare: Callable[[Any, Any, Fuel], bool], wanted: JSON) -> Check:
    """`@.name op constant` in one step."""

    def check(node: JSON, document: JSON, fuel: Fuel) -> bool:
        return compare(node[name] if type(node) is dict and name in node else UNDEFINED, wanted, fuel)

    return check


def _operand(operand: Operand, lower: Lower) -> Value:
    if type(operand) is Literal:
        value = operand.value
        return lambda node, document, fuel: value
    return lower(cast("Path", operand))


def _exists(value: Value, path: Path) -> Check:
    if path.definite:
        return lambda node, document, fuel: value(node, document, fuel) is not UNDEFINED
    return lambda node, document, fuel: bool(value(node, document, fuel))


def _matches(value: Value, pattern: Pattern) -> Check:
    matcher = Matcher(pattern.source, pattern.flags)

    def check(node: JSON, document: JSON, fuel: Fuel) -> bool:
        subject = value(node, document, fuel)
        return type(subject) is str and matcher.matches(subject, fuel.spend)

    return check


def _equal(left: Any, right: Any, fuel: Fuel) -> bool:
    if left is UNDEFINED or right is UNDEFINED:
        return False
    if type(left) is type(right) and type(left) in _SHORT:
        return bool(left == right)
    if type(left) is str and is_number(right):
        return bool(left == text(right))
    if is_number(left) and type(right) is str:
        return _spelled(right, left)
    return equal(left, right, fuel)


def _spelled(word: str, number: float) -> bool:
    if len(word) > 40 or word.strip() != word or "_" in word:
        return False
    try:
        return float(word) == number
    except ValueError:
        return False


def _not_equal(left: Any, right: Any, fuel: Fuel) -> bool:
    return not _equal(left, right, fuel)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Fuel], bool]:
    def compare(left: Any, right: Any, fuel: Fuel) -> bool:
        if is_number(left) and is_number(right):
            return test(left, right)
        if type(left) is str and type(right) is str:
            fuel.spend((len(left) + len(right)) >> 6)
            return test(utf16_key(left), utf16_key(right))
        return False

    return compare


def _in(left: Any, right: Any, fuel: Fuel) -> bool:
    if type(right) is not list:
        return False
    fuel.spend(1 + (len(right) >> 1))
    if _alike(left, right) and left not in right:  # Python finds at least as much
        return False
    fuel.spend(len(right) << 3)
    return any(_equal(left, item, fuel) for item in right)


def _alike(left: Any, items: list[Any]) -> bool:
    """Return whether a value equals none of the items, no number and text that spells it either."""
    if len(items) < _FEW:
        return False
    if type(left) is str:
        return not _NUMERIC.match(left)
    return is_number(left) and str not in set(map(type, items))


def _not_in(left: Any, right: Any, fuel: Fuel) -> bool:
    return not _in(left, right, fuel)


def _contains(left: Any, right: Any, fuel: Fuel) -> bool:
    if type(left) is str and type(right) is str:
        fuel.spend(len(left) >> 3)
        return right in left
    return _in(right, left, fuel)


def _size(left: Any, right: Any, fuel: Fuel) -> bool:
    return type(left) in (str, list) and is_number(right) and len(left) == right


def _empty(left: Any, right: Any, fuel: Fuel) -> bool:
    return type(left) in (str, list, dict) and type(right) is bool and (len(left) == 0) is right


def _subset(left: Any, right: Any, fuel: Fuel) -> bool:
    return type(left) is list and type(right) is list and all(_in(item, right, fuel) for item in left)


def _any_of(left: Any, right: Any, fuel: Fuel) -> bool:
    return type(left) is list and type(right) is list and any(_in(item, right, fuel) for item in left)


def _none_of(left: Any, right: Any, fuel: Fuel) -> bool:
    return type(left) is list and type(right) is list and not _any_of(left, right, fuel)


COMPARISONS: dict[str, Callable[[Any, Any, Fuel], bool]] = {
    "==": _equal,
    "!=": _not_equal,
    "<": _ordered(lambda a, b: bool(a < b)),
    "<=": _ordered(lambda a, b: bool(a <= b)),
    ">": _ordered(lambda a, b: bool(a > b)),
    ">=": _ordered(lambda a, b: bool(a >= b)),
    "in": _in,
    "nin": _not_in,
    "contains": _contains,
    "size": _size,
    "empty": _empty,
    "subsetof": _subset,
    "anyof": _any_of,
    "noneof": _none_of,
}
"""Every operator of filters but `=~`."""
