"""Every rule of the States Language over plain data, every finding in one pass.

The rules work on what a JSON parser gives, not on the model: the model stops at its first error. A finding
carries AWS's code, text and location where AWS's are known, and the stable code of `express explain`.
"""

from __future__ import annotations

import re

from express.asl.lint.machine import Walk
from express.asl.lint.members import Members, any_member
from express.asl.lint.report import MOST_FINDINGS, MachineType, Nested, Report, TooManyFindings
from express.asl.lint.rules import RULES, Rule
from express.asl.lint.variables import check_variables
from express.asl.positions import Duplicate
from express.errors import Diagnostic
from express.expr.expressions import Expressions
from express.values import JSON

__all__ = [
    "RULES",
    "MachineType",
    "Members",
    "Rule",
    "duplicate_fields",
    "lint",
]


_STATES = re.compile(r"(?:\A|/ItemProcessor|/Iterator|/Branches\[\d+\])/States\Z")


def duplicate_fields(duplicates: list[Duplicate]) -> list[Diagnostic]:
    """One finding per name that an object has twice: of a state an error as AWS has it, else a warning."""
    return [_duplicate(duplicate) for duplicate in duplicates]


def _duplicate(duplicate: Duplicate) -> Diagnostic:
    around = duplicate.location.removesuffix(f"/{duplicate.name}")
    state = _STATES.search(around) is not None
    rule = "E0204" if state else "W0007"
    message = f"Duplicate State name: {duplicate.name}" if state else f"Field '{duplicate.name}' is given twice"
    return Diagnostic(
        code=RULES[rule].code,
        severity=RULES[rule].severity,
        rule=rule,
        message=message,
        location=duplicate.location,
        hint="only the last one counts",
    )


def lint(
    data: JSON,
    *,
    type: MachineType = "STANDARD",
    members: Members = any_member,
    expressions: Expressions | None = None,
    placeholders: bool = False,
    strict: bool = False,
) -> list[Diagnostic]:
    """Every finding about a definition, errors and warnings, in the order of the walk.

    `members` knows what a Task's resource takes; `expressions` keeps what was parsed, for `resolve`; `placeholders`
    lets texts such as `${Name}` stand where another kind of value is wanted; `strict` makes errors of what AWS refuses
    though other engines take it (the rules marked `disputed`). Never raises, whatever JSON it is given.
    """
    report = Report(type, expressions or Expressions(), members, placeholders=placeholders, strict=strict)
    if data.__class__ is not dict:
        report.add("E0002", "", "Definition must be a valid JSON object")
        return report.findings
    walk = Walk(report, jsonata=data.get("QueryLanguage", "JSONPath") != "JSONPath")
    try:
        walk.run(Nested(data, "", "machine", 0, machine_type=type))
        check_variables(report, walk.scopes)
    except TooManyFindings:
        report.findings[-1] = Diagnostic(
            code=RULES["E0006"].code,
            message=f"More than {MOST_FINDINGS} findings; the others are not shown",
            rule="E0006",
        )
    return report.findings_in_order()
