"""Functions of JSONata as generated code calls them: right for the usual arguments, Miss for the others.

Each gives exactly what the complete evaluator gives, or raises Miss so that it decides: also where its arguments are
large, for nobody counts here what it costs.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from express.budget import pay
from express.expr.jsonata import functions
from express.expr.jsonata.errors import JsonataError, Miss
from express.expr.jsonata.numbers import MAX_SAFE, normal
from express.expr.jsonata.numbers import quote as json_text
from express.expr.jsonata.sequences import UNDEFINED
from express.expr.jsonata.sizes import MAX_ITEMS
from express.expr.jsonata.support import looped, one
from express.expr.weight import LARGE_TEXT
from express.values import JSON, is_number, parse_timestamp

_UNPAID = 128
"""Characters of a text that no function takes long over."""

_BLANKS = re.compile(r"[ \t\n\r]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?\Z", re.ASCII)


# Strings


def short(text: str, per: int = 8) -> str:
    """A text that is not too long for a function that looks at each of its characters, `per` of them for a unit."""
    if len(text) > _UNPAID:
        if len(text) > LARGE_TEXT:
            raise Miss
        pay(len(text) // per)
    return text


def trim(text: str) -> str:
    """`$trim`: runs of blanks become one, those at the ends go."""
    return _BLANKS.sub(" ", short(text, 1)).strip(" ")


def upper(text: str) -> str:
    """`$uppercase` of ASCII."""
    if not short(text).isascii():  # JavaScript and Python differ in a few letters
        raise Miss
    return text.upper()


def lower(text: str) -> str:
    """`$lowercase` of ASCII."""
    if not short(text).isascii():
        raise Miss
    return text.lower()


def before(text: str, mark: str) -> str:
    """`$substringBefore`; the whole text where the mark is not in it."""
    return text.partition(mark)[0] if mark else ""


def after(text: str, mark: str) -> str:
    """`$substringAfter`; the whole text where the mark is not in it."""
    return text[text.index(mark) + len(mark) :] if mark in text else text


def substring(text: str, start: JSON, length: JSON = None) -> str:
    """`$substring`, counted in characters; a negative start counts from the end."""
    if type(start) is not int or (length is not None and type(length) is not int):
        raise Miss
    if len(text) + start < 0:
        start = 0
    if length is None:
        return text[start:]
    if length <= 0:
        return ""
    return text[start : (start if start >= 0 else len(text) + start) + length]


def encode_url(text: str) -> str:
    """`$encodeUrl`."""
    return _encoded(text, "encodeUrl", "-_.!~*'();/?:@&=+$,#")


def encode_url_component(text: str) -> str:
    """`$encodeUrlComponent`."""
    return _encoded(text, "encodeUrlComponent", "-_.!~*'()")


def _encoded(text: str, function: str, safe: str) -> str:
    """URL encoding but for the `safe` characters; D3140 where UTF-8 can't carry the text."""
    try:
        return quote(short(text, 1), safe=safe)
    except UnicodeEncodeError:
        raise JsonataError("D3140", f"Malformed URL passed to ${function}(): {json_text(text)}") from None


def has(text: str, token: str) -> bool:
    """`$contains` of a plain text."""
    return token in text


def split(text: str, separator: str) -> list[str]:
    """`$split` at a plain text."""
    if not separator:
        raise Miss
    return short(text).split(separator)


def join(items: JSON, separator: str = "") -> str:
    """`$join` of strings."""
    if type(items) is str:
        return items
    return separator.join(looped(items, cost=1))


def number(value: JSON) -> int | float:
    """`$number` of decimal text, booleans and numbers."""
    if type(value) is str and _NUMBER.match(short(value)):
        number = normal(float(value))
        if not -MAX_SAFE <= number <= MAX_SAFE:
            raise Miss
        return number
    if type(value) is bool:
        return int(value)
    if is_number(value) and -MAX_SAFE <= value <= MAX_SAFE:
        return normal(value)
    raise Miss


