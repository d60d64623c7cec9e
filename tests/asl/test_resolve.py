"""A definition is resolved once: every text is parsed once, and what comes of it has its place and its text."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from express.asl import model
from express.asl.resolve import resolve
from express.compiler import compile_definition
from express.errors import DefinitionError
from express.expr.choices import data_tests
from express.expr.intrinsics.syntax import Call, parse_call
from express.expr.jsonata.expression import Expression, parse_expression
from express.expr.jsonata.parser import parse as parse_jsonata
from express.expr.jsonpath import nodes
from express.expr.jsonpath.syntax import parse as parse_path
from express.expr.tree import Object, leaves

PARSERS: dict[Any, str] = {
    parse_path.__code__: "path",
    parse_call.__code__: "call",
    parse_jsonata.__code__: "JSONata",
}
WORKFLOWS = sorted(Path(__file__).parents[2].glob("config/workflows/*.asl.json"))
CALLED = {
    "StartAt": "A",
    "States": {
        "A": {
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "Parameters": {"x.$": "States.Format('{} {}', $.a, States.MathAdd($.b, 1))", "y": [{"z.$": "$.a"}]},
            "ResultPath": "$.r",
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.r", "Next": "B"}],
            "Next": "B",
        },
        "B": {
            "Type": "Choice",
            "Choices": [{"Not": {"Variable": "$.a", "NumericLessThanPath": "$.b"}, "Next": "C"}],
            "Default": "C",
        },
        "C": {"Type": "Fail", "ErrorPath": "$.a", "CausePath": "States.Format('{}', $.b)"},
    },
}
JSONATA = {
    "QueryLanguage": "JSONata",
    "StartAt": "A",
    "States": {
        "A": {
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "Arguments": {"n": "{% $states.input.n + 1 %}", "m": ["{% $v %}", 1]},
            "Assign": {"v": "{% $states.input.n + 1 %}"},
            "Output": "{% $states.result %}",
            "Next": "B",
        },
        "B": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $v > 1 %}", "Output": "{% {'v': $v} %}", "Next": "C"}],
            "Default": "C",
        },
        "C": {"Type": "Wait", "Seconds": "{% 1 + 1 %}", "End": True},
    },
}


def parsed(work: Callable[[], object]) -> Counter[tuple[str, str]]:
    """Count what is parsed while `work` is done, by language and text."""
    counted: Counter[tuple[str, str]] = Counter()

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in PARSERS:
            counted[PARSERS[frame.f_code], frame.f_locals["text"]] += 1

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_the_sample_workflows_are_parsed_once(file: Path) -> None:
    """Lint, rows and segments read the same nodes: no text of the definition is parsed again."""
    definition = json.loads(file.read_text())
    counted = parsed(lambda: compile_definition(definition))
    assert counted
    assert set(counted.values()) == {1}


def test_the_paths_of_the_sample_of_iot_routing() -> None:
    """Its 21 path texts are 21 parses."""
    file = next(file for file in WORKFLOWS if file.name.startswith("iot-routing"))
    counted = parsed(lambda: compile_definition(json.loads(file.read_text())))
    assert sum(count for (kind, _), count in counted.items() if kind == "path") == 21


@pytest.mark.parametrize("definition", [CALLED, JSONATA], ids=["JSONPath", "JSONata"])
def test_every_kind_of_text_is_parsed_once(definition: dict[str, Any]) -> None:
    """Calls within calls, rules, templates, expressions that come again; with a history, and near the limit, too."""

    def work() -> None:
        program = compile_definition(definition)
        assert program.segments is not None
        assert program.segments.recording is not None

    counted = parsed(work)
    assert set(counted.values()) == {1}, counted


def test_nodes_know_their_place_and_their_text() -> None:
    """Whoever reports something about an expression can say where it is written."""
    states = resolve(CALLED).states
    task, choice, fail = states["A"], states["B"], states["C"]
    assert isinstance(task, model.Task)
    assert isinstance(task.parameters, Object)
    found = {leaf.place: leaf.text for leaf in leaves(task.parameters) if leaf.place}
    assert found == {
        "/States/A/Parameters/x.$": "States.Format('{} {}', $.a, States.MathAdd($.b, 1))",
        "/States/A/Parameters/y[0]/z.$": "$.a",
    }
    assert task.catch[0].place == "/States/A/Catch[0]"
    assert isinstance(task.catch[0].result_path, nodes.Path)
    assert task.catch[0].result_path.place == "/States/A/Catch[0]/ResultPath"
    assert isinstance(choice, model.Choice)
    (test,) = data_tests(choice.choices[0].test)  # type: ignore[arg-type]  # a JSONPath rule has one
    assert test.operand.place == "/States/B/Choices[0]/Not/NumericLessThanPath"
    assert isinstance(fail, model.Fail)
    assert isinstance(fail.cause_path, Call)
    assert fail.cause_path.place == "/States/C/CausePath"
    task = resolve(JSONATA).states["A"]
    assert isinstance(task, model.Task)
    assert isinstance(task.output, Expression)
    assert (task.output.place, task.output.source) == ("/States/A/Output", "$states.result")
    assert task.jsonata


def test_what_does_not_parse_is_told_with_its_place() -> None:
    """A rule that is nested too deeply to be compiled is no matter of lint's grammar."""
    rule: dict[str, Any] = {"Variable": "$.a", "IsNull": True}
    for _ in range(60):
        rule = {"Not": rule}
    state = {"Type": "Choice", "Choices": [{**rule, "Next": "B"}], "Default": "B"}
    with pytest.raises(DefinitionError) as refused:
        compile_definition({"StartAt": "A", "States": {"A": state, "B": {"Type": "Succeed"}}})
    (finding,) = refused.value.diagnostics
    assert (finding.location, finding.message) == (
        "/States/A/Choices[0]",
        "A choice rule is nested more than 50 deep",
    )


def test_an_expression_shows_what_stands_between_the_delimiters() -> None:
    """Blanks around it are no part of it."""
    assert parse_expression("{%  $x \n%}").source == "$x"
