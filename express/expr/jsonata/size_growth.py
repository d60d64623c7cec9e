"""Growth of a JSONata template over its data: a bound known at compile time.

`(times, plus)` means: at most `times` times the size of the data and the variables together, plus `plus` bytes, as
compact JSON. None: not known, measure. See `expr.size_growth`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from express.expr.jsonata import nodes as n
from express.expr.jsonata.expression import Expression
from express.expr.jsonata.function_table import FUNCTIONS, PARTS, SMALL, TEXT
from express.expr.size_growth import Growth, scaled, total
from express.expr.tree import Array, Literal, Node, Object
from express.values import size

_NUMBER = (0, 32)
_NUMBERS = frozenset({"+", "-", "*", "/", "%", "=", "!=", "<", "<=", ">", ">=", "and", "or", "in"})


def value_growth(value: Node) -> Growth:
    """The growth of a template with expressions in it."""
    if type(value) is Expression:
        return node_growth(value.tree)
    if type(value) is Object:
        parts = [value_growth(item) for item in value.members.values()]
        return total(parts, 2 + sum(size(key) + 2 for key in value.members))
    if type(value) is Array:
        return total([value_growth(item) for item in value.items], 2 + len(value.items))
    assert type(value) is Literal, "paths and calls are JSONPath's"
    return 0, size(value.value)


def node_growth(node: n.Node) -> Growth:
    """The growth of an expression."""
    if node.group is not None or node.focus is not None or node.index is not None:
        return None
    if isinstance(node, n.Text):
        return 0, size(node.value)
    if isinstance(node, n.Number | n.Constant):
        return _NUMBER
    if isinstance(node, n.Path | n.Variable):
        return _place(node)
    if isinstance(node, n.Binary):
        return _binary(node)
    return _made(node)


def _place(node: n.Path | n.Variable) -> Growth:
    """A place in the data; a list that is gathered on the way is no larger than what it is gathered from."""
    if isinstance(node, n.Variable):
        return 1, 2
    plain = all(isinstance(step, n.Name | n.Variable) and step.group is None for step in node.steps)
    return (1, 2) if plain else None


def _binary(node: n.Binary) -> Growth:
    if node.op in _NUMBERS:
        return _NUMBER
    if node.op == "&":
        return _all((node.lhs, node.rhs), 0, _text)
    return None


def _text(node: n.Node) -> Growth:
    """Return what a value becomes in a text: its quotes are escaped, and `1e20` has 21 digits."""
    if isinstance(node, n.Text) or (isinstance(node, n.Binary) and node.op == "&"):
        return node_growth(node)
    return scaled(node_growth(node), 6, 24)


def _made(node: n.Node) -> Growth:
    if isinstance(node, n.Negate):
        return _NUMBER
    if isinstance(node, n.Condition):
        return _all([part for part in (node.then, node.otherwise) if part is not None], 0)
    if isinstance(node, n.Array):
        return _all(node.items, 2 + len(node.items))
    if isinstance(node, n.Object):
        return _all([part for pair in node.pairs for part in pair], 2 + 2 * len(node.pairs))
    if isinstance(node, n.Block):
        return node_growth(node.expressions[-1]) if len(node.expressions) == 1 else None
    return _call(node) if isinstance(node, n.Call) else None


def _call(node: n.Call) -> Growth:
    if node.partial or not isinstance(node.procedure, n.Variable):
        return None
    function = FUNCTIONS.get(node.procedure.name)
    growth = "" if function is None else function.growth
    if growth == SMALL:
        return 0, 64
    if growth == TEXT:
        return _all(node.arguments, 4, _text)
    return _all(node.arguments, 4) if growth == PARTS else None


def _all(parts: Iterable[n.Node], plus: int, growth: Callable[[n.Node], Growth] | None = None) -> Growth:
    return total([(growth or node_growth)(part) for part in parts], plus)
