"""Common expressions as Python: guarded source text that is fast as long as the data is what it looks like.

Operators check their operands in passing. Whatever fails raises, and the complete evaluator takes over, so
the code is optimistic and never decides an unusual case. Nodes without a rule here raise `Unsupported`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from express.expr.jsonata import nodes as n
from express.expr.jsonata import support
from express.expr.jsonata.emitter import Code, Emitter, Kind, Rule, Unsupported
from express.expr.jsonata.generate_paths import emit_path, emit_tolerant, emit_variable, staged
from express.expr.jsonata.numbers import EXACT

_PLAIN = re.compile(r"[\w .,:;/()=+*-]*", re.ASCII)
"""Text that may stand in an f-string as it is."""

_UNFIT = re.compile(r'[\\#"\n]')
"""Characters that the expressions of an f-string must not hold (before Python 3.12)."""

EMPTY = ", ''"


def _bare(rule: Rule) -> Rule:
    """A rule for nodes that have no predicates."""

    def checked(emitter: Emitter, node: n.Node) -> Code:
        if node.stages:
            raise Unsupported
        return rule(emitter, node)

    return checked


def _predicated(rule: Rule) -> Rule:
    """A rule for nodes that may have predicates."""

    def checked(emitter: Emitter, node: n.Node) -> Code:
        code = rule(emitter, node)
        return staged(emitter, code, node.stages) if node.stages else code

    return checked


def _number(_: Emitter, node: n.Number) -> Code:
    exact = type(node.value) is float or -EXACT <= node.value <= EXACT
    return Code(f"({node.value!r})", "integer" if exact else "any")


def _negate(emitter: Emitter, node: n.Negate) -> Code:
    return Code(f"(-{emitter.operand(emitter.emit(node.operand))})", "number")


def _array(emitter: Emitter, node: n.Array) -> Code:
    """Arrays among the items are spread, unless they are written as arrays."""
    parts = []
    few = f"{emitter.helper(support.spread)}(" if emitter.looping else ""
    end = ")" if few else ""
    for item in node.items:
        code = emitter.emit(item)
        if code.kind == "array" and type(item) is not n.Array:
            parts.append(f"*{few}{code.source}{end}")
        elif code.kind == "any":
            name = emitter.temporary()
            parts.append(f"*({few}{name}{end} if type({name} := {emitter.value(code)}) is list else ({name},))")
        else:
            parts.append(emitter.value(code))
    return Code(f"[{', '.join(parts)}]", "array")


def _object(emitter: Emitter, node: n.Object) -> Code:
    """Only literal keys, each once."""
    keys = [key.value for key, _ in node.pairs if type(key) is n.Text and key.bare()]
    if len(set(keys)) < len(node.pairs):
        raise Unsupported
    values = [emitter.value(emitter.emit(value)) for _, value in node.pairs]
    members = [f"{key!r}: {value}" for key, value in zip(keys, values, strict=True)]
    return Code(f"{{{', '.join(members)}}}", "object")


def _block(emitter: Emitter, node: n.Block) -> Code:
    """Only the last value counts; the ones before it are there for the variables they bind."""
    if not node.expressions or not all(type(part) is n.Bind for part in node.expressions[:-1]):
        raise Unsupported
    emitter.enter({})
    earlier = [emitter.emit(part).source for part in node.expressions[:-1]]
    code = emitter.emit(node.expressions[-1])
    emitter.leave()
    if not earlier:
        return code
    return Code(f"({', '.join(earlier)}, {code.source})[-1]", code.kind)


def _bind(emitter: Emitter, node: n.Bind) -> Code:
    """A variable becomes a local name of Python."""
    code, name = emitter.emit(node.value), emitter.temporary()
    kind: Kind = "any" if code.kind in ("number", "integer") else code.kind
    emitter.bind(node.name, Code(name, kind))
    return Code(f"({name} := {emitter.value(code)})", kind)


def _condition(emitter: Emitter, node: n.Condition) -> Code:
    test = emitter.truth(emit_tolerant(emitter, node.condition))
    then = emitter.emit(node.then)
    if node.otherwise is None:
        return Code(f"({then.source} if {test} else {emitter.missing()})", then.kind)
    otherwise = emitter.emit(node.otherwise)
    if then.kind == otherwise.kind:
        return Code(f"({then.source} if {test} else {otherwise.source})", then.kind)
    return Code(f"({emitter.value(then)} if {test} else {emitter.value(otherwise)})")


def _call(emitter: Emitter, node: n.Call) -> Code:
    procedure = node.procedure
    if node.partial or type(procedure) is not n.Variable or not procedure.bare():
        raise Unsupported
    return _invoke(emitter, procedure.name, node.arguments)


def _invoke(emitter: Emitter, name: str, arguments: list[n.Node]) -> Code:
    rule = emitter.functions.get(name)
    if rule is None or emitter.local(name) is not None:
        raise Unsupported
    emitter.called.add(name)
    return rule(emitter, arguments)


def _apply(emitter: Emitter, node: n.Apply) -> Code:
    """`a ~> $f` and `a ~> $f(b)`."""
    right = node.rhs
    if type(right) is n.Variable and right.bare():
        return _invoke(emitter, right.name, [node.lhs])
    if type(right) is n.Call and right.bare() and not right.partial:
        procedure = right.procedure
        if type(procedure) is n.Variable and procedure.bare():
            return _invoke(emitter, procedure.name, [node.lhs, *right.arguments])
    raise Unsupported


def _binary(emitter: Emitter, node: n.Binary) -> Code:
    rule = _OPERATORS.get(node.op)
    if rule is None:
        raise Unsupported
    return rule(emitter, node)


def _arithmetic(emitter: Emitter, node: n.Binary) -> Code:
    additive = node.op in ("+", "-")
    lhs = emitter.operand(emitter.emit(node.lhs), small=additive and _small_literal(node.rhs))
    rhs = emitter.operand(emitter.emit(node.rhs), small=additive and _small_literal(node.lhs))
    if node.op in _FUNCTIONS:
        return Code(f"{emitter.helper(_FUNCTIONS[node.op])}({lhs}, {rhs})", "number")
    return Code(f"({lhs} {node.op} {rhs})", "number")


def _concatenation(emitter: Emitter, node: n.Binary) -> Code:
    """Nothing counts as the empty string. All of a chain is put together at once."""
    parts: list[n.Node] = [node.rhs]
    left = node.lhs
    while type(left) is n.Binary and left.op == "&" and left.bare():
        parts.append(left.rhs)
        left = left.lhs
    parts.append(left)
    for _ in parts[1:]:
        emitter.concatenate()
    texts = [emitter.text(emit_tolerant(emitter, part, EMPTY)) for part in reversed(parts)]
    return Code(_put_together([*reversed(parts)], texts), "string")


def _put_together(parts: list[n.Node], texts: list[str]) -> str:
    """Texts as an f-string where that is possible, which costs half of adding one to the other."""
    pieces = []
    for part, text in zip(parts, texts, strict=True):
        if type(part) is n.Text and part.bare():
            if not _PLAIN.fullmatch(part.value):
                break
            pieces.append(part.value)
        elif _UNFIT.search(text):
            break
        else:
            pieces.append(f"{{{text}}}")
    else:
        if not any(piece.startswith("{{") for piece in pieces):
            return f'f"""{"".join(pieces)}"""'
    return f"({' + '.join(texts)})"


def _logic(emitter: Emitter, node: n.Binary) -> Code:
    """Nothing counts as false."""
    lhs = emitter.truth(emit_tolerant(emitter, node.lhs))
    return Code(f"({lhs} {node.op} {emitter.truth(emit_tolerant(emitter, node.rhs))})", "boolean")


def _equality(emitter: Emitter, node: n.Binary) -> Code:
    """Nothing equals nothing, which matters to no literal but null."""
    negated = node.op == "!="
    if not negated and (_scalar_literal(node.lhs) or _scalar_literal(node.rhs)):
        lhs, rhs = emit_tolerant(emitter, node.lhs), emit_tolerant(emitter, node.rhs)
    else:
        lhs, rhs = emitter.emit(node.lhs), emitter.emit(node.rhs)
    a, b = _comparable(emitter, lhs), _comparable(emitter, rhs)
    if "string" in (lhs.kind, rhs.kind) or _other_literal(node.lhs) or _other_literal(node.rhs):
        return Code(f"({a} {'!=' if negated else '=='} {b})", "boolean")
    if (_word_literal(node.lhs) and rhs.kind == "any") or (_word_literal(node.rhs) and lhs.kind == "any"):
        return Code(f"({emitter.base(a)} {'is not' if negated else 'is'} {emitter.base(b)})", "boolean")
    return Code(f"({'not ' if negated else ''}{emitter.helper(support.same)}({a}, {b}))", "boolean")


def _comparable(emitter: Emitter, code: Code) -> str:
    return emitter.operand(code) if code.kind == "number" else code.source


def _comparison(emitter: Emitter, node: n.Binary) -> Code:
    lhs, rhs = emitter.emit(node.lhs), emitter.emit(node.rhs)
    if {lhs.kind, rhs.kind} & {"integer", "number"}:
        a = emitter.operand(lhs, _small_literal(node.rhs))
        b = emitter.operand(rhs, _small_literal(node.lhs))
        return Code(f"({a} {node.op} {b})", "boolean")
    return Code(f"{emitter.helper(_FUNCTIONS[node.op])}({lhs.source}, {rhs.source})", "boolean")


def _membership(emitter: Emitter, node: n.Binary) -> Code:
    """`a in ["x", "y"]` of string literals."""
    items = node.rhs.items if type(node.rhs) is n.Array and node.rhs.bare() else []
    words = [item.value for item in items if type(item) is n.Text and item.bare()]
    if not words or len(words) < len(items):
        raise Unsupported
    return Code(f"({emitter.string(emitter.emit(node.lhs))} in {{{', '.join(map(repr, words))}}})", "boolean")


def _small_literal(node: n.Node) -> bool:
    """Return whether a literal is a number far below those that are not exact."""
    return type(node) is n.Number and node.bare() and -(2**31) <= node.value <= 2**31


def _scalar_literal(node: n.Node) -> bool:
    """Return whether a literal is a string, a number or a boolean."""
    literal = isinstance(node, n.Text | n.Number) or (type(node) is n.Constant and node.value is not None)
    return literal and node.bare()


def _other_literal(node: n.Node) -> bool:
    """Return whether a literal is a number that Python takes for no boolean."""
    return type(node) is n.Number and node.bare() and node.value not in (0, 1)


def _word_literal(node: n.Node) -> bool:
    """Return whether a literal is one of Python's singletons."""
    return type(node) is n.Constant and node.bare()


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "/": support.divide,
    "%": support.remainder,
    "<": support.less,
    ">": support.greater,
    "<=": support.at_most,
    ">=": support.at_least,
}

_OPERATORS: Mapping[str, Rule] = {
    **dict.fromkeys(["+", "-", "*", "/", "%"], _arithmetic),
    **dict.fromkeys(["<", ">", "<=", ">="], _comparison),
    **dict.fromkeys(["=", "!="], _equality),
    **dict.fromkeys(["and", "or"], _logic),
    "&": _concatenation,
    "in": _membership,
}

RULES: Mapping[type[n.Node], Rule] = {
    n.Text: _bare(lambda _, node: Code(repr(node.value), "string")),
    n.Number: _bare(_number),
    n.Constant: _bare(lambda _, node: Code(repr(node.value), "null" if node.value is None else "boolean")),
    n.Variable: emit_variable,
    n.Path: _bare(emit_path),
    n.Negate: _bare(_negate),
    n.Array: _bare(_array),
    n.Object: _bare(_object),
    n.Block: _predicated(_block),
    n.Bind: _bare(_bind),
    n.Condition: _bare(_condition),
    n.Call: _predicated(_call),
    n.Apply: _bare(_apply),
    n.Binary: _bare(_binary),
}
"""The nodes that have a fast form."""
