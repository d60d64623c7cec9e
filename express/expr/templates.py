"""Payload templates (spec/asl.md §5): Parameters, ResultSelector, ItemSelector, Assign, Credentials, BatchInput.

A key that ends in `.$` has a path or an intrinsic call as its value, which the template's evaluation replaces;
everything else is literal. Parts without such keys are built once and shared by all executions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from express.errors import RUNTIME, ExpressionError, StatesError
from express.expr.intrinsics.compile import compile_call
from express.expr.jsonpath.budget import shown
from express.expr.jsonpath.compile import compile_reader, path_growth
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.select import Miss
from express.expr.jsonpath.syntax import parse
from express.expr.scope import Read, Scope
from express.expr.size_growth import Growth, Template, constant, template, total
from express.values import JSON, size

__all__ = ["Template", "compile_template"]

DYNAMIC = ".$"
MAX_DEPTH = 100

_Part: TypeAlias = tuple[Read | None, Growth]
"""A compiled part: None for the reader of a constant one."""


def compile_template(value: JSON, field: str) -> Template:
    """The template that `value` is.

    >>> compile_template({"a.$": "$.x", "b": {"c": 1}}, "Parameters")({"x": 2}, None)
    {'a': 2, 'b': {'c': 1}}

    Raises ExpressionError for a `.$` value that is neither a path nor an intrinsic call, and for two keys that
    are the same without `.$`.
    """
    read, growth = _compile(value, 0)
    if read is None:
        return template(lambda data, scope: value, growth, constant=True)
    return template(read, growth, constant=False)


def _compile(value: JSON, depth: int) -> _Part:
    if depth > MAX_DEPTH:
        raise ExpressionError(f"A payload template is nested more than {MAX_DEPTH} deep")
    if type(value) is dict:
        return _object(value, depth)
    if type(value) is list:
        return _array(value, depth)
    return None, constant(value)


def _object(value: dict[str, JSON], depth: int) -> _Part:
    fixed: dict[str, JSON] = {}
    dynamic: list[tuple[str, Read]] = []
    growths: list[Growth] = []
    for key, item in value.items():
        name = key.removesuffix(DYNAMIC)
        if name in fixed:
            raise ExpressionError(f"The field '{key}' collides with another field named '{name}'")
        read, growth = _leaf(key, item) if key.endswith(DYNAMIC) else _compile(item, depth + 1)
        fixed[name] = item if read is None else None
        if read is not None:
            dynamic.append((name, read))
        growths.append(growth)
    growth = total(growths, 2 + sum(size(name) + 2 for name in fixed))
    return (_build(fixed, tuple(dynamic)) if dynamic else None), growth


def _build(fixed: dict[str, JSON], dynamic: tuple[tuple[str, Read], ...]) -> Read:
    """Copies `fixed`, which has every key in order, and fills in what is dynamic."""
    if len(dynamic) == len(fixed):
        return lambda data, scope: {name: read(data, scope) for name, read in dynamic}
    copy = fixed.copy

    def build(data: JSON, scope: Scope) -> JSON:
        out = copy()
        for name, read in dynamic:
            out[name] = read(data, scope)
        return out

    return build


def _array(value: list[JSON], depth: int) -> _Part:
    parts = [_compile(item, depth + 1) for item in value]
    growth = total([part[1] for part in parts], 2 + len(parts))
    if all(read is None for read, _ in parts):
        return None, growth
    reads = tuple(read or _given(item) for item, (read, _) in zip(value, parts, strict=True))
    return (lambda data, scope: [read(data, scope) for read in reads]), growth


def _given(item: JSON) -> Read:
    return lambda data, scope: item


def _leaf(key: str, source: JSON) -> _Part:
    try:
        if type(source) is str and source.startswith("$"):
            path = parse(source)
            return compile_reader(path, _miss(path, key)), path_growth(path)
        if type(source) is str:
            call = compile_call(source)
            return call, call.growth
    except ExpressionError as error:
        raise ExpressionError(f"{_message(key)}: {error}") from error
    raise ExpressionError(_message(key))


def _message(key: str) -> str:
    return f"The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"


def _miss(path: Path, key: str) -> Callable[[JSON, Scope, Miss], JSON]:
    """States.Runtime in AWS's words; a Context path is looked for, and shown, in the Context object."""

    def recover(data: JSON, scope: Scope, miss: Miss) -> JSON:
        if miss.null:
            return None
        searched = scope.context() if path.root == "$$" else data
        raise StatesError(
            RUNTIME,
            f"The JSONPath '{path.shown}' specified for the field '{key}' "
            f"could not be found in the input '{shown(searched)}'",
            located=True,
        )

    return recover
