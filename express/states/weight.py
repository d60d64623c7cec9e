"""How much there is to a state: what is too much for the optimized tier is left to the table, before it is written."""

from __future__ import annotations

from typing import Any

import msgspec

from express.asl import model

HEAVIEST = 2_000
"""Parts of a state that is written as text; a hundred characters of an expression count as one."""

MOST_RULES = 100
"""Rules of a Choice, entries of Retry and Catch, branches: each is nested in what the one before it leaves."""

_MANY = ("choices", "retry", "catch", "branches")


def weight_of(state: model.State) -> int:
    """Return the parts of a state, above `HEAVIEST` where it is too large to be written as text.

    Its inner machines are states of their own, and a literal Result is bound by name.
    """
    if any(len(getattr(state, name, ())) > MOST_RULES for name in _MANY):
        return HEAVIEST + 1
    todo: list[Any] = [value for name, value in msgspec.structs.asdict(state).items() if name != "result"]
    weight = 0
    while todo:
        part = todo.pop()
        weight += 1
        if type(part) is str:
            weight += len(part) // 100
        elif type(part) is dict:
            weight += sum(map(len, part)) // 100
            todo += part.values()
        elif type(part) is list:
            todo += part
        elif isinstance(part, model.Retrier | model.Catcher):
            todo += msgspec.structs.asdict(part).values()
        if weight + len(todo) > HEAVIEST:
            return HEAVIEST + 1
    return weight
