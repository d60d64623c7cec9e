"""The page `express/docs/validation.md`: our figures beside those of other validators, and every code.

The others' figures were measured once, on the same 633 valid and 147 invalid definitions (three more are invalid
only as Express workflows, which no other tool is told); ours are those of the run that writes the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import express
from express.asl.lint import RULES

PEERS = (
    ("asl-validator 4.0.0", "116", "30", "~110"),
    ("asl-validator 4.0.0, ARN check off", "43", "35", "~110"),
    ("amazon-states-language-service 1.16.1", "3", "62", "1.5"),
    ("statelint 2025-04", "195", "5", "46"),
    ("cfn-lint 1.58.0 (E3601)", "127", "87", "~300"),
)
"""Tool, valid definitions refused of 633, invalid ones accepted of 147, CPU milliseconds per definition."""

PAGE = Path(express.__file__).parent / "docs" / "validation.md"


def page(refused: int, accepted: int, milliseconds: float) -> str:
    """Return the whole page: its text as it is, our figures, and every code."""
    text = PAGE.read_text(encoding="utf-8")
    ours = _row(("**express**", str(refused), str(accepted), f"{milliseconds:.1g}"))
    rows = "".join([ours, *map(_row, PEERS)])
    before = text[: text.index("| **express** |")]
    return f"{before}{rows}\n{codes()}"


def codes() -> str:
    """The table of codes."""
    head = "## Codes\n\n| code | AWS's code | | what it finds |\n| --- | --- | --- | --- |\n"
    return head + "".join(
        _row((code, rule.code, "strict" if rule.disputed else rule.severity.lower(), rule.title))
        for code, rule in RULES.items()
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
