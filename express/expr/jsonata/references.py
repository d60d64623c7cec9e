"""References of an expression, found without evaluating it.

`$states`, variables and functions are what the engine must provide; a name, `$` or `$$` at the top level
is what AWS refuses when a machine is created, because its expressions have no context item.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from express.expr.jsonata import nodes as n
from express.expr.jsonata.names import FUNCTIONS


@dataclass(frozen=True, slots=True)
class References:
    """The references of one expression.

    `variables`: free variables, without `$states` and without standard functions; `functions`: the names
    that are called or applied; `free`: both, and functions used as values. `states`: the members of
    `$states` that are named, `whole_states`: `$states` is also used as a value. `top_level`: field
    names, `$` and `$$` that stand where there is no context item, in source order, each once.
    """

    variables: frozenset[str]
    functions: frozenset[str]
    free: frozenset[str]
    states: frozenset[str]
    whole_states: bool
    top_level: tuple[str, ...]

    @property
    def context(self) -> bool:
        """Return whether the Context object is needed."""
        return self.whole_states or "context" in self.states


def references(node: n.Node) -> References:
    """The references of an expression; see `References`."""
    walk = _Walk()
    walk.run(node)
    variables = walk.free - FUNCTIONS - walk.functions
    return References(
        variables=frozenset(variables),
        functions=frozenset(walk.functions),
        free=frozenset(walk.free),
        states=frozenset(walk.states),
        whole_states=walk.whole_states,
        top_level=tuple(walk.top_level),
    )


class _Names:
    """The variables bound in a block or lambda; an inner one sees the outer ones."""

    __slots__ = ("bound", "outer")

    def __init__(self, outer: _Names | None = None) -> None:
        self.bound: set[str] = set()
        self.outer = outer

    def knows(self, name: str) -> bool:
        names: _Names | None = self
        while names is not None:
            if name in names.bound:
                return True
            names = names.outer
        return False


@dataclass(slots=True)
class _Visit:
    """A node to look at; `inside`: there is a context item. With `binds`, only the name to bind once it is reached."""

    node: n.Node | None
    names: _Names
    inside: bool
    binds: str | None = None


@dataclass(slots=True)
class _Walk:
    """A walk in source order over a stack of its own; bodies of lambdas last, as they see what is bound later."""

    free: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    states: set[str] = field(default_factory=set)
    whole_states: bool = False
    top_level: dict[str, None] = field(default_factory=dict)
    stack: list[_Visit] = field(default_factory=list)
    later: list[_Visit] = field(default_factory=list)

    def run(self, node: n.Node) -> None:
        self.stack.append(_Visit(node, _Names(), inside=False))
        while self.stack or self.later:
            visit = self.stack.pop() if self.stack else self.later.pop(0)
            if visit.binds is not None:
                visit.names.bound.add(visit.binds)
            if visit.node is not None:
                self.visit(visit.node, visit.names, visit.inside)

    def push(self, *visits: _Visit) -> None:
        self.stack += reversed(visits)

    def visit(self, node: n.Node, names: _Names, inside: bool) -> None:
        self.push(
            *self._own(node, names, inside),
            *(_Visit(stage, names, inside=True) for stage in node.stages or ()),
            *(_Visit(part, names, inside=True) for pair in node.group or () for part in pair),
        )

    def _own(self, node: n.Node, names: _Names, inside: bool) -> list[_Visit]:
        match node:
            case n.Variable():
                self._variable(node, names, inside)
            case n.Path():
                return self._path(node, names, inside)
            case n.Lambda():
                inner = _Names(names)
                inner.bound.update(node.parameters)
                self.later.append(_Visit(node.body, inner, inside=True))
            case n.Block():
                inner = _Names(names)
                return [_Visit(part, inner, inside) for part in node.expressions]
            case n.Bind():
                return [_Visit(node.value, names, inside), _Visit(None, names, inside, binds=node.name)]
            case n.Transform():
                return [_Visit(part, names, inside=True) for part in node.parts() if part is not None]
            case n.Position():
                names.bound.add(node.name)
            case _:
                self._called(node, names)
                return [_Visit(part, names, inside) for part in node.parts() if part is not None]
        return []

    def _variable(self, node: n.Variable, names: _Names, inside: bool) -> None:
        if node.name in ("", "$"):
            if not inside:
                self.top_level["$" + node.name] = None
        elif not names.knows(node.name):
            if node.name == "states":
                self.whole_states = True
            else:
                self.free.add(node.name)

    def _called(self, node: n.Node, names: _Names) -> None:
        """Note the function of a call or an application."""
        procedure = node.procedure if type(node) is n.Call else node.rhs if type(node) is n.Apply else None
        if type(procedure) is n.Variable and not names.knows(procedure.name):
            self.functions.add(procedure.name)

    def _path(self, path: n.Path, names: _Names, inside: bool) -> list[_Visit]:
        first, rest = path.steps[0], path.steps[1:]
        visits: list[_Visit] = []
        if type(first) is n.Name:
            if not inside:
                self.top_level[first.value] = None
        elif _is_states(first, names) and rest and type(rest[0]) is n.Name:
            self.states.add(rest[0].value)
        else:
            visits = [_Visit(first, names, inside)]
        if not visits:
            visits = self._extras(first, names)
        for step in path.steps:
            names.bound.update(name for name in (step.focus, step.index) if name)
        return visits + [_Visit(step, names, inside=True) for step in rest]

    def _extras(self, step: n.Node, names: _Names) -> list[_Visit]:
        """Visit what hangs on a step that needs no visit itself."""
        below = [*(step.stages or ()), *(part for pair in step.group or () for part in pair)]
        return [_Visit(part, names, inside=True) for part in below]


def _is_states(node: n.Node, names: _Names) -> bool:
    return type(node) is n.Variable and node.name == "states" and not node.stages and not names.knows("states")
