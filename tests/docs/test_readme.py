"""The examples of README.md that no shell runs: its handler, and what `express dev` shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from express.cli.live import HEADINGS
from tests.docs.blocks import blocks
from tests.docs.messages import exists

ROOT = Path(__file__).parents[2]
SHOWN = blocks(ROOT / "README.md")


def test_the_handler_works() -> None:
    """It is a function of event and context."""
    module: dict[str, Any] = {}
    exec(next(block.text for block in SHOWN if "def score" in block.text), module)  # noqa: S102 # the README's own code

    assert module["score"]({"temperature": 50}, None) == {"level": 0.5, "reason": "temperature"}


def test_the_shown_run() -> None:
    """The lines before the table, its headings, and the line below it are those of `express dev`."""
    shown = next(block.text for block in SHOWN if block.text.startswith("Kafka"))
    answer = subprocess.run(
        [sys.executable, "-m", "express", "dev", "--events", "60", "--rate", "max"],
        capture_output=True,
        text=True,
        check=True,
        env={"EXPRESS_METRICS__PORT": "0", "EXPRESS_API__PORT": "0"},
        cwd=ROOT,
    )

    banner = re.compile(r"^([A-Z]\w+)  +", re.MULTILINE)
    assert banner.findall(answer.stdout + answer.stderr) == banner.findall(shown)
    assert topics(answer.stdout + answer.stderr) == topics(shown)
    heading = next(line for line in shown.splitlines() if "in flight" in line)
    assert tuple(re.split(r"  +", heading.strip())) == HEADINGS
    assert re.search(r"^worker 0 · ready · 51 MiB · 4.7 s CPU · loop lag p99 ", shown, re.MULTILINE)
    assert exists("… MiB · … s CPU · loop lag p99 …")


def topics(text: str) -> str:
    """Return the line of the topics."""
    return next(line for line in text.splitlines() if line.startswith("Topics"))
