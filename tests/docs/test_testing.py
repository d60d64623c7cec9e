"""The examples of the page on testing, and of the README, pass as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def example(page: str) -> str:
    """The tests that a page shows."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if "express.testing" in block)


def test_the_examples_pass(tmp_path: Path) -> None:
    """The tests of docs/testing.md and of the README pass over the shipped workflow, with the coverage switched on."""
    (tmp_path / "test_orders.py").write_text(example("express/docs/testing.md"))
    (tmp_path / "test_readme.py").write_text(example("README.md"))
    plugins = ["-p", "express.testing.plugin", "-p", "no:cacheprovider", "-p", "no:randomly"]
    options = [*plugins, "-c", "/dev/null", "--asl-cov", "--asl-cov-fail-under", "50"]
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "3 passed" in answer.stdout
    assert re.search(r"order-fulfilment\.asl\.json +11/11 ", answer.stdout), answer.stdout
