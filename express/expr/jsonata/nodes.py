"""The tree of a JSONata expression.

The parser makes nodes; `resolve` turns what it read of a path (`Infix` with `.`, `[`, `{`, `^`, `@`, `#`)
into `Path` nodes, after which no `Infix`, `Name` outside a path, or `End` is left. Every node carries what
a path step may have: `stages` (predicates and position variables), `group`, `focus` (`@$x`), `index` (`#$i`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from express.expr.jsonata.tokens import Regex

Span: TypeAlias = tuple[int, int, int, int]


@dataclass(slots=True, eq=False)
class Slot:
    """A `%` that looks for the step it means: that many levels up."""

    level: int = 1


@dataclass(slots=True, eq=False)
class Node:
    """A part of an expression; `position` stands behind its token."""

    kind: ClassVar[str] = ""
    position: int
    keep_array: bool = field(default=False, kw_only=True)
    stages: list[Node] | None = field(default=None, kw_only=True)
    group: list[tuple[Node, Node]] | None = field(default=None, kw_only=True)
    focus: str | None = field(default=None, kw_only=True)
    index: str | None = field(default=None, kw_only=True)
    seeking: list[Slot] | None = field(default=None, kw_only=True)

    @property
    def token(self) -> object:
        """The name of the node in error messages."""
        return None

    def parts(self) -> tuple[Node | None, ...]:
        """The nodes below that belong to the node's own syntax, in source order."""
        return ()

    def bare(self) -> bool:
        """Return whether the node has none of the things a path step may have."""
        return not (self.stages or self.keep_array or self.group is not None or self.focus or self.index)


@dataclass(slots=True, eq=False)
class Text(Node):
    """A string literal."""

    kind: ClassVar[str] = "string"
    value: str

    @property
    def token(self) -> object:
        return self.value


@dataclass(slots=True, eq=False)
class Number(Node):
    """A number literal."""

    kind: ClassVar[str] = "number"
    value: int | float

    @property
    def token(self) -> object:
        return self.value


@dataclass(slots=True, eq=False)
class Constant(Node):
    """`true`, `false` or `null`."""

    kind: ClassVar[str] = "value"
    value: bool | None

    @property
    def token(self) -> object:
        return self.value


@dataclass(slots=True, eq=False)
class Pattern(Node):
    """A regular expression literal."""

    kind: ClassVar[str] = "regex"
    regex: Regex


@dataclass(slots=True, eq=False)
class Name(Node):
    """A field name. `operator`: it was read as `and`, `or` or `in` and is a name only by its place."""

    kind: ClassVar[str] = "name"
    value: str
    operator: bool = False

    @property
    def token(self) -> object:
        return self.value


@dataclass(slots=True, eq=False)
class Variable(Node):
    """`$name`; `$` itself has the empty name and `$$` the name `$`."""

    kind: ClassVar[str] = "variable"
    name: str

    @property
    def token(self) -> object:
        return self.name


@dataclass(slots=True, eq=False)
class Wildcard(Node):
    """`*`."""

    kind: ClassVar[str] = "wildcard"


@dataclass(slots=True, eq=False)
class Descendant(Node):
    """`**`."""

    kind: ClassVar[str] = "descendant"


@dataclass(slots=True, eq=False)
class Parent(Node):
    """`%`."""

    kind: ClassVar[str] = "parent"
    slot: Slot = field(default_factory=Slot)


@dataclass(slots=True, eq=False)
class End(Node):
    """The end of the text where an operand should be."""

    kind: ClassVar[str] = "(end)"

    @property
    def token(self) -> object:
        return "(end)"


@dataclass(slots=True, eq=False)
class Placeholder(Node):
    """`?` as an argument of a partial application."""

    kind: ClassVar[str] = "operator"

    @property
    def token(self) -> object:
        return "?"


@dataclass(slots=True, eq=False)
class Infix(Node):
    """An infix operator as read, before `resolve`; `terms` hold the pairs of a group or the keys of a sort."""

    kind: ClassVar[str] = "binary"
    op: str
    lhs: Node
    rhs: Node | None = None
    span: Span | None = None
    pairs: list[tuple[Node, Node]] | None = None
    terms: list[tuple[bool, Node]] | None = None

    @property
    def token(self) -> object:
        return self.op

    def parts(self) -> tuple[Node | None, ...]:
        return (self.lhs, self.rhs)


