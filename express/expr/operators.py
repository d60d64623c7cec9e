"""The comparison operators of Choice rules: one row each, which is all that lint, interpreter and optimizer need.

To add an operator, add a row to `OPERATORS`; nothing else names operators. A row says

- `name` and what its `operand` is in a definition, by which lint checks it and `choices.parse_rule` reads it;
- `predicate`: the function of data and scope for a variable's path and an operand, for the interpreter;
- `emit`: the Python text for the same, for the optimizer; None where it has none, which leaves the state to the
  interpreter.

`tested` makes the row of an operator that judges one value: `tested("StringIsUpper", BOOLEAN, judge)`, where
`judge(operand)` gives the test of a value. Both forms of it, `predicate` and `emit`, follow from that.

A value of the wrong type makes a comparison false, never an error and never converted. A path that finds nothing fails
the execution, but for IsPresent.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, TypeAlias

import msgspec

from express.errors import RUNTIME, StatesError
from express.expr.jsonpath.compile import compile_reader
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.select import Miss
from express.expr.python.emitter import Emitter, display, is_local, is_scalar, path_source
from express.expr.scope import Predicate, Read, Scope
from express.expr.wildcards import matches, wildcard_pieces
from express.values import JSON, is_number, parse_timestamp, utf16_key

STRING: Final = "String"
NUMBER: Final = "Number"
BOOLEAN: Final = "Boolean"
TIMESTAMP: Final = "Timestamp"
PATH: Final = "Path"
"""Kinds of operands in a definition."""

Compare: TypeAlias = Callable[[Any, Any], bool]
Judge: TypeAlias = Callable[[Any], Callable[[JSON], bool]]
"""operand → the test of a value."""

OfRead: TypeAlias = Callable[[Read, Any], Predicate]
OfText: TypeAlias = Callable[[str, Any, Emitter], str]


class Operator(msgspec.Struct, frozen=True):
    """One comparison operator; see the module's text."""

    name: str
    operand: str
    predicate: Callable[[Path, Any], Predicate]
    emit: Callable[[Path, Any, Emitter], str | None]


def tested(name: str, operand: str, judge: Judge) -> Operator:
    """Return the row of an operator that judges one value."""

    def predicate(read: Read, given: Any) -> Predicate:
        test = judge(given)
        return lambda data, scope: test(read(data, scope))

    return _of_value(name, operand, predicate, lambda value, given, emitter: f"{emitter.bind(judge(given))}({value})")


def _of_value(name: str, operand: str, predicate: OfRead, emit: OfText) -> Operator:
    """The row of an operator that is made of the reader, or of the text, of its variable's value."""
    return Operator(
        name,
        operand,
        lambda path, given: predicate(_reader(path), given),
        lambda path, given, emitter: _emitted(path, given, emitter, emit),
    )


def _emitted(path: Path, given: Any, emitter: Emitter, emit: OfText) -> str | None:
    value = _value_source(path, emitter)
    return None if value is None else emit(value, given, emitter)


def _value_source(path: Path, emitter: Emitter) -> str | None:
    value = path_source(path, emitter)
    if value is not None and not is_local(value) and is_scalar(value):  # Python warns of `1 is None`
        return f"({emitter.temporary()} := {value})"
    return value


def _reader(path: Path) -> Read:
    def missed(data: JSON, scope: Scope, miss: Miss) -> NoReturn:
        raise StatesError(
            RUNTIME,
            f"Invalid path '{path.shown}': The choice state's condition path references an invalid value.",
            located=True,
        )

    return compile_reader(path, missed)


# ---- IsPresent


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


def _emit_present(path: Path, wanted: bool, emitter: Emitter) -> str | None:
    """Members looked for one below the other; what is no object has none."""
    chain = path.chain
    if path.root != "$" or not chain or len(chain) > 4 or not all(type(name) is str for name in chain):
        return None
    tests, node = [], emitter.data
    found = emitter.held(chain)
    if found is not None:
        value, chain = found
        node = display(value)
    if (chain and not is_local(value if found is not None else node)) or (found is None and emitter.made):
        return repr(not wanted)  # what was made has no such member
    for name in chain:
        tests.append(f"type({node}) is dict and {name!r} in {node}")
        node = f"{node}[{name!r}]"
    text = " and ".join(tests) or "True"
    return text if wanted else f"not ({text})"


