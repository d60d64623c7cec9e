"""Rules for the functions that expressions call most, for the code generator.

Each rule emits text for one function and its arguments, or raises Unsupported: a wrong number of arguments
is for the complete evaluator to report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from express.expr.jsonata import functions, library, support
from express.expr.jsonata import nodes as n
from express.expr.jsonata.emitter import CallRule, Code, Emitter, Kind, Unsupported
from express.expr.jsonata.generate_paths import bare_path, base_source, matches, over_arrays
from express.expr.jsonata.names import FUNCTIONS as STANDARD
from express.expr.jsonata.sequences import present
from express.expr.weight import LARGE_ITEMS
from express.values import JSON

BODIES = 50_000
"""Most parts of expressions that one loop evaluates."""


def _exactly(arguments: list[n.Node], *counts: int) -> None:
    if len(arguments) not in counts:
        raise Unsupported


def _strings(function: Callable[..., JSON], kind: Kind, *counts: int) -> CallRule:
    """A rule for a function whose arguments all must be strings."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        _exactly(arguments, *counts)
        emitter.sweep()
        parts = [emitter.string(emitter.emit(argument)) for argument in arguments]
        return Code(f"{emitter.helper(function)}({', '.join(parts)})", kind)

    return rule


def _values(function: Callable[..., JSON], kind: Kind, *counts: int) -> CallRule:
    """A rule for a function that checks its arguments itself; paths to it may lead over arrays."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        _exactly(arguments, *counts)
        emitter.sweep()
        parts = [over_arrays(emitter, argument) for argument in arguments]
        return Code(f"{emitter.helper(function)}({', '.join(parts)})", kind)

    return rule


def _operands(function: Callable[..., JSON], kind: Kind) -> CallRule:
    """A rule for a function of one number."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        _exactly(arguments, 1)
        return Code(f"{emitter.helper(function)}({emitter.operand(emitter.emit(arguments[0]))})", kind)

    return rule


def _exists(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 1)
    if (items := matches(emitter, arguments[0])) is not None:
        return Code(f"bool({items})", "boolean")
    if (path := bare_path(arguments[0])) is None or emitter.looping:
        raise Unsupported
    base, names = path
    found = f"{emitter.helper(present)}({{base}}, {names!r})"
    if base.startswith("states.") or emitter.local(base) is not None:
        return Code(found.format(base=base_source(emitter, base)), "boolean")
    if base in STANDARD:
        raise Unsupported
    return Code(f"({base!r} in v and {found.format(base=base_source(emitter, base))})", "boolean")


def _count_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 1)
    if (items := matches(emitter, arguments[0])) is not None:
        return Code(f"len({items})", "integer")
    emitter.sweep()
    return Code(f"{emitter.helper(library.count)}({over_arrays(emitter, arguments[0])})", "integer")


def _not(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 1)
    return Code(f"(not {emitter.truth(emitter.emit(arguments[0]))})", "boolean")


def _boolean(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 1)
    return Code(emitter.truth(emitter.emit(arguments[0])), "boolean")


def _string(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 1)
    emitter.sweep()
    return Code(emitter.text(emitter.emit(arguments[0])), "string")


def _length(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 1)
    return Code(f"len({emitter.string(emitter.emit(arguments[0]))})", "integer")


def _substring_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 2, 3)
    emitter.sweep()
    text = emitter.string(emitter.emit(arguments[0]))
    numbers = [emitter.operand(emitter.emit(argument)) for argument in arguments[1:]]
    return Code(f"{emitter.helper(library.substring)}({', '.join([text, *numbers])})", "string")


def _join_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 1, 2)
    emitter.sweep()
    parts = [over_arrays(emitter, arguments[0])]
    parts += [emitter.string(emitter.emit(argument)) for argument in arguments[1:]]
    return Code(f"{emitter.helper(library.join)}({', '.join(parts)})", "string")


