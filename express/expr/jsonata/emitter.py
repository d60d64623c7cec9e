"""Shared by the rules of the code generator: fresh names, helpers, and values in the forms operators want.

Names and literals of an expression enter the text by `repr` of JSON scalars or as bound objects, nothing
else of it does. The text reads `si`, `sr`, `se` (the members of `$states`), `c` (the Context object), `v` (the
variables) and `scope`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any, Literal, TypeAlias

from express.expr.jsonata import nodes as n
from express.expr.jsonata import support
from express.expr.jsonata.numbers import EXACT

Kind: TypeAlias = Literal["any", "integer", "number", "string", "boolean", "null", "object", "array"]

MAX_HEIGHT = 40
"""Deepest tree that becomes Python: far below the 100 levels that AWS evaluates."""

MAX_TEXTS = 24
"""Most operands of `&` in one expression: each may be as long as a payload."""

MAX_SWEEPS = 8
"""Most operations in one expression that go through a whole value."""


_LOOKED_INTO = re.compile(r"(?!(?:None|True|False)\b)[A-Za-z_]\w*(?:[\[(.]|\Z)")


class Unsupported(Exception):
    """A node that has no fast form."""


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression and what its value is known to be.

    `integer` is a number that can be used as it stands, `number` one that arithmetic has made: perhaps too
    large, a whole float, or not finite. `clean`: if it is a number, then one that can go out as it stands.
    """

    source: str
    kind: Kind = "any"
    clean: bool = False


Known: TypeAlias = Mapping[tuple[str, str], Code]
"""Local names of the surrounding text: members of the input under `("si", name)`, variables under
`("v", name)`."""

NOTHING_KNOWN: Known = {}

Rule: TypeAlias = "Callable[[Emitter, Any], Code]"
CallRule: TypeAlias = "Callable[[Emitter, list[n.Node]], Code]"