@dataclass(slots=True, eq=False)
class Binary(Node):
    """Arithmetic, comparison, `&`, `and`, `or`, `in`, `..`, and the later `??` and `?:`.

    `span`, of a range only: where its two sides begin and end in the text.
    """

    kind: ClassVar[str] = "binary"
    op: str
    lhs: Node
    rhs: Node
    span: Span | None = None

    @property
    def token(self) -> object:
        return self.op

    def parts(self) -> tuple[Node | None, ...]:
        return (self.lhs, self.rhs)


@dataclass(slots=True, eq=False)
class Negate(Node):
    """Unary minus."""

    kind: ClassVar[str] = "unary"
    operand: Node

    def parts(self) -> tuple[Node | None, ...]:
        return (self.operand,)


@dataclass(slots=True, eq=False)
class Array(Node):
    """`[a, b..c]`."""

    kind: ClassVar[str] = "unary"
    items: list[Node]

    def parts(self) -> tuple[Node | None, ...]:
        return tuple(self.items)


@dataclass(slots=True, eq=False)
class Object(Node):
    """`{key: value}`."""

    kind: ClassVar[str] = "unary"
    pairs: list[tuple[Node, Node]]

    def parts(self) -> tuple[Node | None, ...]:
        return tuple(part for pair in self.pairs for part in pair)


@dataclass(slots=True, eq=False)
class Block(Node):
    """`(a; b)`."""

    kind: ClassVar[str] = "block"
    expressions: list[Node]

    def parts(self) -> tuple[Node | None, ...]:
        return tuple(self.expressions)


@dataclass(slots=True, eq=False)
class Condition(Node):
    """`a ? b : c`."""

    kind: ClassVar[str] = "condition"
    condition: Node
    then: Node
    otherwise: Node | None

    def parts(self) -> tuple[Node | None, ...]:
        return (self.condition, self.then, self.otherwise)


@dataclass(slots=True, eq=False)
class Call(Node):
    """`f(a, b)`; `partial` where an argument is a placeholder."""

    kind: ClassVar[str] = "function"
    procedure: Node
    arguments: list[Node]
    partial: bool = False

    def parts(self) -> tuple[Node | None, ...]:
        return (self.procedure, *self.arguments)


@dataclass(slots=True, eq=False)
class Lambda(Node):
    """`function($a, $b)<signature>{body}`."""

    kind: ClassVar[str] = "lambda"
    parameters: list[str]
    body: Node
    signature: str | None = None

    def parts(self) -> tuple[Node | None, ...]:
        return (self.body,)


@dataclass(slots=True, eq=False)
class Transform(Node):
    """`|pattern|update, delete|`."""

    kind: ClassVar[str] = "transform"
    pattern: Node
    update: Node
    delete: Node | None

    def parts(self) -> tuple[Node | None, ...]:
        return (self.pattern, self.update, self.delete)


@dataclass(slots=True, eq=False)
class Bind(Node):
    """`$name := value`."""

    kind: ClassVar[str] = "bind"
    name: str
    value: Node

    def parts(self) -> tuple[Node | None, ...]:
        return (self.value,)


@dataclass(slots=True, eq=False)
class Apply(Node):
    """`value ~> function`."""

    kind: ClassVar[str] = "apply"
    lhs: Node
    rhs: Node

    def parts(self) -> tuple[Node | None, ...]:
        return (self.lhs, self.rhs)


@dataclass(slots=True, eq=False)
class Path(Node):
    """`a.b.c`; `keep_singleton` where a step said `[]`."""

    kind: ClassVar[str] = "path"
    steps: list[Node]
    keep_singleton: bool = False

    def parts(self) -> tuple[Node | None, ...]:
        return tuple(self.steps)


@dataclass(slots=True, eq=False)
class Sort(Node):
    """`^(a, >b)` as a step: (descending, expression) each."""

    kind: ClassVar[str] = "sort"
    terms: list[tuple[bool, Node]]

    def parts(self) -> tuple[Node | None, ...]:
        return tuple(term for _, term in self.terms)


@dataclass(slots=True, eq=False)
class Filter(Node):
    """`[condition or index]` as a stage of a step."""

    kind: ClassVar[str] = "filter"
    condition: Node

    def parts(self) -> tuple[Node | None, ...]:
        return (self.condition,)


@dataclass(slots=True, eq=False)
class Position(Node):
    """`#$i` behind predicates, as a stage of a step."""

    kind: ClassVar[str] = "index"
    name: str


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything below it, stages and groups too; does not recurse."""
    open_nodes = [node]
    while open_nodes:
        node = open_nodes.pop()
        yield node
        open_nodes += [part for part in node.parts() if part is not None]
        open_nodes += node.stages or ()
        open_nodes += [part for pair in node.group or () for part in pair]
