"""JSONPath Choice rules compiled to predicates (spec/asl.md §10).

A rule is And, Or, Not, or a data test: `Variable` and exactly one operator. A value of the wrong type makes a
comparison false, never an error and never converted; a path that finds nothing fails the execution, but for
IsPresent. `Next`, `Assign` and the like are the state's business.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import msgspec

from express.errors import RUNTIME, ExpressionError, StatesError
from express.expr.jsonpath.compile import compile_reader
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.select import Miss
from express.expr.jsonpath.syntax import parse
from express.expr.scope import Predicate, Read, Scope
from express.values import JSON, is_number, parse_timestamp, utf16_key

MAX_DEPTH = 50

Compare: TypeAlias = Callable[[Any, Any], bool]


class Operator(msgspec.Struct, frozen=True):
    """One comparison operator: its family, what its operand is in the definition, and whether that is a path."""

    name: str
    family: str
    operand: str
    path: bool
    compare: Compare | None = None


ORDERS: dict[str, Compare] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
_FAMILIES = {"String": "string", "Numeric": "number", "Timestamp": "timestamp"}
_TYPE_TESTS = ("IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp")


def _operators() -> dict[str, Operator]:
    table = [
        Operator(f"{family}{order}{path}", family, "path" if path else operand, bool(path), compare)
        for family, operand in _FAMILIES.items()
        for order, compare in ORDERS.items()
        for path in ("", "Path")
    ]
    table += [
        Operator("StringMatches", "StringMatches", "pattern", False),
        Operator("BooleanEquals", "Boolean", "boolean", False, operator.is_),
        Operator("BooleanEqualsPath", "Boolean", "path", True, operator.is_),
    ]
    table += [Operator(name, "Type", "boolean", False) for name in _TYPE_TESTS]
    return {op.name: op for op in table}


OPERATORS = _operators()
"""Every comparison operator by name, also for the linter."""


def compile_rule(rule: dict[str, JSON]) -> Predicate:
    """The predicate of a rule, or of a test inside And, Or, Not.

    >>> compile_rule({"Variable": "$.n", "NumericGreaterThan": 1, "Next": "Big"})({"n": 2}, None)
    True

    Raises ExpressionError.
    """
    return _rule(rule, 0)


def _rule(rule: JSON, depth: int) -> Predicate:
    if type(rule) is not dict:
        raise ExpressionError("A choice rule must be an object")
    if depth > MAX_DEPTH:
        raise ExpressionError(f"A choice rule is nested more than {MAX_DEPTH} deep")
    if "Not" in rule:
        inner = _rule(rule["Not"], depth + 1)
        return lambda data, scope: not inner(data, scope)
    for name in ("And", "Or"):
        if name in rule:
            return _several(name, rule[name], depth)
    return _test(rule)


def _several(name: str, rules: JSON, depth: int) -> Predicate:
    if type(rules) is not list or not rules:
        raise ExpressionError(f"'{name}' must be a non-empty array of rules")
    parts = tuple(_rule(rule, depth + 1) for rule in rules)
    decisive = name == "Or"
    if len(parts) == 2:
        first, second = parts
        if decisive:
            return lambda data, scope: first(data, scope) or second(data, scope)
        return lambda data, scope: first(data, scope) and second(data, scope)

    def several(data: JSON, scope: Scope) -> bool:
        for part in parts:
            if part(data, scope) is decisive:
                return decisive
        return not decisive

    return several


def _test(rule: dict[str, JSON]) -> Predicate:
    names = [name for name in rule if name in OPERATORS]
    variable = rule.get("Variable")
    if type(variable) is not str or len(names) != 1:
        raise ExpressionError("A data test has 'Variable' and exactly one comparison operator")
    op = OPERATORS[names[0]]
    operand = rule[op.name]
    if op.name == "IsPresent":
        return _is_present(parse(variable), _flag(operand, op))
    read = _read(variable)
    if op.family == "Type":
        return _type_test(read, TESTS[op.name], _flag(operand, op))
    if op.family == "StringMatches":
        return _string_matches(read, _word(operand, op))
    if op.path:
        return _compare_paths(read, _read(_word(operand, op)), op)
    return _COMPARE[op.family](read, operand, op)


def _flag(operand: JSON, op: Operator) -> bool:
    if type(operand) is not bool:
        raise ExpressionError(f"'{op.name}' takes true or false")
    return operand


def _word(operand: JSON, op: Operator) -> str:
    if type(operand) is not str:
        raise ExpressionError(f"'{op.name}' takes a string")
    return operand


def _read(source: str) -> Read:
    path = parse(source)

    def missed(data: JSON, scope: Scope, miss: Miss) -> NoReturn:
        raise StatesError(
            RUNTIME,
            f"Invalid path '{path.shown}': The choice state's condition path references an invalid value.",
            located=True,
        )

    return compile_reader(path, missed)


class _Absent(Exception):
    """IsPresent's path finds nothing."""


def _is_present(path: Path, wanted: bool) -> Predicate:
    """An index beyond the end of an array is absent, a null is present; an indefinite path is if it finds anything."""

    def missed(data: JSON, scope: Scope, miss: Miss) -> NoReturn:
        raise _Absent

    read = compile_reader(path, missed)
    definite = path.definite

    def present(data: JSON, scope: Scope) -> bool:
        try:
            value = read(data, scope)
        except _Absent:
            return not wanted
        return (definite or bool(value)) is wanted

    return present


