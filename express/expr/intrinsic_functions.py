"""The 18 intrinsic functions of JSONPath states (spec/asl.md §17), one entry of `FUNCTIONS` each.

A function gets its arguments evaluated and raises Refused when they are not what it takes; where it stands in a
definition, and so what the failure is called, it does not know.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from express.expr.growth import Growth, scaled, total
from express.expr.java_random import next_double
from express.expr.scope import Scope
from express.values import JSON, equal, is_number, text

MAX_RANGE = 1_000
MAX_CHARACTERS = 10_000
MAX_DEPTH = 200
_INT = 2**31
_PLAIN = {str, int, float, type(None)}
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(r"[\[\]{}]")
_URL_SAFE = str.maketrans("-_", "+/")
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


class Refused(Exception):
    """The arguments are not what the function takes. The text is for us; AWS says no more than "Invalid arguments"."""


class Function(msgspec.Struct, frozen=True):
    """One intrinsic function: how many arguments it takes (`most` None: any number), what computes it, how much
    larger than its arguments the result can be. An impure one gets the scope as its first argument."""

    name: str
    least: int
    most: int | None
    call: Callable[..., JSON]
    growth: Callable[[list[Growth]], Growth]
    pure: bool = True


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
    items, step = _list(values), _integer(size)
    if step <= 0:
        raise Refused("the size of a chunk must be positive")
    return [items[i : i + step] for i in range(0, len(items), step)]


def array_contains(values: JSON, wanted: JSON) -> bool:
    """States.ArrayContains: whether an element equals `wanted`, deeply.

    >>> array_contains([1, {"a": []}], {"a": []}), array_contains([1], True)
    (True, False)
    """
    items = _list(values)
    return wanted in items and any(equal(item, wanted) for item in items)  # Python's `in` finds at least as much


def array_range(start: JSON, end: JSON, step: JSON) -> list[int]:
    """States.ArrayRange: the integers from `start` to `end`, which is included when a step hits it.

    >>> array_range(0, 10, 3), array_range(3, 1, -1), array_range(1, 3, -1)
    ([0, 3, 6, 9], [3, 2, 1], [])
    """
    first, last, by = _integer(start), _integer(end), _integer(step)
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
    items, at = _list(values), _integer(index)
    if not 0 <= at < len(items):
        raise Refused(f"index {at} is out of range")
    return items[at]


def array_length(values: JSON) -> int:
    """States.ArrayLength: the number of elements.

    >>> array_length([1, 2])
    2
    """
    return len(_list(values))


def array_unique(values: JSON) -> list[JSON]:
    """States.ArrayUnique: each different element once, first occurrences kept.

    >>> array_unique([1, 1.0, True, "1", 1])
    [1, True, '1']
    """
    items = _list(values)
    if set(map(type, items)) <= _PLAIN:
        return list(dict.fromkeys(items))
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


def base64_encode(data: JSON) -> str:
    """States.Base64Encode: the UTF-8 bytes of a text of up to 10,000 characters in Base64.

    >>> base64_encode("Data to encode")
    'RGF0YSB0byBlbmNvZGU='
    """
    return base64.b64encode(_short(data).encode("utf-8", "surrogatepass")).decode()


def base64_decode(data: JSON) -> str:
    """States.Base64Decode: the text whose Base64 form `data` is, at most 10,000 characters of it.

    As lenient as AWS's decoder: strange characters are skipped, the first `=` ends it, padding may be absent.

    >>> base64_decode("RGF0YSB0byBlbmNvZGU="), base64_decode(" YWJj ZA")
    ('Data to encode', 'abcd')
    """
    letters = _short(data).partition("=")[0].translate(_URL_SAFE)
    letters = "".join(letter for letter in letters if letter in _BASE64)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return base64.b64decode(letters + "=" * (-len(letters) % 4)).decode("utf-8", "replace")


def hash_(data: JSON, algorithm: JSON) -> str:
    """States.Hash: the digest in lower-case hexadecimal of a text, or of another value's JSON text.

    >>> hash_("input data", "SHA-1")
    'aaff4a450a104cd177d28d18d74485e8cae074b7'
    """
    name = _ALGORITHMS.get(_string(algorithm))
    if name is None:
        raise Refused(f"the algorithm must be one of {', '.join(_ALGORITHMS)}")
    content = _short(data if type(data) is str else text(data))
    digest = hashlib.new(name, content.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    return digest.hexdigest()


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


def string_to_json(data: JSON) -> JSON:
    """States.StringToJson: the value that a JSON text spells; a blank text is null.

    >>> string_to_json('{"a": [1, -0]}'), string_to_json(" ")
    ({'a': [1, 0]}, None)
    """
    source = _string(data)
    if not source.strip():
        return None
    try:
        value = orjson.loads(source)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise Refused("this is no JSON") from error
    if source.count("[") + source.count("{") > MAX_DEPTH and _depth(source) > MAX_DEPTH:
        raise Refused(f"nested more than {MAX_DEPTH} deep")
    return value


def _depth(source: str) -> int:
    """How deep a valid JSON text nests, strings left out."""
    bare = _STRINGS.sub("", source)
    deepest = depth = 0
    for bracket in _BRACKETS.findall(bare):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def json_to_string(value: JSON) -> str:
    """States.JsonToString: the compact JSON text.

    >>> json_to_string([1, "a"])
    '[1,"a"]'
    """
    return text(value)


def format_(template: JSON, *values: JSON) -> str:
    r"""States.Format: the template with each `{}` replaced; `\{ \} \' \\` stand for themselves.

    >>> format_("{} is {}", "a", {"b": [1, None]})
    'a is {b=[1, null]}'
    """
    pieces = format_pieces(_string(template))
    if len(pieces) != len(values) + 1:
        raise Refused("the number of arguments is not the number of {}")
    out = [pieces[0]]
    for value, piece in zip(values, pieces[1:], strict=True):
        out += (value if type(value) is str else java_text(value), piece)
    return "".join(out)


def format_pieces(template: str) -> list[str]:
    r"""The texts between the `{}` of a template.

    >>> format_pieces(r"a{}b\{c\}{}")
    ['a', 'b{c}', '']

    Raises Refused for braces that don't pair.
    """
    if "\\" not in template:
        pieces = template.split("{}")
        if any("{" in piece or "}" in piece for piece in pieces):
            raise Refused("a brace has no partner")
        return pieces
    return _escaped_pieces(template)


def _escaped_pieces(template: str) -> list[str]:
    pieces = [""]
    chars = iter(template)
    for char in chars:
        if char == "\\":
            char = next(chars, "")
            if char not in ("'", "\\", "{", "}"):
                raise Refused("a backslash escapes nothing")
        elif char in "{}":
            if char == "}" or next(chars, "") != "}":
                raise Refused("a brace has no partner")
            pieces.append("")
            continue
        pieces[-1] += char
    return pieces


def java_text(value: JSON) -> str:
    """A value as States.Format writes it: maps and lists as Java prints them (recorded).

    >>> java_text({"a": 1, "b": [True, "x"]})
    '{a=1, b=[true, x]}'
    """
    if type(value) is str:
        return value
    if type(value) is dict:
        return "{" + ", ".join(f"{key}={java_text(item)}" for key, item in value.items()) + "}"
    if type(value) is list:
        return "[" + ", ".join(map(java_text, value)) + "]"
    return text(value)


def math_random(scope: Scope, start: JSON, end: JSON, seed: JSON = ...) -> int:
    """States.MathRandom: an integer from `start` to below `end`; the same one for the same seed.

    >>> from express.expr.scope import Constants
    >>> math_random(Constants(random=lambda: 0.5), 1, 5)
    3
    """
    first, last = _int32(start), _int32(end)
    if first >= last:
        raise Refused("the start must be below the end")
    chance = scope.random() if seed is ... else next_double(_integer(seed))
    return first + math.floor(chance * (last - first))


def math_add(first: JSON, second: JSON) -> int:
    """States.MathAdd: the sum of two numbers, each rounded as Java rounds: half up.

    >>> math_add(1.5, 1.51), math_add(-1.5, -1.51), math_add(-0.5, 0.5)
    (4, -3, 1)
    """
    return _in_int32(_int32(first) + _int32(second))


def string_split(data: JSON, separators: JSON) -> list[str]:
    """States.StringSplit: the pieces between any of the separator characters, empty ones dropped.

    >>> string_split("This.is+a,test=string", ".+,=")
    ['This', 'is', 'a', 'test', 'string']
    """
    source, marks = _string(data), _string(separators)
    if len(marks) > 1:
        source = source.translate(dict.fromkeys(map(ord, marks), marks[0]))
    pieces = source.split(marks[0]) if marks else [source]
    return [piece for piece in pieces if piece]


def uuid(scope: Scope) -> str:
    """States.UUID: a version-4 UUID.

    >>> from express.expr.scope import Constants
    >>> uuid(Constants(uuid=lambda: "the id"))
    'the id'
    """
    return scope.uuid()


# ---- arguments


def _list(value: JSON) -> list[JSON]:
    if type(value) is not list:
        raise Refused("an array is expected")
    return value


def _string(value: JSON) -> str:
    if type(value) is not str:
        raise Refused("a string is expected")
    return value


def _short(value: JSON) -> str:
    content = _string(value)
    if len(content) > MAX_CHARACTERS:
        raise Refused(f"more than {MAX_CHARACTERS} characters")
    return content


def _integer(value: JSON) -> int:
    """An integer; others are rounded half up, as Java's `Math.round` does."""
    if type(value) is int:
        return value
    if not is_number(value) or not math.isfinite(value):
        raise Refused("a number is expected")
    floor = math.floor(value)
    return int(floor + (value - floor >= 0.5))


