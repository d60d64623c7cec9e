"""The functions Step Functions adds to JSONata, with AWS's results and errors.

They are given plain JSON values; None is also what an absent argument looks like.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import orjson

from express.expr.java_random import next_double
from express.expr.jsonata.errors import OUT_OF_MEMORY, JsonataError
from express.expr.jsonata.numbers import normal
from express.expr.jsonata.sequences import UNDEFINED
from express.expr.jsonata.sizes import MAX_ITEMS, MAX_STRING
from express.expr.scope import Scope
from express.expr.weight import weight
from express.values import JSON, is_number

_LONG_NUMBER = re.compile(r"[0-9]{16}|[0-9][eE]", re.ASCII)
"""A number that may be too large for a double, or whole and long."""

ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


def parse_json(*arguments: JSON) -> JSON:
    """`$parse(text)`: the value of a JSON text; D3137 for what is none, a repeated key included.

    >>> parse_json('{"a": 1.0}')
    {'a': 1}
    """
    _at_most(arguments, 1, "parse")
    if not arguments or arguments[0] is None:
        return UNDEFINED
    if type(arguments[0]) is not str:
        raise _mismatch("parse", 1)
    return _parsed(arguments[0], _number)


def parse_large(*arguments: JSON) -> JSON:
    """`$parse(text)` for the complete evaluator, to which all numbers are doubles anyway."""
    if len(arguments) == 1 and type(arguments[0]) is str and not _LONG_NUMBER.search(arguments[0]):
        return _parsed(arguments[0], None)
    return parse_json(*arguments)


def _parsed(text: str, number: Callable[[str], JSON] | None) -> JSON:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=number, parse_int=number)
    except (ValueError, RecursionError):
        raise JsonataError("D3137", "Invalid JSON") from None


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key is there twice")
    return members


def _refuse(word: str) -> JSON:
    raise ValueError(word)


def _number(digits: str) -> int | float:
    """Whole numbers stay exact as far as 64 bits go, the rest are doubles."""
    if digits.lstrip("-").isdigit() and len(digits) < 20 and -(2**63) <= int(digits) < 2**63:
        return int(digits)
    number = float(digits)
    if not isfinite(number):
        raise ValueError(digits)
    return normal(number)


def partition(*arguments: JSON) -> JSON:
    """`$partition(array, size)`: chunks of `size`, the last may be shorter.

    >>> partition([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    _at_most(arguments, 2, "partition")
    array, size = _padded(arguments, 2)
    if array is None:
        return UNDEFINED
    if type(array) is not list:
        raise JsonataError("T0412", 'Argument 1 of function "partition" must be an array of undefined')
    if not array or size is None:
        return [array] if array else UNDEFINED
    step = _whole(size, "partition", 2)
    if step < 0:
        raise JsonataError("D3137", "Second argument must be zero or greater")
    return [array[i : i + step] for i in range(0, len(array), step)] if step else UNDEFINED


def number_range(*arguments: JSON) -> JSON:
    """`$range(start, end, step)`: numbers up to `end`, which is in when the step lands on it; one is no array.

    >>> number_range(0, 6, 2), number_range(1, 9, 9)
    ([0, 2, 4, 6], 1)
    """
    _at_most(arguments, 3, "range")
    start, end, step = _padded(arguments, 3)
    first, last = _whole(start, "range", 1), _whole(end, "range", 2)
    if step is None:
        return UNDEFINED
    width = _whole(step, "range", 3)
    if width == 0:
        return UNDEFINED
    numbers = range(first, last + (1 if width > 0 else -1), width)
    if len(numbers) > MAX_ITEMS:
        raise JsonataError(None, OUT_OF_MEMORY)
    if len(numbers) == 1:
        return first
    return list(numbers) or UNDEFINED


def hash_text(*arguments: JSON) -> JSON:
    """`$hash(text, algorithm)`: the hexadecimal digest of the text's UTF-8 bytes.

    >>> hash_text("input", "SHA-1")
    '140f86aae51ab9e1cda9b4254fe98a74eb54c1a1'
    """
    _at_most(arguments, 2, "hash")
    text, algorithm = _padded(arguments, 2)
    if type(text) is not str:
        raise _mismatch("hash", 1)
    if algorithm is None:
        return UNDEFINED
    if type(algorithm) is not str:
        raise _mismatch("hash", 2)
    if algorithm not in ALGORITHMS:
        raise JsonataError(
            "D3137", f"Hash algorithm '{algorithm}' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5"
        )
    digest = hashlib.new(ALGORITHMS[algorithm], usedforsecurity=False)
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def random_of(scope: Scope) -> Callable[..., JSON]:
    """`$random([seed])` with the execution's own randomness behind it."""

    def random(*arguments: JSON) -> JSON:
        _at_most(arguments, 1, "random")
        if not arguments or arguments[0] is None:
            return scope.random()
        return next_double(_whole(arguments[0], "random", 1))

    return random


def uuid_of(scope: Scope) -> Callable[..., JSON]:
    """`$uuid()` with the execution's own ids behind it."""

    def uuid(*arguments: JSON) -> JSON:
        _at_most(arguments, 0, "uuid")
        return scope.uuid()

    return uuid


def distinct(*arguments: JSON) -> JSON:
    """`$distinct(array)`, in a time that grows with the array and not with its square."""
    array = arguments[0] if arguments else None
    if type(array) is not list or len(array) <= 1:
        return array
    if set(map(type, array)) <= _HASHABLE:
        return list(dict.fromkeys(array))
    seen: set[bytes | str] = set()
    result = []
    for item in array:
        key = _key(item)
        if key not in seen:
            seen.add(key)
            result.append(item)
    return result


def distinct_or_none(array: JSON) -> JSON:
    """The same, or None where that is the array itself, which need not be handed back then."""
    found = distinct(array)
    return None if type(found) is not list or len(found) == len(array) else found


_HASHABLE = {str, int, float, type(None)}


def _key(value: JSON) -> bytes | str:
    """Something that is the same for equal values only; the order of keys does not count."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # it nests deeper, or has half of a surrogate pair
        return json.dumps(value, sort_keys=True)


def keys(*arguments: JSON) -> JSON:
    """`$keys` of an array: the keys of all objects in it, each once."""
    found: dict[str, None] = {}
    todo = list(arguments[:1])
    while todo:
        value = todo.pop()
        if type(value) is dict:
            found.update(dict.fromkeys(value))
        elif type(value) is list:
            todo.extend(reversed(value))
    names = list(found)
    return names if len(names) > 1 else names[0] if names else None


def pad(text: JSON, width: JSON = None, fill: JSON = None) -> JSON:
    """`$pad(text, width, fill)`: filled up to `width` characters behind, or in front where that is negative.

    >>> pad("a", 3), pad("a", -4, "xy"), pad("abc", 2)
    ('a  ', 'xyxa', 'abc')
    """
    if type(text) is not str:
        return None
    missing = abs(int(width or 0)) - len(text)
    if missing <= 0:
        return text
    if missing > MAX_STRING:
        raise JsonataError(None, OUT_OF_MEMORY)
    filling = ((fill or " ") * (missing // len(fill or " ") + 1))[:missing]
    return text + filling if width > 0 else filling + text


def zipped(*arrays: JSON) -> JSON:
    """`$zip`: the first items of the arrays, the second ones, up to the end of the shortest.

    >>> zipped([1, 2], [3])
    [[1, 3]]
    """
    return [list(items) for items in zip(*(array or [] for array in arrays), strict=False)]


@dataclass(frozen=True, slots=True)
class Hosted:
    """A function of ours for the complete evaluator. `units`: what a call with the same arguments costs."""

    function: Callable[..., Any]
    units: Callable[..., int]
    signature: str | None = None


def values(*arguments: JSON) -> int:
    """To be given values and to give about as many back."""
    return 4 * weight(list(arguments), _ANY)


HOLDING = Hosted(lambda *_: UNDEFINED, lambda value: 16 * weight(value, _ANY))
"""To put a value into another: it will be looked at, compared or shown as a part of that."""


def characters(per: float) -> Callable[..., int]:
    """Return what goes through texts costs, a unit for so many characters."""
    return lambda *arguments: int(sum(len(a) for a in arguments if type(a) is str) / per)


def parsing(*arguments: JSON) -> int:
    """`$parse`: the text, and each value that is made of it."""
    text = arguments[0] if arguments else None
    return len(text) // 4 + 3 * text.count(",") if type(text) is str else 0


def numbers(*arguments: JSON) -> int:
    """`$range`: each number that it makes."""
    if not all(map(is_number, arguments)) or len(arguments) != 3 or int(arguments[2]) == 0:
        return 0
    return int(min(abs((arguments[1] - arguments[0]) / int(arguments[2])), MAX_ITEMS) * 2)


def padding(text: JSON, width: JSON = None, fill: JSON = None) -> int:
    """`$pad`: each character that it makes."""
    return int(min(abs(width or 0), MAX_STRING) / 64)


def replacing(text: JSON, pattern: JSON, replacement: JSON, limit: JSON = None) -> int:
    """Return what `$replace` of plain text costs: looking through it, and writing the outcome."""
    if type(text) is not str or type(pattern) is not str or not pattern:
        return 0
    new = len(replacement) if type(replacement) is str else 0
    return int((len(text) + min(text.count(pattern) * new, MAX_STRING)) / 100)


_ANY = 1 << 20


def _at_most(arguments: tuple[JSON, ...], count: int, function: str) -> None:
    if len(arguments) > count:
        raise _mismatch(function, count + 1)


def _padded(arguments: tuple[JSON, ...], count: int) -> list[JSON]:
    return [*arguments, *[None] * (count - len(arguments))]


def _mismatch(function: str, number: int) -> JsonataError:
    return JsonataError("T0410", f'Argument {number} of function "{function}" does not match function signature')


def _whole(value: JSON, function: str, number: int) -> int:
    """A number cut to a whole one, towards zero."""
    if not is_number(value):
        raise _mismatch(function, number)
    return int(value)
