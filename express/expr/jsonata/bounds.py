"""Ranges that are refused before they are made.

The evaluator looks at the size of a range only after it has filled it, 80 MB for `[1..1e7]`. So the text that
it is given has the ends of every range that may be large go through functions of ours, which look first.
"""

from __future__ import annotations

from express.expr.jsonata import nodes as n
from express.expr.jsonata.errors import OUT_OF_MEMORY, JsonataError
from express.values import JSON, is_number

MAX_ITEMS = 131_072
"""Most items of an array that an evaluation may make: a payload can't hold more (262,144 bytes)."""

REFUSED = 10_000_000
"""A range larger than this is an error of the language itself (D2014), found without being filled."""

RANGE_START, RANGE_END = "range§start", "range§end"


class Ranges:
    """Remembers where a range starts until its end is known; ranges nest."""

    __slots__ = ("_starts",)

    def __init__(self) -> None:
        self._starts: list[JSON] = []

    def clear(self) -> None:
        """Forget what an evaluation that failed has left."""
        self._starts.clear()

    def start(self, *values: JSON) -> JSON:
        """Note the start."""
        value = values[0] if values else None
        self._starts.append(value)
        return value

    def end(self, *values: JSON) -> JSON:
        """Refuse the end of a range with too many items."""
        value = values[0] if values else None
        start: JSON = self._starts.pop() if self._starts else None
        count = value - start if is_number(start) and is_number(value) else 0
        if MAX_ITEMS <= count < REFUSED:
            raise JsonataError(None, OUT_OF_MEMORY)
        return value


def bounded(text: str, node: n.Node) -> str:
    """`text` with the ends of its ranges guarded; the same text where no range needs it.

    >>> from express.expr.jsonata.parser import parse
    >>> bounded("[0..$n]", parse("[0..$n]"))
    '[$range§start(0)..$range§end($n)]'
    """
    edits: list[tuple[int, str]] = []
    for part in n.walk(node):
        if type(part) is n.Binary and part.span is not None and not _small(part):
            start, end, rhs_start, rhs_end = part.span
            edits += [(start, f"${RANGE_START}("), (end, ")"), (rhs_start, f"${RANGE_END}("), (rhs_end, ")")]
    for at, insertion in sorted(edits, reverse=True):
        text = text[:at] + insertion + text[at:]
    return text


def _small(node: n.Binary) -> bool:
    """Whether both ends are literals, not far from one another."""
    lhs, rhs = node.lhs, node.rhs
    return type(lhs) is n.Number and type(rhs) is n.Number and rhs.value - lhs.value < MAX_ITEMS
