"""Payload templates of JSONPath states: `.$` fields, colliding names, literals that look dynamic."""

from __future__ import annotations

from express.asl.lint.paths import LOOKS_DYNAMIC, call_advice, note_root, read_call
from express.asl.lint.report import View, below
from express.asl.lint.values import expect
from express.asl.lint.variables import assign
from express.errors import ExpressionError
from express.values import JSON

DEEPEST = 200
"""Levels of JSON that a definition may nest."""


def template(view: View, value: JSON, location: str) -> None:
    """Any JSON; the `.$` fields of its objects must be paths or intrinsic calls."""
    if type(value) is dict or type(value) is list:
        _walk(view, value, location, 0)
    elif type(value) is str and LOOKS_DYNAMIC.match(value):
        view.add("W0411", location, "Value looks like a path, but the field name does not end with 'Path'")


def object_template(view: View, value: JSON, location: str) -> None:
    """A template that must be an object (ResultSelector, BatchInput)."""
    if type(value) is not dict:
        expect(view, value, location, "Object")
    else:
        _walk(view, value, location, 0)


def assign_template(view: View, value: JSON, location: str) -> None:
    """`Assign` of a JSONPath state."""
    if type(value) is not dict:
        expect(view, value, location, "Object")
    else:
        assign(view, value, location)
        _walk(view, value, location, 0)


def _walk(view: View, value: JSON, location: str, depth: int) -> None:
    if depth > DEEPEST:
        view.add("E0004", location, f"The definition is nested deeper than {DEEPEST} levels")
    elif type(value) is list:
        for index, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                _walk(view, item, below(location, f"[{index}]"), depth + 1)
    else:
        for key, item in value.items():
            if key.endswith(".$"):
                _dynamic(view, value, key, item, location)
            elif type(item) is dict or type(item) is list:
                _walk(view, item, below(location, f"/{key}"), depth + 1)
            elif type(item) is str:
                _literal(view, key, item, location)


def _dynamic(view: View, fields: dict[str, JSON], key: str, value: JSON, location: str) -> None:
    if key[:-2] in fields:
        view.add("E0104", location, f"There should only be one of the following fields: [{key[:-2]}, {key}]")
    hint = "its value must be a string"
    if type(value) is str:
        try:
            if value.startswith("$"):
                note_root(view, view.report.expressions.path(value), f"{location}/{key}")
            else:
                read_call(view, value, f"{location}/{key}")
        except ExpressionError as error:
            hint = call_advice(view, value) or str(error)
        else:
            return
    view.refuse(
        "E0403",
        value,
        location,
        f"The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call",
        hint=hint,
        at=below(location, f"/{key}"),
    )


def _literal(view: View, key: str, value: str, location: str) -> None:
    """Warn of a literal that is probably meant to be evaluated."""
    if LOOKS_DYNAMIC.match(value):
        view.add(
            "W0410",
            f"{location}/{key}",
            "Value looks like a JSONPath or an intrinsic function, but the field name does not end with '.$'",
            hint=f"did you mean '{key}.$'?",
        )
    elif value.startswith("{%"):
        view.add(
            "W0506",
            f"{location}/{key}",
            "A JSONata expression in a JSONPath state is plain text",
            hint='set "QueryLanguage": "JSONata" for this state',
        )


def static_result(view: View, value: JSON, location: str, depth: int = 0) -> None:
    """`Result` of a Pass state: any JSON, taken as it stands. Warns where it looks dynamic."""
    if depth > DEEPEST:
        view.add("E0004", location, f"The definition is nested deeper than {DEEPEST} levels")
    elif type(value) is dict:
        for key, item in value.items():
            if key.endswith(".$"):
                _static(view, f"{location}/{key}")
            else:
                static_result(view, item, below(location, f"/{key}"), depth + 1)
    elif type(value) is list:
        for index, item in enumerate(value):
            static_result(view, item, below(location, f"[{index}]"), depth + 1)
    elif type(value) is str and LOOKS_DYNAMIC.match(value):
        _static(view, location)


def _static(view: View, location: str) -> None:
    view.add(
        "W0412",
        location,
        "The result of a Pass state is static: a path in it is not evaluated",
        hint="use 'Parameters' in place of 'Result'",
    )
