"""Weight of a state: what is too much for the optimized tier is left to the table, before it is written."""

from __future__ import annotations

from typing import Any

import msgspec

from express.asl import model
from express.expr import choices, tree
from express.expr.intrinsics.syntax import Call
from express.expr.jsonata import Expression
from express.expr.jsonpath.nodes import Path

HEAVIEST = 2_000
"""Parts of a state that is written as text; a hundred characters of an expression count as one."""

MOST_RULES = 100
"""Rules of a Choice, entries of Retry and Catch, branches: each is nested in what the one before it leaves."""

_MANY = ("choices", "retry", "catch", "branches")
_VALUES = frozenset(
    {"parameters", "arguments", "result_selector", "output", "assign", "credentials", "item_selector", "items"}
    | {"condition", "input_path", "output_path", "result_path", "items_path"}
)
_NODES = (tree.Literal, tree.Object, tree.Array, Path, Call, Expression)


def weight_of(state: model.State) -> int:
    """Return the parts of a state, above `HEAVIEST` where it is too large to be written as text.

    Its inner machines are states of their own, and a literal Result is bound by name.
    """
    if any(len(getattr(state, name, ())) > MOST_RULES for name in _MANY):
        return HEAVIEST + 1
    parts: list[Any] = [state, *getattr(state, "choices", ()), *getattr(state, "catch", ())]
    weight = sum(8 + len(retrier.error_equals) for retrier in getattr(state, "retry", ()))
    for part in parts:
        names = part.__struct_fields__
        weight += len(names) + len(getattr(part, "error_equals", ()))
        values = (getattr(part, name) for name in names if name in _VALUES)
        weight += sum(map(tree.weight, (value for value in values if isinstance(value, _NODES))))
        if isinstance(part, model.ChoiceRule) and not isinstance(part.test, msgspec.UnsetType):
            weight += choices.weight(part.test)
        if weight > HEAVIEST:
            return HEAVIEST + 1
    return weight
