"""Fields that take a path to one suitable value, and what AWS says when it is not (States Language, "Pass State")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from express.errors import REFERENCE_PATH_CONFLICT, RUNTIME, ExpressionError, StatesError
from express.expr.intrinsics.compile import compile_call
from express.expr.intrinsics.functions import TEXT_FUNCTIONS
from express.expr.intrinsics.syntax import Call
from express.expr.jsonpath.budget import shown
from express.expr.jsonpath.compile import compile_path, compile_reader, path_growth
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.select import Miss
from express.expr.scope import Read, Scope
from express.expr.size_growth import Reader, reader
from express.values import JSON, is_number, parse_timestamp

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,19}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?\Z", re.ASCII)


def _fail(cause: str) -> NoReturn:
    raise StatesError(RUNTIME, cause, located=True)


def _on_miss(cause: Callable[[JSON], str]) -> Callable[[JSON, Scope, Miss], JSON]:
    def recover(data: JSON, scope: Scope, miss: Miss) -> NoReturn:
        _fail(cause(data))

    return recover


def compile_error_path(node: Path | Call, field: str) -> Reader:
    """ErrorPath or CausePath: a Reference Path or one of a few intrinsic calls, which must give a string.

    >>> from express.expr.intrinsics.syntax import parse_call
    >>> compile_error_path(parse_call("States.Format('{}!', $.e)"), "ErrorPath")({"e": "Boom"}, None)
    'Boom!'
    """
    if type(node) is Call:
        call = compile_call(node, allowed=TEXT_FUNCTIONS)
        return reader(_text_of(call, node.text, field), call.growth)
    assert type(node) is Path
    path = _reference(node)
    named = path.shown

    def cause(data: JSON) -> str:
        return (
            f"The JSONPath '{named}' specified for the field '{field}' could not be found in the input '{shown(data)}'"
        )

    read = compile_reader(path, _on_miss(cause))
    return reader(_text_of(read, path.text, field), path_growth(path))


def _text_of(read: Read, source: str, field: str) -> Read:
    def read_text(data: JSON, scope: Scope) -> JSON:
        value = read(data, scope)
        if type(value) is not str:
            _fail(f"The {field} field refers to value {_quoted(value)} which is not a string: {source}")
        return value

    return read_text


def _reference(path: Path) -> Path:
    if not path.reference:
        raise ExpressionError(f"Value is not a Reference Path: {path.text}")
    return path


def compile_seconds_path(path: Path, field: str) -> Read:
    """SecondsPath of Wait: a whole number of seconds, 0 or more, or its text (texts recorded).

    >>> from express.expr.jsonpath.syntax import parse
    >>> compile_seconds_path(parse("$.n"), "SecondsPath")({"n": 5}, None)
    5
    """
    source = path.text
    read = compile_reader(
        path, _on_miss(lambda data: f"The {field} parameter does not reference an input value: {source}")
    )

    def seconds(data: JSON, scope: Scope) -> JSON:
        value = read(data, scope)
        number = value if type(value) is int else _parsed(value)
        if number is None:
            _fail(f"The {field} parameter cannot be parsed as a long value: {source} == {_plain(value)}")
        if number < 0:
            _fail(f"The {field} parameter references a negative value: {source} == {_plain(value)}")
        return number

    return seconds


def compile_timestamp_path(path: Path, field: str) -> Read:
    """TimestampPath of Wait: the text of an instant that `values.parse_timestamp` understands (texts recorded).

    >>> from express.expr.jsonpath.syntax import parse
    >>> compile_timestamp_path(parse("$.t"), "TimestampPath")({"t": "2026-01-02T03:04:05Z"}, None)
    '2026-01-02T03:04:05Z'
    """
    source = path.text
    read = compile_reader(
        path, _on_miss(lambda data: f"The {field} parameter does not reference an input value: {source}")
    )

    def timestamp(data: JSON, scope: Scope) -> JSON:
        value = read(data, scope)
        if type(value) is not str or parse_timestamp(value) is None:
            _fail(
                f"The {field} parameter does not reference a valid ISO-8601 extended offset date-time "
                f"format string: {source} == {_plain(value)}"
            )
        return value

    return timestamp


def compile_items_path(path: Path, field: str) -> Reader:
    """ItemsPath of an inline Map: must point to an array (text recorded).

    >>> from express.expr.jsonpath.syntax import parse
    >>> compile_items_path(parse("$.xs"), "ItemsPath")({"xs": [1]}, None)
    [1]
    """
    path = _reference(path)
    named = path.shown

    def conflict(data: JSON, scope: Scope, miss: Miss) -> NoReturn:
        step = _missing_step(path, data)
        raise StatesError(
            REFERENCE_PATH_CONFLICT, f'Unable to apply step "{step}" to input {shown(data)}', located=True
        )

    read = compile_reader(path, conflict)

    def items(data: JSON, scope: Scope) -> JSON:
        value = read(data, scope)
        if type(value) is not list:
            _fail(f'Reference path "{named}" must point to array.')
        return value

    return reader(items, path_growth(path))


def _missing_step(path: Path, data: JSON) -> str | int:
    """The first step of a path that finds nothing."""
    chain = path.chain or ("",)
    node: JSON = data
    for key in chain:
        held = range(len(node)) if type(node) is list else node if type(node) is dict else ()
        if key not in held:
            return key
        node = node[key]
    return chain[-1]


def compile_integer_path(path: Path, field: str) -> Read:
    """TimeoutSecondsPath, HeartbeatSecondsPath, MaxConcurrencyPath …: an integer, or its text (both recorded).

    >>> from express.expr.jsonpath.syntax import parse
    >>> read = compile_integer_path(parse("$.n"), "MaxConcurrencyPath")
    >>> read({"n": 4.0}, None), read({"n": "1"}, None)
    (4, 1)
    """
    read, source = compile_path(path, field), path.text

    def integer(data: JSON, scope: Scope) -> JSON:
        value = read(data, scope)
        whole = type(value) is int or (type(value) is float and value.is_integer())
        number = int(value) if whole else _parsed(value)
        if number is None:
            _fail(f"The {field} field refers to value {_quoted(value)} which is not a valid integer: {source}")
        return number

    return integer


def compile_number_path(path: Path, field: str) -> Read:
    """ToleratedFailurePercentagePath: a number, or its text (texts recorded).

    >>> from express.expr.jsonpath.syntax import parse
    >>> read = compile_number_path(parse("$.n"), "ToleratedFailurePercentagePath")
    >>> read({"n": 2.5}, None), read({"n": "12.5"}, None)
    (2.5, 12.5)
    """
    read, source = compile_path(path, field), path.text

    def number(data: JSON, scope: Scope) -> JSON:
        value = read(data, scope)
        if type(value) is str and _NUMBER.match(value):
            return float(value)
        if not is_number(value):
            _fail(f"The {field} field refers to value {_quoted(value)} which is not a valid float: {source}")
        return value

    return number


def _parsed(value: JSON) -> int | None:
    """The integer of 64 bits that a text is, as Java's Long.parseLong reads it; None where it is none."""
    if type(value) is not str or not _INTEGER.match(value):
        return None
    number = int(value)
    return number if -(1 << 63) <= number < 1 << 63 else None


def _plain(value: JSON) -> str:
    return value if type(value) is str else shown(value)


def _quoted(value: JSON) -> str:
    return f'"{_plain(value)}"'
