"""`variableReferences` of DescribeStateMachine: which variables each state reads, by name."""

from __future__ import annotations

from express.asl.lint.machine import Walk
from express.asl.lint.report import Nested, Report, TooManyFindings
from express.expr.expressions import Expressions
from express.values import JSON


def variable_references(definition: dict[str, JSON]) -> dict[str, list[str]]:
    """State → the variables that its paths, templates and expressions read; states that read none are absent.

    What lint notes of reads on its way is all there is to know: no second walk over the fields.
    """
    report = Report("STANDARD", Expressions(), placeholders=True, strict=False)
    walk = Walk(report, jsonata=definition.get("QueryLanguage", "JSONPath") != "JSONPath")
    try:
        walk.run(Nested(definition, "", "machine", 0))
    except TooManyFindings:
        return {}
    references: dict[str, set[str]] = {}
    for scope in walk.scopes:
        for name, state, _ in scope.reads:
            references.setdefault(state, set()).add(name)
    return {state: sorted(names) for state, names in references.items()}
