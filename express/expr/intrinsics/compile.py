"""Intrinsic calls compiled: `States.Format('{}', $.a)` → a Read (States Language, "Intrinsic functions").

A call whose arguments are all constant is computed here, once. Failures name the whole outermost call as it was
written (measured on AWS by others); a path argument that finds nothing is States.Runtime, bad arguments are
`FAILURE`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from express.budget import Exhausted
from express.errors import INTRINSIC_FAILURE, RUNTIME, ExpressionError, StatesError
from express.expr.intrinsics.arguments import Refused
from express.expr.intrinsics.functions import FUNCTIONS, Function
from express.expr.intrinsics.syntax import Argument, Call, Constant
from express.expr.jsonpath.budget import shown
from express.expr.jsonpath.compile import compile_reader, path_growth
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.select import Miss
from express.expr.scope import Constants, Read, Scope
from express.expr.size_growth import Growth, Reader, constant, reader
from express.values import JSON

FAILURE = INTRINSIC_FAILURE

UNPAID = 50
"""Units that a call may cost without being counted."""

SHORT_TEXT = 63
"""Characters up to which a text costs a prepared function nothing."""

_LARGE = frozenset({dict, list})

_NO_SCOPE = Constants()

_Part: TypeAlias = tuple[Read, bool]
"""An argument or call compiled: its reader, and whether it is constant."""


def compile_call(call: Call, *, allowed: frozenset[str] | None = None) -> Reader:
    """The reader of an intrinsic call; `allowed` limits the outermost function.

    >>> from express.expr.intrinsics.syntax import parse_call
    >>> compile_call(parse_call("States.MathAdd($.a, 1)"))({"a": 2}, None)
    3

    Raises ExpressionError for unknown functions and wrong numbers of arguments.
    """
    if allowed is not None and call.name not in allowed:
        raise ExpressionError(f"The intrinsic function {call.name} is not allowed here: {call.text}")
    read, _ = _call(call, call.text)
    return reader(read, call_growth(call))


def _call(call: Call, source: str) -> _Part:
    function = _function(call, source)
    arguments = values_of(call)
    parts = [_argument(argument, source) for argument in arguments]
    reads = tuple(part[0] for part in parts)
    prepared = _prepared(function, arguments)
    if prepared is None:
        read = _apply(function, function.call, reads, source)
    else:
        read = _apply(function, prepared, reads[1:], source)
    if function.pure and all(part[1] for part in parts):
        return _folded(read)
    return read, False


def call_growth(call: Call) -> Growth:
    """Return how much larger than the data the result of a call can be; raises ExpressionError as `compile_call`."""
    function = _function(call, call.text)
    if function.pure and all(type(argument) is not Path for argument in call.arguments):
        read, folded = _call(call, call.text)
        if folded:
            return constant(read(None, _NO_SCOPE))
    return function.growth([_argument_growth(argument) for argument in values_of(call)])


def _argument_growth(argument: Argument) -> Growth:
    if type(argument) is Call:
        return call_growth(argument)
    if type(argument) is Path:
        return path_growth(argument)
    assert type(argument) is Constant
    return constant(argument.value)


def _function(call: Call, source: str) -> Function:
    """The function of a call whose arguments are as many as it takes."""
    function = FUNCTIONS.get(call.name)
    if function is None:
        raise ExpressionError(f"Invalid intrinsic function call '{source}': there is no function {call.name}")
    count = len(call.arguments)
    if count < function.least or (function.most is not None and count > function.most):
        raise ExpressionError(
            f"Invalid intrinsic function call '{source}': {call.name} takes {_arity(function)} arguments"
        )
    return function


def _arity(function: Function) -> str:
    if function.most is None:
        return f"at least {function.least}"
    return str(function.least) if function.least == function.most else f"{function.least} to {function.most}"


def _folded(read: Read) -> _Part:
    """A constant call, computed now; one that fails must fail when it is reached."""
    try:
        value = read(None, _NO_SCOPE)
    except StatesError:
        return read, False
    return (lambda data, scope: value), True


def values_of(call: Call) -> tuple[Argument, ...]:
    """Return the arguments as the function wants them.

    A literal one that it prepares keeps its escapes: only the function can tell an escaped brace from a placeholder.
    """
    first = call.arguments[0] if call.arguments else None
    if type(first) is Constant and first.source is not None and FUNCTIONS[call.name].prepare is not None:
        return (Constant(first.source), *call.arguments[1:])
    return call.arguments


def _argument(argument: Argument, source: str) -> _Part:
    if type(argument) is Call:
        return _call(argument, source)
    if type(argument) is Path:
        return compile_reader(argument, _miss(argument, source)), False
    assert type(argument) is Constant
    value = argument.value
    return (lambda data, scope: value), True


def _miss(path: Path, source: str) -> Callable[[JSON, Scope, Miss], JSON]:
    def recover(data: JSON, scope: Scope, miss: Miss) -> JSON:
        reason = miss.reason
        if not reason.startswith("Filter:"):
            reason = (
                f"The JsonPath argument for the field '{path.shown}' could not be found in the input '{shown(data)}'"
            )
        raise StatesError(RUNTIME, f"The function '{source}' had the following error: {reason}", located=True)

    return recover


def _apply(function: Function, call: Callable[..., JSON], arguments: tuple[Read, ...], source: str) -> Read:
    cause = f"The function '{source}' had the following error: Invalid arguments in {function.name}"
    if not function.pure:

        def read(data: JSON, scope: Scope) -> JSON:
            values = [argument(data, scope) for argument in arguments]
            try:
                return call(scope, *values)
            except (Refused, RecursionError):
                raise StatesError(FAILURE, cause, located=True) from None

        return read
    if function.units is not None:
        return _paying(function, call, arguments, source, cause)
    if len(arguments) == 1:
        return _unary(call, arguments[0], cause)
    if len(arguments) == 2:
        return _binary(call, arguments[0], arguments[1], cause)

    def read_all(data: JSON, scope: Scope) -> JSON:
        values = [argument(data, scope) for argument in arguments]
        try:
            return call(*values)
        except (Refused, RecursionError):
            raise StatesError(FAILURE, cause, located=True) from None

    return read_all


def _paying(
    function: Function, call: Callable[..., JSON], arguments: tuple[Read, ...], source: str, cause: str
) -> Read:
    """A function whose costs grow with its arguments: they are paid for before it is called, where they are large."""
    units = function.units
    assert units is not None
    prepared = call is not function.call  # its first argument is not given again

    def read(data: JSON, scope: Scope) -> JSON:
        values = [argument(data, scope) for argument in arguments]
        cost = 0
        if prepared:
            for value in values:  # as nearly always nothing is large, and to see that is cheaper than to count
                if value.__class__ in _LARGE or (value.__class__ is str and len(value) > SHORT_TEXT):
                    cost = units("", *values)
                    break
        else:
            cost = units(*values)
        if cost > UNPAID:
            try:
                scope.budget().spend(cost)
            except Exhausted:
                text = f"The function '{source}' had the following error: {function.name} is given too much data."
                raise StatesError(RUNTIME, text, located=True) from None
        try:
            return call(*values)
        except (Refused, RecursionError):
            raise StatesError(FAILURE, cause, located=True) from None

    return read


def _prepared(function: Function, arguments: tuple[Argument, ...]) -> Callable[..., JSON] | None:
    """The function with its first argument known beforehand; None where that must be looked for, or does not fit."""
    first = arguments[0] if arguments else None
    if function.prepare is None or type(first) is not Constant:
        return None
    return function.prepare(first.value, len(arguments) - 1)


def _unary(call: Callable[..., JSON], argument: Read, cause: str) -> Read:
    def read(data: JSON, scope: Scope) -> JSON:
        try:
            return call(argument(data, scope))
        except (Refused, RecursionError):
            raise StatesError(FAILURE, cause, located=True) from None

    return read


def _binary(call: Callable[..., JSON], first: Read, second: Read, cause: str) -> Read:
    def read(data: JSON, scope: Scope) -> JSON:
        try:
            return call(first(data, scope), second(data, scope))
        except (Refused, RecursionError):
            raise StatesError(FAILURE, cause, located=True) from None

    return read
