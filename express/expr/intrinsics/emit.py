"""Python text of the intrinsic functions that are put together in place instead of being called.

Each gets the arguments of a call, their texts, and the emitter; None: the function is called after all.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from express.budget import pay
from express.expr.intrinsics.arguments import Refused
from express.expr.intrinsics.syntax import Argument, Constant
from express.expr.intrinsics.text_functions import format_pieces, java_text
from express.expr.python.emitter import Emitter
from express.expr.weight import LARGE_ITEMS, weight
from express.values import JSON

_PLAIN = re.compile(r"[\w .,:;/()=+*-]*", re.ASCII)
"""Text that may stand in an f-string as it is."""

_UNFIT = re.compile(r'[\\#"\n]')
"""Characters that the expressions of an f-string must not hold (before Python 3.12)."""

_INT = 2**31


def array(arguments: tuple[Argument, ...], texts: list[str], emitter: Emitter) -> str | None:
    """States.Array: a display."""
    return f"[{', '.join(texts)}]"


def merge(arguments: tuple[Argument, ...], texts: list[str], emitter: Emitter) -> str | None:
    """States.JsonMerge, where it is known to be shallow; `**` takes objects only, as the function does."""
    deep = arguments[2]
    if type(deep) is not Constant or deep.value is not False:
        return None
    (one, first), (other, second) = emitter.twice(texts[0]), emitter.twice(texts[1])
    large = f"{emitter.bind(_merged)}({first}, {second})"
    return f"({{**{first}, **{second}}} if len({one}) + len({other}) < {LARGE_ITEMS} else {large})"


def _merged(first: dict[str, JSON], second: dict[str, JSON]) -> dict[str, JSON]:
    """Merge two objects of which one is large: what that costs is paid for."""
    pay(len(first) + len(second))
    return {**first, **second}


def add(function: Callable[..., JSON]) -> Callable[[tuple[Argument, ...], list[str], Emitter], str | None]:
    """States.MathAdd: a sum in place where both numbers and the sum are 32-bit integers, a call otherwise."""

    def emit(arguments: tuple[Argument, ...], texts: list[str], emitter: Emitter) -> str | None:
        second = arguments[1].value if type(arguments[1]) is Constant else None
        if type(second) is not int or not -_INT <= second < _INT:
            return None
        first, held = emitter.twice(texts[0])
        low, high = max(-_INT, -_INT - second), min(_INT, _INT - second)
        fits = f"{first}.__class__ is int and {low} <= {held} < {high}"
        return f"({held} + {second} if {fits} else {emitter.bind(function)}({held}, {second}))"

    return emit


def format_(arguments: tuple[Argument, ...], texts: list[str], emitter: Emitter) -> str | None:
    """States.Format of a template known beforehand: put together in place."""
    template = arguments[0]
    if type(template) is not Constant:
        return None
    try:
        pieces = format_pieces(template.value)
    except (Refused, TypeError):
        return None
    if len(pieces) != len(arguments):
        return None
    parts = [_formatted(*pair, emitter) for pair in zip(arguments[1:], texts[1:], strict=True)]
    return _put_together(pieces, parts, emitter)


def _formatted(argument: Argument, text: str, emitter: Emitter) -> str:
    if type(argument) is Constant:
        return repr(java_text(argument.value))
    (first, held), kind = emitter.twice(text), emitter.temporary()
    return (
        f"({held} if ({kind} := {first}.__class__) is str else repr({held}) if {kind} is int or "
        f"{kind} is float and 1e-4 <= {held} < 1e16 else {emitter.bind(_display)}({held}))"
    )


def _display(value: JSON) -> str:
    """`java_text` of a value that is not large."""
    weighs = weight(value, LARGE_ITEMS)
    if weighs >= LARGE_ITEMS:
        raise Refused("the value is large")
    pay(8 * weighs)
    return java_text(value)


def _put_together(pieces: list[str], texts: list[str], emitter: Emitter) -> str:
    """Pieces and the texts between them: an f-string where all of it is plain, which costs half of a join."""
    complete = emitter.symbols.complete
    if all(map(_PLAIN.fullmatch, pieces)) and not any(_UNFIT.search(complete(text)) for text in texts):
        between = zip(texts, pieces[1:], strict=True)
        return 'f"""' + pieces[0] + "".join(f"{{{text}}}{piece}" for text, piece in between) + '"""'
    parts = [repr(pieces[0])]
    for text, piece in zip(texts, pieces[1:], strict=True):
        parts += (text, repr(piece))
    parts = [part for part in parts if part != "''"]
    return f"''.join(({', '.join(parts)},))" if len(parts) > 4 else f"({' + '.join(parts)})"
