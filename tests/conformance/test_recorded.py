"""The cases recorded against AWS, where they lie beside the repository: each area, at each level.

`deviations.json` lists every case that is known to differ, from which level on and why; a case that differs
without being listed fails, and so does a listed one that does not differ any more.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from .__main__ import known_deviations
from .cases import load
from .kinds import LINKINGS, ask
from .outcome import LEVELS, Outcome
from .report import markdown

FOLDER = Path(__file__).parents[2].parent / "shared" / "conformance" / "localstack"
AREAS = sorted(file.stem for file in FOLDER.glob("*.jsonl"))
DEVIATIONS = {deviation.id: deviation for deviation in known_deviations()}

if not AREAS:
    pytest.skip("the recorded cases are not here: no folder shared/ beside the repository", allow_module_level=True)


@cache
def outcomes(area: str, linking: str = LINKINGS[0]) -> list[Outcome]:
    """Every case of an area, asked once."""
    return [ask(case, linking) for case in load([FOLDER / f"{area}.jsonl"])]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("linking", LINKINGS)
@pytest.mark.parametrize("area", AREAS)
def test_area(area: str, linking: str, level: str) -> None:
    """Every case of the area is as AWS answered, or listed as different with its reason."""
    differing = {
        outcome.id: outcome.first_wrong(level)
        for outcome in outcomes(area, linking)
        if outcome.not_yet is None and not outcome.passed(level) and not _listed(outcome.id, level)
    }
    assert differing == {}


@pytest.mark.parametrize("area", AREAS)
def test_listed_deviations_still_differ(area: str) -> None:
    """The list of deviations names nothing that has come right meanwhile."""
    right = [o.id for o in outcomes(area) if o.id in DEVIATIONS and o.passed("events")]
    assert right == []


def test_only_standard_features_wait() -> None:
    """What is not answered yet is what an Express machine may not do, and nothing else."""
    compatible = {case.id for area in AREAS for case in load([FOLDER / f"{area}.jsonl"]) if case.express_compatible}
    waiting = {o.id: o.not_yet for area in AREAS for o in outcomes(area) if o.not_yet is not None}
    assert {id_: why for id_, why in waiting.items() if id_ in compatible and "DISTRIBUTED" not in why} == {}


def test_the_parity_page_is_up_to_date() -> None:
    """`express/docs/parity.md` shows what the runner finds: `--table` writes it anew."""
    page = Path(__file__).parents[2] / "express" / "docs" / "parity.md"
    found = markdown([outcome for area in AREAS for outcome in outcomes(area)], known_deviations())
    assert page.read_text(encoding="utf-8") == found


def _listed(id_: str, level: str) -> bool:
    deviation = DEVIATIONS.get(id_)
    return deviation is not None and LEVELS.index(deviation.level) <= LEVELS.index(level)
