"""Nodes of a parsed value of a definition: literals, expressions, objects and arrays.

One form for both query languages: the leaves of a JSONPath payload template are paths and intrinsic calls, those of a
JSONata value are expressions. Parts in which nothing is evaluated are one `Literal`, shared by all executions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias, cast

import msgspec

from express.expr.intrinsics.functions import FUNCTIONS
from express.expr.intrinsics.syntax import Call
from express.expr.jsonpath.nodes import Path
from express.values import JSON

if TYPE_CHECKING:
    from express.expr.jsonata.expression import Expression

    Leaf: TypeAlias = Path | Call | Expression
    Node: TypeAlias = "Literal | Object | Array | Leaf"
else:
    Leaf = Node = object  # JSONata's compiler stands on this module

DYNAMIC = ".$"
"""Suffix of members whose value a payload template evaluates."""


class Literal(msgspec.Struct, frozen=True):
    """A value that is taken as it stands."""

    value: JSON


class Object(msgspec.Struct, frozen=True):
    """An object by its members' names, without `.$`; something in it is evaluated."""

    members: dict[str, Node]


class Array(msgspec.Struct, frozen=True):
    """An array; something in it is evaluated."""

    items: tuple[Node, ...]


def object_of(value: dict[str, JSON], members: dict[str, Node]) -> Node:
    """Return an object of these members; a literal where all of them are."""
    plain = all(type(member) is Literal for member in members.values())
    return Literal(value) if plain else Object(members)


def array_of(value: list[JSON], items: list[Node]) -> Node:
    """Return an array of these items; a literal where all of them are."""
    plain = all(type(item) is Literal for item in items)
    return Literal(value) if plain else Array(tuple(items))


def members_of(node: Node) -> dict[str, Node] | None:
    """Return the members of an object by name, None for any other value."""
    if type(node) is Object:
        return node.members
    if type(node) is Literal and type(node.value) is dict:
        return {name: Literal(item) for name, item in node.value.items()}
    return None


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield every expression in a value, with the paths and calls among the arguments of a call."""
    todo: list[Node] = [node]
    while todo:
        part = todo.pop()
        if type(part) is Object:
            todo += part.members.values()
        elif type(part) is Array:
            todo += part.items
        elif type(part) is not Literal:
            yield cast("Leaf", part)
            if type(part) is Call:
                todo += [argument for argument in part.arguments if isinstance(argument, Path | Call)]


def any_leaf(node: Node, test: Callable[[Leaf], bool]) -> bool:
    """Tell whether a test holds for any of the leaves."""
    return any(test(leaf) for leaf in leaves(node))


def asks_scope(leaf: Leaf) -> bool:
    """Tell whether a path or a call looks at more than the data and the variables: the Context object, or chance."""
    if type(leaf) is Call:
        return not FUNCTIONS[leaf.name].pure
    return type(leaf) is Path and "$$" in leaf.text


def is_whole(leaf: Leaf) -> bool:
    """Tell whether a leaf is `$`, all of the data."""
    return type(leaf) is Path and leaf.whole


def weight(node: Node) -> int:
    """Count the parts of a value; a hundred characters of text count as one, a literal as one."""
    total, todo = 0, [node]
    while todo:
        part = todo.pop()
        total += 1
        if type(part) is Object:
            total += sum(map(len, part.members)) // 100
            todo += part.members.values()
        elif type(part) is Array:
            todo += part.items
        elif type(part) is not Literal:
            total += len(cast("Leaf", part).text) // 100
    return total
