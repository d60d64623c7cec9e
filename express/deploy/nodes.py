"""Values of templates with their places, and what reading them may cost.

Whatever a function of a template makes keeps the place it came from, character by character in texts, so that a
finding in a definition that was joined of ten pieces is shown where it was written.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from express.asl.positions import Place, Position, Scanned
from express.errors import ConfigError
from express.values import JSON

MOST_NODES = 250_000
"""Most values that are looked at or made for one template, in all its files."""

MOST_CHARACTERS = 8 * 1024 * 1024
"""Most characters that are made of one template, or read for it."""

DEEPEST = 120
"""Most levels that a value is nested, or references lead one into another."""

KNOWN: frozenset[str] = frozenset()
"""The unknown names of a value that is known."""

_PROPERTIES = re.compile(r"(?:[!&]\S+\s+)*")
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.)", re.DOTALL)


class TemplateError(ConfigError):
    """A template that can't be read, with the place of what is wrong."""

    def __init__(self, sentence: str, node: Node | None = None) -> None:
        self.sentence = sentence
        self.node = node
        super().__init__(f"{node.shown()}: {sentence}" if node is not None else sentence)


class Unseen(Exception):
    """A definition that is not here, and why: one in S3, or one that only a stack can know."""


class Source:
    """A file, read: its name as it is shown, its text, its data and places; not `placed`: places mean nothing."""

    def __init__(self, name: str, scanned: Scanned, *, placed: bool = True) -> None:
        self.name = name
        self.scanned = scanned
        self.placed = placed


class Budget:
    """The budget of one template. Everything that reads and makes values takes from it."""

    def __init__(self) -> None:
        self.nodes = MOST_NODES
        self.characters = MOST_CHARACTERS
        self.depth = 0

    def take(self, node: Node, nodes: int = 1, characters: int = 0) -> None:
        """Raises TemplateError at `node` where nothing is left."""
        self.nodes -= nodes
        self.characters -= characters
        if self.nodes < 0:
            raise TemplateError(f"the template comes to more than {MOST_NODES:,} values", node)
        if self.characters < 0:
            raise TemplateError(f"the template comes to more than {MOST_CHARACTERS:,} characters", node)

    def read(self, node: Node) -> None:
        """Take one value, with the characters of a text: it may be large, and stand in many places."""
        self.take(node, characters=len(node.value) if type(node.value) is str else 0)

    def deeper(self, node: Node) -> None:
        """One level down; `depth` is set back by the caller. Raises TemplateError for one too many."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise TemplateError(f"the template is nested, or refers to itself, over more than {DEEPEST} levels", node)


class Piece(NamedTuple):
    """Characters of a text from `at` on: those of `origin` from `skip` on, or all made of what stands there."""

    at: int
    origin: Node
    skip: int
    exact: bool = True


class Node(Place):
    """A value with its place. `members` has the nodes in an object or array; `value` is any other value.

    `pieces` tell where the characters of a text come from; empty: from here. `unknown`: names in it that nothing
    here knows.
    """

    __slots__ = ("_offsets", "pieces", "source", "unknown", "value")

    def __init__(self, source: Source, start: int, end: int, key: int = -1) -> None:
        super().__init__(start, key)
        self.end = end
        self.source = source
        self.value: JSON = None
        self.pieces: tuple[Piece, ...] = ()
        self.unknown: frozenset[str] = KNOWN
        self._offsets: list[int] | None = None

    @property
    def fields(self) -> dict[str, Node]:
        """The members of an object; none where it is no object."""
        return self.members if type(self.members) is dict else {}  # type: ignore[return-value]

    @property
    def items(self) -> list[Node]:
        """The items of an array; none where it is no array."""
        return self.members if type(self.members) is list else []  # type: ignore[return-value]

    @property
    def text(self) -> str | None:
        """The value where it is a text."""
        return self.value if type(self.value) is str and self.members is None else None

    @property
    def kind(self) -> str:
        """Return what it is, in words of JSON."""
        if self.members is not None:
            return "an object" if type(self.members) is dict else "a list"
        names = {str: "a text", bool: "true or false", int: "a number", float: "a number"}
        return names.get(type(self.value), "null")

    def like(self, value: JSON, unknown: frozenset[str] = frozenset()) -> Node:
        """A plain value that was made of what stands here."""
        node = Node(self.source, self.start, self.end, self.key)
        node.value = value
        node.unknown = unknown
        node.pieces = (Piece(0, self, 0, exact=False),)
        return node

    def holding(self, members: dict[str, Node] | list[Node]) -> Node:
        """An object or array in the place of this one."""
        node = Node(self.source, self.start, self.end, self.key)
        node.members = members  # type: ignore[assignment] # Place is what reads them
        inner = list(members.values()) if isinstance(members, dict) else members
        node.unknown = self.unknown.union(*(item.unknown for item in inner if item.unknown))
        return node

    def named(self, key: int) -> Node:
        """The same under another field name."""
        node = Node(self.source, self.start, self.end, key)
        node.members, node.value, node.pieces, node.unknown = self.members, self.value, self.pieces, self.unknown
        if not node.pieces and type(node.value) is str:
            node.pieces = (Piece(0, self, 0),)
        return node

    def plain(self) -> JSON:
        """The value as data."""
        if type(self.members) is dict:
            return {name: item.plain() for name, item in self.fields.items()}
        if type(self.members) is list:
            return [item.plain() for item in self.items]
        return self.value

    def walk(self) -> Iterator[Node]:
        """Itself and everything in it."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack += node.items or node.fields.values()

    def shown(self) -> str:
        """Its place as people write it: `template.yaml:3:5`."""
        if not self.source.placed:
            return self.source.name
        position = self.position()
        return f"{self.source.name}:{position.line}:{position.column}"

    def position(self, *, by_name: bool = False) -> Position:
        """Its place in its file."""
        return self.source.scanned.show(self, by_name=by_name)

    def fail(self, sentence: str) -> NoReturn:
        """Raise TemplateError about it."""
        raise TemplateError(sentence, self)

    # where the characters of a text come from

    def spread(self) -> tuple[Piece, ...]:
        """The pieces of a text, of which there is at least one."""
        return self.pieces or (Piece(0, self, 0),)

    def is_written(self, offset: int) -> bool:
        """Return whether a character of a text stands in a file as it is, and was not made by a function."""
        pieces = self.spread()
        return pieces[max(0, bisect.bisect_right(pieces, offset, key=lambda piece: piece.at) - 1)].exact

    def origin(self, offset: int) -> tuple[Source, int]:
        """The file of a character of a text, and its offset there."""
        pieces = self.spread()
        piece = pieces[max(0, bisect.bisect_right(pieces, offset, key=lambda piece: piece.at) - 1)]
        if piece.origin is not self and piece.origin.pieces:
            return piece.origin.origin(piece.skip + (offset - piece.at if piece.exact else 0))
        offsets = piece.origin.offsets()
        index = piece.skip + (offset - piece.at if piece.exact else 0)
        return piece.origin.source, offsets[min(index, len(offsets) - 1)] if offsets else piece.origin.start

    def offsets(self) -> list[int]:
        """Of each character of a text as it is written here, the offset in the file."""
        if self._offsets is None:
            raw = self.source.scanned.text[self.start : self.end]
            value = self.value if type(self.value) is str and not self.pieces else ""
            self._offsets = [self.start + at for at in aligned(raw, value)]
        return self._offsets


