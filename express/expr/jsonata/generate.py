"""Common expressions as Python: guarded source text that is fast as long as the data is what it looks like.

A path is a chain of subscripts, which fails by itself where an object is missing; operators check their
operands in passing. Whatever fails raises, and the complete evaluator takes over, so the code is
optimistic and never decides an unusual case. Names and literals enter the text by `repr` of JSON scalars
or as bound constants, nothing else does; nodes without a rule here raise `Unsupported`.

The text reads `si`, `sr`, `se` (the members of `$states`), `c` (the Context object), `v` (the variables).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from express.expr.jsonata import nodes as n
from express.expr.jsonata import support
from express.expr.jsonata.numbers import MAX_SAFE

Kind: TypeAlias = Literal["any", "integer", "number", "string", "boolean", "null", "object", "array"]

MAX_HEIGHT = 40
"""Deepest tree that becomes Python: far below the 100 levels that AWS evaluates."""

MAX_TEXTS = 24
"""Most operands of `&` in one expression: each may be as long as a payload."""

MAX_SWEEPS = 8
"""Most operations in one expression that go through a whole value."""

MEMBERS = {"input": "si", "result": "sr", "errorOutput": "se", "context": "c"}


class Unsupported(Exception):
    """A node that has no fast form."""


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression and what its value is known to be.

    `integer` is a number within 2^53 that can be used as it stands, `number` one that arithmetic has made:
    too large, a whole float, or not finite.
    """

    source: str
    kind: Kind = "any"


Emit: TypeAlias = "Callable[[Emitter, list[n.Node]], Code]"


