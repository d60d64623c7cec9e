"""Work done once with each item of an array: all of it together takes no longer than the array is large.

So `$map($states.input.words, $uppercase)` need not pay for each of a thousand words, which would cost more than to
make it uppercase. In a loop inside a loop the same items come again and again.
"""

from __future__ import annotations

from express.expr.jsonata import nodes as n
from express.expr.jsonata.function_table import FUNCTIONS, MUCH_EACH
from express.expr.jsonata.preludes import paid

_NOT_ONCE = frozenset(name for name, f in FUNCTIONS.items() if f.quadratic or f.makes == MUCH_EACH)
"""Functions that may take long over one item, or make much of little."""

_EACH = frozenset({"each", "filter", "map", "sift", "single"})
_SIMPLE = (n.Text, n.Number, n.Constant)


class Once:
    """The parts of an expression that stand in no loop, or in one."""

    def __init__(self, node: n.Node) -> None:
        self._loops = _loops(node)
        self._items: set[str] = set()
        self._callees: set[int] = set()
        for part in n.walk(node):
            if type(part) is n.Call and type(part.procedure) is n.Variable and part.procedure.name in _EACH:
                self._each(part)

    def _each(self, call: n.Call) -> None:
        if self._loops[id(call)]:
            return
        for argument in call.arguments[1:]:
            if type(argument) is n.Lambda:
                self._items.update(argument.parameters[:1])
            elif type(argument) is n.Variable:
                self._callees.add(id(argument))

    def cheap(self, node: n.Node) -> bool:
        """Return whether a part is a literal, a part of one item, or is made of such."""
        if isinstance(node, _SIMPLE):
            return True
        if type(node) is n.Binary:
            return node.op == "&" or (self.cheap(node.lhs) and self.cheap(node.rhs))
        if self._loops.get(id(node), 2) != 1 or node.stages or node.group:
            return False
        if type(node) is n.Array:
            return all(map(self.cheap, node.items))
        if type(node) is n.Object:
            return all(self.cheap(part) for pair in node.pairs for part in pair)
        first = node.steps[0] if type(node) is n.Path else node
        if type(node) is n.Path and not all(type(step) is n.Name for step in node.steps[1:]):
            return False
        return type(first) is n.Name or (type(first) is n.Variable and first.name in self._items)

    def _cheap_call(self, call: n.Call) -> bool:
        return bool(call.arguments) and not call.partial and all(map(self.cheap, call.arguments))

    def unpaid(self, parts: list[n.Node]) -> list[n.Variable]:
        """The functions that are called for each item of an array once, by the name in the text."""
        found = []
        for part in parts:
            if type(part) is n.Variable and id(part) in self._callees:
                found.append(part)
            elif type(part) is n.Call and type(part.procedure) is n.Variable and self._cheap_call(part):
                found.append(part.procedure)
        bound = {name for part in parts for name in _bound(part)} | _NOT_ONCE
        return [variable for variable in found if variable.name not in bound and paid([variable.name])]


def _bound(node: n.Node) -> list[str]:
    return [node.name] if type(node) is n.Bind else node.parameters if type(node) is n.Lambda else []


def _loops(node: n.Node) -> dict[int, int]:
    """In how many loops each part stands, by its identity."""
    loops: dict[int, int] = {}
    todo = [(node, 0)]
    while todo:
        node, depth = todo.pop()
        loops[id(node)] = depth
        parts = [part for part in node.parts() if part is not None]
        looped = [*(node.stages or ()), *(part for pair in node.group or () for part in pair)]
        if type(node) is n.Path:
            parts, looped = parts[:1], [*parts[1:], *looped]
        elif isinstance(node, n.Lambda | n.Sort | n.Transform):
            parts, looped = [], [*parts, *looped]
        todo += [(part, depth) for part in parts] + [(part, depth + 1) for part in looped]
    return loops