@dataclass(slots=True)
class Emitter:
    """Turns the nodes of one expression into source text and collects what the text needs.

    `standard`: the names of all functions that there are. `used`: which of `si sr se c v scope` it reads; `called`:
    the functions it takes for the standard ones;
    `bound`: other global names and their objects; `known`: what need not be read again. `outermost`: the value
    goes out as it is; `items`: the names of the context items around, innermost last; `looping`: the text is run
    once for each item of an array.
    """

    rules: Mapping[type[n.Node], Rule]
    functions: Mapping[str, CallRule]
    standard: frozenset[str]
    prefix: str = ""
    known: Known = field(default_factory=lambda: NOTHING_KNOWN)
    used: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    bound: dict[str, Any] = field(default_factory=dict)
    outermost: bool = True
    looping: bool = False
    items: list[str] = field(default_factory=list)
    _locals: list[dict[str, Code]] = field(default_factory=lambda: [{}])
    _temporaries: int = 0
    _texts: int = 0
    _sweeps: int = 0
    _height: int = 0

    def emit(self, node: n.Node) -> Code:
        """The code of a node; raises Unsupported."""
        rule = self.rules.get(type(node))
        if rule is None or not plain(node):
            raise Unsupported
        self._height += 1
        if self._height > MAX_HEIGHT:
            raise Unsupported
        outermost = self.outermost
        self.outermost = outermost and isinstance(node, n.Array | n.Object)
        code = rule(self, node)
        self.outermost = outermost
        self._height -= 1
        return code

    # names

    def temporary(self) -> str:
        """A fresh local name."""
        self._temporaries += 1
        return f"{self.prefix}t{self._temporaries}"

    def helper(self, function: Callable[..., Any]) -> str:
        """The global name of a function of ours."""
        name = f"h_{function.__name__.strip('_')}"
        assert self.bound.setdefault(name, function) is function, "two helpers have one name"
        return name

    def local(self, name: str) -> Code | None:
        """The code of a variable that the expression itself has bound."""
        for names in reversed(self._locals):
            if name in names:
                return names[name]
        return None

    def enter(self, names: dict[str, Code]) -> None:
        """Open a block or a lambda that binds `names`."""
        self._locals.append(names)

    def bind(self, name: str, code: Code) -> None:
        """Bind a variable in the innermost block."""
        self._locals[-1][name] = code

    def leave(self) -> None:
        """Close the innermost block or lambda."""
        self._locals.pop()

    def within(self, names: dict[str, Code], body: n.Node, item: str | None = None) -> Code:
        """A node that is evaluated once for each item of an array, which is the context if `item` names it."""
        looping, self.looping = self.looping, True
        outermost, self.outermost = self.outermost, False
        self.enter(names)
        self.items.append(item or "")
        code = self.emit(body)
        self.items.pop()
        self.leave()
        self.looping, self.outermost = looping, outermost
        return code

    # budgets

    def sweep(self) -> None:
        """Count an operation whose cost grows with the data."""
        self._sweeps += 1
        if self._sweeps > MAX_SWEEPS or self.looping:
            raise Unsupported

    def concatenate(self) -> None:
        """Count an operation that may double the length of a text."""
        self._texts += 1
        if self._texts > MAX_TEXTS or self.looping:
            raise Unsupported

    # forms of values

    def base(self, source: str) -> str:
        """Text of a value that is looked into, or asked for its identity: Python warns where that is a literal."""
        return source if _LOOKED_INTO.match(source) else f"({self.temporary()} := {source})"

    def missing(self) -> str:
        """Text that gives up."""
        return f"{self.helper(support.miss)}()"

    def guarded(self, source: str, test: str) -> str:
        """`source` where `test` holds; its first mention there is `{t}`, others are `{u}`."""
        if is_name(source):
            return f"({source} if {test.format(t=source, u=source)} else {self.missing()})"
        name = self.temporary()
        return f"({name} if {test.format(t=f'({name} := {source})', u=name)} else {self.missing()})"

    def value(self, code: Code) -> str:
        """Text of a value that goes out or is stored."""
        if code.clean or code.kind not in ("number", "any"):
            return code.source
        name, fix = self.temporary(), self.helper(support.output if self.outermost else support.fix)
        first = f"({name} := {code.source}).__class__"
        if code.kind == "number":
            return f"({name} if {first} is int and {-EXACT} <= {name} <= {EXACT} else {fix}({name}))"
        return f"({name} if {first} is not float or not {name}.is_integer() else {fix}({name}))"

    def operand(self, code: Code, small: bool = False) -> str:
        """Text of a number to calculate with. `small`: the other operand is so small that ranges show in the result."""
        if code.kind == "integer":
            return code.source
        if code.kind == "number":
            return self.guarded(code.source, f"{-EXACT} <= {{t}} <= {EXACT}")
        if code.kind != "any":
            raise Unsupported
        exact = "" if small else f" and {-EXACT} <= {{u}} <= {EXACT}"
        return self.guarded(code.source, f"{{t}}.__class__ is int{exact} or {{u}}.__class__ is float")

    def text(self, code: Code) -> str:
        """Text of a string: the value itself or what `$string` makes of it."""
        if code.kind == "string":
            return code.source
        string = self.helper(support.string)
        if code.kind != "any":
            return f"{string}({code.source})"
        if is_name(code.source):
            return f"({code.source} if {code.source}.__class__ is str else {string}({code.source}))"
        name = self.temporary()
        return f"({name} if ({name} := {code.source}).__class__ is str else {string}({name}))"

    def string(self, code: Code) -> str:
        """Text of a value that must be a string."""
        if code.kind == "string":
            return code.source
        if code.kind != "any":
            raise Unsupported
        return self.guarded(code.source, "{t}.__class__ is str")

    def truth(self, code: Code) -> str:
        """Text of a condition."""
        if code.kind == "boolean":
            return code.source
        if code.kind == "any":
            name, truth = self.temporary(), self.helper(support.truth)
            return f"(({name} := {code.source}) is True or {name} is not False and {truth}({name}))"
        if code.kind in ("integer", "string", "object", "null"):
            return f"bool({code.source})"
        raise Unsupported


def is_name(source: str) -> bool:
    """Return whether a text is the name of something."""
    return source.isidentifier() and not iskeyword(source)


def plain(node: n.Node) -> bool:
    """Return whether a node has nothing hanging on it but perhaps predicates."""
    return not (node.keep_array or node.group is not None or node.focus or node.index)
