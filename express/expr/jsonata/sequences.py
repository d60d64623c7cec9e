"""Paths of names over any data, with JSONata's rules for arrays: mapped over, flattened, an array of one unwrapped.

Where an object is met at every step a path is a chain of subscripts and none of this is needed; generated
code comes here when a subscript fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from express.budget import pay
from express.expr.jsonata.errors import Miss
from express.expr.weight import LARGE_ITEMS
from express.values import JSON

UNDEFINED: Final[JSON] = type("Undefined", (), {"__repr__": lambda _: "UNDEFINED"})()
"""The value of an expression that gives nothing, which is not null."""


class Sequence(list[JSON]):
    """A list made by the evaluation, which an array of the data is not: one of a single item is that item."""


def follow(value: JSON, names: tuple[str, ...], spend: Callable[[int], None] | None = None) -> JSON:
    """Return what `names` lead to from `value`, or UNDEFINED. `spend` gets two units for each item looked at.

    >>> follow({"a": [{"b": 1}, {"b": [2, 3]}]}, ("a", "b")), follow({"a": [{"b": 1}]}, ("a", "b"))
    ([1, 2, 3], 1)
    """
    items = value if type(value) is list else [value]
    last = len(names) - 1
    for at, name in enumerate(names):
        if spend is not None and len(items) > 1:
            spend(2 * len(items))
        found = [member for item in items if (member := _member(item, name)) is not UNDEFINED]
        if at == last and len(found) == 1 and type(found[0]) is list:
            return found[0]
        items = _flat(found)
        if not items:
            return UNDEFINED
    return unwrapped(items)


def unwrapped(items: list[JSON]) -> JSON:
    """A sequence as a value: nothing, its only item, or a list."""
    if len(items) > 1:
        return items
    return items[0] if items else UNDEFINED


def _member(item: JSON, name: str) -> JSON:
    """The member of an object, or those of the objects in an array."""
    if type(item) is dict:
        return item.get(name, UNDEFINED)
    if type(item) is not list:
        return UNDEFINED
    found: Sequence = Sequence()
    for part in item:
        member = _member(part, name)
        if member is UNDEFINED:
            continue
        if type(member) is list or type(member) is Sequence:
            found.extend(member)
        else:
            found.append(member)
    return found if len(found) > 1 else unwrapped(found)


def _flat(found: list[JSON]) -> list[JSON]:
    items: list[JSON] = []
    for value in found:
        if type(value) is list or type(value) is Sequence:
            items.extend(value)
        else:
            items.append(value)
    return items


def present(value: JSON, names: tuple[str, ...]) -> bool:
    """Return whether `names` lead to something; raises Miss where arrays are on the way."""
    for name in names:
        if type(value) is not dict:
            if type(value) is list:
                raise Miss
            return False
        if name not in value:
            return False
        value = value[name]
    return True


def reach(value: JSON, names: tuple[str, ...]) -> JSON:
    """Return what `names` lead to from `value`; raises Miss where that is nothing, or many are on the way."""
    top = value
    for name in names:
        if type(top) is not dict:
            break
        top = top.get(name)
    if type(top) is list and len(top) > LARGE_ITEMS:
        raise Miss
    found = follow(value, names, pay)
    if found is UNDEFINED:
        raise Miss
    return found
