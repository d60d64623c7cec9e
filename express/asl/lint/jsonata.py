"""Values of JSONata states: expressions in `{% %}`, wherever they may stand."""

from __future__ import annotations

from express.asl.lint.paths import LOOKS_DYNAMIC
from express.asl.lint.report import MOST_JSONATA, View, below
from express.asl.lint.templates import DEEPEST
from express.asl.lint.values import Check, expect
from express.asl.lint.variables import assign
from express.errors import ExpressionError
from express.expr.jsonata import Expression, JsonataSyntaxError, is_expression
from express.expr.jsonata.expression import source_of
from express.expr.jsonata.names import FUNCTIONS
from express.values import JSON

INPUT = frozenset({"input", "context"})
"""`$states` members that are there in every phase."""

RESULT = INPUT | {"result"}
ERROR_OUTPUT = INPUT | {"errorOutput"}
_MEMBERS = RESULT | ERROR_OUTPUT


_SHOWN = 24


def expression(view: View, value: str, location: str, members: frozenset[str] = INPUT) -> None:
    """Parse one expression and judge what it reads."""
    if not view.report.may_parse(len(value)):
        view.add("E1101", location, f"A definition may have at most {MOST_JSONATA} characters of JSONata")
        return
    try:
        parsed = view.report.expressions.jsonata(value)
    except ExpressionError as error:
        view.refuse("E0501", value, location, str(error), hint=_stopped(source_of(value), error))
        return
    _judge(view, parsed, location, members)


def _stopped(source: str, error: ExpressionError) -> str | None:
    """Return where the parser stopped, shown by what it had read just before."""
    position = error.position if isinstance(error, JsonataSyntaxError) else -1
    if not 0 < position < len(source):
        return None
    return f"the parser stopped behind {source[max(0, position - _SHOWN) : position].strip()!r}"


def _judge(view: View, parsed: Expression, location: str, members: frozenset[str]) -> None:
    found = parsed.references
    for name in found.top_level:
        view.add(
            "E0502",
            location,
            f"Reference to '{name}' at the top level is not supported.",
            hint=_instead(name),
        )
    for member in sorted(found.states - members):
        if member in _MEMBERS:
            view.add("E0503", location, f"Reference to '$states.{member}' is not supported in this field.")
        else:
            view.add(
                "W0505",
                location,
                f"'$states' has no member '{member}'",
                hint=view.report.nearest(member, sorted(members)),
            )
    for name in sorted(found.functions - FUNCTIONS):
        view.add("W0509", location, f"There is no function '${name}'")
    for name in sorted(found.variables):
        view.scope.read(name, view.name, location)


def _instead(name: str) -> str:
    return "use $states.input" if name.startswith("$") else f"use $states.input.{name}, or ${name} for a variable"


def text_or_expression(view: View, value: JSON, location: str, members: frozenset[str] = INPUT) -> None:
    """A string: an expression or a literal."""
    if type(value) is str:
        jsonata_text(view, value, location, members)
    else:
        expect(view, value, location, "String")


def jsonata_text(view: View, value: str, location: str, members: frozenset[str] = INPUT) -> None:
    """A string of a JSONata value: an expression, or a literal without half a delimiter."""
    if value.startswith("{%"):
        if is_expression(value):
            expression(view, value, location, members)
        else:
            view.refuse("E0504", value, location, "A JSONata expression must end with '%}'")
    elif LOOKS_DYNAMIC.match(value):
        view.add(
            "W0510",
            location,
            "A JSONPath or intrinsic function in a JSONata state is plain text",
            hint='write it as "{% … %}", the input being $states.input',
        )
    elif value.endswith("%}"):
        view.refuse("E0504", value, location, "A JSONata expression must start with '{%'")


def value(members: frozenset[str] = INPUT) -> Check:
    """Any JSON whose strings may be expressions."""

    def check(view: View, value: JSON, location: str) -> None:
        _walk(view, value, location, members, 0)

    return check


def _walk(view: View, value: JSON, location: str, members: frozenset[str], depth: int) -> None:
    if type(value) is str:
        jsonata_text(view, value, location, members)
    elif depth > DEEPEST:
        view.add("E0004", location, f"The definition is nested deeper than {DEEPEST} levels")
    elif type(value) is dict:
        for key, item in value.items():
            if key.endswith(".$"):
                view.add(
                    "W0507",
                    f"{location}/{key}",
                    "'.$' has no meaning in a JSONata state: it stays part of the name",
                    hint='write the value as "{% … %}"',
                )
            _walk(view, item, below(location, f"/{key}"), members, depth + 1)
    elif type(value) is list:
        for index, item in enumerate(value):
            _walk(view, item, below(location, f"[{index}]"), members, depth + 1)


def assign_value(members: frozenset[str]) -> Check:
    """`Assign` of a JSONata state."""

    def check(view: View, value: JSON, location: str) -> None:
        if type(value) is not dict:
            expect(view, value, location, "Object")
        else:
            assign(view, value, location)
            _walk(view, value, location, members, 0)

    return check


def or_expression(literal: Check, wanted: str) -> Check:
    """Return what `literal` accepts, or in a JSONata state an expression that gives it."""

    def check(view: View, value: JSON, location: str) -> None:
        if not view.jsonata or type(value) is not str:
            literal(view, value, location)
        elif is_expression(value):
            expression(view, value, location)
        else:
            view.refuse("E0508", value, location, f"Expected value of type {wanted} or a JSONata expression")

    return check