# ---- type tests


def _is_timestamp(value: JSON) -> bool:
    return type(value) is str and parse_timestamp(value) is not None


TESTS: dict[str, Callable[[JSON], bool]] = {
    "IsNull": lambda value: value is None,
    "IsNumeric": is_number,
    "IsString": lambda value: type(value) is str,
    "IsBoolean": lambda value: type(value) is bool,
    "IsTimestamp": _is_timestamp,
}


def _type_test(read: Read, test: Callable[[JSON], bool], wanted: bool) -> Predicate:
    return lambda data, scope: test(read(data, scope)) is wanted


# ---- comparisons with a constant


def _compare_string(read: Read, operand: JSON, op: Operator) -> Predicate:
    """Strings compare by UTF-16 code unit, as in Java."""
    wanted = _word(operand, op)
    if op.compare is operator.eq:
        return lambda data, scope: bool(read(data, scope) == wanted)
    key, compare = utf16_key(wanted), op.compare
    assert compare is not None
    plain, enough = wanted.isascii(), len(wanted) + 1  # what follows can't change the order

    def test(data: JSON, scope: Scope) -> bool:
        value = read(data, scope)
        if type(value) is not str:
            return False
        head = value[:enough]
        return compare(head, wanted) if plain and head.isascii() else compare(utf16_key(head), key)

    return test


def _compare_number(read: Read, operand: JSON, op: Operator) -> Predicate:
    if not is_number(operand):
        raise ExpressionError(f"'{op.name}' takes a number")
    compare = op.compare
    assert compare is not None

    def test(data: JSON, scope: Scope) -> bool:
        value = read(data, scope)
        kind = type(value)
        return (kind is int or kind is float) and compare(value, operand)

    return test


def _compare_boolean(read: Read, operand: JSON, op: Operator) -> Predicate:
    wanted = _flag(operand, op)
    return lambda data, scope: read(data, scope) is wanted


def _compare_timestamp(read: Read, operand: JSON, op: Operator) -> Predicate:
    wanted = parse_timestamp(_word(operand, op))
    compare = op.compare
    if wanted is None or compare is None:
        raise ExpressionError(f"'{op.name}' takes an RFC 3339 timestamp")

    def test(data: JSON, scope: Scope) -> bool:
        value = read(data, scope)
        moment = parse_timestamp(value) if type(value) is str else None
        return moment is not None and compare(moment, wanted)

    return test


_COMPARE: dict[str, Callable[[Read, JSON, Operator], Predicate]] = {
    "String": _compare_string,
    "Numeric": _compare_number,
    "Boolean": _compare_boolean,
    "Timestamp": _compare_timestamp,
}


# ---- comparisons with a path


def _as_number(value: JSON) -> JSON:
    return value if is_number(value) else None


KEYS: dict[str, Callable[[JSON], Any]] = {
    "String": lambda value: utf16_key(value) if type(value) is str else None,
    "Numeric": _as_number,
    "Boolean": lambda value: value if type(value) is bool else None,
    "Timestamp": lambda value: parse_timestamp(value) if type(value) is str else None,
}
"""What is compared of a value, None where it has the wrong type."""


def _compare_paths(left: Read, right: Read, op: Operator) -> Predicate:
    key, compare = KEYS[op.family], op.compare
    assert compare is not None

    def test(data: JSON, scope: Scope) -> bool:
        a, b = key(left(data, scope)), key(right(data, scope))
        return a is not None and b is not None and compare(a, b)

    return test


# ---- StringMatches


def _string_matches(read: Read, pattern: str) -> Predicate:
    r"""`*` is any text; `\*` and `\\` are themselves; any other backslash fails when the rule is reached."""
    pieces = wildcard_pieces(pattern)
    if pieces is None:
        return _open_escape(pattern)

    def test(data: JSON, scope: Scope) -> bool:
        value = read(data, scope)
        return type(value) is str and matches(value, pieces)

    return test


def _open_escape(pattern: str) -> Predicate:
    def fail(data: JSON, scope: Scope) -> NoReturn:
        raise StatesError(RUNTIME, f"Invalid escape in the StringMatches pattern '{pattern}'.", located=True)

    return fail


def wildcard_pieces(pattern: str) -> tuple[str, ...] | None:
    r"""The texts between the wildcards of a pattern, None if a backslash escapes nothing.

    >>> wildcard_pieces(r"log-*.txt"), wildcard_pieces(r"a\*\\*")
    (('log-', '.txt'), ('a*\\', ''))
    """
    pieces: list[list[str]] = [[]]
    chars = iter(pattern)
    for char in chars:
        if char == "*":
            pieces.append([])
            continue
        if char == "\\":
            char = next(chars, "")
            if char not in ("*", "\\"):
                return None
        pieces[-1].append(char)
    return tuple("".join(piece) for piece in pieces)


def matches(value: str, pieces: tuple[str, ...]) -> bool:
    """Whether a text is the pieces with anything between them. Linear: each piece is looked for once, leftmost.

    >>> matches("log-1.txt", ("log-", ".txt")), matches("aa", ("a", "a", "a"))
    (True, False)
    """
    if len(pieces) == 1:
        return value == pieces[0]
    first, last = pieces[0], pieces[-1]
    if not value.startswith(first):
        return False
    at, end = len(first), len(value) - len(last)
    if end < at or not value.endswith(last):
        return False
    for piece in pieces[1:-1]:
        at = value.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
