"""Numbers and their text as JavaScript has them, which is what JSONata on AWS shows.

A JSON number is a double there: integers are exact up to 2^53, whole numbers have no fraction in
their text, and exponents start at 1e21 and 1e-7.
"""

from __future__ import annotations

import json
import re
from math import isfinite

from express.values import JSON

MAX_SAFE = 2**53 - 1
"""Integers up to here (and down to its negative) are the same in Python and in doubles."""


EXACT = 2**52
"""Integers up to here are also exact after a small number was added to them."""


_INT64 = 2.0**63
_SURROGATES = re.compile("[\ud800-\udfff]")


def normal(value: float) -> int | float:
    """`value` as an int where it is a whole number that fits into 64 bits, as JSON text can carry it.

    >>> normal(2.0), normal(0.5), normal(1e20)
    (2, 0.5, 1e+20)
    """
    return int(value) if value.is_integer() and -_INT64 <= value < _INT64 else value


def number_text(value: int | float) -> str:
    """`value` as `String(value)` of JavaScript writes it.

    >>> number_text(1e21), number_text(1.5e-7), number_text(0.00001), number_text(123456789012345680000.0)
    ('1e+21', '1.5e-7', '0.00001', '123456789012345680000')
    """
    if not isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if type(value) is int and -MAX_SAFE <= value <= MAX_SAFE:
        return str(value)
    number = float(value)
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    return sign + _place(digits.rstrip("0"), point)


def _place(digits: str, point: int) -> str:
    """`0.digits * 10**point` in JavaScript's notation (ECMAScript, Number::toString)."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    power = point - 1
    head = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{head}e{'+' if power > 0 else '-'}{abs(power)}"


def rounded(value: int | float) -> int | float:
    """`value` as `$string` shows it: 15 significant digits unless it is whole.

    >>> rounded(0.1 + 0.2), rounded(1 / 3), rounded(9007199254740991)
    (0.3, 0.333333333333333, 9007199254740991)
    """
    return value if value == value // 1 else normal(float(f"{value:.15g}"))


def quote(value: object) -> str:
    """`value` as JSON text the way it is put into messages; what JSON can't hold stays as it is."""
    kind = type(value)
    if kind is int or kind is float:
        return number_text(value)  # type: ignore[arg-type]
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda _: {})
    return escaped(text)


def escaped(text: str) -> str:
    r"""`text` with its surrogates, which UTF-8 can't carry, as escape sequences.

    >>> escaped("a\ud800")
    'a\\ud800'
    """
    if text.isascii():
        return text
    return _SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def compact(value: JSON) -> str:
    """`value` as `JSON.stringify` writes it."""
    kind = type(value)
    if kind is dict:
        return "{" + ",".join(f"{quote(k)}:{compact(v)}" for k, v in value.items()) + "}"
    if kind is list:
        return "[" + ",".join(map(compact, value)) + "]"
    return quote(value)
