"""Payload templates: Parameters, ResultSelector, ItemSelector, Assign, Credentials, BatchInput.

A key that ends in `.$` has a path or an intrinsic call as its value, which the template's evaluation replaces;
everything else is literal. Parts without such keys are built once and shared by all executions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from express.errors import RUNTIME, ExpressionError, StatesError
from express.expr.expressions import Expressions
from express.expr.intrinsics.compile import call_growth, compile_call
from express.expr.intrinsics.syntax import Call
from express.expr.jsonpath.budget import shown
from express.expr.jsonpath.compile import compile_reader, path_growth
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.select import Miss
from express.expr.scope import Read, Scope
from express.expr.size_growth import Growth, Template, constant, template, total
from express.expr.tree import DYNAMIC, Array, Literal, Node, Object, array_of, object_of
from express.values import JSON, size

__all__ = ["Template", "compile_template", "parse_template", "template_growth"]

MAX_DEPTH = 100

T = TypeVar("T")


# ---- parsing


def parse_template(value: JSON, expressions: Expressions, place: str = "", depth: int = 0) -> Node:
    """Return the template that `value` is; `place` is its JSON pointer.

    Raises ExpressionError for a `.$` value that is neither a path nor an intrinsic call, and for two keys that
    are the same without `.$`.
    """
    if depth > MAX_DEPTH:
        raise ExpressionError(f"A payload template is nested more than {MAX_DEPTH} deep")
    if type(value) is dict:
        return _parse_object(value, expressions, place, depth)
    if type(value) is list:
        items = [parse_template(item, expressions, f"{place}[{i}]", depth + 1) for i, item in enumerate(value)]
        return array_of(value, items)
    return Literal(value)


def _parse_object(value: dict[str, JSON], expressions: Expressions, place: str, depth: int) -> Node:
    members: dict[str, Node] = {}
    for key, item in value.items():
        name = key.removesuffix(DYNAMIC)
        if name in members:
            raise ExpressionError(f"The field '{key}' collides with another field named '{name}'")
        here = f"{place}/{key}"
        if key.endswith(DYNAMIC):
            members[name] = _parse_leaf(key, item, expressions, here)
        else:
            members[name] = parse_template(item, expressions, here, depth + 1)
    return object_of(value, members)


def _parse_leaf(key: str, source: JSON, expressions: Expressions, place: str) -> Path | Call:
    if type(source) is not str:
        raise ExpressionError(_message(key))
    try:
        parsed = expressions.path(source) if source.startswith("$") else expressions.call(source)
    except ExpressionError as error:
        raise ExpressionError(f"{_message(key)}: {error}") from error
    return msgspec.structs.replace(parsed, place=place)


# ---- evaluation


def compile_template(node: Node, field: str) -> Template:
    """The template that `node` is.

    >>> node = parse_template({"a.$": "$.x", "b": {"c": 1}}, Expressions())
    >>> compile_template(node, "Parameters")({"x": 2}, None)
    {'a': 2, 'b': {'c': 1}}

    Raises ExpressionError for a call that does not fit its function, and for a constant that is no JSON.
    """
    return template(_compile(node, ""), template_growth(node), constant=type(node) is Literal)


def _compile(node: Node, name: str) -> Read:
    """A part; `name` is that of the member it is."""
    if type(node) is Literal:
        value = node.value
        return lambda data, scope: value
    if type(node) is Object:
        return _object(node)
    if type(node) is Array:
        reads = tuple(_compile(item, "") for item in node.items)
        return lambda data, scope: [read(data, scope) for read in reads]
    if type(node) is Path:
        return compile_reader(node, _miss(node, f"{name}{DYNAMIC}"))
    assert type(node) is Call, "JSONata's expressions are not evaluated here"
    return _checked(node, name, compile_call)


def _object(node: Object) -> Read:
    fixed = {name: member.value if type(member) is Literal else None for name, member in node.members.items()}
    parts = node.members.items()
    return _build(fixed, tuple((name, _compile(member, name)) for name, member in parts if type(member) is not Literal))


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


def template_growth(node: Node, name: str = "") -> Growth:
    """Return how much larger than the data the template's result can be; raises ExpressionError as its evaluation."""
    if type(node) is Literal:
        return constant(node.value)
    if type(node) is Object:
        parts = [template_growth(member, name) for name, member in node.members.items()]
        return total(parts, 2 + sum(size(name) + 2 for name in node.members))
    if type(node) is Array:
        return total([template_growth(item) for item in node.items], 2 + len(node.items))
    if type(node) is Path:
        return path_growth(node)
    assert type(node) is Call
    return _checked(node, name, call_growth)


def _checked(node: Call, name: str, function: Callable[[Call], T]) -> T:
    """Return what a function makes of a call; what the call has wrong is told with the member it stands in."""
    try:
        return function(node)
    except ExpressionError as error:
        raise ExpressionError(f"{_message(f'{name}{DYNAMIC}')}: {error}") from error


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
