"""Fields of a JSONata state compiled to callables: one expression, or a template that holds some.

Each expression has an exact form; most have a fast one that falls back on it. What an evaluation gives is
checked as AWS does: nothing and functions are refused, and where a field wants one type, the others. The
causes are AWS's texts (Transforming data with JSONata in Step Functions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias, cast

import msgspec

from express.budget import Exhausted
from express.errors import EvaluationError, ExpressionError
from express.expr.jsonata import nodes as n
from express.expr.jsonata.errors import TIMED_OUT, JsonataError
from express.expr.jsonata.evaluator import Exact
from express.expr.jsonata.expression import Expression, check_patterns, is_expression
from express.expr.jsonata.generate_paths import bare_path
from express.expr.jsonata.generated import Fast, Form, call_form, constant_form, fast_form, function_of, joined
from express.expr.jsonata.numbers import compact, normal, number_text
from express.expr.jsonata.sequences import UNDEFINED, follow
from express.expr.scope import Scope
from express.expr.tree import Array, Literal, Node, Object, array_of, object_of
from express.values import JSON

if TYPE_CHECKING:
    from express.expr.expressions import Expressions

States: TypeAlias = Mapping[str, JSON]
Function: TypeAlias = Callable[[States, Scope], JSON]
Refusal: TypeAlias = Callable[[JsonataError], NoReturn]

MAX_DEPTH = 100
"""Deepest nesting of a template."""

MAX_FUSED = 200
"""Most parts of a template that become one function."""


class Evaluate(Protocol):
    """A compiled field: the members of `$states` (without `context`) and the surroundings → its value.

    Raises EvaluationError. `constant`: the value is always the same one.
    """

    constant: bool

    def __call__(self, states: States, scope: Scope, /) -> JSON:
        """The field's value."""


def parse_value(value: JSON, expressions: Expressions, place: str = "", depth: int = 0) -> Node:
    """Return a template (Output, Arguments, a value of Assign, …): strings that are expressions are evaluated in it.

    `place` is its JSON pointer. Raises JsonataSyntaxError, and ExpressionError for a template that is nested too
    deeply.
    """
    if is_expression(value):
        expression = expressions.jsonata(value)
        check_patterns(expression)
        return msgspec.structs.replace(expression, place=place)
    if depth > MAX_DEPTH:
        raise ExpressionError(f"A value is nested more than {MAX_DEPTH} deep")
    if type(value) is dict:
        parts = {key: parse_value(item, expressions, f"{place}/{key}", depth + 1) for key, item in value.items()}
        return object_of(value, parts)
    if type(value) is list:
        items = [parse_value(item, expressions, f"{place}[{i}]", depth + 1) for i, item in enumerate(value)]
        return array_of(value, items)
    return Literal(value)


def compile_value(node: Node, field: str) -> Evaluate:
    """A template or an expression; `field` names it in causes (`Output`, `Catch[0]/Assign`)."""
    if type(node) is Literal:
        value = node.value
        return _marked(lambda states, scope: value, constant=True)
    if isinstance(node, Expression):
        return compile_expression(node, field)
    return _marked(function_of(lambda: _form(node, field)))


def _form(node: Node, field: str) -> Form:
    part = _Template().part(node, field)
    return Form(part.fast, part.exact)


def fast_value(node: Node, prefix: str) -> Fast | None:
    """The fast form of a template, to be part of a larger function; its own names begin with `prefix`.

    The text may raise anything; then `compile_value`'s function decides.
    """
    return _Template(prefix).part(node, "").fast


def compile_expression(expression: Expression, field: str, expect: str | None = None) -> Evaluate:
    """One expression. `expect` is the type the field wants, `integer` among them."""
    return _marked(function_of(lambda: _expression_form(expression, field, expect)))


