"""What the tests of expressions share: strategies for JSON, the recorded cases, a scope."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from express.expr.scope import Constants

SHARED = Path(__file__).parents[2].parent / "shared" / "conformance"

CONTEXT = {"Execution": {"Input": {"n": 1}, "Name": "run"}, "State": {"Name": "S"}}
SCOPE = Constants(CONTEXT, {"v": {"xs": [10, 20]}, "name": "Ada"})

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
)
names = st.sampled_from(["a", "b", "c", "x y", "k-1", "é"])


def documents(leaves: st.SearchStrategy[Any] = scalars, max_leaves: int = 20) -> st.SearchStrategy[Any]:
    """JSON values over few names, so that paths often hit."""
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=max_leaves,
    )


def recorded(area: str) -> Iterator[dict[str, Any]]:
    """The cases of one area, recorded against AWS; skips with one visible line where they are not at hand."""
    file = SHARED / "localstack" / f"{area}.jsonl"
    if not file.exists():
        pytest.skip("the recorded cases (shared/conformance) are not beside this checkout")
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