def aligned(raw: str, value: str) -> list[int]:
    r"""Return where each character of a value stands in the text it was read from: quoted, escaped, indented or folded.

    >>> aligned('"a\\n\\u0041b"', 'a\nAb')
    [1, 2, 4, 10]
    """
    match = _PROPERTIES.match(raw)
    at = match.end() if match and value[:1] != raw[:1] else 0
    quote = raw[at : at + 1] if raw[at : at + 1] in ('"', "'") and value != raw else ""
    if quote:
        at += 1
    elif raw[at : at + 1] in ("|", ">") and value != raw:
        at = raw.find("\n", at) + 1 or len(raw)
    found, end = [], len(raw)
    for char in value:
        while at < end and raw[at] != char and raw[at].isspace():
            at += 1
        found.append(min(at, max(0, end - 1)))
        if at >= end or (char.isspace() and raw[at] != char and not (quote == '"' and raw[at] == "\\")):
            continue
        escape = _ESCAPE.match(raw, at) if quote == '"' and raw[at] == "\\" else None
        at = escape.end() if escape else at + (2 if quote == "'" == char else 1)
    return found


def node_of(data: JSON, place: Place, source: Source, budget: Budget) -> Node:
    """The nodes of scanned data."""
    node = Node(source, place.start, place.end, place.key)
    if type(data) is not dict and type(data) is not list:
        node.value = data
        budget.read(node)
        return node
    budget.take(node)
    budget.deeper(node)
    inner = place.members
    if type(data) is dict and type(inner) is dict:
        node.members = {name: node_of(data[name], where, source, budget) for name, where in inner.items()}
    elif type(data) is list and type(inner) is list:
        node.members = [node_of(item, where, source, budget) for item, where in zip(data, inner, strict=True)]
    budget.depth -= 1
    return node


class Weave:
    """Builds a text of parts of others, each with its place."""

    def __init__(self, budget: Budget, place: Node) -> None:
        self._budget = budget
        self._place = place
        self._parts: list[str] = []
        self._pieces: list[Piece] = []
        self._length = 0
        self._unknown = KNOWN

    def cut(self, text: Node, start: int, end: int) -> None:
        """Add the characters of a text from `start` to `end`."""
        value = text.text or ""
        if start >= end:
            return
        pieces = text.spread()
        first = max(0, bisect.bisect_right(pieces, start, key=lambda piece: piece.at) - 1)
        for piece in pieces[first:]:
            if piece.at >= end:
                break
            skipped = max(0, start - piece.at) if piece.exact else 0
            self._piece(max(0, piece.at - start), Piece(0, piece.origin, piece.skip + skipped, piece.exact))
        self._unknown |= text.unknown
        self._add(value[start:end])

    def put(self, value: str, text: Node, at: int, unknown: frozenset[str] = frozenset()) -> None:
        """Add what was made of the character `at` of a text."""
        pieces = text.spread()
        piece = pieces[max(0, bisect.bisect_right(pieces, at, key=lambda piece: piece.at) - 1)]
        skip = piece.skip + (at - piece.at if piece.exact else 0)
        self._piece(0, Piece(0, piece.origin, skip, exact=False))
        self._unknown |= unknown
        self._add(value)

    def _piece(self, ahead: int, piece: Piece) -> None:
        self._budget.take(self._place)
        self._pieces.append(piece._replace(at=self._length + ahead))

    def _add(self, value: str) -> None:
        self._budget.take(self._place, characters=len(value))
        self._parts.append(value)
        self._length += len(value)

    def node(self) -> Node:
        """The text."""
        node = self._place.like("".join(self._parts), self._unknown)
        node.pieces = tuple(self._pieces) or node.pieces
        return node


def as_text(value: JSON) -> str:
    """A value as CloudFormation puts it into a text.

    >>> as_text(True), as_text(3), as_text("x"), as_text(None)
    ('true', '3', 'x', '')
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


NOTHING = Node(Source("", Scanned("", None, Place(0), [])), 0, 0)
"""`AWS::NoValue`: the property or item goes."""