def _expression_form(expression: Expression, field: str, expect: str | None) -> Form:
    exact = _exact(expression, field, expect)
    fast = fast_form(expression.tree)
    wanted = None if fast is None or expect is None or fast.kind == expect else _PYTHON[expect]
    return Form(fast, exact, wanted, _refusal(expression.source, field))


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a template: evaluated exactly, leaf by leaf in order, or as one fast form with the rest."""

    exact: Function
    fast: Fast | None


class _Template:
    """Compiles one template; numbers its parts, so that their names don't clash in the one function."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._parts = 0

    def part(self, node: Node, field: str) -> _Part:
        self._parts += 1
        if isinstance(node, Expression):
            return self._leaf(node, field)
        if type(node) is Object:
            return self._object({key: self.part(item, f"{field}/{key}") for key, item in node.members.items()})
        if type(node) is Array:
            return self._array([self.part(item, f"{field}[{i}]") for i, item in enumerate(node.items)])
        assert type(node) is Literal, "paths and calls are JSONPath's"
        value = node.value
        return _Part(lambda states, scope: value, constant_form(value, f"{self._prefix}k{self._parts}"))

    def _leaf(self, expression: Expression, field: str) -> _Part:
        exact = _exact(expression, field, None)
        fast = fast_form(expression.tree, f"{self._prefix}p{self._parts}_")
        if fast is None:
            return _Part(exact, call_form(exact, f"{self._prefix}e{self._parts}"))
        refused = _refusal(expression.source, field)
        return _Part(function_of(lambda: Form(fast, exact, refused=refused)), fast)

    def _object(self, members: dict[str, _Part]) -> _Part:
        pairs = tuple((key, member.exact) for key, member in members.items())
        forms = self._forms(members.values())
        fast = None
        if forms is not None:
            text = ", ".join(f"{key!r}: {form.source}" for key, form in zip(members, forms, strict=True))
            fast = joined(f"{{{text}}}", "object", forms)
        return _Part(lambda states, scope: {key: exact(states, scope) for key, exact in pairs}, fast)

    def _array(self, items: list[_Part]) -> _Part:
        exacts = tuple(item.exact for item in items)
        forms = self._forms(items)
        fast = None if forms is None else joined(f"[{', '.join(form.source for form in forms)}]", "array", forms)
        return _Part(lambda states, scope: [exact(states, scope) for exact in exacts], fast)

    def _forms(self, parts: Iterable[_Part]) -> list[Fast] | None:
        """The fast forms of all parts; None where the template is too large to be one function."""
        forms = [part.fast for part in parts if part.fast is not None]
        return forms if self._parts <= MAX_FUSED and len(forms) == len(list(parts)) else None


def _exact(expression: Expression, field: str, expect: str | None) -> Function:
    """The complete evaluation of an expression, with its result checked."""
    source = expression.source
    exact = Exact(source, expression.tree, expression.references)
    refused = _refusal(source, field)
    follow_path = _walker(expression.tree)

    def evaluate(states: States, scope: Scope) -> JSON:
        try:
            value = UNDEFINED if follow_path is None else follow_path(states, scope)
            if value is UNDEFINED:
                value = exact.evaluate(states, scope)
        except JsonataError as error:
            return refused(error)
        if value is UNDEFINED:
            nothing = not exact.is_function(states, scope)
            outcome = "returned nothing (undefined)." if nothing else "returned an unsupported result type."
            raise _failed(source, field, outcome)
        if value is None and follow_path is None and exact.is_nan(states, scope):
            value = number_text(nan)
        if expect is not None and type(value) not in _PYTHON[expect]:
            raise _failed(source, field, _unexpected(value, expect))
        return value

    return evaluate


def _refusal(source: str, field: str) -> Refusal:
    """Return what becomes of an error of the expression."""

    def refused(error: JsonataError) -> NoReturn:
        shown = f": {error.message}" if error.code is None else f". {error.code}: {error.message}"
        raise _failed(source, field, f"threw an error during evaluation{shown}") from None

    return refused


def _walker(node: n.Node) -> Function | None:
    """The complete evaluation of a bare path: names are looked up here, arrays on the way or not."""
    path = bare_path(node)
    if path is None:
        return None
    base, names = path
    member = base.removeprefix("states.") if base.startswith("states.") else None

    def walk(states: States, scope: Scope) -> JSON:
        if member is None:
            value = scope.variables().get(base, UNDEFINED)
        else:
            value = scope.context() if member == "context" else states.get(member, UNDEFINED)
        if names and value is not UNDEFINED:
            try:
                value = follow(value, names, scope.budget().spend if _meets_array(value, names) else None)
            except Exhausted:
                raise JsonataError(None, TIMED_OUT) from None
        return normal(value) if type(value) is float else value

    return walk


def _meets_array(value: JSON, names: tuple[str, ...]) -> bool:
    """Return whether an array is on the way, so that a path may look at many values."""
    for name in names:
        if type(value) is not dict:
            return type(value) is list
        value = value.get(name)
    return False


def _marked(function: Function, constant: bool = False) -> Evaluate:
    evaluate = cast(Evaluate, function)
    evaluate.constant = constant
    return evaluate


def _failed(source: str, field: str, outcome: str) -> EvaluationError:
    return EvaluationError(f"The JSONata expression '{source}' specified for the field '{field}' {outcome}", field)


_PYTHON: dict[str, frozenset[type]] = {
    "object": frozenset([dict]),
    "array": frozenset([list]),
    "string": frozenset([str]),
    "boolean": frozenset([bool]),
    "number": frozenset([int, float]),
    "integer": frozenset([int]),
    "null": frozenset([type(None)]),
}
"""The types a field may want, as Python has them."""


def _unexpected(value: JSON, expect: str) -> str:
    kind = next(name for name, types in _PYTHON.items() if type(value) in types)
    return f"returned an unexpected result type. Expected '{expect}', but was '{kind}' for value: {compact(value)}"
