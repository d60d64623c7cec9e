"""Fields of a JSONata state compiled to callables: one expression, or a template that holds some.

What an evaluation gives back is checked as AWS does: nothing and functions are refused, and where a field
wants one type, the others. The causes are AWS's texts (spec/asl.md §7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, cast

from express.errors import EvaluationError
from express.expr.jsonata.errors import JsonataError, JsonataSyntaxError
from express.expr.jsonata.evaluator import UNDEFINED, Exact, compile_text
from express.expr.jsonata.nodes import Node, Pattern, walk
from express.expr.jsonata.numbers import compact
from express.expr.jsonata.parser import parse
from express.expr.jsonata.references import references
from express.expr.scope import Scope
from express.values import JSON

_BLANK = " \t\n\r\v\f"


class Evaluate(Protocol):
    """A compiled field: the members of `$states` (without `context`) and the surroundings → its value.

    Raises EvaluationError. `constant`: the value is always the same one.
    """

    constant: bool

    def __call__(self, states: Mapping[str, JSON], scope: Scope, /) -> JSON:
        """The field's value."""


def is_expression(value: object) -> bool:
    """Whether `value` is an expression: a string that begins with `{%` and ends with `%}`, no blanks outside."""
    return type(value) is str and len(value) >= 4 and value.startswith("{%") and value.endswith("%}")


def inner(text: str) -> str:
    """The expression between the delimiters, as AWS shows it."""
    return text[2:-2].strip(_BLANK)


def compile_value(value: JSON, field: str) -> Evaluate:
    """A template (Output, Arguments, a value of Assign, …): strings that are expressions are evaluated anywhere in it.

    `field` names it in causes (`Output`, `Catch[0]/Assign`). Raises JsonataSyntaxError.
    """
    kind = type(value)
    if kind is str and is_expression(value):
        return compile_expression(value, field)
    if kind is dict:
        parts = {key: compile_value(part, f"{field}/{key}") for key, part in value.items()}
        if not all(part.constant for part in parts.values()):
            return _object(parts)
    elif kind is list:
        items = [compile_value(part, f"{field}[{i}]") for i, part in enumerate(value)]
        if not all(item.constant for item in items):
            return _array(items)
    return _marked(lambda states, scope: value, constant=True)


def compile_expression(text: str, field: str, expect: str | None = None) -> Evaluate:
    """One expression with its delimiters. `expect` is the type the field wants, `integer` among them.

    Raises JsonataSyntaxError.
    """
    source = inner(text)
    node = _parsed(source)
    exact = Exact(source, references(node))

    def evaluate(states: Mapping[str, JSON], scope: Scope) -> JSON:
        try:
            value = exact.evaluate(states, scope)
        except JsonataError as error:
            shown = f": {error.message}" if error.code is None else f". {error.code}: {error.message}"
            raise _failed(source, field, f"threw an error during evaluation{shown}") from None
        if value is UNDEFINED:
            nothing = not exact.is_function(states, scope)
            outcome = "returned nothing (undefined)." if nothing else "returned an unsupported result type."
            raise _failed(source, field, outcome)
        if expect is not None and not _fits(value, expect):
            raise _failed(source, field, _unexpected(value, expect))
        return value

    return _marked(evaluate)


def _parsed(source: str) -> Node:
    """The tree of an expression whose regular expressions are known to compile, too."""
    node = parse(source)
    if any(type(part) is Pattern for part in walk(node)):
        try:
            compile_text(source)
        except JsonataError as error:
            raise JsonataSyntaxError(error.code or "", error.message, error.position or 0, error.token) from None
    return node


def _object(parts: dict[str, Evaluate]) -> Evaluate:
    pairs = tuple(parts.items())
    return _marked(lambda states, scope: {key: part(states, scope) for key, part in pairs})


def _array(items: list[Evaluate]) -> Evaluate:
    return _marked(lambda states, scope: [item(states, scope) for item in items])


def _marked(function: Callable[[Mapping[str, JSON], Scope], JSON], constant: bool = False) -> Evaluate:
    evaluate = cast(Evaluate, function)
    evaluate.constant = constant
    return evaluate


def _failed(source: str, field: str, outcome: str) -> EvaluationError:
    return EvaluationError(f"The JSONata expression '{source}' specified for the field '{field}' {outcome}", field)


_TYPES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
}


def _fits(value: JSON, expect: str) -> bool:
    kind = _TYPES[type(value)]
    return kind == expect or (expect == "integer" and type(value) is int)


def _unexpected(value: JSON, expect: str) -> str:
    kind = _TYPES[type(value)]
    return f"returned an unexpected result type. Expected '{expect}', but was '{kind}' for value: {compact(value)}"
