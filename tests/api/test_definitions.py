"""Definitions and inputs as the API judges them."""

from __future__ import annotations

import json

import pytest

from express.api.definitions import check_definition, read_input, validation_result
from express.api.variables import variable_references
from express.errors import ApiError

GOOD = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
LOOSE_END = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Pass", "Next": "A"}}})
NO_END = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "A"}}})


def test_a_good_definition_passes() -> None:
    """No finding, no error."""
    check_definition(GOOD, "EXPRESS")
    assert validation_result(GOOD) == {"result": "OK", "diagnostics": [], "truncated": False}


def test_a_finding_without_a_place_is_at_null() -> None:
    """AWS renders a missing location so (States Language, "Errors")."""
    with pytest.raises(ApiError) as caught:
        check_definition(NO_END, "EXPRESS")
    assert caught.value.message.endswith("MISSING_END_STATE: Workflow has no terminal state at null'")


def test_a_parser_finding_names_its_place_once() -> None:
    """The parser's message has the place already."""
    with pytest.raises(ApiError) as caught:
        check_definition("nonsense", "EXPRESS")
    assert caught.value.message.count("[Source:") == 1


def test_diagnostics_are_cut_and_say_so() -> None:
    """maxResults bounds the list, and truncated tells."""
    states = {f"S{i}": {"Type": "Pass", "Nxt": 1, "End": True} for i in range(150)}
    text = json.dumps({"StartAt": "S0", "States": states})

    assert len(validation_result(text)["diagnostics"]) == 100
    answer = validation_result(text, most=3)
    assert (len(answer["diagnostics"]), answer["truncated"], answer["result"]) == (3, True, "FAIL")


def test_warnings_are_shown_on_demand_and_fail_nothing() -> None:
    """severity WARNING lists both kinds."""
    text = json.dumps(
        {
            "StartAt": "A",
            "States": {"A": {"Type": "Pass", "Parameters": {"x.$": "$unknown"}, "End": True}},
        }
    )

    assert validation_result(text)["diagnostics"] == []
    answer = validation_result(text, severity="WARNING")
    assert answer["result"] == "OK"
    assert {d["severity"] for d in answer["diagnostics"]} == {"WARNING"}


def test_an_absent_input_is_an_empty_object() -> None:
    """Spec: default `{}`."""
    assert read_input(None) == {}
    assert read_input(" [1] ") == [1]


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "1 2", "\ud800", "[" * 500 + "]" * 500, "9" * 40])
def test_what_is_no_input(text: str) -> None:
    """Anything else is InvalidExecutionInput, bombs and over-long numbers included."""
    with pytest.raises(ApiError, match="InvalidExecutionInput"):
        read_input(text)


def test_references_of_jsonata_and_catchers() -> None:
    """Variables are found in expressions, catchers and rules, functions and `$states` are none."""
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "A",
        "States": {
            "A": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"x": "{% $sum([$a, $states.input.b]) %}"},
                "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $c %}", "Next": "B"}],
                "Next": "B",
            },
            "B": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $d > 1 %}", "Assign": {"z": "{% $e %}"}, "Next": "C"}],
                "Default": "C",
            },
            "C": {"Type": "Succeed", "Output": "{% ($local := 1; $local) %}"},
        },
    }

    assert variable_references(definition) == {"A": ["a", "c"], "B": ["d", "e"]}
