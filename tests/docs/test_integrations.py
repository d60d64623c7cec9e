"""The example of a mock file in integrations.md."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import blocks
from tests.docs.tables import PAGES

MACHINE = {
    "StartAt": "Charge",
    "States": {
        "Charge": {
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge",
            "Retry": [{"ErrorEquals": ["Lambda.ServiceException"], "IntervalSeconds": 1, "MaxDelaySeconds": 1}],
            "End": True,
        }
    },
}


def test_the_mock_file_answers_by_invocation(tmp_path: Path) -> None:
    """The first call fails as the file says, its retry has the result."""
    (mocks,) = (block.text for block in blocks(PAGES / "integrations.md") if "StateMachines" in block.text)
    (tmp_path / "mocks.json").write_text(mocks)
    (tmp_path / "orders.asl.json").write_text(json.dumps(MACHINE))
    command = [sys.executable, "-m", "express", "exec", "orders.asl.json", "--mock", "mocks.json#Late", "--trace"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)

    assert json.loads(answer.stdout) == {"charged": True}
    assert "Lambda.ServiceException" in answer.stderr
