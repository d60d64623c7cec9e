"""`$replace`, in place of the library's: that one finds out how long the outcome is after it has made it.

Calls with a regular expression literal stay the library's, which counts their matches against its time limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, log10
from typing import Any

from express.expr.jsonata.errors import OUT_OF_MEMORY, JsonataError
from express.expr.jsonata.sizes import MAX_STRING
from express.values import JSON


def replace(text: JSON, pattern: Any, replacement: Any, limit: JSON = None) -> JSON:
    """`$replace`; the types of the arguments have been checked, functions are callables.

    >>> replace("a-b-c", "-", "+", 1)
    'a+b-c'
    """
    if text is None:
        return None
    if pattern == "":
        raise JsonataError("D3010", "Second argument of replace function cannot be an empty string")
    if limit is not None and limit < 0:
        raise JsonataError("D3011", "Fourth argument of replace function must evaluate to a positive number")
    most = -1 if limit is None else ceil(limit)
    if type(pattern) is str:
        return _plainly(text, pattern, replacement if type(replacement) is str else "", most)
    return _by_matches(text, pattern, replacement, most)


def _plainly(text: str, pattern: str, replacement: str, most: int) -> str:
    count = text.count(pattern) if most < 0 else min(text.count(pattern), most)
    if len(text) + count * (len(replacement) - len(pattern)) > MAX_STRING:
        raise JsonataError(None, OUT_OF_MEMORY)
    return text.replace(pattern, replacement, most)


def _by_matches(text: str, matcher: Callable[..., JSON], replacement: Any, most: int) -> str:
    """With a regular expression that comes as a value; places are counted in UTF-16."""
    units = text.encode("utf-16-le", "surrogatepass")
    parts: list[bytes] = []
    at = size = 0
    for match in _matches(text, matcher, most):
        new = _substitute(match, replacement).encode("utf-16-le", "surrogatepass")
        parts += [units[at : match["start"] * 2], new]
        size += len(new)
        if size > 2 * MAX_STRING:
            raise JsonataError(None, OUT_OF_MEMORY)
        at = match["end"] * 2
    return b"".join([*parts, units[at:]]).decode("utf-16-le", "surrogatepass")


def _matches(text: str, matcher: Callable[..., JSON], most: int) -> Iterator[dict[str, JSON]]:
    """At most so many matches; one more is always looked for, and only the first may be empty."""
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    match = _checked(matcher(text, 0)) if most else None
    while match is not None and most != 0:
        yield match
        most -= 1
        at = match["end"]
        match = _checked(matcher(text, at)) if at < length else None
        if match is not None and match["match"] == "":
            raise JsonataError("D1004", "Regular expression matches zero length string")


def _checked(match: JSON) -> JSON:
    if match is None or (type(match) is dict and {"match", "start", "end", "groups"} <= match.keys()):
        return match
    what = "The matcher function argument passed to function"
    raise JsonataError("T1010", f'{what} "replace" does not return the correct object structure')


def _substitute(match: dict[str, JSON], replacement: Any) -> str:
    if type(replacement) is str:
        return _filled(replacement, match["match"], match["groups"])
    new = replacement(match)
    if type(new) is not str:
        raise JsonataError("D3012", "Attempted to replace a matched string with a non-string value")
    return new


def _filled(template: str, whole: str, groups: list[str | None]) -> str:
    """`template` with `$0`, `$1` … and `$$` filled in.

    >>> _filled("<$1|$0|$$|$x|$9>", "ab", ["b"])
    '<b|ab|$|$x|>'
    """
    first, *rest = template.split("$")
    parts = [first]
    pieces = iter(rest)
    for piece in pieces:
        if piece == "":  # a second dollar, or the end of the text
            parts += ["$", next(pieces, "")]
        elif piece[0] == "0":
            parts += [whole, piece[1:]]
        else:
            digits = _digits(piece, len(groups))
            parts += [_group(groups, int(digits)) if digits else "$", piece[len(digits) :]]
    return "".join(parts)


def _digits(piece: str, count: int) -> str:
    """The number of a group at the beginning of `piece`: as many digits as there may be, one less if too large."""
    most = int(log10(count)) + 1 if count else 1
    digits = ""
    while len(digits) < most and piece[len(digits) : len(digits) + 1].isdecimal():
        digits += piece[len(digits)]
    return digits[:-1] if len(digits) > 1 and int(digits) > count else digits


def _group(groups: list[str | None], number: int) -> str:
    return (groups[number - 1] or "") if 0 < number <= len(groups) else ""
