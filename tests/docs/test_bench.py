"""The examples of bench.md and README.md with less load: every command measures, and writes what it is told to."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from express.integrations.mocks import parse_case
from express.load.event_templates import EventTemplate
from tests.docs.blocks import Block, blocks
from tests.docs.tables import PAGES

ROOT = Path(__file__).parents[2]
SHOWN = [block for page in (PAGES / "bench.md", ROOT / "README.md") for block in blocks(page)]
COMMANDS = [block for block in SHOWN if block.language == "console" and "express bench" in block.text]


@pytest.mark.timeout(300, func_only=True)
@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.place)
def test_a_command_measures(block: Block, devbroker_process: str, tmp_path: Path) -> None:
    """At a rate and with limits that any machine keeps to; nothing is dropped."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    arguments = shlex.split(reduced(block.text))[2:]
    answer = subprocess.run(
        [sys.executable, "-m", "express", "bench", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "KAFKA": devbroker_process, "EXPRESS_METRICS__PORT": "0"},
    )
    assert answer.returncode == 0, answer.stderr
    counts = json.loads(answer.stdout)["counts"]
    assert (counts["scheduled"], counts["dropped"]) == (100, 0)
    assert ("--out" in arguments) == (tmp_path / "bench" / "report.html").exists()


def reduced(session: str) -> str:
    """Return the command with little load and with limits of a minute."""
    command = session.removeprefix("$ ").replace("\\\n", " ")
    command = re.sub(r"--rate \d+", "--rate 100", command)
    command = re.sub(r"--duration \d+s", "--duration 1s", command)
    command = re.sub(r"<\d+ms'", "<60s'", command)
    return re.sub(r"failed.rate<1%", "failed.rate<90%", command) + (
        " --partitions 3" if "--pipeline" in command else ""
    )


def test_the_template_makes_events() -> None:
    """Each event has the members of the template."""
    (template,) = (json.loads(block.text) for block in SHOWN if '"$pattern"' in block.text)
    event = EventTemplate(template, random.Random(1)).make()
    assert isinstance(event, dict)
    assert set(event) == set(template)


def test_the_mock_file_is_one() -> None:
    """The test case answers the sample workflow's task."""
    (mocks,) = (block.text for block in SHOWN if '"LogNormal"' in block.text)
    assert set(parse_case(mocks, "iot-routing", "Load", 1)) == {"Score"}
