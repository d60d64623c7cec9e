"""Rules for the functions that expressions call most, for the code generator.

Each rule emits text for one function and its arguments, or raises Unsupported: a wrong number of arguments
is for the complete evaluator to report.
"""

from __future__ import annotations

from collections.abc import Callable

from express.expr.jsonata import library, support
from express.expr.jsonata import nodes as n
from express.expr.jsonata.emitter import CallRule, Code, Emitter, Kind, Unsupported
from express.expr.jsonata.generate_paths import bare_path, base_source, matches, over_arrays
from express.expr.jsonata.sequences import present
from express.expr.weight import LARGE_ITEMS
from express.values import JSON

BODIES = 50_000
"""Most parts of expressions that one loop evaluates."""


def _exactly(arguments: list[n.Node], *counts: int) -> None:
    if len(arguments) not in counts:
        raise Unsupported


def strings(function: Callable[..., JSON], kind: Kind, *counts: int) -> CallRule:
    """A rule for a function whose arguments all must be strings."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        _exactly(arguments, *counts)
        emitter.sweep()
        parts = [emitter.string(emitter.emit(argument)) for argument in arguments]
        return Code(f"{emitter.helper(function)}({', '.join(parts)})", kind)

    return rule


def values(function: Callable[..., JSON], kind: Kind, *counts: int) -> CallRule:
    """A rule for a function that checks its arguments itself; paths to it may lead over arrays."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        _exactly(arguments, *counts)
        emitter.sweep()
        parts = [over_arrays(emitter, argument) for argument in arguments]
        return Code(f"{emitter.helper(function)}({', '.join(parts)})", kind)

    return rule


def operands(function: Callable[..., JSON], kind: Kind) -> CallRule:
    """A rule for a function of one number."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        _exactly(arguments, 1)
        return Code(f"{emitter.helper(function)}({emitter.operand(emitter.emit(arguments[0]))})", kind)

    return rule


def exists(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$exists`."""
    _exactly(arguments, 1)
    if (items := matches(emitter, arguments[0])) is not None:
        return Code(f"bool({items})", "boolean")
    if (path := bare_path(arguments[0])) is None or emitter.looping:
        raise Unsupported
    base, names = path
    found = f"{emitter.helper(present)}({{base}}, {names!r})"
    if base.startswith("states.") or emitter.local(base) is not None:
        return Code(found.format(base=base_source(emitter, base)), "boolean")
    if base in emitter.standard:
        raise Unsupported
    return Code(f"({base!r} in v and {found.format(base=base_source(emitter, base))})", "boolean")


def count(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$count`."""
    _exactly(arguments, 1)
    if (items := matches(emitter, arguments[0])) is not None:
        return Code(f"len({items})", "integer")
    emitter.sweep()
    return Code(f"{emitter.helper(library.count)}({over_arrays(emitter, arguments[0])})", "integer")


def not_(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$not`."""
    _exactly(arguments, 1)
    return Code(f"(not {emitter.truth(emitter.emit(arguments[0]))})", "boolean")


def boolean(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$boolean`."""
    _exactly(arguments, 1)
    return Code(emitter.truth(emitter.emit(arguments[0])), "boolean")


def string(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$string`."""
    _exactly(arguments, 1)
    emitter.sweep()
    return Code(emitter.text(emitter.emit(arguments[0])), "string")


def length(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$length`."""
    _exactly(arguments, 1)
    return Code(f"len({emitter.string(emitter.emit(arguments[0]))})", "integer")


def substring(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$substring`."""
    _exactly(arguments, 2, 3)
    emitter.sweep()
    text = emitter.string(emitter.emit(arguments[0]))
    numbers = [emitter.operand(emitter.emit(argument)) for argument in arguments[1:]]
    return Code(f"{emitter.helper(library.substring)}({', '.join([text, *numbers])})", "string")


def join(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$join`."""
    _exactly(arguments, 1, 2)
    emitter.sweep()
    parts = [over_arrays(emitter, arguments[0])]
    parts += [emitter.string(emitter.emit(argument)) for argument in arguments[1:]]
    return Code(f"{emitter.helper(library.join)}({', '.join(parts)})", "string")


def merge(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Objects written side by side are merged by Python, which refuses what is no object."""
    _exactly(arguments, 1)
    emitter.sweep()
    array = arguments[0]
    if type(array) is n.Array and array.bare() and array.items:
        parts = [f"**{emitter.emit(item).source}" for item in array.items]
        return Code(f"{{{', '.join(parts)}}}", "object")
    return Code(f"{emitter.helper(library.merge)}({emitter.emit(array).source})", "object")


def lookup(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$lookup`."""
    _exactly(arguments, 2)
    value, key = emitter.emit(arguments[0]), emitter.string(emitter.emit(arguments[1]))
    return Code(f"{emitter.helper(library.lookup)}({value.source}, {key})")


def now(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """The time the state was entered, for the evaluation must give the same when it is repeated."""
    _exactly(arguments, 0)
    emitter.used.add("c")
    return Code("c['State']['EnteredTime']")


def millis(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Emit `$millis`."""
    return Code(f"{emitter.helper(library.millis)}({now(emitter, arguments).source})", "integer")


def drawn(function: Callable[..., JSON], kind: Kind) -> CallRule:
    """A rule for `$random` and `$uuid`, which ask the scope."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        emitter.used.add("scope")
        parts = [emitter.emit(argument).source for argument in arguments]
        return Code(f"{emitter.helper(function)}(scope)({', '.join(parts)})", kind)

    return rule


def added(function: Callable[..., JSON]) -> CallRule:
    """A rule for one of AWS's own functions, which check their arguments themselves."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        emitter.sweep()
        parts = [emitter.value(emitter.emit(argument)) for argument in arguments]
        return Code(f"{emitter.helper(library.defined)}({emitter.helper(function)}({', '.join(parts)}))")

    return rule


def loop(once: Callable[..., JSON], indexed: Callable[..., JSON], condition: bool) -> CallRule:
    """A rule for `$map` or `$filter` with a lambda of one or two parameters."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        _exactly(arguments, 2)
        body = arguments[1]
        if type(body) is not n.Lambda or not body.bare() or body.signature or not 1 <= len(body.parameters) <= 2:
            raise Unsupported
        emitter.sweep()
        nodes = sum(1 for _ in n.walk(body.body))
        most, cost = BODIES // max(nodes, BODIES // LARGE_ITEMS), max(2, nodes)
        array = f"{emitter.helper(support.looped)}({over_arrays(emitter, arguments[0])}, {most}, {cost})"
        names = [emitter.temporary() for _ in body.parameters]
        kinds: tuple[Kind, Kind] = ("any", "integer")
        parameters = {p: Code(t, k) for p, t, k in zip(body.parameters, names, kinds, strict=False)}
        code = emitter.within(parameters, body.body)
        text = emitter.truth(code) if condition else emitter.value(code)
        function = once if len(names) == 1 else indexed
        return Code(f"{emitter.helper(function)}({array}, lambda {', '.join(names)}: {text})")

    return rule
