"""`express explain`: every code has a page."""

from __future__ import annotations

import json

import pytest

from express.asl.lint import RULES

from .conftest import Run


@pytest.mark.parametrize("code", sorted(RULES))
def test_every_code_has_a_page(run: Run, code: str) -> None:
    """Title, AWS's code, cause, a bad and a good example, and the source."""
    result = run("explain", code)
    rule = RULES[code]
    assert (result.exit_code, result.stderr) == (0, "")
    for part in (rule.title, rule.code, "Bad:", "Good:", rule.spec):
        assert part in result.stdout


def test_without_a_code_all_are_listed(run: Run) -> None:
    """One line per code."""
    lines = run("explain").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(RULES)


def test_a_code_of_aws_shows_all_its_rules(run: Run) -> None:
    """AWS's codes are coarser than ours; case does not matter."""
    out = run("explain", "missing_transition_target").stdout
    assert "E0201  Target state missing" in out
    assert "E0202  State can't be reached" in out


def test_an_unknown_code_is_a_usage_error(run: Run) -> None:
    """With the nearest code."""
    result = run("explain", "E02O1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean 'E0201'?" in result.stderr


def test_json(run: Run) -> None:
    """For tools."""
    (entry,) = json.loads(run("explain", "E0904", "--json").stdout)
    assert (entry["rule"], entry["severity"], entry["strict"]) == ("E0904", "ERROR", False)
    assert len(json.loads(run("explain", "--json").stdout)) == len(RULES)
