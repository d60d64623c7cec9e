"""The intrinsic functions of JSONPath states: one row each, which is all that lint, interpreter and optimizer need.

To add a function, write it here (or in `text_functions`) and add its row to `FUNCTIONS`; nothing else names functions.
It gets its arguments evaluated and raises Refused when they are not what it takes; where it stands in a definition, and
so what the failure is called, it does not know. A row says what `Function` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from express.budget import UNITS
from express.expr.intrinsics import emit
from express.expr.intrinsics.arguments import Refused, as_int32, as_integer, as_list, in_int32
from express.expr.intrinsics.syntax import Argument
from express.expr.intrinsics.text_functions import (
    base64_decode,
    base64_encode,
    format_,
    hash_,
    json_to_string,
    prepare_format,
    string_split,
    string_to_json,
)
from express.expr.java_random import next_double
from express.expr.python.emitter import Emitter
from express.expr.scope import Scope
from express.expr.size_growth import Growth, scaled, total
from express.expr.weight import LARGE_TEXT, weight
from express.values import JSON, equal

Emit: TypeAlias = Callable[[tuple[Argument, ...], list[str], Emitter], str | None]
"""(arguments, their texts, emitter) → the text of a call; None: the function is called after all."""

MAX_RANGE = 1_000
_HALF = 2**30 - 1
_PLAIN = {str, int, float, type(None)}
_SCALARS = {*_PLAIN, bool}


class Function(msgspec.Struct, frozen=True):
    """One intrinsic function.

    `least` and `most` (None: any number) are how many arguments it takes, `call` computes it. `growth`: how much larger
    than its arguments the result can be. `units`: what a call with the same arguments costs, None where that is always
    about the same, and little.

    The rest may be left away. `pure`: it gives the same for the same arguments; one that does not gets the scope as its
    first argument. `text`: its result is a text, so ErrorPath and CausePath may call it. `emit`: Python text of a call
    that is put together in place, for the optimizer; without it the function is called. `prepare`: of a literal first
    argument, which it gets with its escapes, and the number of the others, the function of the others; None where that
    can't be.
    """

    name: str
    least: int
    most: int | None
    call: Callable[..., JSON]
    growth: Callable[[list[Growth]], Growth]
    units: Callable[..., int] | None = None
    pure: bool = True
    text: bool = False
    emit: Emit | None = None
    prepare: Callable[[JSON, int], Callable[..., JSON] | None] | None = None


def array(*values: JSON) -> list[JSON]:
    """States.Array: its arguments, as an array.

    >>> array(1, "a", None)
    [1, 'a', None]
    """
    return list(values)


def array_partition(values: JSON, size: JSON) -> list[JSON]:
    """States.ArrayPartition: chunks of `size` elements; the last may be shorter.

    >>> array_partition([1, 2, 3, 4, 5], 2)
    [[1, 2], [3, 4], [5]]
    """
    items, step = as_list(values), as_integer(size)
    if step <= 0:
        raise Refused("the size of a chunk must be positive")
    return [items[i : i + step] for i in range(0, len(items), step)]


def array_contains(values: JSON, wanted: JSON) -> bool:
    """States.ArrayContains: whether an element equals `wanted`, deeply.

    >>> array_contains([1, {"a": []}], {"a": []}), array_contains([1], True)
    (True, False)
    """
    items = as_list(values)
    return wanted in items and any(equal(item, wanted) for item in items)  # Python's `in` finds at least as much


def array_range(start: JSON, end: JSON, step: JSON) -> list[int]:
    """States.ArrayRange: the integers from `start` to `end`, which is included when a step hits it.

    >>> array_range(0, 10, 3), array_range(3, 1, -1), array_range(1, 3, -1)
    ([0, 3, 6, 9], [3, 2, 1], [])
    """
    first, last, by = as_integer(start), as_integer(end), as_integer(step)
    if by == 0:
        raise Refused("the step can't be 0")
    numbers = range(first, last + (1 if by > 0 else -1), by)
    if numbers and (numbers[-1] - first) // by >= MAX_RANGE:
        raise Refused(f"more than {MAX_RANGE} elements")
    return list(numbers)


def array_get_item(values: JSON, index: JSON) -> JSON:
    """States.ArrayGetItem: the element at `index`, counted from 0.

    >>> array_get_item(["a", "b"], 1)
    'b'
    """
    items, at = as_list(values), as_integer(index)
    if not 0 <= at < len(items):
        raise Refused(f"index {at} is out of range")
    return items[at]


def array_length(values: JSON) -> int:
    """States.ArrayLength: the number of elements.

    >>> array_length([1, 2])
    2
    """
    return len(as_list(values))


def array_unique(values: JSON) -> list[JSON]:
    """States.ArrayUnique: each different element once, first occurrences kept.

    >>> array_unique([1, 1.0, True, "1", 1])
    [1, True, '1']
    """
    items = as_list(values)
    if set(map(type, items)) <= _PLAIN:
        return list(dict.fromkeys(items))
    if set(map(type, items)) <= _SCALARS:
        first: dict[Any, JSON] = {}
        for value in items:
            first.setdefault((type(value) is bool, value), value)
        return list(first.values())
    seen: set[Any] = set()
    unique: list[JSON] = []
    for value in items:
        mark = _mark(value)
        if mark not in seen:
            seen.add(mark)
            unique.append(value)
    return unique


def _mark(value: JSON) -> Any:
    """Something hashable that equal JSON values share, and only they."""
    kind = type(value)
    if kind is int or kind is float:
        return (0, value)
    if kind is list:
        return (1, *map(_mark, value))
    if kind is dict:
        return (2, frozenset((key, _mark(item)) for key, item in value.items()))
    return (3, kind, value)


def json_merge(first: JSON, second: JSON, deep: JSON) -> dict[str, JSON]:
    """States.JsonMerge: one object of two, shallow; the second wins. A deep merge (`true`) is not supported.

    >>> json_merge({"a": {"x": 1}, "b": 2}, {"a": {"y": 3}}, False)
    {'a': {'y': 3}, 'b': 2}
    """
    if type(first) is not dict or type(second) is not dict:
        raise Refused("both values must be objects")
    if deep is True:
        raise Refused("only shallow merging is supported: the third argument must be false")
    return {**first, **second}


def math_random(scope: Scope, start: JSON, end: JSON, seed: JSON = ...) -> int:
    """States.MathRandom: an integer from `start` to below `end`; the same one for the same seed.

    >>> from express.expr.scope import Constants
    >>> math_random(Constants(random=lambda: 0.5), 1, 5)
    3
    """
    first, last = as_int32(start), as_int32(end)
    if first >= last:
        raise Refused("the start must be below the end")
    chance = scope.random() if seed is ... else next_double(as_integer(seed))
    return first + math.floor(chance * (last - first))


def math_add(first: JSON, second: JSON) -> int:
    """States.MathAdd: the sum of two numbers, each rounded as Java rounds: half up.

    >>> math_add(1.5, 1.51), math_add(-1.5, -1.51), math_add(-0.5, 0.5)
    (4, -3, 1)
    """
    if type(first) is int and type(second) is int and -_HALF <= first <= _HALF and -_HALF <= second <= _HALF:
        return first + second
    return in_int32(as_int32(first) + as_int32(second))


def uuid(scope: Scope) -> str:
    """States.UUID: a version-4 UUID.

    >>> from express.expr.scope import Constants
    >>> uuid(Constants(uuid=lambda: "the id"))
    'the id'
    """
    return scope.uuid()


def _fixed(plus: int) -> Callable[[list[Growth]], Growth]:
    return lambda parts: (0, plus)


def _first(times: int, plus: int) -> Callable[[list[Growth]], Growth]:
    return lambda parts: scaled(parts[0], times, plus)


def _sum(times: int, plus: int) -> Callable[[list[Growth]], Growth]:
    return lambda parts: scaled(total(parts, len(parts)), times, plus)


def _values(per: int) -> Callable[..., int]:
    """`per` units for each value and for 16 characters of the first argument."""
    return lambda value, *_: per * weight(value, UNITS // per + 1)


def _partitioning(values: JSON, size: JSON) -> int:
    chunks = len(values) / size if type(values) is list and type(size) is int and size > 0 else 0
    return int(chunks * 6) + (len(values) >> 3 if type(values) is list else 0)


def _containing(values: JSON, wanted: JSON) -> int:
    return _elements(values, 2) if type(values) is list else 0


def _unique(values: JSON) -> int:
    return _elements(values, 12) if type(values) is list else 0


def _elements(values: list[JSON], per: int) -> int:
    """`per` units for each value within others, next to nothing for a number or a text."""
    types = set(map(type, values))
    if types <= _SCALARS:
        return len(values) if types <= _PLAIN else 3 * len(values)
    return per * weight(values, UNITS // per + 1)


def _merging(first: JSON, second: JSON, deep: JSON) -> int:
    return len(first) + len(second) if type(first) is dict and type(second) is dict else 0


def _hashing(data: JSON, algorithm: JSON) -> int:
    return 0 if type(data) is str else weight(data, UNITS + 1)


def _ranging(start: JSON, end: JSON, step: JSON) -> int:
    numbers = all(type(number) is int for number in (start, end, step))
    return min(abs((end - start) // step), MAX_RANGE) // 12 if numbers and step else 0


def _encoding(data: JSON) -> int:
    return len(data) >> 6 if type(data) is str else 0


def _parsing(data: JSON) -> int:
    if type(data) is not str or len(data) <= LARGE_TEXT >> 4:
        return 0
    return len(data) // 4 + sum(map(data.count, ",[{")) * 2


def _formatting(template: JSON, *values: JSON) -> int:
    """A text is copied, an array or object is written in Python; so is a template with escapes read."""
    units = 0
    for value in values:
        kind = type(value)
        if kind is str:
            units += len(value) >> 6
        elif kind is dict or kind is list:
            units += 5 * weight(value, UNITS // 5 + 1)
    if type(template) is str and len(template) > LARGE_TEXT >> 4:
        units += len(template) * 3 // 2 if "\\" in template else len(template) >> 3
    return units


def _splitting(data: JSON, separators: JSON) -> int:
    if type(data) is not str or type(separators) is not str:
        return 0
    return len(data) // (2 if len(separators) < 2 else 1) + len(separators)


FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("States.Array", 0, None, array, _sum(1, 2), emit=emit.array),
        Function("States.ArrayPartition", 2, 2, array_partition, _first(3, 2), _partitioning),
        Function("States.ArrayContains", 2, 2, array_contains, _fixed(5), _containing),
        Function("States.ArrayRange", 3, 3, array_range, _fixed(MAX_RANGE * 24), _ranging),
        Function("States.ArrayGetItem", 2, 2, array_get_item, _first(1, 0), text=True),
        Function("States.ArrayLength", 1, 1, array_length, _fixed(20)),
        Function("States.ArrayUnique", 1, 1, array_unique, _first(1, 0), _unique),
        Function("States.Base64Encode", 1, 1, base64_encode, _first(2, 6), _encoding, text=True),
        Function("States.Base64Decode", 1, 1, base64_decode, _first(5, 4), _encoding, text=True),
        Function("States.Hash", 2, 2, hash_, _fixed(130), _hashing, text=True),
        Function("States.JsonMerge", 3, 3, json_merge, lambda parts: total(parts[:2], 0), _merging, emit=emit.merge),
        Function("States.StringToJson", 1, 1, string_to_json, _first(5, 4), _parsing),
        Function("States.JsonToString", 1, 1, json_to_string, _first(2, 2), _values(1), text=True),
        Function(
            "States.Format",
            1,
            None,
            format_,
            _sum(2, 2),
            _formatting,
            text=True,
            emit=emit.format_,
            prepare=prepare_format,
        ),
        Function("States.MathRandom", 2, 3, math_random, _fixed(12), pure=False),
        Function("States.MathAdd", 2, 2, math_add, _fixed(12), emit=emit.add(math_add)),
        Function("States.StringSplit", 2, 2, string_split, _first(3, 2), _splitting),
        Function("States.UUID", 0, 0, uuid, _fixed(38), pure=False, text=True),
    )
}
"""Every intrinsic function by name."""

TEXT_FUNCTIONS = frozenset(name for name, function in FUNCTIONS.items() if function.text)
"""The functions that ErrorPath and CausePath may call."""
