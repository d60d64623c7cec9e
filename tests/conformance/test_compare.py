"""The runner's own tools: comparing, scripted answers, reading folders, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .__main__ import main
from .compare import any_event_id, difference, interleaving_difference
from .script import Script, expand

PASS = {"StartAt": "S", "States": {"S": {"Type": "Pass", "End": True}}}


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2.0], "a": 1.0}),
        ("{{anything}}", {"any": ["value"]}),
        ("{{anything}}", None),
        ("arn:{{region}}:x-{{id}}", "arn:eu:x-\n7"),
        ({"$json": {"a": [1]}}, '{"a": [1.0]}'),
        ({"$json": "{{x}}"}, '"any"'),
        ("a{{b}}", "a{{b}}"),
        ("(.*", "(.*"),
    ],
)
def test_equal(expected: object, actual: object) -> None:
    """Wildcards, JSON text, numbers and key order are compared as the format says."""
    assert difference(expected, actual) is None


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (1, True),
        (True, 1),
        (0, None),
        (None, False),
        ("1", 1),
        ([1, 2], [2, 1]),
        ([1], [1, 2]),
        ({"a": 1}, {}),
        ({}, {"a": None}),
        ("x{{b}}", "ax"),
        ("x{{b}}", 5),
        ({"$json": {"a": 1}}, '{"a": 2}'),
        ({"$json": {"a": 1}}, "{"),
        ({"a": 1}, [1]),
    ],
)
def test_different(expected: object, actual: object) -> None:
    """What differs is named with its place."""
    found = difference(expected, actual)
    assert found is not None
    assert found.startswith("$")


def test_interleaving_finds_partners_whatever_the_order() -> None:
    """A wildcard that could take two events leaves each to the expectation that needs it."""
    expected = [{"t": "{{any}}"}, {"t": "b"}, {"t": "a"}]
    assert interleaving_difference(expected, [{"t": "a"}, {"t": "b"}, {"t": "c"}]) is None
    assert interleaving_difference(expected, [{"t": "a"}, {"t": "c"}, {"t": "c"}]) is not None
    assert interleaving_difference(expected, [{"t": "a"}, {"t": "b"}]) is not None


def test_event_ids_become_wildcards() -> None:
    """The number of an event in a cause does not matter when the order of events does not."""
    loose = any_event_id({"cause": ["(entered at the event id #12). x"]})
    assert difference(loose, {"cause": ["(entered at the event id #7). x"]}) is None


def test_answers_are_used_up_in_order_of_fit() -> None:
    """First the unused answer that fits, then the first unused one, then the last again."""
    script = Script([{"state": "S", "responds": [{"when": 1, "output": "one"}, {"when": 2, "output": "two"}]}])
    assert [script.answer("S", n).output for n in (2, 2, 9)] == ["two", "one", "two"]
    assert len(script.surprises) == 1


def test_an_unexpected_call_is_a_problem() -> None:
    """A Task state without an entry must not be called."""
    script = Script([{"state": "S", "behaviour": "echo"}])
    assert script.answer("S", {"x": 1}).output == {"x": 1}
    assert script.answer("T", {}).kind == "fail"
    assert script.problems == ["task 'T' must not be called"]


def test_repeat_stands_for_a_long_text() -> None:
    """`$repeat` is expanded at any depth."""
    assert expand({"a": [{"$repeat": ["ab", 3]}]}) == {"a": ["ababab"]}


def case(**expect: object) -> dict[str, object]:
    """A case over a machine of one Pass."""
    return {
        "id": f"t.{len(expect)}",
        "definition": PASS,
        "input": {"a": 1},
        "expect": {"status": "SUCCEEDED", **expect},
    }


def test_exit_code_and_last_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 and `N passed, 0 failed` when all asked for passed, 1 when something failed, 2 for a wrong folder."""
    good, bad = tmp_path / "good.json", tmp_path / "bad.jsonl"
    good.write_text(json.dumps([case(output={"a": 1})]))
    assert main([str(tmp_path), "--level", "events"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"
    bad.write_text(json.dumps(case(output={"a": "\u2028"}, cause="x")) + "\n")
    assert main([str(tmp_path), "--level", "result", "--show", "5"]) == 1
    out = capsys.readouterr().out
    assert "FAILED bad: t.2" in out
    assert out.splitlines()[-1] == "1 passed, 1 failed"
    assert main([str(tmp_path), "--area", "good"]) == 0
    assert main([str(tmp_path / "none")]) == 2


def test_levels_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong cause fails at level cause, a wrong event at level events only."""
    folder = tmp_path / "cases.json"
    folder.write_text(json.dumps([case(output={"a": 1}, events=[])]))
    assert main([str(folder), "--level", "cause"]) == 0
    assert main([str(folder), "--level", "events"]) == 1
    capsys.readouterr()


def test_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--table` writes the figures per area and every deviation as Markdown."""
    folder = tmp_path / "cases.json"
    folder.write_text(json.dumps([case(output={"a": 1}), case(output="no", error="x")]))
    assert main([str(folder), "--table", str(tmp_path / "parity.md")]) == 1
    table = (tmp_path / "parity.md").read_text()
    assert "| cases | 2 | 1/2 | 1/2 |" in table
    assert "| `t.2` | result | $" not in table
    assert "| `t.2` | result |" in table
    capsys.readouterr()


def test_an_unknown_kind_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A kind that the runner does not know is a failure, not a silent skip."""
    folder = tmp_path / "cases.json"
    folder.write_text(json.dumps([{**case(), "kind": "riddle"}]))
    assert main([str(folder)]) == 1
    capsys.readouterr()