def _int32(value: JSON) -> int:
    return _in_int32(_integer(value))


def _in_int32(value: int) -> int:
    if not -_INT <= value < _INT:
        raise Refused("a number is beyond 32 bits")
    return value


def _fixed(plus: int) -> Callable[[list[Growth]], Growth]:
    return lambda parts: (0, plus)


def _first(times: int, plus: int) -> Callable[[list[Growth]], Growth]:
    return lambda parts: scaled(parts[0], times, plus)


def _sum(times: int, plus: int) -> Callable[[list[Growth]], Growth]:
    return lambda parts: scaled(total(parts, len(parts)), times, plus)


FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("States.Array", 0, None, array, _sum(1, 2)),
        Function("States.ArrayPartition", 2, 2, array_partition, _first(3, 2)),
        Function("States.ArrayContains", 2, 2, array_contains, _fixed(5)),
        Function("States.ArrayRange", 3, 3, array_range, _fixed(MAX_RANGE * 24)),
        Function("States.ArrayGetItem", 2, 2, array_get_item, _first(1, 0)),
        Function("States.ArrayLength", 1, 1, array_length, _fixed(20)),
        Function("States.ArrayUnique", 1, 1, array_unique, _first(1, 0)),
        Function("States.Base64Encode", 1, 1, base64_encode, _first(2, 6)),
        Function("States.Base64Decode", 1, 1, base64_decode, _first(5, 4)),
        Function("States.Hash", 2, 2, hash_, _fixed(130)),
        Function("States.JsonMerge", 3, 3, json_merge, lambda parts: total(parts[:2], 0)),
        Function("States.StringToJson", 1, 1, string_to_json, _first(5, 4)),
        Function("States.JsonToString", 1, 1, json_to_string, _first(2, 2)),
        Function("States.Format", 1, None, format_, _sum(2, 2)),
        Function("States.MathRandom", 2, 3, math_random, _fixed(12), pure=False),
        Function("States.MathAdd", 2, 2, math_add, _fixed(12)),
        Function("States.StringSplit", 2, 2, string_split, _first(3, 2)),
        Function("States.UUID", 0, 0, uuid, _fixed(38), pure=False),
    )
}
"""Every intrinsic function by name."""
