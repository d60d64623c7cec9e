"""Rules for paths: chains of subscripts, which fail by themselves where an object is missing.

Predicates may be constant indexes, or conditions on the items of an array. Where nothing and something false
come to the same, the last step may be missing without the complete evaluator being asked.
"""

from __future__ import annotations

from express.expr.jsonata import nodes as n
from express.expr.jsonata import support
from express.expr.jsonata.emitter import Code, Emitter, Unsupported, plain
from express.expr.jsonata.sequences import reach

MOST_STEPS = 40
"""A longer path has no fast form: the text of each step holds that of all before it."""

MEMBERS = {"input": "si", "result": "sr", "errorOutput": "se", "context": "c"}
"""The members of `$states` and the names that generated code has for them."""


def emit_variable(emitter: Emitter, node: n.Variable) -> Code:
    """`$x`, `$` and `$x[0]`; `$states` as a whole."""
    if node.name == "states" and not node.stages and emitter.local("states") is None:
        emitter.used.update(("c", "states"))
        return Code("{**states, 'context': c}", "object")
    return staged(emitter, _variable(emitter, node.name), node.stages)


def _variable(emitter: Emitter, name: str) -> Code:
    if name == "" and emitter.items and emitter.items[-1]:
        return Code(emitter.items[-1])
    if name in ("", "$", "states"):
        raise Unsupported
    if (code := emitter.local(name)) is not None:
        return code
    emitter.used.add("v")
    return emitter.known.get(("v", name)) or Code(f"v[{name!r}]")


def emit_path(emitter: Emitter, node: n.Path) -> Code:
    """`$states.member.a.b`, `$x.a`, `a.b` of a context item."""
    if len(node.steps) > MOST_STEPS:
        raise Unsupported
    code, rest = _start(emitter, node)
    if rest:
        code = Code(emitter.base(code.source), code.kind, code.clean)
    over_arrays = False
    for at, step in enumerate(rest):
        if type(step) is not n.Name or not plain(step) or code.kind != "any":
            raise Unsupported
        if over_arrays:
            names = tuple(name.value for name in rest[at:] if type(name) is n.Name and name.bare())
            if len(names) < len(rest) - at:
                raise Unsupported
            return Code(f"{emitter.helper(reach)}({code.source}, {names!r})")
        code = staged(emitter, _member(emitter, code, step.value, last=at == len(rest) - 1), step.stages)
        over_arrays = _filters(step)
    return code


def _member(emitter: Emitter, code: Code, name: str, *, last: bool) -> Code:
    """A member of an object: the local name that has it already, or a subscript."""
    known = emitter.known.get((code.source, name))
    if known is None:
        return Code(f"{code.source}[{name!r}]")
    return known if last else Code(known.source)


def emit_tolerant(emitter: Emitter, node: n.Node, default: str = "") -> Code:
    """The code of a node; if it is a path whose last name is missing, it gives `default` or None."""
    last = node.steps[-1] if type(node) is n.Path and node.bare() and not node.keep_singleton else None
    if type(node) is not n.Path or type(last) is not n.Name or not last.bare():
        return emitter.emit(node)
    before = _before(emitter, node.steps[:-1])
    if before is None:
        return emitter.emit(node)
    return emitter.known.get((before, last.value)) or Code(f"{before}.get({last.value!r}{default})")


def _before(emitter: Emitter, steps: list[n.Node]) -> str | None:
    """The text of all steps but the last, None where they can't be known to give one value."""
    if not steps:
        return emitter.items[-1] if emitter.items and emitter.items[-1] else None
    first = steps[0]
    if len(steps) == 1 and type(first) is n.Variable and first.name == "states":
        return None
    if not all(step.bare() for step in steps):
        return None
    code = emit_path(emitter, n.Path(first.position, steps))
    return code.source if code.kind == "any" else None


