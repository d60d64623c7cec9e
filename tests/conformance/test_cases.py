"""The project's own cases, one JSON list per theme: what the States Language says, section by section."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import Case, load
from .kinds import ask

FOLDER = Path(__file__).parent / "cases"
CASES = load([FOLDER])


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_case(case: Case) -> None:
    """The engine does what the case says, to the last history event it names."""
    outcome = ask(case)
    assert outcome.first_wrong("events") is None, f"{case.spec}: {outcome.first_wrong('events')}"
    assert outcome.not_yet is None, outcome.not_yet


def test_every_case_names_its_section() -> None:
    """A case without its place in the specification cannot be judged by a reader."""
    assert [case.id for case in CASES if not case.spec] == []


def test_ids_are_unique() -> None:
    """A failing case can be found by its id."""
    ids = [case.id for case in CASES]
    assert len(ids) == len(set(ids))
