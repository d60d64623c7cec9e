"""Paths lowered to functions over one document.

A definite path is a chain of subscripts; when one fails, `walk` finds out why in the words of the JSONPath library
that AWS runs. Any other path is a row of stages, each taking the nodes found so far to the nodes it finds below
them, in document order; what such a path does not find is no miss but an empty array (recorded).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from express.budget import GENERATED
from express.expr.jsonpath.budget import Fuel, check_size, fuelled, shown
from express.expr.jsonpath.filters import UNDEFINED, Check, Value, comparisons, compile_condition
from express.expr.jsonpath.nodes import CURRENT, Descend, Filter, Index, Name, Path, Slice, Step, Wild
from express.expr.scope import Scope
from express.values import JSON

Select: TypeAlias = Callable[[JSON, Scope], JSON]
"""(document, scope that pays) → what the path selects; raises Miss."""

Stage: TypeAlias = Callable[[list[JSON], JSON, Fuel], list[JSON]]
"""(nodes, whole document, fuel) → the nodes one step further."""


class Miss(Exception):
    """A definite path that finds nothing: why, and whether the plain reading of it is null.

    An index beyond the end of an array is null where a path stands alone, and a miss for Choice and intrinsics.
    """

    def __init__(self, reason: str, *, null: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.null = null


def compile_select(path: Path) -> Select:
    """The function of a path's steps, the root not regarded."""
    steps = path.steps
    if not path.definite:
        nodes = compile_nodes(path)

        def select(document: JSON, scope: Scope) -> JSON:
            fuel = fuelled(scope)
            try:
                return nodes(document, document, fuel)
            finally:
                (GENERATED if scope is None else scope.budget()).units = max(fuel.left, 0)

        return select
    return lambda document, scope: walk(steps, document)


def compile_nodes(path: Path) -> Value:
    """The function of an indefinite path: all nodes it finds, from a node of a document."""
    stages = tuple(_stages(path.steps))
    overlapping = any(type(step) is Descend for step in path.steps)

    def nodes(node: JSON, document: JSON, fuel: Fuel) -> list[JSON]:
        found = [node]
        for stage in stages:
            found = stage(found, document, fuel)
        if overlapping:
            check_size(found)
        return found

    return nodes


def walk(steps: tuple[Step, ...], document: JSON) -> JSON:
    """Return what a definite path's steps find in `document`; raises Miss in the words of the library AWS runs."""
    node = document
    place = "$"
    absent = False
    for i, step in enumerate(steps):
        if type(step) is Name:
            node = _member(node, steps, i, place, absent=absent)
            place += _fragment(step)
            absent = False
        else:
            node, absent = _element(node, cast("Index", step), steps, i, place, absent=absent)
            place += _fragment(step)
    if absent:
        raise Miss(f"No results for path: {place}", null=True)
    return node


def _member(node: JSON, steps: tuple[Step, ...], i: int, place: str, *, absent: bool) -> JSON:
    step = cast("Name", steps[i])
    if type(node) is not dict:
        kind = "null" if absent else _JAVA[type(node)]
        raise Miss(
            f"Expected to find an object with property {_fragment(step)} in path {place} but found '{kind}'. "
            f"This is not a json object according to the JsonProvider: '{_PROVIDER}'."
        )
    if len(step.names) > 1:
        return {name: node[name] for name in step.names if name in node}
    name = step.names[0]
    if name not in node:
        what = "Missing property in path" if i + 1 < len(steps) else "No results for path:"
        raise Miss(f"{what} {place}{_fragment(step)}")
    return node[name]


def _element(
    node: JSON, step: Index, steps: tuple[Step, ...], i: int, place: str, *, absent: bool
) -> tuple[JSON, bool]:
    if absent:
        raise Miss(f"The path {place} is null")
    if type(node) is not list:
        rest = "".join(map(_fragment, steps[i:]))
        raise Miss(f"Filter: {rest} can only be applied to arrays. Current context is: {shown(node)}")
    index = step.indexes[0]
    if not -len(node) <= index < len(node):
        return None, True
    return node[index], False


_PROVIDER = "com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider"
_NODES = "com.fasterxml.jackson.databind.node."
_JAVA = {
    type(None): _NODES + "NullNode",
    bool: _NODES + "BooleanNode",
    int: _NODES + "IntNode",
    float: _NODES + "DoubleNode",
    str: _NODES + "TextNode",
    list: _NODES + "ArrayNode",
}


def _fragment(step: Step) -> str:
    if type(step) is Name:
        return "[" + ",".join(f"'{name}'" for name in step.names) + "]"
    return f"[{cast('Index', step).indexes[0]}]"


# ---- stages

_CONTAINERS = {list, dict}


def _stages(steps: tuple[Step, ...]) -> list[Stage]:
    stages: list[Stage] = []
    for i, step in enumerate(steps):
        below = i > 0 and type(steps[i - 1]) is Descend
        if type(step) is Name:
            stages.append(_names(step.names, last=i + 1 == len(steps), below=below))
        elif type(step) is Index:
            stages.append(_indexes(step.indexes))
        elif type(step) is Slice:
            stages.append(_slice(step))
        elif type(step) is Filter:
            check = compile_condition(step.condition, _inner)
            cost = 2 + comparisons(step.condition)
            stages.append(_filter_below(check, cost) if below else _filter(check, cost))
        else:
            stages.append(_wild if type(step) is Wild else _descend)
    return stages