def _start(emitter: Emitter, path: n.Path) -> tuple[Code, list[n.Node]]:
    """The code a path begins with, and the steps that are left."""
    first, rest = path.steps[0], path.steps[1:]
    if path.keep_singleton or not plain(first):
        raise Unsupported
    if type(first) is n.Name and emitter.items and emitter.items[-1]:
        return Code(emitter.items[-1]), path.steps
    if isinstance(first, n.Call | n.Block):
        code = emitter.emit(first)
        if code.source.strip("(-)").isdigit():  # Python would warn
            raise Unsupported
        return Code(code.source) if code.kind == "object" else code, rest
    if type(first) is not n.Variable:
        raise Unsupported
    if first.name != "states" or emitter.local("states") is not None:
        code = emit_variable(emitter, first)
        return (Code(code.source) if rest and emitter.local(first.name) is None else code), rest
    member = rest[0] if rest else None
    if type(member) is not n.Name or not plain(member) or member.value not in MEMBERS or first.stages:
        raise Unsupported
    name = MEMBERS[member.value]
    emitter.used.add(name)
    return staged(emitter, Code(name), member.stages), rest[1:]


def _filters(step: n.Node) -> bool:
    return any(type(stage) is n.Filter and type(stage.condition) is not n.Number for stage in step.stages or ())


def staged(emitter: Emitter, code: Code, stages: list[n.Node] | None) -> Code:
    """A value with its predicates: constant indexes, and at the end a condition."""
    for at, stage in enumerate(stages or ()):
        if type(stage) is not n.Filter:
            raise Unsupported
        index = stage.condition
        if type(index) is n.Number and type(index.value) is int and index.bare():
            code = Code(f"{emitter.helper(support.item)}({code.source}, {index.value})")
        elif stages and at == len(stages) - 1:
            return Code(f"{emitter.helper(support.one)}({filtered(emitter, code.source, index)})")
        else:
            raise Unsupported
    return code


def filtered(emitter: Emitter, source: str, condition: n.Node) -> str:
    """Text of the list of items that meet a condition; for a caller that can do with none of them."""
    emitter.sweep()
    name = emitter.temporary()
    code = emitter.within({}, condition, item=name)
    if code.kind != "boolean":  # a number would be an index
        raise Unsupported
    return f"{emitter.helper(support.selected)}({source}, lambda {name}: {code.source})"


def matches(emitter: Emitter, node: n.Node) -> str | None:
    """Text of the list that a path which ends in a condition selects, None for any other node."""
    if type(node) is not n.Path or not node.bare() or node.keep_singleton:
        return None
    last = node.steps[-1]
    if not plain(last) or not last.stages or len(last.stages) != 1 or not _filters(last):
        return None
    stage = last.stages[0]
    if type(stage) is not n.Filter or type(last) is not n.Name or len(node.steps) < 2:
        return None
    bare = n.Name(last.position, last.value)
    source = emitter.emit(n.Path(node.position, [*node.steps[:-1], bare])).source
    return filtered(emitter, source, stage.condition)


def bare_path(node: n.Node) -> tuple[str, tuple[str, ...]] | None:
    """A variable or a path of names behind one, as `x` or `states.member` and the names."""
    if not node.bare():
        return None
    if type(node) is n.Variable and node.name not in ("", "$", "states"):
        return node.name, ()
    if type(node) is not n.Path or node.keep_singleton:
        return None
    first, rest = node.steps[0], node.steps[1:]
    names = tuple(step.value for step in rest if type(step) is n.Name and step.bare())
    if type(first) is not n.Variable or first.name in ("", "$") or not first.bare() or len(names) < len(rest):
        return None
    if first.name != "states":
        return first.name, names
    return (f"states.{names[0]}", names[1:]) if names and names[0] in MEMBERS else None


def over_arrays(emitter: Emitter, node: n.Node) -> str:
    """The text of a node; a path of several names is followed over arrays, too."""
    path = bare_path(node)
    if path is None or len(path[1]) < 2:
        return emitter.value(emitter.emit(node))
    base, names = path
    return f"{emitter.helper(reach)}({base_source(emitter, base)}, {names!r})"


def base_source(emitter: Emitter, base: str) -> str:
    """The text of what a bare path begins with."""
    if not base.startswith("states."):
        return _variable(emitter, base).source
    name = MEMBERS[base.removeprefix("states.")]
    emitter.used.add(name)
    return name
