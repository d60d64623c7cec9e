"""`express exec --mock`: answers from a Step Functions Local mock file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from express.cli import main

TASK = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workflow, and a mock file with one test case for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.asl.json").write_text(json.dumps({"StartAt": "Send", "States": {"Send": TASK}}))
    mocks = {
        "StateMachines": {"shop": {"TestCases": {"Happy": {"Send": "Sent"}}}},
        "MockedResponses": {"Sent": {"0": {"Return": {"MessageId": "m-1"}}}},
    }
    (tmp_path / "mocks.json").write_text(json.dumps(mocks))
    return tmp_path


def test_a_test_case_answers(files: Path) -> None:
    """The task's answer is the file's; nothing is called, and nothing needs to be configured."""
    result = CliRunner().invoke(main, ["exec", "shop.asl.json", "--mock", "mocks.json#Happy"])

    assert (result.exit_code, json.loads(result.stdout)) == (0, {"MessageId": "m-1"})


def test_an_unknown_test_case_is_a_configuration_error(files: Path) -> None:
    """Exit code 104, and the name that was meant."""
    result = CliRunner().invoke(main, ["exec", "shop.asl.json", "--mock", "mocks.json#Hapy"])

    assert result.exit_code == 104
    assert "did you mean 'Happy'?" in result.stderr


def test_without_a_mock_the_call_is_refused(files: Path) -> None:
    """The same workflow without mocks is refused before the run, with what would have to be configured."""
    result = CliRunner().invoke(main, ["exec", "shop.asl.json"])

    assert result.exit_code == 104
    assert "nothing here performs arn:aws:states:::sqs:sendMessage: " in result.stderr
