"""Findings as text, JSON, GitHub annotations and SARIF."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
import orjson

from express import __version__
from express.asl.lint import RULES
from express.cli.diagnosis import Finding
from express.values import JSON

_WIDEST = 160
_COLOURS = {"ERROR": "red", "WARNING": "yellow"}


def as_text(findings: Sequence[Finding]) -> str:
    """A block per finding: place, code, message, the line with carets, what helps."""
    return "\n\n".join(map(_block, findings))


def _block(finding: Finding) -> str:
    found, position = finding.diagnostic, finding.position
    place = f"{finding.file}:{position.line}:{position.column}" if position else finding.file
    severity = click.style("note" if found.follows else found.severity.lower(), fg=_COLOURS[found.severity], bold=True)
    message = found.message.partition("\n")[0]
    lines = [f"{click.style(place, bold=True)}: {severity} {found.rule} {message}", f"  {_where(finding)}"]
    if position is not None and finding.excerpt is not None:
        lines += _excerpt(finding.excerpt, position.line, position.column, position.length, _COLOURS[found.severity])
    if found.hint:
        lines.append(f"  help: {found.hint}")
    if found.follows:
        lines.append(f"  follows from {found.follows}")
    return "\n".join(lines)


def _where(finding: Finding) -> str:
    found = finding.diagnostic
    location = found.at or found.location
    return f"{found.code} at {location}" if location.startswith("/") else found.code


def _excerpt(line: str, number: int, column: int, length: int, colour: str) -> list[str]:
    """The line and carets below it; of a long line the part around the column."""
    cut = max(0, column - 1 - _WIDEST // 2) if len(line) > _WIDEST else 0
    shown = line[cut : cut + _WIDEST].replace("\t", " ")
    start = column - 1 - cut
    carets = "^" * max(1, min(length, len(shown) - start))
    margin = " " * len(str(number))
    return [f"  {number} | {shown}", f"  {margin} | {' ' * start}{click.style(carets, fg=colour)}"]


def as_json(findings: Sequence[Finding]) -> str:
    """AWS's answer to ValidateStateMachineDefinition, each diagnostic with file, line, column, rule and hint."""
    failed = any(f.diagnostic.severity == "ERROR" for f in findings)
    answer = {
        "result": "FAIL" if failed else "OK",
        "diagnostics": [_diagnostic(f) for f in findings],
        "truncated": False,
    }
    return _dump(answer)


def _diagnostic(finding: Finding) -> dict[str, JSON]:
    found, position = finding.diagnostic, finding.position
    entry: dict[str, JSON] = {"severity": found.severity, "code": found.code, "message": found.message}
    if found.location:
        entry["location"] = found.location
    entry |= {"file": finding.file, "rule": found.rule}
    if position is not None:
        entry |= {"line": position.line, "column": position.column}
    if found.hint:
        entry["hint"] = found.hint
    if found.follows:
        entry["follows"] = found.follows
    return entry


def as_github(findings: Sequence[Finding]) -> str:
    """One workflow command per finding, which GitHub shows beside the line."""
    return "\n".join(map(_command, findings))


def _command(finding: Finding) -> str:
    found, position = finding.diagnostic, finding.position
    properties = {"file": finding.file}
    if position is not None:
        properties |= {"line": str(position.line), "col": str(position.column)}
    properties["title"] = f"{found.rule} {found.code}"
    listed = ",".join(f"{name}={_escape(value, ':,')}" for name, value in properties.items())
    text = found.message.partition("\n")[0] + (f" ({found.hint})" if found.hint else "")
    return f"::{found.severity.lower()} {listed}::{_escape(text)}"


def _escape(value: str, more: str = "") -> str:
    for char in "%\r\n" + more:
        value = value.replace(char, f"%{ord(char):02X}")
    return value


def as_sarif(findings: Sequence[Finding]) -> str:
    """SARIF 2.1.0, as code scanning takes it."""
    used = sorted({f.diagnostic.rule for f in findings})
    driver = {"name": "express", "version": __version__, "rules": [_sarif_rule(code) for code in used]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(f, used.index(f.diagnostic.rule)) for f in findings],
    }
    return _dump(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [run],
        }
    )


def _sarif_rule(code: str) -> dict[str, JSON]:
    rule = RULES[code]
    return {
        "id": code,
        "name": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.cause},
        "help": {"text": f"{rule.cause}\n\nBad: {rule.bad}\n\nGood: {rule.good}\n\nSource: {rule.spec}"},
        "defaultConfiguration": {"level": rule.severity.lower()},
    }


def _sarif_result(finding: Finding, index: int) -> dict[str, JSON]:
    found, position = finding.diagnostic, finding.position
    physical: dict[str, JSON] = {"artifactLocation": {"uri": finding.file.replace("\\", "/")}}
    if position is not None:
        physical["region"] = {
            "startLine": position.line,
            "startColumn": position.column,
            "endColumn": position.column + position.length,
        }
    location: dict[str, JSON] = {"physicalLocation": physical}
    if found.location:
        location["logicalLocations"] = [{"fullyQualifiedName": found.location}]
    text = found.message + (f" ({found.hint})" if found.hint else "")
    return {
        "ruleId": found.rule,
        "ruleIndex": index,
        "level": found.severity.lower(),
        "message": {"text": text},
        "locations": [location],
    }


def _dump(value: JSON) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


FORMATS: dict[str, Callable[[Sequence[Finding]], str]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
    "sarif": as_sarif,
}
"""`--format` → how findings are written."""
