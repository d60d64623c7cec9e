"""The runner's figures: a table per area and level, for the terminal and for the docs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from .outcome import LEVELS, Outcome


class Deviation(msgspec.Struct, frozen=True):
    """A case that is known to differ from AWS below `level`, and why. `id` is the case's."""

    id: str
    level: str
    reason: str


class Line(msgspec.Struct):
    """The figures of one area: cases, per level (passed, asked), and those not yet runnable."""

    area: str
    cases: int = 0
    not_yet: int = 0
    passed: Counter[str] = msgspec.field(default_factory=Counter)
    asked: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count one case."""
        self.cases += 1
        if outcome.not_yet is not None:
            self.not_yet += 1
            return
        for level in LEVELS:
            if outcome.asked(level):
                self.asked[level] += 1
                self.passed[level] += outcome.passed(level)

    def cells(self) -> list[str]:
        """The figures as the columns of a table."""
        figures = [f"{self.passed[level]}/{self.asked[level]}" if self.asked[level] else "–" for level in LEVELS]
        return [self.area, str(self.cases), *figures, str(self.not_yet or "")]


INTRODUCTION = """\
# Parity with AWS

Each case is a state machine, its input and the answers of its tasks, with what real AWS Step Functions did; the
recordings come from the tests of the LocalStack project (Apache-2.0). *Result* is the status with the output or the
error name, *cause* adds the cause text, *events* the whole execution history. The figures are cases passed of cases
that have something to say at that level.

This page is written by `python -m tests.conformance FOLDER --level events --table FILE`.
"""

HEAD = ["area", "cases", *LEVELS, "not yet"]


UNCONFIRMED = """\
No recording tells how the optimized integrations of EMR, EMR on EKS and EMR Serverless name their errors. They follow
the rule that the recorded services keep, the client names of the AWS SDK for Java 1: `ElasticMapReduce.`,
`EMRContainers.` and `EMRServerless.`, with `AmazonElasticMapReduceException`, `AmazonEMRContainersException` and
`AWSEMRServerlessException` for errors that no model knows. A published definition retries
`EMRServerless.ThrottlingException`; none was found that names errors of the other two. `States.TaskFailed` and
`States.ALL` cover all of them."""


def lines(outcomes: Iterable[Outcome]) -> list[Line]:
    """One line per area in order of name, then one for all."""
    areas: dict[str, Line] = {}
    total = Line("all")
    for outcome in outcomes:
        areas.setdefault(outcome.area, Line(outcome.area)).add(outcome)
        total.add(outcome)
    return [*(areas[name] for name in sorted(areas)), total]


def text_table(outcomes: Iterable[Outcome]) -> str:
    """The table for a terminal."""
    rows = [HEAD, *(line.cells() for line in lines(outcomes))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    return "\n".join("  ".join(_padded(row, widths)) for row in rows)


def _padded(row: list[str], widths: list[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]


def markdown(outcomes: Sequence[Outcome], deviations: Sequence[Deviation]) -> str:
    """The parity page: figures per area, every case that differs with its reason, and what is not done yet."""
    rows = [line.cells() for line in lines(outcomes)]
    parts = [
        INTRODUCTION,
        _markdown_table(HEAD, rows),
        "",
        "## Known deviations",
        "",
        _deviations(outcomes, deviations),
    ]
    waiting = Counter(outcome.not_yet for outcome in outcomes if outcome.not_yet is not None)
    if waiting:
        reasons = [[str(count), why or ""] for why, count in waiting.most_common()]
        parts += ["", "## Not yet", "", _markdown_table(["cases", "why"], reasons)]
    parts += ["", "## Not confirmed", "", UNCONFIRMED]
    return "\n".join(parts) + "\n"


def _deviations(outcomes: Sequence[Outcome], deviations: Sequence[Deviation]) -> str:
    reasons = {deviation.id: deviation.reason for deviation in deviations}
    rows = []
    for outcome in outcomes:
        level = next((level for level in LEVELS if level in outcome.wrong), None)
        if level is not None:
            reason = reasons.get(outcome.id, outcome.wrong[level])
            rows.append([f"`{outcome.id}`", level, reason])
    return _markdown_table(["case", "from level", "reason"], rows) if rows else "None."


def _markdown_table(head: list[str], rows: list[list[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in cells)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
