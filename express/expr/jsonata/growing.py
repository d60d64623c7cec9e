"""Expressions that can make large values of small ones, or meet functions that must be paid for."""

from __future__ import annotations

from enum import Enum

from express.expr.jsonata import nodes as n
from express.expr.jsonata.function_table import FUNCTIONS
from express.expr.jsonata.preludes import paid
from express.expr.jsonata.references import References
from express.expr.jsonata.sharing import Sharing

_MAKERS = frozenset(name for name, function in FUNCTIONS.items() if function.makes)
"""Functions that make much of little, or are called over and over with what they made."""

MOST_JOINED = 8
"""Most operands of `&` and bindings where neither loops: each may double what there is."""


class Growing(Enum):
    """The reasons why an expression needs a prelude."""

    NEVER = 0
    WITH_DATA = 1
    ALWAYS = 2


def growing(node: n.Node, refs: References) -> Growing:
    """Return what an expression needs; see `Growing`."""
    parts = list(n.walk(node))
    if Sharing(node).places:
        return Growing.ALWAYS
    copies = any(type(part) is n.Transform for part in parts)
    joined = sum(type(part) is n.Binary and part.op == "&" for part in parts)
    if not paid(refs.free) and not joined and not copies:
        return Growing.NEVER
    names = sum(type(part) is n.Bind for part in parts)
    looping = any(type(part) is n.Bind and type(part.value) is n.Lambda for part in parts)
    ranges = any(type(part) is n.Binary and part.op == ".." for part in parts)
    nested = sum(type(part) is n.Lambda for part in parts) > 2
    if ranges or looping or nested or refs.free & _MAKERS or (names and joined + names > MOST_JOINED):
        return Growing.ALWAYS
    return Growing.WITH_DATA


def nesting(node: n.Node) -> bool:
    """Return whether an expression may nest a value over and over: as text it is long before it is large."""
    lambdas = [part for part in n.walk(node) if type(part) is n.Lambda]
    return any(isinstance(part, n.Array | n.Object) for body in lambdas for part in n.walk(body))
