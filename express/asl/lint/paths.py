"""Path fields: Path, Reference Path, and Fail's paths that may be intrinsic calls (spec §5)."""

from __future__ import annotations

import re

from express.asl.lint.checks import PathFacts
from express.asl.lint.report import View
from express.asl.lint.values import Check, expect
from express.errors import ExpressionError
from express.values import JSON

LOOKS_DYNAMIC = re.compile(r"\$\$?[.\[]|\$\Z|\$\$\Z|States\.[A-Z]\w*\(")
"""A text that is meant as a path or an intrinsic call."""

_TEXT_CALLS = frozenset(
    f"States.{name}"
    for name in (
        "Format",
        "JsonToString",
        "ArrayGetItem",
        "Base64Encode",
        "Base64Decode",
        "Hash",
        "UUID",
    )
)


def read_path(view: View, value: str, location: str) -> PathFacts | None:
    """The facts of a path, its variable noted as read; None, and a finding, where it is none."""
    try:
        facts = view.report.checks.path(value)
    except ExpressionError as error:
        view.refuse("E0401", value, location, "Value is not a valid JSONPath", hint=str(error))
        return None
    note_root(view, facts, location)
    return facts


def note_root(view: View, facts: PathFacts, location: str) -> None:
    """Note the variable that a path starts from."""
    if facts.root not in ("$", "$$"):
        view.scope.read(facts.root, view.name, location)


def path(view: View, value: JSON, location: str) -> None:
    """A Path."""
    if type(value) is not str:
        expect(view, value, location, "String")
    else:
        read_path(view, value, location)


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
        facts = _facts(view, value)
        wrong_root = facts is not None and (
            (facts.root == "$$" and not context) or (facts.root not in ("$", "$$") and not variable)
        )
        if facts is None or wrong_root or not facts.reference:
            view.refuse("E0402", value, location, "Value is not a Reference Path", hint=_advice(facts, wrong_root))
        else:
            note_root(view, facts, location)

    return check


def _facts(view: View, value: str) -> PathFacts | None:
    try:
        return view.report.checks.path(value)
    except ExpressionError:
        return None


def _advice(facts: PathFacts | None, wrong_root: bool) -> str:
    if facts is None:
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
    """ErrorPath and CausePath: a Reference Path, or a call that gives a text (spec §8)."""
    if type(value) is not str or not value.startswith("States."):
        _to_text(view, value, location)
        return
    if value.partition("(")[0] not in _TEXT_CALLS:
        view.refuse(
            "E0404",
            value,
            location,
            "Value is not a Reference Path or an intrinsic function that returns a string",
            hint="allowed are " + ", ".join(sorted(_TEXT_CALLS)),
        )
        return
    call(view, value, location)


_to_text = reference_path(context=True)


def call_advice(view: View, value: str) -> str | None:
    """The function that a call with an unknown name probably means."""
    name = value.partition("(")[0]
    if not name.startswith("States.") or name in view.report.checks.functions:
        return None
    return view.report.nearest(name, view.report.checks.functions)


def call(view: View, value: str, location: str) -> None:
    """An intrinsic call that stands where a path field stands."""
    try:
        for facts in view.report.checks.intrinsic(value):
            note_root(view, facts, location)
    except ExpressionError as error:
        view.refuse("E0404", value, location, "Value is not a valid intrinsic function call", hint=str(error))