def type_name(value: JSON) -> str:
    """`$type`."""
    kind = type(value)
    if kind is bool:
        return "boolean"
    if value is None:
        return "null"
    return {str: "string", int: "number", float: "number", dict: "object", list: "array"}[kind]


# Arrays and objects


def numbers(value: JSON) -> Any:
    """The array if it holds nothing but numbers that are exact."""
    for item in looped(value, cost=2):
        if not is_number(item) or not -MAX_SAFE <= item <= MAX_SAFE:
            raise Miss
    return value


def total(value: JSON) -> int | float:
    """`$sum`."""
    result: int | float = 0
    for item in numbers(value):  # not sum(): newer Pythons add floats more exactly than JavaScript
        result += item
    return result


def largest(value: JSON) -> JSON:
    """`$max`."""
    return max(numbers(value))


def smallest(value: JSON) -> JSON:
    """`$min`."""
    return min(numbers(value))


def average(value: JSON) -> float:
    """`$average`."""
    return total(value) / len(value)


def count(value: JSON) -> int:
    """`$count` of an array."""
    if type(value) is not list:
        raise Miss
    return len(value)


def append(a: JSON, b: JSON) -> JSON:
    """`$append` of two values, arrays or not."""
    a = a if type(a) is list else [a]
    b = b if type(b) is list else [b]
    if len(a) + len(b) > MAX_ITEMS or len(a) + len(b) < 2:
        raise Miss
    pay((len(a) + len(b)) // 4)
    return a + b


def merge(value: JSON) -> dict[str, JSON]:
    """`$merge` of an array of objects."""
    if type(value) is dict:
        return value
    merged: dict[str, JSON] = {}
    for part in looped(value):
        if type(part) is not dict:
            raise Miss
        pay(len(part))
        merged.update(part)
    return merged


def keys(value: JSON) -> JSON:
    """`$keys` of an object."""
    if type(value) is not dict:
        raise Miss
    pay(len(value) // 4)
    return one(list(value))


def lookup(value: JSON, key: str) -> JSON:
    """`$lookup` in an object."""
    if type(value) is not dict:
        raise Miss
    return value[key]


def reversed_items(value: JSON) -> JSON:
    """`$reverse` of an array."""
    if type(value) is not list or len(value) < 2:
        raise Miss
    pay(len(value) // 4)
    return value[::-1]


def floor(value: int | float) -> int:
    """`$floor`."""
    if not -MAX_SAFE <= value <= MAX_SAFE:
        raise Miss
    return int(value // 1)


def ceil(value: int | float) -> int:
    """`$ceil`."""
    if not -MAX_SAFE <= value <= MAX_SAFE:
        raise Miss
    return -int(-value // 1)


def rounded_whole(value: int | float) -> int | float:
    """`$round` without digits: half to even."""
    if not -MAX_SAFE <= value <= MAX_SAFE:
        raise Miss
    return round(value)


def defined(value: JSON) -> JSON:
    """A value that must not be nothing."""
    if value is UNDEFINED:
        raise Miss
    return value


def millis(timestamp: str) -> int:
    """`$millis` at the time of a timestamp."""
    moment = parse_timestamp(timestamp)
    if moment is None:
        raise Miss
    return round(moment.timestamp() * 1000)


# What Step Functions adds


def hash_text(text: JSON, *algorithm: JSON) -> JSON:
    """`$hash`."""
    return functions.hash_text(short(text, 16) if type(text) is str else text, *algorithm)


def parse_json(text: JSON, *more: JSON) -> JSON:
    """`$parse`."""
    return functions.parse_json(short(text, 1) if type(text) is str else text, *more)


def partition(array: JSON, *size: JSON) -> JSON:
    """`$partition`."""
    if type(array) is list:
        looped(array)
    return functions.partition(array, *size)


def number_range(*arguments: JSON) -> JSON:
    """`$range`."""
    numbers = functions.number_range(*arguments)
    if type(numbers) is list:
        looped(numbers, cost=1)
    return numbers
