"""Hostile paths stop within their fuel: no stall, no memory, a plain failure."""

import json
import time
from typing import Any

import pytest

from express.errors import RUNTIME, StatesError
from tests.expr.support import SCOPE
from tests.expr.written import compile_path


def _chain(depth: int) -> dict[str, Any]:
    node: dict[str, Any] = {}
    for _ in range(depth):
        node = {"a": node, "b": [1, 2, 3]}
    return node


def _cube(side: int, levels: int) -> Any:
    return [_cube(side, levels - 1) for _ in range(side)] if levels else 1


WIDE = {
    "a": list(range(45_000)),
    "o": [{"k": i, "s": "xxx"} for i in range(4_000)],
    "t": "a" * 100_000,
}
BIG = {"a": ["x" * 1_000] * 200}

BOMBS = {
    "six wildcard descents": ("$..*..*..*..*..*..*", _chain(60)),
    "descents into arrays": ("$..[*]..[*]..[*]", _cube(12, 4)),
    "named descents": ("$..a..a..a..b", _chain(60)),
    "a union of unions": ("$" + "[0,0,0,0,0,0,0,0,0,0]" * 6, _cube(2, 6)),
    "a slice of repeated arrays": ("$[" + ",".join(["0"] * 500) + "][:]", [list(range(5_000))]),
    "names over repeated objects": ("$[" + ",".join(["0"] * 500) + "]['a'" + ",'a'" * 500 + "].b", [{"a": {"b": 1}}]),
    "descend in every filter": ("$.o[?($..k)]", WIDE),
    "the whole compared with itself": ("$..[?($ == $)]", [[{}] * 40] * 40),
    "every element against every element": ("$.o[?(@ in $.o)]", WIDE),
    "nested repetition": ("$[?($.t =~ /(a+)+b/)]", {"t": "a" * 200_001}),
    "a bounded repetition": ("$[?($.t =~ /.*a.{1,900}b/)]", {"t": "ab" * 10_000}),
    "overlapping text": ("$..*", BIG),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_fails_within_its_fuel(name: str) -> None:
    """Running out of fuel is States.Runtime, soon (the bound here is loose for slow machines)."""
    text, data = BOMBS[name]
    read = compile_path(text, "InputPath")
    began = time.process_time()

    with pytest.raises(StatesError) as caught:
        read(data, SCOPE)

    assert caught.value.error == RUNTIME
    assert time.process_time() - began < 0.25


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("$.a[?(@ > 5)]", 44_994),
        ("$.o[?(@.k == 5 || @.k == 6 && !(@.s != 'xxx'))]", 2),
        ("$..k", 4_000),
        ("$.a[*]", 45_000),
    ],
)
def test_what_a_large_payload_needs_is_within_the_fuel(text: str, count: int) -> None:
    """The bound does not get in the way of honest paths over a payload of the largest size."""
    assert len(json.dumps({**WIDE, "t": ""}).encode()) > 200_000
    assert len(compile_path(text, "InputPath")({**WIDE, "t": ""}, SCOPE)) == count
