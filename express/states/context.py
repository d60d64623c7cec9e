"""Checks if a state looks at the Context object, or at the time, once it has waited.

Both tell when the state was entered. A segment that goes on after an answer does not know that any more, so such a
state is entered on the table, which does.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from express.expr.jsonata import Expression
from express.expr.jsonpath.nodes import Path
from express.expr.tree import Leaf, any_leaf

_AFTER = ("result_selector", "output_path", "output", "assign")
"""The fields that are evaluated when the answer is there; those of a catcher, too."""

_TIME = frozenset({"now", "millis"})
"""Functions of JSONata that give the time: that at which the state was entered."""


def looks_back(state: Any) -> bool:
    """Return whether anything that is evaluated after a Task's answer, or at a Wait's end, depends on its entry."""
    places = [state, *getattr(state, "catch", ())]
    values = [getattr(place, name, UNSET) for place in places for name in _AFTER]
    return any(any_leaf(value, _looks) for value in values if value is not UNSET and value is not None)


def _looks(leaf: Leaf) -> bool:
    if isinstance(leaf, Expression):
        return leaf.references.context or bool(leaf.references.free & _TIME)
    return type(leaf) is Path and "$$" in leaf.text
