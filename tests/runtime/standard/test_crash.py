"""A few kills at each point of the write path; `python -m tests.runtime.standard.crash` makes a hundred of each."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from .crash import EXECUTIONS, POINTS, SLICE, die_and_go_on


@pytest.mark.parametrize("point", POINTS)
async def test_nothing_is_lost_and_no_state_is_entered_twice(point: str, tmp_path: Path) -> None:
    """Acknowledged starts are there, histories dense; calls made again are those that were under way."""
    found = await die_and_go_on(tmp_path, point, 3, random.Random(7))

    assert (found.kills, found.acknowledged >= EXECUTIONS - 3 * SLICE) == (3, True)
    assert (found.lost, found.entered_twice) == (0, 0)
    assert found.called_again <= 3 * SLICE
