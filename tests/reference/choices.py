"""Choice rules of JSONPath states, one operator after the other."""

from __future__ import annotations

import operator
import re
from datetime import datetime
from typing import Any

from .failure import Failure
from .paths import Surroundings, exists, read

JSON = Any

_COMPARE = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
_MARKS = ("Next", "Assign", "Comment", "Output", "Variable")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def holds(rule: dict[str, JSON], data: JSON, around: Surroundings) -> bool:
    """Whether a rule holds; a test of the wrong type is false, a missing value fails the execution."""
    if "And" in rule:
        return all(holds(inner, data, around) for inner in rule["And"])
    if "Or" in rule:
        return any(holds(inner, data, around) for inner in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], data, around)
    test = next(key for key in rule if key not in _MARKS)
    if test == "IsPresent":
        return exists(rule["Variable"], data, around) is rule[test]
    value = _found(rule["Variable"], data, around)
    operand = rule[test]
    if test.endswith("Path"):
        test, operand = test[:-4], _found(operand, data, around)
    return _test(test, value, operand)


def _found(path: str, data: JSON, around: Surroundings) -> JSON:
    if not exists(path, data, around):
        raise Failure("States.Runtime")
    return read(path, data, around, strict=True)


def _test(test: str, value: JSON, operand: JSON) -> bool:
    if test.startswith("Is"):
        return bool(_is(test, value) == operand)
    if test == "StringMatches":
        return isinstance(value, str) and _matches(operand, value)
    family = re.match(r"String|Numeric|Boolean|Timestamp", test)
    assert family is not None
    kind = family.group()
    a, b = _typed(kind, value), _typed(kind, operand)
    return a is not None and b is not None and bool(_COMPARE[test[len(kind) :]](a, b))


def _typed(kind: str, value: JSON) -> JSON:
    """`value` as something comparable, None if it is not of the kind."""
    if kind == "String":
        return value.encode("utf-16-be") if isinstance(value, str) else None
    if kind == "Numeric":
        return None if isinstance(value, bool) or not isinstance(value, int | float) else value
    if kind == "Boolean":
        return value if isinstance(value, bool) else None
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if _is("IsTimestamp", value) else None


def _is(test: str, value: JSON) -> bool:
    if test == "IsNull":
        return value is None
    if test == "IsNumeric":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if test == "IsTimestamp":
        return isinstance(value, str) and RFC3339.fullmatch(value) is not None
    return isinstance(value, {"IsString": str, "IsBoolean": bool}[test])


def _matches(wanted: str, value: str) -> bool:
    """Try every split at each star: slow and obvious."""
    if wanted == "":
        return value == ""
    if wanted[0] == "*":
        return any(_matches(wanted[1:], value[i:]) for i in range(len(value) + 1))
    literal = 2 if wanted[0] == "\\" else 1
    return value[:1] == wanted[literal - 1] and _matches(wanted[literal:], value[1:])
