"""Expressions that put a value into another, so that what it makes may grow without using memory.

`{"a": $v, "b": $v}` holds `$v` twice for nothing, and forty times one within the other that is more than can be looked
at in a lifetime: each comparison, each path, each error text goes through all of it, in one step of the evaluator. So
a value is weighed, and paid for, whenever it is put deeper than it was, in expressions that can do so over and over.

A path of as many names as there are constructors around it puts nothing deeper: `{"list": $acc.list}` is free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Final, NamedTuple

from express.expr.jsonata import nodes as n

HELD: Final = "held§"
"""The function that weighs a value and gives it back."""

CLONED: Final = "cloned§"
"""The function that pays for the copy a transform makes of its value, and gives that value."""

MOST: Final = 256
"""Times that an expression in which nothing repeats may hold a value: as many times as each step and binding do."""

_MAPPING = frozenset({"map", "each"})
_CALLING = frozenset({"filter", "sift", "single", "sort", "reduce", "replace"}) | _MAPPING
_PASSING = frozenset({"??", "?:"})
# fmt: off
_SMALL = frozenset({
    "abs", "average", "base64decode", "base64encode", "boolean", "ceil", "contains", "count", "decodeUrl",
    "decodeUrlComponent", "encodeUrl", "encodeUrlComponent", "exists", "floor", "formatBase", "formatInteger",
    "formatNumber", "fromMillis", "hash", "join", "keys", "length", "lowercase", "max", "millis", "min", "not",
    "now", "number", "pad", "power", "random", "replace", "round", "sqrt", "string", "substring",
    "substringAfter", "substringBefore", "sum", "toMillis", "trim", "type", "uppercase", "uuid",
})
# fmt: on
"""Functions that give no value that holds another."""


class _Place(NamedTuple):
    """A part: how many constructors are around it, the loop it is in, and the step or binding it belongs to."""

    node: n.Node
    depth: int = 0
    looped: bool = False
    level: int = 0

    def at(self, node: n.Node, depth: int = 0) -> _Place:
        """A part below, in the same loop."""
        return self._replace(node=node, depth=depth)

    def loop(self, node: n.Node, depth: int = 0) -> _Place:
        """A part below that is evaluated for each of many values."""
        return _Place(node, depth, looped=True, level=id(node))


class Sharing:
    """The names in the text of an expression at which a value is put into another: `places`."""

    def __init__(self, node: n.Node) -> None:
        self._repeats = False
        self._items = {""}  # variables that are another value each time
        self._found: list[_Place] = []
        self._mapped = int(any(type(part) is n.Call and _maps(part) for part in n.walk(node)))
        todo = [_Place(node)]
        while todo:
            place = todo.pop()
            if place.depth and type(place.node) in (n.Variable, n.Name) and not (place.node.focus or place.node.index):
                self._found.append(place)
            todo += self._below(place)
        self.places = self._harmful()

    def _harmful(self) -> list[n.Node]:
        """Return those that can be reached so often that what is made has no bound."""
        looped = any(place.looped for place in self._found)
        times = prod(Counter(place.level for place in self._found).values())
        if (self._repeats and looped) or times > MOST:
            return [place.node for place in self._found]
        return [
            place.node
            for place in self._found
            if place.looped and type(place.node) is n.Variable and place.node.name not in self._items
        ]

    def _below(self, place: _Place) -> Iterator[_Place]:
        node = place.node
        for stage in node.stages or ():
            yield place.loop(stage)
        for key, value in node.group or ():
            yield place.loop(key)
            yield place.loop(value, place.depth + 1)
        yield from self._parts(node, place)

    def _parts(self, node: n.Node, place: _Place) -> Iterator[_Place]:
        depth = place.depth
        if type(node) is n.Path:
            yield from _steps(node, place)
        elif type(node) is n.Call:
            yield from self._call(node, place)
        elif type(node) is n.Lambda:
            self._repeats = True
            yield place.loop(node.body, max(depth, self._mapped))
        elif type(node) is n.Apply:
            yield place.at(node.lhs, depth)
            if type(node.rhs) is not n.Variable:
                yield place.at(node.rhs, depth)
        elif type(node) is n.Bind:
            yield _Place(node.value, 0, place.looped, id(node))
        else:
            yield from (place.at(part, inner) for part, inner in _plain(node, depth))

    def _call(self, node: n.Call, place: _Place) -> Iterator[_Place]:
        name = node.procedure.name if type(node.procedure) is n.Variable else ""
        if not name:
            yield place.at(node.procedure, place.depth)
        self._repeats = self._repeats or name == "reduce"
        depth = 0 if name in _SMALL else place.depth
        for argument in node.arguments:
            if type(argument) is n.Lambda and name in _CALLING:
                self._items.update(argument.parameters[:1] if name != "reduce" else ())
                yield place.loop(argument.body, depth + (name in _MAPPING))
            elif type(argument) is n.Array and name == "merge":
                yield from (place.at(item, depth) for item in argument.items)
            else:
                yield place.at(argument, depth)


def _maps(call: n.Call) -> bool:
    """Return whether a call may put what a function gives that is defined elsewhere into an array."""
    named = type(call.procedure) is n.Variable and call.procedure.name in _MAPPING
    return named and not any(type(argument) is n.Lambda for argument in call.arguments)


def _plain(node: n.Node, depth: int) -> Iterator[tuple[n.Node, int]]:
    """The parts of any other node, with the constructors around each."""
    if type(node) is n.Array:
        yield from ((item, depth + 1) for item in node.items)
    elif type(node) is n.Object:
        for key, value in node.pairs:
            yield key, 0
            yield value, depth + 1
    elif type(node) is n.Block:
        *before, last = node.expressions or [node]
        yield from ((part, 0) for part in before)
        if last is not node:
            yield last, depth
    else:
        passing = type(node) is n.Condition or (type(node) is n.Binary and node.op in _PASSING)
        tested = node.condition if type(node) is n.Condition else None
        for part in node.parts():
            if part is not None:
                yield part, depth if passing and part is not tested else 0


def _steps(node: n.Path, place: _Place) -> Iterator[_Place]:
    """Steps: a name takes a value out of another, so the names that come first make up for constructors."""
    first, *later = node.steps
    names = int(type(first) is n.Name)
    for step in later:
        if type(step) is not n.Name:
            break
        names += 1
    yield place.at(first, place.depth if place.depth > names else 0)
    for step in later:
        yield place.loop(step, 0 if type(step) is n.Name else place.depth)


def edits(node: n.Node, text: str) -> list[tuple[int, int, str]]:
    """Return what is to be put into the text so that values are weighed and copies paid for.

    Each: where, what goes first there, and what.
    """
    found: list[tuple[int, int, str]] = []
    for part in Sharing(node).places:
        assert isinstance(part, n.Variable | n.Name)
        start = part.position - len(_written(part, text))
        found += [(start, 0, f"${HELD}("), (part.position, 0, ")")]
    transforms = (part for part in n.walk(node) if type(part) is n.Transform)
    return found + [(part.position - 1, 0, f"${CLONED} ~> ") for part in transforms]


def _written(part: n.Variable | n.Name, text: str) -> str:
    """A name as it stands in the text."""
    if isinstance(part, n.Variable):
        return f"${part.name}"
    return part.value if text[: part.position].endswith(part.value) else f"`{part.value}`"