@dataclass(slots=True)
class Emitter:
    """Turns trees into source text and collects what the text needs.

    `used`: which of `si sr se c v scope` it reads; `called`: the functions it takes for the standard ones;
    `bound`: other global names and their objects.
    """

    functions: Mapping[str, Emit]
    used: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    bound: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""
    _locals: list[dict[str, Code]] = field(default_factory=lambda: [{}])
    _temporaries: int = 0
    _texts: int = 0
    _sweeps: int = 0
    _height: int = 0
    looping: bool = False

    # pieces of text

    def temporary(self) -> str:
        """A fresh local name."""
        self._temporaries += 1
        return f"{self.prefix}t{self._temporaries}"

    def helper(self, function: Callable[..., Any]) -> str:
        """The global name of a function of ours."""
        name = f"h_{function.__name__.strip('_')}"
        assert self.bound.setdefault(name, function) is function, "two helpers have one name"
        return name

    def sweep(self) -> None:
        """Count an operation whose cost grows with the data."""
        self._sweeps += 1
        if self._sweeps > MAX_SWEEPS or self.looping:
            raise Unsupported

    def missing(self) -> str:
        """Text that gives up."""
        return f"{self.helper(support.miss)}()"

    def guarded(self, source: str, test: str) -> str:
        """`source` where `test` (with `{t}` for it) holds."""
        name = self.temporary()
        return f"({name} if {test.format(t=f'({name} := {source})', u=name)} else {self.missing()})"

    # values in the forms that operators want

    def value(self, code: Code) -> str:
        """Text of a value that goes out or is stored."""
        if code.kind == "number":
            name = self.temporary()
            whole = f"type({name} := {code.source}) is int and {-MAX_SAFE} <= {name} <= {MAX_SAFE}"
            return f"({name} if {whole} else {self.helper(support.fix)}({name}))"
        if code.kind == "any":
            name = self.temporary()
            return f"({name} if type({name} := {code.source}) is not float else {self.helper(support.fix)}({name}))"
        return code.source

    def operand(self, code: Code) -> str:
        """Text of a number to calculate with."""
        if code.kind == "integer":
            return code.source
        if code.kind == "number":
            return self.guarded(code.source, f"{-MAX_SAFE} <= {{t}} <= {MAX_SAFE}")
        if code.kind != "any":
            raise Unsupported
        test = f"{-MAX_SAFE} <= {{t}} <= {MAX_SAFE} and {{u}} is not True and {{u}} is not False"
        return self.guarded(code.source, test)

    def text(self, code: Code) -> str:
        """Text of a string: the value itself or what `$string` makes of it."""
        if code.kind == "string":
            return code.source
        string = self.helper(support.string)
        if code.kind != "any":
            return f"{string}({code.source})"
        name = self.temporary()
        return f"({name} if type({name} := {code.source}) is str else {string}({name}))"

    def string(self, code: Code) -> str:
        """Text of a value that must be a string."""
        if code.kind == "string":
            return code.source
        if code.kind != "any":
            raise Unsupported
        return self.guarded(code.source, "type({t}) is str")

    def array(self, code: Code) -> str:
        """Text of a value that must be an array."""
        if code.kind == "array":
            return code.source
        if code.kind != "any":
            raise Unsupported
        return self.guarded(code.source, "type({t}) is list")

    def truth(self, code: Code) -> str:
        """Text of a condition."""
        if code.kind == "boolean":
            return code.source
        if code.kind == "any":
            name = self.temporary()
            truth = self.helper(support.truth)
            return f"(({name} := {code.source}) is True or {name} is not False and {truth}({name}))"
        if code.kind in ("integer", "string", "object", "null"):
            return f"bool({code.source})"
        raise Unsupported

    # nodes

    def emit(self, node: n.Node) -> Code:
        """The code of a node; raises Unsupported."""
        rule = _RULES.get(type(node))
        if rule is None or node.group is not None or node.keep_array or node.focus or node.index:
            raise Unsupported
        self._height += 1
        if self._height > MAX_HEIGHT:
            raise Unsupported
        code = rule(self, node)
        if node.stages:
            code = self.staged(code, node.stages)
        self._height -= 1
        return code

    def staged(self, code: Code, stages: list[n.Node]) -> Code:
        """A value with constant indexes behind it."""
        for stage in stages:
            if type(stage) is not n.Filter or type(stage.condition) is not n.Number:
                raise Unsupported
            index = stage.condition.value
            if type(index) is not int or not stage.condition.bare():
                raise Unsupported
            code = Code(f"{self.helper(support.item)}({code.source}, {index})")
        return code

    def local(self, name: str) -> Code | None:
        """The code of a variable that the expression itself has bound."""
        for names in reversed(self._locals):
            if name in names:
                return names[name]
        return None

    def within(self, parameters: dict[str, Code], body: n.Node) -> Code:
        """The body of a lambda that is called for each item of an array."""
        self._locals.append(parameters)
        self.looping = True
        code = self.emit(body)
        self.looping = False
        self._locals.pop()
        return code

    def variable(self, name: str) -> Code:
        """A variable's value."""
        if name in ("", "$", "states"):
            raise Unsupported
        if (code := self.local(name)) is not None:
            return code
        self.used.add("v")
        return Code(f"v[{name!r}]")

    def number(self, node: n.Number) -> Code:
        """A number literal that Python and JavaScript have alike."""
        if not -MAX_SAFE <= node.value <= MAX_SAFE:
            raise Unsupported
        return Code(f"({node.value!r})", "integer")

    def path(self, node: n.Path) -> Code:
        """`$states.member.a.b`, `$x.a`: subscripts."""
        first, rest = node.steps[0], node.steps[1:]
        if node.keep_singleton or type(first) is not n.Variable or not _plain(first):
            raise Unsupported
        if first.name == "states" and self.local("states") is None:
            code, rest = self._member(rest), rest[1:]
        elif first.stages:
            code = self.emit(first)
        else:
            code = self.variable(first.name)
        for step in rest:
            if type(step) is not n.Name or not _plain(step) or code.kind != "any":
                raise Unsupported
            code = Code(f"{code.source}[{step.value!r}]")
            if step.stages:
                code = self.staged(code, step.stages)
        return code

    def _member(self, rest: list[n.Node]) -> Code:
        """A member of `$states`."""
        member = rest[0] if rest else None
        if type(member) is not n.Name or not _plain(member) or member.value not in MEMBERS:
            raise Unsupported
        name = MEMBERS[member.value]
        self.used.add(name)
        code = Code(name)
        return self.staged(code, member.stages) if member.stages else code

    def negate(self, node: n.Negate) -> Code:
        """`-a`"""
        return Code(f"(-{self.operand(self.emit(node.operand))})", "number")

    def array_of(self, node: n.Array) -> Code:
        """`[a, b]`: arrays among the items are spread, unless they are written as arrays."""
        parts = []
        for item in node.items:
            code = self.emit(item)
            if code.kind == "array" and type(item) is not n.Array:
                parts.append(f"*{code.source}")
            elif code.kind == "any":
                name = self.temporary()
                parts.append(f"*({name} if type({name} := {self.value(code)}) is list else ({name},))")
            else:
                parts.append(self.value(code))
        return Code(f"[{', '.join(parts)}]", "array")

    def object_of(self, node: n.Object) -> Code:
        """`{"k": v}` with literal keys."""
        keys = [key.value for key, _ in node.pairs if type(key) is n.Text and key.bare()]
        if len(set(keys)) < len(node.pairs):
            raise Unsupported
        members = [f"{key!r}: {self.value(self.emit(value))}" for key, (_, value) in zip(keys, node.pairs, strict=True)]
        return Code(f"{{{', '.join(members)}}}", "object")

    def block(self, node: n.Block) -> Code:
        """`(a)` or `($x := a; …; b)`; bound variables are local names of Python."""
        if not node.expressions:
            raise Unsupported
        self._locals.append({})
        earlier = []
        for part in node.expressions[:-1]:
            if type(part) is not n.Bind or not part.bare() or self.looping:
                raise Unsupported
            code = self.emit(part.value)
            name = self.temporary()
            earlier.append(f"({name} := {self.value(code)})")
            kind: Kind = "integer" if code.kind == "number" else code.kind
            self._locals[-1][part.name] = Code(name, "any" if kind == "integer" else kind)
        code = self.emit(node.expressions[-1])
        self._locals.pop()
        if not earlier:
            return code
        return Code(f"({', '.join(earlier)}, {code.source})[-1]", code.kind)

    def condition(self, node: n.Condition) -> Code:
        """`a ? b : c`"""
        test = self.truth(self.emit(node.condition))
        then = self.emit(node.then)
        if node.otherwise is None:
            return Code(f"({then.source} if {test} else {self.missing()})", then.kind)
        otherwise = self.emit(node.otherwise)
        if then.kind == otherwise.kind:
            return Code(f"({then.source} if {test} else {otherwise.source})", then.kind)
        return Code(f"({self.value(then)} if {test} else {self.value(otherwise)})")

    def call(self, node: n.Call) -> Code:
        """`$f(a, b)` of a function that has a rule and that no variable of the expression hides."""
        procedure = node.procedure
        if node.partial or type(procedure) is not n.Variable or not procedure.bare():
            raise Unsupported
        return self.invoke(procedure.name, node.arguments)

    def invoke(self, name: str, arguments: list[n.Node]) -> Code:
        """A standard function with its arguments."""
        rule = self.functions.get(name)
        if rule is None or self.local(name) is not None:
            raise Unsupported
        self.called.add(name)
        return rule(self, arguments)

    def apply(self, node: n.Apply) -> Code:
        """`a ~> $f` and `a ~> $f(b)`"""
        right = node.rhs
        if type(right) is n.Variable and right.bare():
            return self.invoke(right.name, [node.lhs])
        if type(right) is n.Call and right.bare() and not right.partial:
            procedure = right.procedure
            if type(procedure) is n.Variable and procedure.bare():
                return self.invoke(procedure.name, [node.lhs, *right.arguments])
        raise Unsupported

    def binary(self, node: n.Binary) -> Code:
        """An operator."""
        if node.op in ARITHMETIC:
            return self._arithmetic(node)
        if node.op == "&":
            return self._concatenation(node)
        if node.op in ("and", "or"):
            lhs = self.truth(self.emit(node.lhs))
            return Code(f"({lhs} {node.op} {self.truth(self.emit(node.rhs))})", "boolean")
        if node.op in ("=", "!="):
            return self._equality(node)
        if node.op in COMPARISONS:
            return self._comparison(node)
        if node.op == "in":
            return self._membership(node)
        raise Unsupported

    def _arithmetic(self, node: n.Binary) -> Code:
        lhs = self.operand(self.emit(node.lhs))
        rhs = self.operand(self.emit(node.rhs))
        function = ARITHMETIC[node.op]
        if function is None:
            return Code(f"({lhs} {node.op} {rhs})", "number")
        return Code(f"{self.helper(function)}({lhs}, {rhs})", "number")

    def _concatenation(self, node: n.Binary) -> Code:
        self._texts += 1
        if self._texts > MAX_TEXTS or self.looping:
            raise Unsupported
        lhs = self.text(self.emit(node.lhs))
        return Code(f"({lhs} + {self.text(self.emit(node.rhs))})", "string")

    def _equality(self, node: n.Binary) -> Code:
        lhs, rhs = self.emit(node.lhs), self.emit(node.rhs)
        a, b = self._comparable(lhs), self._comparable(rhs)
        if "string" in (lhs.kind, rhs.kind) or _whole_literal(node.lhs) or _whole_literal(node.rhs):
            return Code(f"({a} {'==' if node.op == '=' else '!='} {b})", "boolean")
        if (_word_literal(node.lhs) and rhs.kind == "any") or (_word_literal(node.rhs) and lhs.kind == "any"):
            return Code(f"({a} {'is' if node.op == '=' else 'is not'} {b})", "boolean")
        negation = "" if node.op == "=" else "not "
        return Code(f"({negation}{self.helper(support.same)}({a}, {b}))", "boolean")

    def _comparable(self, code: Code) -> str:
        return self.operand(code) if code.kind == "number" else code.source

    def _comparison(self, node: n.Binary) -> Code:
        lhs, rhs = self.emit(node.lhs), self.emit(node.rhs)
        numbers = ("integer", "number")
        if lhs.kind in numbers or rhs.kind in numbers:
            return Code(f"({self.operand(lhs)} {node.op} {self.operand(rhs)})", "boolean")
        function = COMPARISONS[node.op]
        return Code(f"{self.helper(function)}({lhs.source}, {rhs.source})", "boolean")

    def _membership(self, node: n.Binary) -> Code:
        """`a in ["x", "y"]` of string literals."""
        items = node.rhs.items if type(node.rhs) is n.Array and node.rhs.bare() else []
        words = [item.value for item in items if type(item) is n.Text and item.bare()]
        if not words or len(words) < len(items):
            raise Unsupported
        return Code(f"({self.string(self.emit(node.lhs))} in {{{', '.join(map(repr, words))}}})", "boolean")


