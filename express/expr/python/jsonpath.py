"""Python source text of payload templates, intrinsic calls, and of the data flow around a state.

See `emitter` for what such text promises.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

from express.budget import pay
from express.expr.intrinsics.arguments import Refused
from express.expr.intrinsics.compile import values_of
from express.expr.intrinsics.functions import FUNCTIONS, Function
from express.expr.intrinsics.syntax import Argument, Call, Constant
from express.expr.jsonpath.nodes import Path
from express.expr.python.emitter import MAX_DEPTH, MAX_PARTS, Emitter, path_source
from express.expr.tree import Array, Literal, Node, Object
from express.expr.weight import LARGE_ITEMS
from express.values import JSON

# ---- templates


def template_source(node: Node, emitter: Emitter) -> str | None:
    """The text of a payload template.

    >>> from express.expr.jsonpath.syntax import parse
    >>> template_source(Object({"a": parse("$.x"), "b": Literal(1)}), Emitter())
    "{'a': d['x'], 'b': 1}"
    """
    return _template(node, emitter, 0)


def _template(node: Node, emitter: Emitter, depth: int) -> str | None:
    if type(node) is Literal:
        return emitter.constant(node.value)
    if type(node) is Path:
        return path_source(node, emitter)
    if type(node) is Call:
        return call_source(node, emitter)
    parts = node.items if type(node) is Array else tuple(cast("Object", node).members.values())
    if depth > MAX_DEPTH or len(parts) > MAX_PARTS:
        return None
    texts = []
    for part in parts:
        text = _template(part, emitter, depth + 1)
        if text is None:
            return None
        texts.append(text)
    if type(node) is Array:
        return f"[{', '.join(texts)}]"
    pairs = zip(cast("Object", node).members, texts, strict=True)
    return f"{{{', '.join(f'{name!r}: {text}' for name, text in pairs)}}}"


# ---- intrinsic calls


def call_source(call: Call, emitter: Emitter) -> str | None:
    """The text of an intrinsic call: what its function's row has for it, else a call of the function.

    >>> from express.expr.intrinsics.syntax import parse_call
    >>> call_source(parse_call("States.Array($.a, 1)"), Emitter())
    "[d['a'], 1]"
    """
    function, arguments = FUNCTIONS[call.name], values_of(call)
    if not function.pure:
        return None
    if all(type(argument) is Constant for argument in arguments):
        return _constant_call(function, arguments, emitter)
    texts = [_argument(argument, emitter) for argument in arguments]
    if None in texts:
        return None
    given = cast("list[str]", texts)
    written = None if function.emit is None else function.emit(arguments, given, emitter)
    return written or f"{emitter.bind(_within(function))}({', '.join(given)})"


@cache
def _within(function: Function) -> Callable[..., JSON]:
    """The function, for arguments that are not large: the closure pays for those."""
    call, units = function.call, function.units
    if units is None:
        return call

    def within(*values: JSON) -> JSON:
        cost = units(*values)
        if cost > LARGE_ITEMS:
            raise Refused("the arguments are large")
        pay(cost)
        return call(*values)

    return within


def _constant_call(function: Function, arguments: tuple[Argument, ...], emitter: Emitter) -> str | None:
    given = [cast("Constant", argument).value for argument in arguments]
    try:
        return emitter.constant(function.call(*given))
    except (Refused, TypeError):
        return None


def _argument(argument: Argument, emitter: Emitter) -> str | None:
    if type(argument) is Path:
        return path_source(argument, emitter)
    if type(argument) is Call:
        return call_source(argument, emitter)
    return emitter.constant(cast("Constant", argument).value)


# ---- the data flow around states


def input_path_source(path: Path | None, emitter: Emitter) -> str | None:
    """The text of InputPath or OutputPath.

    >>> from express.expr.jsonpath.syntax import parse
    >>> input_path_source(parse("$.a"), Emitter()), input_path_source(None, Emitter())
    ("d['a']", '{}')
    """
    return "{}" if path is None else path_source(path, emitter)


def result_path_source(path: Path | None, raw: str, result: str, emitter: Emitter) -> str | None:
    """The text of ResultPath applied to the texts `raw` and `result`, names both, without array elements.

    >>> from express.expr.jsonpath.syntax import parse
    >>> result_path_source(parse("$.a.b"), "d", "r", Emitter())
    "{**d, 'a': {**d['a'], 'b': r}}"
    """
    if path is None:
        return raw
    chain = path.chain
    if path.root != "$" or chain is None or len(chain) > 4 or any(type(key) is not str for key in chain):
        return None
    return _put(raw, [repr(key) for key in chain], result)


def _put(node: str, names: list[str], result: str) -> str:
    if not names:
        return result
    name, *below = names
    return f"{{**{node}, {name}: {_put(f'{node}[{name}]', below, result)}}}"
