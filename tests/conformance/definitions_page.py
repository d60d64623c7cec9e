"""The page `express/docs/validation.md`: our figures beside those of other validators, and every code.

The others' figures were measured once, on the same 633 valid and 147 invalid definitions (three more are invalid
only as Express workflows, which no other tool is told); ours are those of the run that writes the page.
"""

from __future__ import annotations

from collections.abc import Sequence

from express.asl.lint import RULES

PEERS = (
    ("asl-validator 4.0.0", "116", "30", "~110"),
    ("asl-validator 4.0.0, ARN check off", "43", "35", "~110"),
    ("amazon-states-language-service 1.16.1", "3", "62", "1.5"),
    ("statelint 2025-04", "195", "5", "46"),
    ("cfn-lint 1.58.0 (E3601)", "127", "87", "~300"),
)
"""Tool, valid definitions refused of 633, invalid ones accepted of 147, CPU milliseconds per definition."""

INTRO = """\
# Validation

`express validate FILE...` finds every mistake in state machine definitions in one pass: in JSON and YAML, in whole
folders, and inside CloudFormation, SAM and Serverless templates. `express explain CODE` shows the cause of a code
with a bad and a good example. The same rules answer `ValidateStateMachineDefinition` and guard every definition
that express runs.

Where AWS's own diagnostic is known, code, text and location are AWS's. Rules marked *strict* are warnings because
other engines and published definitions take what AWS refuses; `--strict` makes them errors.

## Beside other validators

Measured on a corpus of published definitions, with the tools' own fixtures among them. express was written with this
corpus at hand, the others were not, so its own row says less than theirs. A hit is any error, for whatever reason.

| validator | valid refused (of 633) | invalid accepted (of 147) | CPU ms per definition |
| --- | ---: | ---: | ---: |
"""


def page(refused: int, accepted: int, milliseconds: float) -> str:
    """The whole page, with our figures."""
    ours = ("**express**", str(refused), str(accepted), f"{milliseconds:.1g}")
    rows = [_row(ours), *map(_row, PEERS)]
    return f"{INTRO}{''.join(rows)}\n{codes()}"


def codes() -> str:
    """The table of codes."""
    head = "## Codes\n\n| code | AWS's code | | what it finds |\n| --- | --- | --- | --- |\n"
    return head + "".join(
        _row((code, rule.code, "strict" if rule.disputed else rule.severity.lower(), rule.title))
        for code, rule in RULES.items()
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
