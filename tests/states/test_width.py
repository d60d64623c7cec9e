"""How wide a machine can be, from its definition alone."""

from __future__ import annotations

from typing import Any

import pytest

from express.asl.resolve import resolve
from express.engine.program import Width
from express.states.width import machine_width

PASS = {"Type": "Pass"}


def machine(*states: dict[str, Any]) -> dict[str, Any]:
    """A branch or an item processor with these states one after the other."""
    named = {
        f"B{i}": {**state, **({"End": True} if i == len(states) - 1 else {"Next": f"B{i + 1}"})}
        for i, state in enumerate(states)
    }
    return {"StartAt": "B0", "States": named}


def parallel(*branches: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "Parallel", "Branches": list(branches)}


def each(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemProcessor": body, **fields}


PAIR = parallel(machine(PASS), machine(PASS))


@pytest.mark.parametrize(
    ("states", "width"),
    [
        ([PASS, PASS], Width(1, 0)),
        ([PAIR], Width(2, 2)),
        ([PAIR, parallel(*[machine(PASS)] * 5), PAIR], Width(5, 5)),
        ([parallel(machine(PAIR), machine(PASS))], Width(3, 3)),
        ([each(machine(PASS))], Width(1, 40)),
        ([each(machine(PASS), MaxConcurrency=3)], Width(1, 3)),
        ([each(machine(PASS), MaxConcurrency=0)], Width(1, 40)),
        ([each(machine(PASS), MaxConcurrency=1000)], Width(1, 40)),
        ([each(machine(PASS), MaxConcurrencyPath="$.n")], Width(1, 40)),
        ([each(machine(PAIR), MaxConcurrency=3)], Width(2, 6)),
        ([parallel(machine(each(machine(PASS), MaxConcurrency=3)), machine(PASS))], Width(2, 4)),
    ],
)
def test_widest_at_once(states: list[dict[str, Any]], width: Width) -> None:
    """Branches add up, nesting multiplies, states one after the other do not; a Map has its concurrency."""
    assert machine_width(resolve(machine(*states))) == width