def _names(names: tuple[str, ...], *, last: bool, below: bool) -> Stage:
    if len(names) == 1:
        return _name(names[0])
    if below:
        return _all_names(names, last=last)

    def gather(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
        fuel.spend(len(nodes) * (4 + 2 * len(names)))
        return [{name: node[name] for name in names if name in node} for node in nodes if type(node) is dict]

    def spread(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
        fuel.spend(len(nodes) * 2 * len(names))
        return [node[name] for node in nodes if type(node) is dict for name in names if name in node]

    return gather if last else spread


def _name(name: str) -> Stage:
    def stage(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
        fuel.spend(2 * len(nodes))
        return [node[name] for node in nodes if type(node) is dict and name in node]

    return stage


def _all_names(names: tuple[str, ...], *, last: bool) -> Stage:
    """After `..` only objects that have every one of the names count."""
    inner = _names(names, last=last, below=False)

    def stage(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
        fuel.spend(len(nodes) * (2 + len(names)))
        whole = [node for node in nodes if type(node) is dict and all(name in node for name in names)]
        return inner(whole, document, fuel)

    return stage


def _indexes(indexes: tuple[int, ...]) -> Stage:
    """An index beyond the end gives null, as a definite one does."""

    def stage(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
        fuel.spend(len(nodes) * 3 * len(indexes))
        return [
            node[index] if -len(node) <= index < len(node) else None
            for node in nodes
            if type(node) is list
            for index in indexes
        ]

    return stage


def _slice(step: Slice) -> Stage:
    part = slice(step.start, step.stop, step.step)

    def stage(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
        found: list[JSON] = []
        for node in nodes:
            if type(node) is list:
                children = node[part]
                fuel.spend((len(children) >> 1) + 3)
                found += children
            else:
                fuel.spend(1)
        return found

    return stage


def _wild(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
    found: list[JSON] = []
    for node in nodes:
        if type(node) is list:
            fuel.spend((len(node) >> 1) + 5)
            found += node
        elif type(node) is dict:
            fuel.spend((len(node) >> 1) + 5)
            found += node.values()
        else:
            fuel.spend(2)
    return found


def _descend(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
    """Every array and object at or below the nodes, parents first; nothing can be below other values."""
    found: list[JSON] = []
    for top in nodes:
        stack = [top] if type(top) in _CONTAINERS else []
        while stack:
            node = stack.pop()
            found.append(node)
            children = node if type(node) is list else node.values()
            fuel.left -= 8 + (len(children) >> 1)
            if fuel.left < 0:
                fuel.exhausted()
            below = [child for child in children if type(child) in _CONTAINERS]
            if below:
                below.reverse()
                stack += below
    return found


def _filter(check: Check, cost: int) -> Stage:
    def stage(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
        found: list[JSON] = []
        for node in nodes:
            if type(node) is list:
                fuel.spend(cost * len(node) + 1)
                found += [child for child in node if check(child, document, fuel)]
            elif type(node) is dict:
                fuel.spend(cost)
                if check(node, document, fuel):
                    found.append(node)
        return found

    return stage


def _filter_below(check: Check, cost: int) -> Stage:
    """After `..`: the objects that pass; elements of arrays are met as nodes of their own."""

    def stage(nodes: list[JSON], document: JSON, fuel: Fuel) -> list[JSON]:
        fuel.spend(cost * len(nodes))
        return [node for node in nodes if type(node) is dict and check(node, document, fuel)]

    return stage


# ---- paths inside filters


def _inner(path: Path) -> Value:
    """A path inside a filter: from the current node (`@`) or the whole document (`$`)."""
    current = path.root == CURRENT
    if not path.definite:
        nodes = compile_nodes(path)
        return lambda node, document, fuel: nodes(node if current else document, document, fuel)
    chain = path.chain
    if chain is None or any(type(key) is int for key in chain):
        return _searched(path.steps, current=current)
    if current and not chain:
        return lambda node, document, fuel: node
    if current and len(chain) == 1:
        return _own(chain[0])
    return _chained(chain, current=current)


def _own(name: str | int) -> Value:
    """`@.name`, what most filters look at."""
    return lambda node, document, fuel: node[name] if type(node) is dict and name in node else UNDEFINED


def _chained(chain: tuple[str | int, ...], *, current: bool) -> Value:
    def value(node: JSON, document: JSON, fuel: Fuel) -> JSON:
        found = node if current else document
        fuel.spend(3 + 2 * len(chain))
        for name in chain:
            if type(found) is not dict or name not in found:
                return UNDEFINED
            found = found[name]
        return found

    return value


def _searched(steps: tuple[Step, ...], *, current: bool) -> Value:
    """A chain with indexes or several names in it, as `walk` finds it, but nobody asks why it finds nothing."""

    def value(node: JSON, document: JSON, fuel: Fuel) -> JSON:
        fuel.spend(3 * len(steps))
        found = node if current else document
        for step in steps:
            if type(step) is Name:
                if type(found) is not dict:
                    return UNDEFINED
                if len(step.names) > 1:
                    fuel.spend(len(step.names))
                    found = {name: found[name] for name in step.names if name in found}
                elif step.names[0] in found:
                    found = found[step.names[0]]
                else:
                    return UNDEFINED
            else:
                index = cast("Index", step).indexes[0]
                if type(found) is not list or not -len(found) <= index < len(found):
                    return UNDEFINED
                found = found[index]
        return found

    return value
