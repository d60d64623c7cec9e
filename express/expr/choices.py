"""JSONPath Choice rules: parsed to nodes, compiled to predicates, and written as Python text.

A rule is And, Or, Not, or a data test: `Variable` and exactly one operator of `operators`. `Next`, `Assign` and the
like are the state's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec

from express.errors import ExpressionError
from express.expr import tree
from express.expr.expressions import Expressions
from express.expr.jsonpath.nodes import Path
from express.expr.operators import BOOLEAN, NUMBER, OPERATORS, PATH, TIMESTAMP, Operator
from express.expr.python.emitter import MAX_DEPTH as DEEPEST_TEXT
from express.expr.python.emitter import MAX_PARTS, Emitter, Reads
from express.expr.scope import Predicate, Scope
from express.values import JSON, is_number, parse_timestamp

MAX_DEPTH = 50


class Test(msgspec.Struct, frozen=True):
    """A data test: what a path finds, held against an operand, which is a path itself for some operators."""

    operator: Operator
    variable: Path
    operand: Any


class Negation(msgspec.Struct, frozen=True):
    """`Not`."""

    rule: Rule


class Several(msgspec.Struct, frozen=True):
    """`And` or `Or`."""

    name: str
    rules: tuple[Rule, ...]


Rule: TypeAlias = Test | Negation | Several


# ---- parsing


def parse_rule(rule: JSON, expressions: Expressions, place: str = "", depth: int = 0) -> Rule:
    """Return the test of a rule, or of a test inside And, Or, Not; `place` is its JSON pointer.

    Raises ExpressionError.
    """
    if type(rule) is not dict:
        raise ExpressionError("A choice rule must be an object")
    if depth > MAX_DEPTH:
        raise ExpressionError(f"A choice rule is nested more than {MAX_DEPTH} deep")
    if "Not" in rule:
        return Negation(parse_rule(rule["Not"], expressions, f"{place}/Not", depth + 1))
    for name in ("And", "Or"):
        if name in rule:
            parts = rule[name]
            if type(parts) is not list or not parts:
                raise ExpressionError(f"'{name}' must be a non-empty array of rules")
            places = [f"{place}/{name}[{i}]" for i in range(len(parts))]
            rules = [parse_rule(part, expressions, at, depth + 1) for part, at in zip(parts, places, strict=True)]
            return Several(name, tuple(rules))
    return _parse_test(rule, expressions, place)


def _parse_test(rule: dict[str, JSON], expressions: Expressions, place: str) -> Test:
    names = [name for name in rule if name in OPERATORS]
    variable = rule.get("Variable")
    if type(variable) is not str or len(names) != 1:
        raise ExpressionError("A data test has 'Variable' and exactly one comparison operator")
    op = OPERATORS[names[0]]
    path = msgspec.structs.replace(expressions.path(variable), place=f"{place}/Variable")
    return Test(op, path, _operand(op, rule[op.name], expressions, f"{place}/{op.name}"))


def _operand(op: Operator, value: JSON, expressions: Expressions, place: str) -> Any:
    if op.operand == BOOLEAN:
        if type(value) is not bool:
            raise ExpressionError(f"'{op.name}' takes true or false")
    elif op.operand == NUMBER:
        if not is_number(value):
            raise ExpressionError(f"'{op.name}' takes a number")
    elif type(value) is not str:
        raise ExpressionError(f"'{op.name}' takes a string")
    elif op.operand == TIMESTAMP and parse_timestamp(value) is None:
        raise ExpressionError(f"'{op.name}' takes an RFC 3339 timestamp")
    elif op.operand == PATH:
        return msgspec.structs.replace(expressions.path(value), place=place)
    return value


# ---- evaluation


def compile_rule(rule: Rule) -> Predicate:
    """The predicate of a rule.

    >>> rule = parse_rule({"Variable": "$.n", "NumericGreaterThan": 1, "Next": "Big"}, Expressions())
    >>> compile_rule(rule)({"n": 2}, None)
    True
    """
    if type(rule) is Test:
        return rule.operator.predicate(rule.variable, rule.operand)
    if type(rule) is Negation:
        inner = compile_rule(rule.rule)
        return lambda data, scope: not inner(data, scope)
    assert type(rule) is Several
    return _several(rule)


def _several(rule: Several) -> Predicate:
    parts = tuple(map(compile_rule, rule.rules))
    decisive = rule.name == "Or"
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


# ---- Python text


def rule_source(rule: Rule, emitter: Emitter) -> tuple[str, Reads] | None:
    """The text of a rule, and what is in locals where it is true; `emitter.reads` has what is where it is false.

    The text's value is True or False (see `python.emitter` for what such text promises).

    >>> rule = parse_rule({"Variable": "$.n", "NumericGreaterThan": 1, "Next": "Big"}, Expressions())
    >>> rule_source(rule, Emitter())[0]
    "((t2 := (t1 := d['n']).__class__) is int or t2 is float) and t1 > 1"
    """
    made = _emit(rule, emitter, 0)
    if made is None:
        return None
    emitter.reads = made.otherwise
    return made.text, made.then or {}


class _Text(NamedTuple):
    """The text of a rule, and what it has read where it is true (`then`) and where it is not."""

    text: str
    then: Reads | None
    otherwise: Reads | None


def _emit(rule: Rule, emitter: Emitter, depth: int) -> _Text | None:
    if depth > DEEPEST_TEXT:
        return None
    if type(rule) is Negation:
        inner = _emit(rule.rule, emitter, depth + 1)
        return None if inner is None else _Text(f"not ({inner.text})", inner.otherwise, inner.then)
    if type(rule) is Several:
        return _joined(rule, emitter, depth)
    assert type(rule) is Test
    text = rule.operator.emit(rule.variable, rule.operand, emitter)
    return None if text is None else _Text(text, emitter.reads, emitter.reads)


def _joined(several: Several, emitter: Emitter, depth: int) -> _Text | None:
    """And, Or: each part is only run where those before it have not decided."""
    if len(several.rules) > MAX_PARTS:
        return None
    both = several.name == "And"
    word = f") {several.name.lower()} ("
    texts: list[str] = []
    decided: list[Reads] = []
    for rule in several.rules:
        part = _emit(rule, emitter, depth + 1)
        if part is None:
            return None
        texts.append(part.text)
        emitter.reads, leaving = (part.then, part.otherwise) if both else (part.otherwise, part.then)
        decided.append(leaving or {})
    common = None if emitter.reads is None else dict(set.intersection(*(set(reads.items()) for reads in decided)))
    text = f"({word.join(texts)})"
    return _Text(text, emitter.reads, common) if both else _Text(text, common, emitter.reads)


# ---- questions


def data_tests(rule: Rule) -> Iterator[Test]:
    """Yield the data tests of a rule."""
    todo = [rule]
    while todo:
        part = todo.pop()
        if type(part) is Test:
            yield part
        elif type(part) is Negation:
            todo.append(part.rule)
        elif type(part) is Several:
            todo += part.rules


def asks_scope(rule: Rule) -> bool:
    """Tell whether a rule looks at the Context object."""
    parts = (part for test in data_tests(rule) for part in (test.variable, test.operand))
    return any(tree.asks_scope(part) for part in parts if type(part) is Path)


def weight(rule: Rule) -> int:
    """Count the parts of a rule: three for a test, and its And, Or and Not."""
    return sum(4 for _ in data_tests(rule))
