"""How an expectation is compared with what happened: wildcards, `$json`, numbers, any order of events.

`difference(expected, actual)` names the first place where the two differ, or is None. In an expectation

* a text may hold wildcards `{{name}}`, each standing for any text; a value that is one wildcard and nothing
  else stands for any JSON value;
* `{"$json": X}` stands for a text that is JSON and, parsed, equals X;
* 1 and 1.0 are equal, True and 1 are not; objects ignore the order of their keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

JSON = Any

_WILDCARD = re.compile(r"\{\{\w+\}\}")
_EVENT_ID = re.compile(r"(entered at the event id #)\d+")


def difference(expected: JSON, actual: JSON, path: str = "$") -> str | None:
    """The first difference as one line, None where `actual` meets the expectation."""
    if isinstance(expected, str):
        return _text_difference(expected, actual, path)
    if isinstance(expected, dict):
        return _object_difference(expected, actual, path)
    if isinstance(expected, list):
        return _list_difference(expected, actual, path)
    return None if _scalars_equal(expected, actual) else _unlike(expected, actual, path)


def interleaving_difference(expected: Sequence[JSON], actual: Sequence[JSON]) -> str | None:
    """Compare two lists of events as multisets: every expected one finds its own partner.

    Wildcards make "equal" not transitive, so partners are found by augmenting paths, not by sorting.
    """
    if len(expected) != len(actual):
        return f"$: {len(actual)} events, expected {len(expected)}"
    fits = [[j for j, got in enumerate(actual) if difference(want, got) is None] for want in expected]
    partner: dict[int, int] = {}
    for i, want in enumerate(expected):
        if not _augment(i, fits, partner, set()):
            return f"$[{i}]: no event left for {_short(want)}"
    return None


def any_event_id(value: JSON) -> JSON:
    """`value` with the number in "entered at the event id #N" made a wildcard, at any depth."""
    if isinstance(value, str):
        return _EVENT_ID.sub(r"\1{{event_id}}", value)
    if isinstance(value, list):
        return [any_event_id(item) for item in value]
    if isinstance(value, dict):
        return {key: any_event_id(item) for key, item in value.items()}
    return value


@lru_cache(maxsize=4096)
def pattern(text: str) -> re.Pattern[str]:
    """The pattern that an expected text with wildcards stands for."""
    return re.compile(".*".join(map(re.escape, _WILDCARD.split(text))), re.DOTALL)


def _augment(i: int, fits: list[list[int]], partner: dict[int, int], seen: set[int]) -> bool:
    for j in fits[i]:
        if j in seen:
            continue
        seen.add(j)
        if j not in partner or _augment(partner[j], fits, partner, seen):
            partner[j] = i
            return True
    return False


def _text_difference(expected: str, actual: JSON, path: str) -> str | None:
    if _WILDCARD.fullmatch(expected):
        return None
    if isinstance(actual, str) and (expected == actual or pattern(expected).fullmatch(actual)):
        return None
    return _unlike(expected, actual, path)


def _object_difference(expected: dict[str, JSON], actual: JSON, path: str) -> str | None:
    if expected.keys() == {"$json"} and isinstance(actual, str):
        try:
            return difference(expected["$json"], json.loads(actual), f"{path}($json)")
        except ValueError:
            return _unlike(expected, actual, path)
    if not isinstance(actual, dict):
        return _unlike(expected, actual, path)
    for key, value in expected.items():
        if key not in actual:
            return f"{path}.{key}: absent, expected {_short(value)}"
        if (found := difference(value, actual[key], f"{path}.{key}")) is not None:
            return found
    for key in actual.keys() - expected.keys():
        return f"{path}.{key}: {_short(actual[key])}, expected to be absent"
    return None


def _list_difference(expected: list[JSON], actual: JSON, path: str) -> str | None:
    if not isinstance(actual, list):
        return _unlike(expected, actual, path)
    for i, (want, got) in enumerate(zip(expected, actual, strict=False)):
        if (found := difference(want, got, f"{path}[{i}]")) is not None:
            return found
    if len(expected) != len(actual):
        return f"{path}: {len(actual)} items, expected {len(expected)}"
    return None


def _scalars_equal(expected: JSON, actual: JSON) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None or actual is None:
        return expected is actual
    return isinstance(actual, int | float) and bool(expected == actual)


def _unlike(expected: JSON, actual: JSON, path: str) -> str:
    return f"{path}: {_short(actual)}, expected {_short(expected)}"


def _short(value: JSON) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 300 else f"{text[:297]}..."