def _merge_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Objects written side by side are merged by Python, which refuses what is no object."""
    _exactly(arguments, 1)
    emitter.sweep()
    array = arguments[0]
    if type(array) is n.Array and array.bare() and array.items:
        parts = [f"**{emitter.emit(item).source}" for item in array.items]
        return Code(f"{{{', '.join(parts)}}}", "object")
    return Code(f"{emitter.helper(library.merge)}({emitter.emit(array).source})", "object")


def _lookup_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 2)
    value, key = emitter.emit(arguments[0]), emitter.string(emitter.emit(arguments[1]))
    return Code(f"{emitter.helper(library.lookup)}({value.source}, {key})")


def _now(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """The time the state was entered, for the evaluation must give the same when it is repeated."""
    _exactly(arguments, 0)
    emitter.used.add("c")
    return Code("c['State']['EnteredTime']")


def _millis_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    return Code(f"{emitter.helper(library.millis)}({_now(emitter, arguments).source})", "integer")


def _drawn(function: Callable[..., JSON], kind: Kind) -> CallRule:
    """A rule for `$random` and `$uuid`, which ask the scope."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        emitter.used.add("scope")
        parts = [emitter.emit(argument).source for argument in arguments]
        return Code(f"{emitter.helper(function)}(scope)({', '.join(parts)})", kind)

    return rule


def _added(function: Callable[..., JSON]) -> CallRule:
    """A rule for one of AWS's own functions, which check their arguments themselves."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        emitter.sweep()
        parts = [emitter.value(emitter.emit(argument)) for argument in arguments]
        return Code(f"{emitter.helper(library.defined)}({emitter.helper(function)}({', '.join(parts)}))")

    return rule


def _loop(once: Callable[..., JSON], indexed: Callable[..., JSON], condition: bool) -> CallRule:
    """A rule for `$map` or `$filter` with a lambda of one or two parameters."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        _exactly(arguments, 2)
        body = arguments[1]
        if type(body) is not n.Lambda or not body.bare() or body.signature or not 1 <= len(body.parameters) <= 2:
            raise Unsupported
        emitter.sweep()
        most = BODIES // max(sum(1 for _ in n.walk(body.body)), BODIES // LARGE_ITEMS)
        array = f"{emitter.helper(support.looped)}({over_arrays(emitter, arguments[0])}, {most})"
        names = [emitter.temporary() for _ in body.parameters]
        kinds: tuple[Kind, Kind] = ("any", "integer")
        parameters = {p: Code(t, k) for p, t, k in zip(body.parameters, names, kinds, strict=False)}
        code = emitter.within(parameters, body.body)
        text = emitter.truth(code) if condition else emitter.value(code)
        function = once if len(names) == 1 else indexed
        return Code(f"{emitter.helper(function)}({array}, lambda {', '.join(names)}: {text})")

    return rule


FUNCTIONS: Mapping[str, CallRule] = {
    "append": _values(library.append, "array", 2),
    "average": _values(library.average, "number", 1),
    "boolean": _boolean,
    "ceil": _operands(library.ceil, "integer"),
    "contains": _strings(library.has, "boolean", 2),
    "count": _count_rule,
    "encodeUrl": _strings(library.encode_url, "string", 1),
    "encodeUrlComponent": _strings(library.encode_url_component, "string", 1),
    "exists": _exists,
    "filter": _loop(support.filtered, support.filtered_by_index, condition=True),
    "floor": _operands(library.floor, "integer"),
    "hash": _added(library.hash_text),
    "join": _join_rule,
    "keys": _values(library.keys, "any", 1),
    "length": _length,
    "lookup": _lookup_rule,
    "lowercase": _strings(library.lower, "string", 1),
    "map": _loop(support.mapped, support.mapped_by_index, condition=False),
    "max": _values(library.largest, "any", 1),
    "merge": _merge_rule,
    "millis": _millis_rule,
    "min": _values(library.smallest, "any", 1),
    "not": _not,
    "now": _now,
    "number": _values(library.number, "integer", 1),
    "parse": _added(library.parse_json),
    "partition": _added(library.partition),
    "random": _drawn(functions.random_of, "any"),
    "range": _added(library.number_range),
    "reverse": _values(library.reversed_items, "array", 1),
    "round": _operands(library.rounded_whole, "integer"),
    "split": _strings(library.split, "array", 2),
    "string": _string,
    "substring": _substring_rule,
    "substringAfter": _strings(library.after, "string", 2),
    "substringBefore": _strings(library.before, "string", 2),
    "sum": _values(library.total, "number", 1),
    "trim": _strings(library.trim, "string", 1),
    "type": _values(library.type_name, "string", 1),
    "uppercase": _strings(library.upper, "string", 1),
    "uuid": _drawn(functions.uuid_of, "string"),
}
"""The functions that have a fast form."""
