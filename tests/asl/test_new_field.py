"""A field that is new in the model is checked by its type, and keeps its states on the table, until told otherwise."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from express.asl import model
from express.asl.lint.fields import of_type
from express.asl.lint.report import Report, View
from express.asl.lint.scopes import Scope
from express.expr.expressions import Expressions
from express.segments import kinds
from express.segments.text import NotOptimized

JSONATA_STATE = "{% $states.input.n %}"


class Newer(model.Succeed, frozen=True, kw_only=True, tag="Succeed"):
    """Succeed with fields of every type."""

    a_path: model.OptionalPath = UNSET
    a_payload: model.Payload = UNSET
    a_number: model.Number = UNSET
    a_flag: bool = False
    a_text: model.Text = UNSET


TYPES = {field.encode_name: field.type for field in model.fields(Newer)}


def rules(name: str, value: Any, *, jsonata: bool) -> list[str]:
    """The findings about a value of a field, if its query language has it."""
    field = of_type(TYPES[name])
    if jsonata and field.language == "JSONPath":
        return ["E0103"]
    report = Report("EXPRESS", Expressions(), placeholders=False, strict=False)
    field.check(View(report, Scope(), "A", {}, "", jsonata=jsonata), value, "/A")
    return [finding.rule for finding in report.findings]


@pytest.mark.parametrize(
    ("name", "value", "jsonpath", "jsonata"),
    [
        ("APath", "$.a", [], ["E0103"]),
        ("APath", "a", ["E0401"], ["E0103"]),
        ("APayload", {"a.$": "$.b"}, [], ["W0507", "W0510"]),
        ("APayload", {"a.$": "b"}, ["E0403"], ["W0507"]),
        ("ANumber", 5, [], []),
        ("ANumber", "five", ["E0105"], ["E0508"]),
        ("ANumber", JSONATA_STATE, ["E0105"], []),
        ("AFlag", True, [], []),
        ("AFlag", "yes", ["E0105"], ["E0105"]),
        ("AText", "word", [], []),
        ("AText", 1, ["E0105"], ["E0105"]),
    ],
)
def test_a_field_is_checked_by_its_type(name: str, value: Any, jsonpath: list[str], jsonata: list[str]) -> None:
    """No row of lint's table is needed for a path, a payload, a number, a flag or a text."""
    assert rules(name, value, jsonata=False) == jsonpath
    assert rules(name, value, jsonata=True) == jsonata


def test_a_state_with_a_field_that_no_text_looks_at_is_left_to_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimizer never guesses what a field means that it does not know."""
    monkeypatch.setitem(kinds.WRITTEN, Newer, {"comment"})
    plain = Newer()
    kinds.check_fields(plain)
    with pytest.raises(NotOptimized):
        kinds.check_fields(msgspec.structs.replace(plain, a_flag=True))