# ---- type tests


def _is_timestamp(value: JSON) -> bool:
    return type(value) is str and parse_timestamp(value) is not None


def _type_test(name: str, test: Callable[[JSON], bool], text: Callable[[str, Emitter], str]) -> Operator:
    """The row of a test of a value's type, whose operand says which outcome is wanted."""

    def predicate(read: Read, wanted: bool) -> Predicate:
        return lambda data, scope: test(read(data, scope)) is wanted

    def emit(value: str, wanted: bool, emitter: Emitter) -> str:
        source = text(value, emitter)
        return f"({source})" if wanted else f"not ({source})"

    return _of_value(name, BOOLEAN, predicate, emit)


def _emit_numeric(value: str, emitter: Emitter) -> str:
    kind = emitter.temporary()
    return f"({kind} := type({value})) is int or {kind} is float"


_TYPE_TESTS = (
    _type_test("IsNull", lambda value: value is None, lambda value, emitter: f"{value} is None"),
    _type_test("IsNumeric", is_number, _emit_numeric),
    _type_test("IsString", lambda value: type(value) is str, lambda value, emitter: f"type({value}) is str"),
    _type_test("IsBoolean", lambda value: type(value) is bool, lambda value, emitter: f"type({value}) is bool"),
    _type_test("IsTimestamp", _is_timestamp, lambda value, emitter: f"{emitter.bind(_is_timestamp)}({value})"),
)


# ---- comparisons: five orders of three types, with a constant and with a path


class Order(msgspec.Struct, frozen=True):
    """One way to compare: the end of the operators' names, the function, and Python's sign for it."""

    name: str
    compare: Compare
    sign: str


ORDERS: Final = (
    Order("Equals", operator.eq, "=="),
    Order("LessThan", operator.lt, "<"),
    Order("GreaterThan", operator.gt, ">"),
    Order("LessThanEquals", operator.le, "<="),
    Order("GreaterThanEquals", operator.ge, ">="),
)


def _string_key(value: JSON) -> Any:
    return utf16_key(value) if type(value) is str else None


def _number_key(value: JSON) -> Any:
    return value if is_number(value) else None


def _boolean_key(value: JSON) -> Any:
    return value if type(value) is bool else None


def _timestamp_key(value: JSON) -> Any:
    return parse_timestamp(value) if type(value) is str else None


def _of_paths(name: str, key: Callable[[JSON], Any], compare: Compare) -> Operator:
    """The row of a comparison with what a path finds. `key`: what is compared of a value, None for the wrong type."""

    def both(left: JSON, right: JSON) -> bool:
        a, b = key(left), key(right)
        return a is not None and b is not None and bool(compare(a, b))

    def predicate(path: Path, other: Path) -> Predicate:
        left, right = _reader(path), _reader(other)
        return lambda data, scope: both(left(data, scope), right(data, scope))

    def emit(path: Path, other: Path, emitter: Emitter) -> str | None:
        """Both sides are read before either is judged, as the predicate does."""
        left = _value_source(path, emitter)
        right = None if left is None else path_source(other, emitter)
        if right is None:
            return None
        first, second = emitter.temporary(), emitter.temporary()
        return f"({first} := {left}, {second} := {right}) and {emitter.bind(both)}({first}, {second})"

    return Operator(name, PATH, predicate, emit)


