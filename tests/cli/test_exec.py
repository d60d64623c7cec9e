"""`express exec`: one execution, its output on stdout and everything else on stderr."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from express.cli import main
from express.docs.samples import shipped

CONFIG = str(shipped("express.toml"))
ORDER = {
    "id": "o-1",
    "customer": "ada@example.org",
    "address": "Main Street 1",
    "card": "4242",
    "lines": [{"sku": "lamp", "quantity": 2, "price": 10.25}],
}


def invoke(workflow: str | Path, *arguments: str, stdin: str | None = None) -> Result:
    file = shipped(f"workflows/{workflow}.asl.json") if isinstance(workflow, str) else workflow
    return CliRunner().invoke(main, ["exec", str(file), "-c", CONFIG, *arguments], input=stdin)


def definition(folder: Path, states: dict[str, Any]) -> Path:
    file = folder / "machine.asl.json"
    file.write_text(json.dumps({"StartAt": next(iter(states)), "States": states}))
    return file


def test_output_is_all_of_stdout() -> None:
    """stdout is the output as JSON and nothing else; figures go to stderr."""
    result = invoke("order-fulfilment", "-i", json.dumps(ORDER))

    assert result.exit_code == 0
    assert json.loads(result.stdout)["order"] == "o-1"
    assert "SUCCEEDED" in result.stderr
    assert "billed 100 ms at 64 MB = 0.00625 GB-s" in result.stderr


def test_input_comes_from_a_file_or_stdin(tmp_path: Path) -> None:
    """`-i @FILE` and `-i -` read the input from there; the default is {}."""
    machine = definition(tmp_path, {"P": {"Type": "Pass", "End": True}})
    (tmp_path / "in.json").write_text('{"from": "file"}')

    assert json.loads(invoke(machine, "-i", f"@{tmp_path / 'in.json'}").stdout) == {"from": "file"}
    assert json.loads(invoke(machine, "-i", "-", stdin='["stdin"]').stdout) == ["stdin"]
    assert json.loads(invoke(machine).stdout) == {}


def test_a_failed_execution_is_exit_1() -> None:
    """An execution that fails prints nothing on stdout, error and cause on stderr, and ends with 1."""
    result = invoke("order-fulfilment", "-i", json.dumps({**ORDER, "card": "declined-1"}))

    assert (result.exit_code, result.stdout) == (1, "")
    assert "CardDeclined: " in result.stderr


def test_trace_is_a_timed_tree() -> None:
    """`--trace` shows states with their branches and iterations, kinds and times, and what failed."""
    result = invoke("order-fulfilment", "-i", json.dumps({**ORDER, "address": "nowhere"}), "--trace")
    tree = [line for line in result.stderr.splitlines() if " ms" in line and "·" not in line]
    names = [re.split(r"(?<=\w)  ", line)[0] for line in tree]

    assert names == [
        "order-fulfilment",
        "├─ Validate",
        "├─ Charge",
        "├─ Reserve",
        "├─ Confirm and notify",
        "│  ├─ Confirm",
        "│  └─ Notify",
        "├─ Schedule",
        "├─ Release",
        "├─ Refund",
        "└─ Order failed",
    ]
    assert tree[0].endswith("FAILED")
    assert tree[7].endswith("AddressUnknown")
    assert tree[10].endswith("AddressUnknown")


def test_trace_shows_iterations_and_attempts(tmp_path: Path) -> None:
    """Each iteration of a Map is a line with its states below, and so is each attempt that failed."""
    task = {
        "Type": "Task",
        "Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge-card",
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}],
        "End": True,
    }
    processor = {"StartAt": "Call", "States": {"Call": task}}
    machine = definition(tmp_path, {"Each": {"Type": "Map", "ItemProcessor": processor, "End": True}})
    result = invoke(machine, "-i", '[{"card": "4242", "order": 1, "amount": 1}, {"card": "offline"}]', "--trace")

    assert result.exit_code == 1
    assert "│  └─ #1" in result.stderr or "   └─ #1" in result.stderr
    assert "2 attempts" in result.stderr
    assert result.stderr.count("GatewayUnavailable") >= 2


def test_history_is_printed_as_lines() -> None:
    """`--history` prints the events instead, one JSON object a line."""
    result = invoke("iot-routing", "-i", '{"kind": "heartbeat"}', "--history")
    events = [json.loads(line) for line in result.stdout.splitlines()]

    assert [event["type"] for event in events] == [
        "ExecutionStarted",
        "ChoiceStateEntered",
        "ChoiceStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]


def test_a_broken_definition_is_explained(tmp_path: Path) -> None:
    """A definition that can't be compiled is shown as `express validate` shows it."""
    result = invoke(definition(tmp_path, {"P": {"Type": "Pass", "Next": "Q"}}))

    assert result.exit_code == 1
    assert "MISSING_TRANSITION_TARGET" in result.stderr
    assert result.stdout == ""


