"""Rules for the functions that expressions call most, for the code generator.

Each rule emits text for one function and its arguments, or raises Unsupported: a wrong number of arguments
is for the complete evaluator to report. The functions that the text calls stand beside their rules and give
exactly what JSONata gives or raise Miss.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from express.expr.jsonata import functions, support
from express.expr.jsonata import nodes as n
from express.expr.jsonata.bounds import MAX_ITEMS
from express.expr.jsonata.emitter import CallRule, Code, Emitter, Kind, Unsupported
from express.expr.jsonata.errors import JsonataError, Miss
from express.expr.jsonata.generate_paths import bare_path, base_source, matches, over_arrays
from express.expr.jsonata.names import FUNCTIONS as STANDARD
from express.expr.jsonata.numbers import MAX_SAFE, normal
from express.expr.jsonata.numbers import quote as json_text
from express.expr.jsonata.sequences import UNDEFINED, present
from express.values import JSON, is_number, parse_timestamp

_BLANKS = re.compile(r"[ \t\n\r]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?\Z", re.ASCII)


# Strings


def _trim(text: str) -> str:
    return _BLANKS.sub(" ", text).strip(" ")


def _upper(text: str) -> str:
    if not text.isascii():  # JavaScript and Python differ in a few letters
        raise Miss
    return text.upper()


def _lower(text: str) -> str:
    if not text.isascii():
        raise Miss
    return text.lower()


def _before(text: str, mark: str) -> str:
    return text.partition(mark)[0] if mark else ""


def _after(text: str, mark: str) -> str:
    return text[text.index(mark) + len(mark) :] if mark in text else text


def _substring(text: str, start: JSON, length: JSON = None) -> str:
    if type(start) is not int or (length is not None and type(length) is not int):
        raise Miss
    if len(text) + start < 0:
        start = 0
    if length is None:
        return text[start:]
    if length <= 0:
        return ""
    return text[start : (start if start >= 0 else len(text) + start) + length]


def _encode_url(text: str) -> str:
    return _encoded(text, "encodeUrl", "-_.!~*'();/?:@&=+$,#")


def _encode_url_component(text: str) -> str:
    return _encoded(text, "encodeUrlComponent", "-_.!~*'()")


def _encoded(text: str, function: str, safe: str) -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise JsonataError("D3140", f"Malformed URL passed to ${function}(): {json_text(text)}") from None


def _has(text: str, token: str) -> bool:
    return token in text


def _split(text: str, separator: str) -> list[str]:
    if not separator:
        raise Miss
    return text.split(separator)


def _join(items: JSON, separator: str = "") -> str:
    if type(items) is str:
        return items
    if type(items) is not list:
        raise Miss
    return separator.join(items)


def _number(value: JSON) -> int | float:
    if type(value) is str and _NUMBER.match(value):
        number = normal(float(value))
        if not -MAX_SAFE <= number <= MAX_SAFE:
            raise Miss
        return number
    if type(value) is bool:
        return int(value)
    if is_number(value) and -MAX_SAFE <= value <= MAX_SAFE:
        return normal(value)
    raise Miss


def _type(value: JSON) -> str:
    kind = type(value)
    if kind is bool:
        return "boolean"
    if value is None:
        return "null"
    return {str: "string", int: "number", float: "number", dict: "object", list: "array"}[kind]


# Arrays and objects


def _numbers(value: JSON) -> Any:
    if type(value) is not list:
        raise Miss
    for item in value:
        if not is_number(item) or not -MAX_SAFE <= item <= MAX_SAFE:
            raise Miss
    return value


def _sum(value: JSON) -> int | float:
    total: int | float = 0
    for item in _numbers(value):  # not sum(): newer Pythons add floats more exactly than JavaScript
        total += item
    return total


def _max(value: JSON) -> JSON:
    return max(_numbers(value))


def _min(value: JSON) -> JSON:
    return min(_numbers(value))


def _average(value: JSON) -> float:
    return _sum(value) / len(value)


def _count(value: JSON) -> int:
    if type(value) is not list:
        raise Miss
    return len(value)


def _append(a: JSON, b: JSON) -> JSON:
    a = a if type(a) is list else [a]
    b = b if type(b) is list else [b]
    if len(a) + len(b) > MAX_ITEMS or len(a) + len(b) < 2:
        raise Miss
    return a + b


def _merge(value: JSON) -> dict[str, JSON]:
    if type(value) is dict:
        return value
    merged: dict[str, JSON] = {}
    for part in support.looped(value):
        if type(part) is not dict:
            raise Miss
        merged.update(part)
    return merged


def _keys(value: JSON) -> JSON:
    if type(value) is not dict:
        raise Miss
    return support.one(list(value))


def _lookup(value: JSON, key: str) -> JSON:
    if type(value) is not dict:
        raise Miss
    return value[key]


def _reverse(value: JSON) -> JSON:
    if type(value) is not list or len(value) < 2:
        raise Miss
    return value[::-1]


def _floor(value: int | float) -> int:
    return int(value // 1)


def _ceil(value: int | float) -> int:
    return -int(-value // 1)


def _whole(value: int | float) -> int | float:
    """`$round` without digits: half to even."""
    return round(value)


def _defined(value: JSON) -> JSON:
    if value is UNDEFINED:
        raise Miss
    return value


# Rules


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
    return Code(f"{emitter.helper(_count)}({over_arrays(emitter, arguments[0])})", "integer")


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
    return Code(f"{emitter.helper(_substring)}({', '.join([text, *numbers])})", "string")


def _join_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 1, 2)
    emitter.sweep()
    parts = [over_arrays(emitter, arguments[0])]
    parts += [emitter.string(emitter.emit(argument)) for argument in arguments[1:]]
    return Code(f"{emitter.helper(_join)}({', '.join(parts)})", "string")


def _merge_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """Objects written side by side are merged by Python, which refuses what is no object."""
    _exactly(arguments, 1)
    emitter.sweep()
    array = arguments[0]
    if type(array) is n.Array and array.bare() and array.items:
        parts = [f"**{emitter.emit(item).source}" for item in array.items]
        return Code(f"{{{', '.join(parts)}}}", "object")
    return Code(f"{emitter.helper(_merge)}({emitter.emit(array).source})", "object")


def _lookup_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    _exactly(arguments, 2)
    value, key = emitter.emit(arguments[0]), emitter.string(emitter.emit(arguments[1]))
    return Code(f"{emitter.helper(_lookup)}({value.source}, {key})")


def _now(emitter: Emitter, arguments: list[n.Node]) -> Code:
    """The time the state was entered, for the evaluation must give the same when it is repeated."""
    _exactly(arguments, 0)
    emitter.used.add("c")
    return Code("c['State']['EnteredTime']")


def _millis_rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
    return Code(f"{emitter.helper(_millis)}({_now(emitter, arguments).source})", "integer")


def _millis(timestamp: str) -> int:
    moment = parse_timestamp(timestamp)
    if moment is None:
        raise Miss
    return round(moment.timestamp() * 1000)


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
        return Code(f"{emitter.helper(_defined)}({emitter.helper(function)}({', '.join(parts)}))")

    return rule


def _loop(once: Callable[..., JSON], indexed: Callable[..., JSON], condition: bool) -> CallRule:
    """A rule for `$map` or `$filter` with a lambda of one or two parameters."""

    def rule(emitter: Emitter, arguments: list[n.Node]) -> Code:
        _exactly(arguments, 2)
        body = arguments[1]
        if type(body) is not n.Lambda or not body.bare() or body.signature or not 1 <= len(body.parameters) <= 2:
            raise Unsupported
        emitter.sweep()
        array = f"{emitter.helper(support.looped)}({over_arrays(emitter, arguments[0])})"
        names = [emitter.temporary() for _ in body.parameters]
        kinds: tuple[Kind, Kind] = ("any", "integer")
        parameters = {p: Code(t, k) for p, t, k in zip(body.parameters, names, kinds, strict=False)}
        code = emitter.within(parameters, body.body)
        text = emitter.truth(code) if condition else emitter.value(code)
        function = once if len(names) == 1 else indexed
        return Code(f"{emitter.helper(function)}({array}, lambda {', '.join(names)}: {text})")

    return rule


FUNCTIONS: Mapping[str, CallRule] = {
    "append": _values(_append, "array", 2),
    "average": _values(_average, "number", 1),
    "boolean": _boolean,
    "ceil": _operands(_ceil, "integer"),
    "contains": _strings(_has, "boolean", 2),
    "count": _count_rule,
    "encodeUrl": _strings(_encode_url, "string", 1),
    "encodeUrlComponent": _strings(_encode_url_component, "string", 1),
    "exists": _exists,
    "filter": _loop(support.filtered, support.filtered_by_index, condition=True),
    "floor": _operands(_floor, "integer"),
    "hash": _added(functions.hash_text),
    "join": _join_rule,
    "keys": _values(_keys, "any", 1),
    "length": _length,
    "lookup": _lookup_rule,
    "lowercase": _strings(_lower, "string", 1),
    "map": _loop(support.mapped, support.mapped_by_index, condition=False),
    "max": _values(_max, "any", 1),
    "merge": _merge_rule,
    "millis": _millis_rule,
    "min": _values(_min, "any", 1),
    "not": _not,
    "now": _now,
    "number": _values(_number, "integer", 1),
    "parse": _added(functions.parse_json),
    "partition": _added(functions.partition),
    "random": _drawn(functions.random_of, "any"),
    "range": _added(functions.number_range),
    "reverse": _values(_reverse, "array", 1),
    "round": _operands(_whole, "integer"),
    "split": _strings(_split, "array", 2),
    "string": _string,
    "substring": _substring_rule,
    "substringAfter": _strings(_after, "string", 2),
    "substringBefore": _strings(_before, "string", 2),
    "sum": _values(_sum, "number", 1),
    "trim": _strings(_trim, "string", 1),
    "type": _values(_type, "string", 1),
    "uppercase": _strings(_upper, "string", 1),
    "uuid": _drawn(functions.uuid_of, "string"),
}
"""The functions that have a fast form."""
