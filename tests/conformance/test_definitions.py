"""The corpus of published definitions, where it lies beside the repository; and the runner over a small one of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import express

from .definitions import main
from .definitions_page import codes

FOLDER = Path(__file__).parents[2].parent / "shared" / "conformance" / "definitions"

GOOD = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}
BAD = {"StartAt": "A", "States": {"A": {"Type": "Pass"}}}


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the corpus is not here: no folder shared/ beside the repository")
def test_the_corpus_is_judged_right(capsys: pytest.CaptureFixture[str]) -> None:
    """No valid definition is refused, every invalid one is, and where AWS's diagnostic is known ours is the same."""
    code = main([str(FOLDER)])

    assert capsys.readouterr().out.splitlines()[-1].endswith(" passed, 0 failed")
    assert code == 0


def corpus(folder: Path, entries: list[dict[str, object]], **definitions: object) -> Path:
    """A corpus of our own."""
    for name, definition in definitions.items():
        (folder / f"{name}.json").write_text(json.dumps(definition))
    (folder / "index.json").write_text(json.dumps(entries))
    return folder


def test_misses_and_false_alarms_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong verdict fails the run, and is named with its file."""
    entries = [
        {"file": "good.json", "verdict": "invalid", "rule": "range", "reason": "nothing really"},
        {"file": "bad.json", "verdict": "valid"},
        {"file": "good.json", "verdict": "valid"},
    ]
    code = main([str(corpus(tmp_path, entries, good=GOOD, bad=BAD))])

    out = capsys.readouterr().out.splitlines()
    assert code == 1
    assert out[-1] == "1 passed, 2 failed"
    assert "miss: good.json (nothing really)" in out
    assert any(line.startswith("false alarm: bad.json") for line in out)


@pytest.mark.parametrize(
    ("known", "wrong"),
    [
        ({"code": "SCHEMA_VALIDATION_FAILED", "message": "another sentence"}, 1),
        ({"code": "SCHEMA_VALIDATION_FAILED", "message": "One of these fields is required: [Next, End]"}, 0),
    ],
)
def test_a_recorded_diagnostic_must_be_among_ours(tmp_path: Path, known: dict[str, str], wrong: int) -> None:
    """Finding something is not enough where AWS's own diagnostic is known."""
    entry = {"file": "bad.json", "verdict": "invalid", "rule": "required-field", "aws": known}
    assert main([str(corpus(tmp_path, [entry], bad=BAD))]) == wrong


def test_a_folder_without_a_corpus_is_a_wrong_call(tmp_path: Path) -> None:
    """Nothing to judge is not success."""
    assert main([str(tmp_path)]) == 2


def test_the_page_lists_every_code() -> None:
    """The page in the docs is what the runner writes: `python -m tests.conformance.definitions DIR --page FILE`."""
    page = (Path(express.__file__).parent / "docs" / "validation.md").read_text(encoding="utf-8")
    assert page.endswith(codes())
