"""The compilers of expressions for what stands in a definition: each parses it first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from express.expr import choices, templates
from express.expr.expressions import Expressions
from express.expr.intrinsics import compile as intrinsics
from express.expr.jsonata import compile as jsonata
from express.expr.jsonata import inline as inlining
from express.expr.jsonata.expression import check_patterns
from express.expr.jsonpath import compile as jsonpath
from express.expr.jsonpath import typed_fields
from express.expr.jsonpath.nodes import Path
from express.expr.python import jsonpath as text
from express.expr.python.emitter import Emitter
from express.expr.scope import Predicate, Read
from express.expr.size_growth import Reader, Template, Writer

T = TypeVar("T")


def _of_path(function: Callable[[Path, str], T]) -> Callable[[str, str], T]:
    return lambda source, field: function(Expressions().path(source), field)


compile_path = _of_path(jsonpath.compile_path)
compile_seconds_path = _of_path(typed_fields.compile_seconds_path)
compile_timestamp_path = _of_path(typed_fields.compile_timestamp_path)
compile_items_path = _of_path(typed_fields.compile_items_path)
compile_integer_path = _of_path(typed_fields.compile_integer_path)
compile_number_path = _of_path(typed_fields.compile_number_path)


def compile_error_path(source: str, field: str) -> Read:
    """ErrorPath or CausePath."""
    parse = Expressions().call if source.startswith("States.") else Expressions().path
    return typed_fields.compile_error_path(parse(source), field)


def _path(source: str | None) -> Path | None:
    return None if source is None else Expressions().path(source)


def compile_input_path(source: str | None, field: str) -> Reader | None:
    """InputPath or OutputPath."""
    return jsonpath.compile_input_path(_path(source), field)


def compile_result_path(source: str | None) -> Writer:
    """ResultPath."""
    return jsonpath.compile_result_path(_path(source))


def compile_call(source: str, *, allowed: frozenset[str] | None = None) -> Reader:
    """An intrinsic call."""
    return intrinsics.compile_call(Expressions().call(source), allowed=allowed)


def compile_template(value: Any, field: str) -> Template:
    """A payload template."""
    return templates.compile_template(templates.parse_template(value, Expressions()), field)


def compile_rule(rule: Any) -> Predicate:
    """A Choice rule."""
    return choices.compile_rule(choices.parse_rule(rule, Expressions()))


def compile_value(value: Any, field: str) -> jsonata.Evaluate:
    """A value of a JSONata state."""
    return jsonata.compile_value(jsonata.parse_value(value, Expressions()), field)


def compile_expression(source: str, field: str, expect: str | None = None) -> jsonata.Evaluate:
    """A JSONata expression."""
    expression = Expressions().jsonata(source)
    check_patterns(expression)
    return jsonata.compile_expression(expression, field, expect)


def inline(value: Any, *more: Any) -> inlining.Inlined | None:
    """A value of a JSONata state, as statements."""
    return inlining.inline(jsonata.parse_value(value, Expressions()), *more)


def template_source(value: Any, emitter: Emitter) -> str | None:
    """The text of a payload template."""
    return text.template_source(templates.parse_template(value, Expressions()), emitter)


def input_path_source(source: str | None, emitter: Emitter) -> str | None:
    """The text of InputPath or OutputPath."""
    return text.input_path_source(_path(source), emitter)


def result_path_source(source: str | None, raw: str, result: str, emitter: Emitter) -> str | None:
    """The text of ResultPath."""
    return text.result_path_source(_path(source), raw, result, emitter)


def rule_source(rule: Any, emitter: Emitter) -> str | None:
    """The text of a Choice rule."""
    made = choices.rule_source(choices.parse_rule(rule, Expressions()), emitter)
    return None if made is None else made[0]
