"""Path fields: Path, Reference Path, and Fail's paths that may be intrinsic calls."""

from __future__ import annotations

import re

from express.asl.lint.report import View
from express.asl.lint.values import Check, expect
from express.errors import ExpressionError
from express.expr.intrinsics.functions import FUNCTIONS, TEXT_FUNCTIONS
from express.expr.intrinsics.syntax import Call
from express.expr.jsonpath.nodes import Path
from express.values import JSON

LOOKS_DYNAMIC = re.compile(r"\$\$?[.\[]|\$\Z|\$\$\Z|States\.[A-Z]\w*\(")
"""A text that is meant as a path or an intrinsic call."""


def note_root(view: View, parsed: Path, location: str) -> None:
    """Note the variable that a path starts from."""
    if parsed.root not in ("$", "$$"):
        view.scope.read(parsed.root, view.name, location)


def path(view: View, value: JSON, location: str) -> None:
    """A Path."""
    if type(value) is not str:
        expect(view, value, location, "String")
        return
    try:
        note_root(view, view.report.expressions.path(value), location)
    except ExpressionError as error:
        view.refuse("E0401", value, location, "Value is not a valid JSONPath", hint=str(error))


def path_or_null(view: View, value: JSON, location: str) -> None:
    """A Path, or null for "nothing" (InputPath, OutputPath)."""
    if value is not None:
        path(view, value, location)


def reference_path(*, context: bool = False, variable: bool = True) -> Check:
    """A Reference Path: one node. `context` and `variable` say whether it may start with `$$` or `$name`."""

    def check(view: View, value: JSON, location: str) -> None:
        if type(value) is not str:
            expect(view, value, location, "String")
            return
        parsed = _parsed(view, value)
        wrong_root = parsed is not None and (
            (parsed.root == "$$" and not context) or (parsed.root not in ("$", "$$") and not variable)
        )
        if parsed is None or wrong_root or not parsed.reference:
            view.refuse("E0402", value, location, "Value is not a Reference Path", hint=_advice(parsed, wrong_root))
        else:
            note_root(view, parsed, location)

    return check


def _parsed(view: View, value: str) -> Path | None:
    try:
        return view.report.expressions.path(value)
    except ExpressionError:
        return None


def _advice(parsed: Path | None, wrong_root: bool) -> str:
    if parsed is None:
        return "a Reference Path starts with '$' and names one node, such as $.order.items[0]"
    if wrong_root:
        return "only '$' may stand at its start here"
    return "wildcards, filters, slices and '..' are not allowed here"


def result_path(view: View, value: JSON, location: str) -> None:
    """A Reference Path into the state's input, or null to throw the result away."""
    if value is not None:
        _into_input(view, value, location)


_into_input = reference_path(variable=False)


def text_path(view: View, value: JSON, location: str) -> None:
    """ErrorPath and CausePath: a Reference Path, or a call that gives a text."""
    if type(value) is not str or not value.startswith("States."):
        _to_text(view, value, location)
        return
    if value.partition("(")[0] not in TEXT_FUNCTIONS:
        view.refuse(
            "E0404",
            value,
            location,
            "Value is not a Reference Path or an intrinsic function that returns a string",
            hint="allowed are " + ", ".join(sorted(TEXT_FUNCTIONS)),
        )
        return
    call(view, value, location)


_to_text = reference_path(context=True)


def call_advice(view: View, value: str) -> str | None:
    """The function that a call with an unknown name probably means."""
    name = value.partition("(")[0]
    if not name.startswith("States.") or name in FUNCTIONS:
        return None
    return view.report.nearest(name, FUNCTIONS)


def call(view: View, value: str, location: str) -> None:
    """An intrinsic call that stands where a path field stands."""
    try:
        read_call(view, value, location)
    except ExpressionError as error:
        view.refuse("E0404", value, location, "Value is not a valid intrinsic function call", hint=str(error))


def read_call(view: View, value: str, location: str) -> None:
    """Check an intrinsic call, and every call inside it, and note the variables that it reads.

    Raises ExpressionError.
    """
    open_calls = [view.report.expressions.call(value)]
    while open_calls:
        parsed = open_calls.pop()
        _check_arguments(parsed)
        for argument in parsed.arguments:
            if type(argument) is Path:
                note_root(view, argument, location)
            elif type(argument) is Call:
                open_calls.append(argument)


def _check_arguments(parsed: Call) -> None:
    function = FUNCTIONS.get(parsed.name)
    if function is None:
        raise ExpressionError(f"there is no function {parsed.name}")
    count = len(parsed.arguments)
    if count < function.least or (function.most is not None and count > function.most):
        most = "or more" if function.most is None else f"to {function.most}"
        exact = function.least == function.most
        wanted = str(function.least) if exact else f"{function.least} {most}"
        raise ExpressionError(f"{parsed.name} takes {wanted} arguments, not {count}")