def _string(order: Order) -> Operator:
    """Strings compare by UTF-16 code unit, as in Java."""
    compare, sign = order.compare, order.sign

    def predicate(read: Read, wanted: str) -> Predicate:
        if sign == "==":
            return lambda data, scope: bool(read(data, scope) == wanted)
        key = utf16_key(wanted)
        plain, enough = wanted.isascii(), len(wanted) + 1  # what follows can't change the order

        def test(data: JSON, scope: Scope) -> bool:
            value = read(data, scope)
            if type(value) is not str:
                return False
            head = value[:enough]
            return compare(head, wanted) if plain and head.isascii() else compare(utf16_key(head), key)

        return test

    def emit(value: str, wanted: str, emitter: Emitter) -> str:
        if sign == "==":
            return f"{value} == {wanted!r}"
        first, held = emitter.twice(value)
        key = utf16_key(wanted)
        slow = emitter.bind(lambda value: bool(compare(utf16_key(value), key)))
        if not wanted.isascii():
            return f"{first}.__class__ is str and {slow}({held})"
        return f"{first}.__class__ is str and ({held} {sign} {wanted!r} if {held}.isascii() else {slow}({held}))"

    return _of_value(f"String{order.name}", STRING, predicate, emit)


def _number(order: Order) -> Operator:
    compare = order.compare

    def predicate(read: Read, wanted: JSON) -> Predicate:
        def test(data: JSON, scope: Scope) -> bool:
            value = read(data, scope)
            kind = type(value)
            return (kind is int or kind is float) and compare(value, wanted)

        return test

    def emit(value: str, wanted: JSON, emitter: Emitter) -> str:
        (first, held), kind = emitter.twice(value), emitter.temporary()
        return f"(({kind} := {first}.__class__) is int or {kind} is float) and {held} {order.sign} {wanted!r}"

    return _of_value(f"Numeric{order.name}", NUMBER, predicate, emit)


def _timestamp(order: Order) -> Operator:
    compare = order.compare

    def predicate(read: Read, given: str) -> Predicate:
        wanted = parse_timestamp(given)

        def test(data: JSON, scope: Scope) -> bool:
            value = read(data, scope)
            moment = parse_timestamp(value) if type(value) is str else None
            return moment is not None and compare(moment, wanted)

        return test

    def emit(value: str, given: str, emitter: Emitter) -> str:
        (first, held), moment = emitter.twice(value), emitter.temporary()
        parse, wanted = emitter.bind(parse_timestamp), emitter.bind(parse_timestamp(given))
        instant = f"({moment} := {parse}({held})) is not None"
        return f"{first}.__class__ is str and {instant} and {moment} {order.sign} {wanted}"

    return _of_value(f"Timestamp{order.name}", TIMESTAMP, predicate, emit)


def _comparisons() -> Iterator[Operator]:
    for order in ORDERS:
        yield from (_string(order), _of_paths(f"String{order.name}Path", _string_key, order.compare))
        yield from (_number(order), _of_paths(f"Numeric{order.name}Path", _number_key, order.compare))
        yield from (_timestamp(order), _of_paths(f"Timestamp{order.name}Path", _timestamp_key, order.compare))


def _boolean_equals(read: Read, wanted: bool) -> Predicate:
    return lambda data, scope: read(data, scope) is wanted


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


def _emit_matches(value: str, pattern: str, emitter: Emitter) -> str:
    pieces = wildcard_pieces(pattern)
    if pieces is None:
        return f"{emitter.bind(_refuse_escape)}()"
    if len(pieces) == 1:
        return f"{value} == {pieces[0]!r}"
    first, held = emitter.twice(value)
    if len(pieces) == 2 and not pieces[1]:
        return f"{first}.__class__ is str and {held}.startswith({pieces[0]!r})"
    return f"{first}.__class__ is str and {emitter.bind(matches)}({held}, {emitter.bind(pieces)})"


def _refuse_escape() -> bool:
    """A pattern with an open escape: the predicate's business."""
    raise TypeError("open escape")


OPERATORS: dict[str, Operator] = {
    op.name: op
    for op in (
        *_comparisons(),
        _of_value("BooleanEquals", BOOLEAN, _boolean_equals, lambda value, wanted, emitter: f"{value} is {wanted!r}"),
        _of_paths("BooleanEqualsPath", _boolean_key, operator.is_),
        _of_value("StringMatches", STRING, _string_matches, _emit_matches),
        Operator("IsPresent", BOOLEAN, _is_present, _emit_present),
        *_TYPE_TESTS,
    )
}
"""Every comparison operator by name."""
