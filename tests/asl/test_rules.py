"""Every rule is what it says: its bad example is found, by its code, and its good example is clean."""

from __future__ import annotations

import json

import pytest

from express.asl.lint import RULES, duplicate_fields, lint
from express.asl.scan import scan
from express.errors import DefinitionError, Diagnostic
from express.integrations.parameters import unknown_members
from express.values import JSON

ELSEWHERE = {"E0003", "E0004", "E0005", "E0006", "E1101", "W0008", "E0009"}
"""Limits, whose bad examples are too large to be written out (`test_limits` builds them), and rules of templates."""


def whole(example: str) -> str:
    """An example as a definition: one state becomes the only state of a machine."""
    if not example.startswith('{"Type"'):
        return example
    return f'{{"StartAt": "Example", "States": {{"Example": {example}}}}}'


def findings(text: str, type_: str) -> list[Diagnostic]:
    """What the validator says about a text."""
    try:
        scanned = scan(text)
    except DefinitionError as error:
        return list(error.diagnostics)
    return [*duplicate_fields(scanned.duplicates), *lint(scanned.data, type=type_, members=unknown_members)]  # type: ignore[arg-type]  # from a table


@pytest.mark.parametrize("code", sorted(RULES.keys() - ELSEWHERE))
def test_the_bad_example_is_found(code: str) -> None:
    """The bad example of a rule gives that rule, with its AWS code and severity, and no other error."""
    rule = RULES[code]
    found = findings(whole(rule.bad), rule.type)

    assert code in [f.rule for f in found]
    assert all((f.code, f.severity) == (RULES[f.rule].code, RULES[f.rule].severity) for f in found)
    assert [f for f in found if f.severity == "ERROR" and f.rule != code] == []


@pytest.mark.parametrize("code", sorted(RULES))
def test_the_good_example_is_clean(code: str) -> None:
    """The good example of a rule gives no finding at all."""
    assert findings(whole(RULES[code].good), RULES[code].type) == []


@pytest.mark.parametrize("code", sorted(RULES))
def test_a_rule_says_everything(code: str) -> None:
    """Letter and severity agree, and title, cause and source are there."""
    rule = RULES[code]
    assert code[0] == rule.severity[0]
    assert len(code) == 5
    assert code[1:].isdigit()
    assert min(map(len, (rule.title, rule.cause, rule.spec))) > 5


def test_strict_makes_errors_of_disputed_rules() -> None:
    """What AWS refuses though others take it is a warning, and an error when asked for."""
    disputed = [code for code, rule in RULES.items() if rule.disputed]
    assert disputed
    for code in disputed:
        data: JSON = json.loads(whole(RULES[code].bad))
        assert [f.severity for f in lint(data, members=unknown_members, strict=True) if f.rule == code] == ["ERROR"]
