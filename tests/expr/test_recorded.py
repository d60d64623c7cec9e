"""What was recorded against AWS about paths, templates, intrinsics and choices holds for the compiled forms."""

import re
from typing import Any

import pytest

from express.expr.scope import Constants
from express.values import equal
from tests.expr.support import recorded
from tests.expr.written import compile_rule, compile_template


def test_choice_operators() -> None:
    """Every recorded comparison goes the way it went."""
    count = 0
    for case in recorded("choice_operators"):
        state = case["definition"]["States"]["CheckValues"]
        rule = state["Choices"][0]
        expected = case["expect"]["output"]["TestResult.$"] == rule["Next"]
        assert compile_rule(rule)(case["input"], Constants()) is expected, case["id"]
        count += 1
    assert count > 200


@pytest.mark.parametrize("area", ["intrinsic_functions", "base"])
def test_payloads(area: str) -> None:
    """Every recorded single Pass state with Parameters gives the payload it gave."""
    count = 0
    for case in recorded(area):
        states = (case.get("definition") or {}).get("States", {})
        state = next(iter(states.values()), {})
        if case["query_language"] != "JSONPath" or len(states) != 1 or "Parameters" not in state:
            continue
        template = compile_template(state["Parameters"], "Parameters")
        scope = Constants({"StateMachine": {"Name": "machine"}, "Execution": {"Input": case["input"]}})
        assert like(template(case["input"], scope), case["expect"]["output"]), case["id"]
        count += 1
    assert count > 5


def like(value: Any, expected: Any) -> bool:
    """Equality, with `{{name}}` in the recording as a wildcard."""
    if type(expected) is str and re.fullmatch(r"\{\{\w+\}\}", expected):
        return True
    if type(expected) is dict:
        return value.keys() == expected.keys() and all(like(value[key], expected[key]) for key in expected)
    return equal(value, expected)
