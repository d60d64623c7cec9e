"""Checks that the evaluator would make too late: large ranges, and `$replace` of plain text.

It finds out how large a range is, or the outcome of a replacement, only after it has made it (80 MB for
`[1..1e7]`, without end for a long text in another). So the text it is given has them go through functions of ours.
"""

from __future__ import annotations

from collections.abc import Collection

from express.expr.jsonata import nodes as n
from express.expr.jsonata import sharing
from express.expr.jsonata.errors import OUT_OF_MEMORY, JsonataError
from express.expr.jsonata.once import Once
from express.expr.jsonata.sizes import MAX_ITEMS
from express.values import JSON, is_number

RANGES = 4 * MAX_ITEMS
"""Most items of all ranges of an evaluation together."""

REFUSED = 10_000_000
"""A range larger than this is an error of the language itself (D2014), found without being filled."""

MARK = "§"
TEXT = f"text{MARK}"
RANGE_START, RANGE_END, REPLACE = f"start{MARK}", f"end{MARK}", f"replace{MARK}"

_SMALL = 16


class Ranges:
    """Remembers where a range starts until its end is known (ranges nest), and what all have come to."""

    __slots__ = ("_items", "_starts")

    def __init__(self) -> None:
        self._starts: list[JSON] = []
        self._items = 0

    def clear(self) -> None:
        """Begin an evaluation."""
        self._starts.clear()
        self._items = 0

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
        if 0 < count < REFUSED:
            self._items += count
            if count >= MAX_ITEMS or self._items >= RANGES:
                raise JsonataError(None, OUT_OF_MEMORY)
        return value


def bounded(text: str, node: n.Node, paid: bool = False, hidden: Collection[str] = ()) -> str:
    """`text` with its ranges and replacements guarded; the same text where none needs it.

    `paid`: it gets a prelude (`charges`), which has its own `$replace`; operands of `&` are guarded, too, and
    what is put into other values over and over; what looks at each item of an array once need not pay.
    `hidden`: functions whose names are those of variables that are set.

    >>> from express.expr.jsonata.parser import parse
    >>> bounded("[0..$n]", parse("[0..$n]"))
    '[$start§(0)..$end§($n)]'
    """
    edits: list[tuple[int, int, str]] = []  # where, which goes first there, and what
    parts = list(n.walk(node))
    once = Once(node) if paid else None
    for order, part in enumerate(parts, 1):
        if type(part) is not n.Binary or part.span is None:
            continue
        names: tuple[str | None, str | None] = (None, None)
        if part.op == "&" and once is not None:
            names = None if once.cheap(part.lhs) else TEXT, None if once.cheap(part.rhs) else TEXT
        elif part.op == ".." and not _small(part):
            names = RANGE_START, RANGE_END
        for name, start, end in zip(names, part.span[::2], part.span[1::2], strict=True):
            edits += [] if name is None else [(start, order, f"${name}("), (end, 0, ")")]
    if paid:
        edits += sharing.edits(node, text)
    marked = _replacements(parts) if once is None else once.unpaid(parts)
    edits += [(variable.position, 0, MARK) for variable in marked if variable.name not in hidden]
    for at, _, insertion in sorted(edits, reverse=True):
        text = text[:at] + insertion + text[at:]
    return text


def _small(node: n.Binary) -> bool:
    """Return whether both ends are literals, next to one another."""
    lhs, rhs = node.lhs, node.rhs
    return type(lhs) is n.Number and type(rhs) is n.Number and rhs.value - lhs.value < _SMALL


def _replacements(parts: list[n.Node]) -> list[n.Variable]:
    """Every `$replace` but those called with a regular expression, whose matches the evaluator counts."""
    if any("replace" in _bound(part) for part in parts):
        return []
    safe = {
        id(part.procedure)
        for part in parts
        if type(part) is n.Call and any(type(argument) is n.Pattern for argument in part.arguments)
    }
    return [part for part in parts if type(part) is n.Variable and part.name == "replace" and id(part) not in safe]


def _bound(node: n.Node) -> list[str]:
    return [node.name] if type(node) is n.Bind else node.parameters if type(node) is n.Lambda else []