def _whole_literal(node: n.Node) -> bool:
    """Whether a literal is a number that Python takes for no boolean."""
    return type(node) is n.Number and node.bare() and node.value not in (0, 1)


def _word_literal(node: n.Node) -> bool:
    """Whether a literal is one of Python's singletons."""
    return type(node) is n.Constant and node.bare()


def _plain(step: n.Node) -> bool:
    """Whether a step has nothing but perhaps predicates."""
    return not (step.keep_array or step.group is not None or step.focus or step.index)


ARITHMETIC: dict[str, Callable[..., Any] | None] = {
    "+": None,
    "-": None,
    "*": None,
    "/": support.divide,
    "%": support.remainder,
}

COMPARISONS: dict[str, Callable[..., Any]] = {
    "<": support.less,
    ">": support.greater,
    "<=": support.at_most,
    ">=": support.at_least,
}

_RULES: dict[type[n.Node], Callable[..., Code]] = {
    n.Text: lambda _, node: Code(repr(node.value), "string"),
    n.Number: Emitter.number,
    n.Constant: lambda _, node: Code(repr(node.value), "null" if node.value is None else "boolean"),
    n.Variable: lambda emitter, node: emitter.variable(node.name),
    n.Path: Emitter.path,
    n.Negate: Emitter.negate,
    n.Array: Emitter.array_of,
    n.Object: Emitter.object_of,
    n.Block: Emitter.block,
    n.Condition: Emitter.condition,
    n.Call: Emitter.call,
    n.Apply: Emitter.apply,
    n.Binary: Emitter.binary,
}