def test_functions_must_be_registered(tmp_path: Path) -> None:
    """A function that nobody registered is named before anything runs, with the one that was meant."""
    arn = "arn:aws:lambda:us-east-1:123456789012:function:charge-cart"
    machine = definition(tmp_path, {"T": {"Type": "Task", "Resource": arn, "End": True}})
    result = invoke(machine)

    assert result.exit_code == 104
    assert "did you mean 'charge-card'?" in result.stderr


@pytest.mark.parametrize("resource", ["arn:aws:states:::sqs:sendMessage", "arn:aws:states:::aws-sdk:s3:getObject"])
def test_resources_must_be_performed_here(tmp_path: Path, resource: str) -> None:
    """A resource that nothing here performs is refused before the run, not failed in the middle of it."""
    result = invoke(definition(tmp_path, {"T": {"Type": "Task", "Resource": resource, "End": True}}))

    assert result.exit_code == 104
    assert f"nothing here performs {resource}" in result.stderr


def test_functions_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-f NAME=MODULE:FUNCTION` registers a function; modules in the current folder are found."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_exec_handlers.py").write_text("def double(event, context):\n    return event * 2\n")
    machine = definition(tmp_path, {"T": {"Type": "Task", "Resource": "double", "End": True}})

    assert invoke(machine, "-f", "double=my_exec_handlers:double", "-i", "21").stdout == "42\n"
    assert invoke(machine, "-f", "double", "-i", "21").exit_code == 2


def test_a_crashing_handler_module_is_exit_107(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that crashes while it is imported ends with 107 and the reason."""
    monkeypatch.setenv("EXPRESS_TEST_CRASH", "1")
    monkeypatch.delitem(sys.modules, "tests.integrations.crashing", raising=False)
    result = invoke("iot-routing", "-f", "score=tests.integrations.crashing:handler")

    assert result.exit_code == 107
    assert "RuntimeError: no licence" in result.stderr


def test_input_that_is_no_json_is_wrong_usage() -> None:
    """Input that can't be read as JSON is the caller's mistake."""
    assert invoke("iot-routing", "-i", "{no").exit_code == 2
    assert invoke("iot-routing", "-i", "@/nowhere/in.json").exit_code == 104


def test_a_file_that_is_given_as_the_input_is_told_how_to_be_read(tmp_path: Path) -> None:
    """`-i in.json` without the @ names what to write."""
    (tmp_path / "in.json").write_text("{}")
    result = invoke("order-fulfilment", "-i", str(tmp_path / "in.json"))
    said = "".join(re.sub(r"[│\n]", "", result.output).split())

    assert result.exit_code == 2
    assert f"isafile:write-i@{tmp_path / 'in.json'}" in said


PASS = {"Type": "Pass", "Next": "B"}
BROKEN = {"Type": "Pass", "InputPath": "$.no", "End": True}


@pytest.mark.parametrize(
    ("states", "line"),
    [
        ({"A": PASS, "B": BROKEN}, "B Pass"),
        (
            {
                "A": PASS,
                "B": {"Type": "Choice", "Choices": [{"Variable": "$.no", "NumericEquals": 1, "Next": "C"}]},
                "C": {"Type": "Succeed"},
            },
            "B Choice",
        ),
        ({"A": PASS, "B": {"Type": "Fail", "Error": "States.Runtime"}}, "B Fail"),
        (
            {"M": {"Type": "Map", "ItemProcessor": {"StartAt": "A", "States": {"A": PASS, "B": BROKEN}}, "End": True}},
            "B",
        ),
    ],
)
def test_the_trace_names_the_error_at_the_state_that_failed(tmp_path: Path, states: dict[str, Any], line: str) -> None:
    """Whatever a state fails by, its line says the error's name."""
    data = "[1]" if "M" in states else "{}"
    result = invoke(
        definition(tmp_path, states),
        "-i",
        data,
        "--trace",
    )
    (found,) = [text for text in result.stderr.splitlines() if "States.Runtime" in text and "─" in text]

    assert line in re.sub(" +", " ", found)
