"""Definitions as the API takes them: judged by the one validator, answered with AWS's codes and texts."""

from __future__ import annotations

from express.api import jsontext
from express.api.errors import invalid_definition, invalid_input
from express.asl.lint import MachineType, lint
from express.asl.scan import scan
from express.errors import DefinitionError, Diagnostic
from express.integrations.parameters import unknown_members
from express.values import JSON

MOST_DIAGNOSTICS = 100
"""Diagnostics in one answer of ValidateStateMachineDefinition (Step Functions API Reference, "Actions")."""


def diagnose(definition: str, type_: MachineType) -> list[Diagnostic]:
    """Every finding about the text of a definition, with AWS's own strictness."""
    try:
        data = scan(definition).data
    except DefinitionError as error:
        return list(error.diagnostics)
    return lint(data, type=type_, members=unknown_members, strict=True)


def check_definition(definition: str, type_: MachineType) -> None:
    """Raise InvalidDefinition with every error of the definition."""
    errors = [finding for finding in diagnose(definition, type_) if finding.severity == "ERROR"]
    if errors:
        raise invalid_definition(errors)


def validation_result(
    definition: str, type_: MachineType = "STANDARD", severity: str = "ERROR", most: int = 0
) -> dict[str, JSON]:
    """The answer of ValidateStateMachineDefinition. `most` 0: as many diagnostics as AWS gives."""
    findings = diagnose(definition, type_)
    shown = [finding for finding in findings if severity == "WARNING" or finding.severity == "ERROR"]
    failed = any(finding.severity == "ERROR" for finding in findings)
    return {
        "result": "FAIL" if failed else "OK",
        "diagnostics": [_member(finding) for finding in shown[: most or MOST_DIAGNOSTICS]],
        "truncated": len(shown) > (most or MOST_DIAGNOSTICS),
    }


def _member(finding: Diagnostic) -> dict[str, JSON]:
    member = {"severity": finding.severity, "code": finding.code, "message": finding.message}
    return {**member, "location": finding.location} if finding.location else member


def read_input(text: str | None) -> JSON:
    """An execution input; `{}` where there is none. Raises InvalidExecutionInput with AWS's text."""
    if text is None:
        return {}
    try:
        return jsontext.parse(text)
    except jsontext.NotJson as error:
        raise invalid_input(str(error) if text else "Invalid execution input.") from error
