"""Whether a state looks at the Context object, or at the time, once it has waited.

Both tell when the state was entered. A segment that goes on after an answer does not know that any more, so such a
state is entered on the table, which does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from express.expr.jsonata.compile import inner, is_expression, parsed
from express.expr.jsonata.references import references
from express.values import JSON

_AFTER = ("result_selector", "output_path", "output", "assign")
"""The fields that are evaluated when the answer is there; those of a catcher, too."""

_TIME = frozenset({"now", "millis"})
"""What JSONata asks for the time: that at which the state was entered."""


def looks_back(state: Any, jsonata: bool) -> bool:
    """Return whether anything that is evaluated after a Task's answer, or at a Wait's end, depends on its entry."""
    places = [state, *getattr(state, "catch", ())]
    values = [getattr(place, name, UNSET) for place in places for name in _AFTER]
    looks = _jsonata if jsonata else _jsonpath
    return any(looks(text) for value in values if value is not UNSET for text in _texts(value))


def _texts(value: JSON) -> Iterator[str]:
    """Every text in a value, without recursion: a template may be nested as deeply as it likes."""
    todo = [value]
    while todo:
        part = todo.pop()
        if type(part) is str:
            yield part
        elif type(part) is dict:
            todo += part.values()
        elif type(part) is list:
            todo += part


def _jsonpath(text: str) -> bool:
    """Count every `$$`, even one in a literal: the table gives the same."""
    return "$$" in text


def _jsonata(text: str) -> bool:
    if not is_expression(text):
        return False
    found = references(parsed(inner(text)))
    return found.context or bool(found.free & _TIME)
