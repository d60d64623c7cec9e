"""Kinds of plain field values: numbers, texts, enumerations, timestamps. Each check takes (view, value, location)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from express.asl.lint.report import View
from express.values import JSON, is_number, parse_timestamp

Check: TypeAlias = Callable[[View, JSON, str], None]

MOST_SECONDS = 99_999_999

PATH_FORMS = frozenset(
    (
        "Seconds",
        "TimeoutSeconds",
        "HeartbeatSeconds",
        "MaxConcurrency",
        "ToleratedFailureCount",
        "ToleratedFailurePercentage",
        "MaxItems",
        "MaxItemsPerBatch",
        "MaxInputBytesPerBatch",
    )
)
"""Numbers that may come from a path, by the field's name with `Path` behind it."""

_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def expect(view: View, value: JSON, location: str, wanted: str) -> None:
    """Note that `value` is of another type than `wanted`."""
    field = location.rpartition("/")[2]
    if type(value) is str and value.startswith("$") and field in PATH_FORMS and not view.jsonata:
        hint = f"did you mean '{field}Path'?"
    else:
        hint = f"this is {_NAMES.get(type(value), type(value).__name__)}"
    view.refuse("E0105", value, location, f"Expected value of type {wanted}", hint=hint)


def anything(view: View, value: JSON, location: str) -> None:
    """Every JSON value is fine."""


def text(view: View, value: JSON, location: str) -> None:
    """A string."""
    if type(value) is not str:
        expect(view, value, location, "String")
    elif value.startswith(("$.", "$$.", "$[")) and not view.jsonata and location.endswith(("/Error", "/Cause")):
        view.add("W0411", location, "Value looks like a path, but the field name does not end with 'Path'")


def comment(view: View, value: JSON, location: str) -> None:
    """A string that nobody reads."""
    if type(value) is not str:
        expect(view, value, location, "String")


def true(view: View, value: JSON, location: str) -> None:
    """The boolean true."""
    if value is not True:
        view.refuse("E0109", value, location, "Value must be true", hint="leave 'End' out where 'Next' is given")


def boolean(view: View, value: JSON, location: str) -> None:
    """A boolean."""
    if type(value) is not bool:
        expect(view, value, location, "Boolean")


def number(view: View, value: JSON, location: str) -> None:
    """A JSON number."""
    if not is_number(value):
        expect(view, value, location, "Number")


def integer(low: int, high: int = MOST_SECONDS) -> Check:
    """A whole number in `low`…`high`, written without a point."""

    def check(view: View, value: JSON, location: str) -> None:
        if type(value) is not int:
            expect(view, value, location, "Integer")
        elif value < low:
            view.add("E0107", location, f"Minimum value is {low}")
        elif value > high:
            view.add("E0107", location, f"Maximum value is {high}")

    return check


def decimal(low: float, high: float = math.inf) -> Check:
    """A number in `low`…`high`."""

    def check(view: View, value: JSON, location: str) -> None:
        if not is_number(value):
            expect(view, value, location, "Double")
        elif value < low:
            view.add("E0107", location, f"Minimum value is {low}")
        elif value > high:
            view.add("E0107", location, f"Maximum value is {high}")

    return check


def one_of(*names: str) -> Check:
    """One of a few texts."""
    listed = ", ".join(names)

    def check(view: View, value: JSON, location: str) -> None:
        if type(value) is str and value in names:
            return
        field = location.rpartition("/")[2]
        hint = view.report.nearest(value, names) if type(value) is str else None
        view.refuse(
            "E0106", value, location, f"The field '{field}' should have one of these values: [{listed}]", hint=hint
        )

    return check


def filled_array(view: View, value: JSON, location: str) -> bool:
    """Check that `value` is an array with something in it; notes what it is otherwise."""
    if type(value) is not list:
        expect(view, value, location, "Array")
        return False
    if not value:
        view.add("E0108", location, "Value cannot be empty")
        return False
    return True


def timestamp(view: View, value: JSON, location: str) -> None:
    """An RFC 3339 timestamp with capital T and Z or an offset."""
    if type(value) is not str:
        expect(view, value, location, "String")
    elif parse_timestamp(value) is None:
        view.refuse(
            "E0110",
            value,
            location,
            "String does not match RFC3339 timestamp",
            hint="such as 2030-01-31T08:00:00Z",
        )
