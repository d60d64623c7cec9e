"""One reader for definitions in files: JSON or YAML, with a byte-order mark or without."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from express.config import Config, Pipeline
from express.errors import DefinitionError
from express.service.prepare import BrokenWorkflow, prepare
from express.service.workflows import machine_name, read_definition
from express.testing import run as run_test
from express.values import loads
from tests.cli.conftest import Run

MACHINE = {"StartAt": "S", "States": {"S": {"Type": "Pass", "Result": {"größe": 1}, "End": True}}}
YAML = "StartAt: S\nStates:\n  S: {Type: Pass, Result: {größe: 1}, End: true}\n"
MARK = "\ufeff"

FILES = {
    "flow.asl.json": json.dumps(MACHINE, ensure_ascii=False),
    "marked.asl.json": MARK + json.dumps(MACHINE, ensure_ascii=False),
    "flow.asl.yaml": YAML,
    "marked.yml": MARK + YAML,
}


@pytest.fixture
def files(run: Run) -> Run:
    """The files in an empty folder, and `express` there."""
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    return run


@pytest.mark.parametrize("name", FILES)
def test_every_command_reads_the_same_files(files: Run, name: str) -> None:
    """`validate`, `compile` and `exec`, `express.testing` and the workflows of a configuration take each form."""
    assert files("validate", name).exit_code == 0
    assert "states       1" in files("compile", name).stdout
    ran = files("exec", name)
    assert (ran.exit_code, json.loads(ran.stdout)) == (0, {"größe": 1})
    assert run_test(name).output == {"größe": 1}
    pipeline = Pipeline(name="p", topics=["in"], workflow=name, output="out", dead_letter="dead")
    assert loads(prepare(Config(pipelines=[pipeline])).definitions["p"]) == MACHINE


@pytest.mark.parametrize("name", FILES)
def test_a_machine_is_named_after_its_file(name: str) -> None:
    """Without the ending, whatever the form."""
    assert machine_name(name) == name.split(".")[0]


def test_yaml_that_does_not_parse_is_shown_where_it_breaks(files: Run) -> None:
    """The finding stands at the line of the YAML file, for `exec`, `compile` and a configuration alike."""
    Path("bad.asl.yaml").write_text("StartAt: S\nStates: [\n")
    for command in ("exec", "compile"):
        result = files(command, "bad.asl.yaml")
        assert result.exit_code == 1
        assert "bad.asl.yaml:3:1: error E0001" in result.stderr
    pipeline = Pipeline(name="p", topics=["in"], workflow="bad.asl.yaml", output="out", dead_letter="dead")
    with pytest.raises(BrokenWorkflow):
        prepare(Config(pipelines=[pipeline]))


def test_a_finding_in_yaml_stands_at_its_line(files: Run) -> None:
    """A definition that parses and is wrong is shown with the text of its file."""
    Path("wrong.asl.yaml").write_text("StartAt: S\nStates:\n  S:\n    Type: Pass\n    Nope: 1\n    End: true\n")
    shown = files("exec", "wrong.asl.yaml").stderr
    assert "wrong.asl.yaml:5:5: error" in shown
    assert "Nope: 1" in shown


WAITING = {
    "StartAt": "S",
    "States": {
        "S": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": "q", "MessageBody": "b"},
            "End": True,
        }
    },
}


def test_validate_says_which_types_a_definition_can_be(files: Run) -> None:
    """Without --type only what neither type can be is an error; the rest is told, with the reason."""
    Path("wait.asl.json").write_text(json.dumps(WAITING))
    both = files("validate", "flow.asl.json")
    assert both.stderr == "1 file: 0 errors, 0 warnings; 1 can be STANDARD or EXPRESS\n"
    one = files("validate", "wait.asl.json", "flow.asl.yaml")
    assert one.exit_code == 0
    assert one.stderr.splitlines() == [
        "wait.asl.json can be STANDARD, not EXPRESS: Express state machine does not support '.waitForTaskToken' "
        "service integration at /States/S/Resource",
        "2 files: 0 errors, 0 warnings; 1 can be STANDARD, 1 can be STANDARD or EXPRESS",
    ]
    assert files("validate", "--type", "EXPRESS", "wait.asl.json").exit_code == 1
    Path("none.asl.json").write_text('{"StartAt": "S"}')
    neither = files("validate", "none.asl.json")
    assert neither.exit_code == 1
    assert "can be" not in neither.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("big.asl.json", '{"StartAt":"S","States":{"S":{"Type":"Pass","Result":9223372036854775808,"End":true}}}'),
        ("big.asl.yaml", "StartAt: S\nStates: {S: {Type: Pass, Result: 9223372036854775808, End: true}}"),
    ],
)
def test_an_integer_beyond_64_bits_is_a_finding(run: Run, name: str, text: str) -> None:
    """A definition that would hold another number than the one written is refused by all readers."""
    Path(name).write_text(text)
    for command in ("validate", "compile", "exec"):
        result = run(command, name)
        assert result.exit_code == 1
        assert "9223372036854775808" in result.output + result.stderr
    with pytest.raises(DefinitionError):
        run_test(name)


def test_an_integer_of_64_bits_is_kept(run: Run) -> None:
    """The largest and the least, in both forms."""
    for name in ("kept.asl.json", "kept.asl.yaml"):
        machine = {"StartAt": "S", "States": {"S": {"Type": "Pass", "Result": [2**63 - 1, -(2**63)], "End": True}}}
        Path(name).write_text(json.dumps(machine))
        assert json.loads(run("exec", name).stdout) == [2**63 - 1, -(2**63)]
        assert loads(read_definition(name))["States"]["S"]["Result"] == [2**63 - 1, -(2**63)]
