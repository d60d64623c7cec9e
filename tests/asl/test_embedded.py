"""Definitions inside templates: where they stand, what a tool fills in, and of which type they are."""

from __future__ import annotations

import json

from express.asl.embedded import embedded, fill
from express.asl.scan import scan
from express.asl.scan_yaml import scan_yaml
from express.values import JSON

MACHINE = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}


def template(properties: JSON, kind: str = "AWS::StepFunctions::StateMachine") -> str:
    """A CloudFormation template with one state machine and something else."""
    resources = {"Flow": {"Type": kind, "Properties": properties}, "Topic": {"Type": "AWS::SNS::Topic"}}
    return json.dumps({"Resources": resources})


def test_a_definition_object_is_found_with_its_type() -> None:
    """CloudFormation's `Definition`, and `StateMachineType` beside it."""
    (found,) = embedded(scan(template({"Definition": MACHINE, "StateMachineType": "EXPRESS"})))
    assert (found.prefix, found.data, found.type) == ("/Resources/Flow/Properties/Definition", MACHINE, "EXPRESS")
    assert found.whole


def test_functions_become_placeholders() -> None:
    """What CloudFormation fills in is a text with a placeholder, wherever it stands."""
    definition = {
        "StartAt": {"Ref": "Start"},
        "a": {"Fn::GetAtt": ["F", "Arn"]},
        "b": [{"Fn::Sub": "${X}-y"}],
        "c": {"Fn::Join": [":", ["arn", {"Ref": "P"}, "lambda"]]},
        "d": {"Fn::If": ["c", 1, 2]},
        "e": {"Ref": "X", "more": 1},
    }
    assert fill(definition) == {
        "StartAt": "${Start}",
        "a": "${F.Arn}",
        "b": ["${X}-y"],
        "c": "arn:${P}:lambda",
        "d": "${Fn::If}",
        "e": {"Ref": "X", "more": 1},
    }


def test_a_definition_string_is_read() -> None:
    """`DefinitionString` as a text, as Fn::Sub and as Fn::Join; unquoted placeholders are values."""
    text = '{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": ${Delay}, "End": true}}}'
    for value in (text, {"Fn::Sub": text}, {"Fn::Sub": [text, {"Delay": 1}]}, {"Fn::Join": ["", [text[:9], text[9:]]]}):
        (found,) = embedded(scan(template({"DefinitionString": value})))
        assert found.data["States"]["W"]["Seconds"] == "${Delay}"
        assert not found.whole


def test_a_broken_definition_string_is_a_problem() -> None:
    """What is no JSON inside a string is reported, not passed over."""
    (found,) = embedded(scan(template({"DefinitionString": '{"StartAt": '})))
    assert [problem.rule for problem in found.problems] == ["E0001"]


def test_sam_and_serverless() -> None:
    """SAM's own resource type, and the section of the Serverless plugin."""
    sam = template({"Definition": MACHINE, "Type": "EXPRESS"}, "AWS::Serverless::StateMachine")
    assert [machine.type for machine in embedded(scan(sam))] == ["EXPRESS"]
    serverless = """
stepFunctions:
  stateMachines:
    flow:
      type: EXPRESS
      definition:
        StartAt: A
        States: {A: {Type: Succeed}}
"""
    (found,) = embedded(scan_yaml(serverless))
    assert (found.prefix, found.data, found.type) == (
        "/stepFunctions/stateMachines/flow/definition",
        MACHINE,
        "EXPRESS",
    )


def test_other_texts_hold_no_definitions() -> None:
    """A definition itself, and whatever JSON looks a bit like a template."""
    for data in (MACHINE, [], 1, {"Resources": 1}, {"Resources": {"a": 1, "b": {"Type": []}}}, {"stepFunctions": []}):
        assert embedded(scan(json.dumps(data))) == []
