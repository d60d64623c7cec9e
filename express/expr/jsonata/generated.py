"""Generated functions: the fast form of an expression, and of a template that holds several.

The text comes from `generate`, which lets nothing of a definition into it but `repr` of JSON scalars. It runs
with the few built-in names it needs and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from express.expr.generated import code_of, fits
from express.expr.jsonata.emitter import NOTHING_KNOWN, Emitter, Kind, Known, Unsupported
from express.expr.jsonata.errors import JsonataError
from express.expr.jsonata.generate import RULES
from express.expr.jsonata.generate_functions import FUNCTIONS
from express.expr.jsonata.nodes import Node
from express.expr.jsonata.numbers import MAX_SAFE
from express.values import JSON

_PRELUDE = {
    "si": 'si = states["input"]',
    "sr": 'sr = states["result"]',
    "se": 'se = states["errorOutput"]',
    "c": "c = scope.context()",
    "v": "v = scope.variables()",
}

_REFUSED = "    except Refused as error:\n        return refused(error)\n"

_BUILTINS = {"type": type, "len": len, "bool": bool, "int": int, "str": str, "float": float, "list": list}


@dataclass(frozen=True, slots=True)
class Fast:
    """An expression as Python source text, good as long as nothing unusual is met, else it raises.

    `used`: which of `si`, `sr`, `se`, `c`, `v` and `scope` it reads; `bound`: its other global names;
    `called`: standard functions, which it must not be used for when a variable has such a name.
    """

    source: str
    kind: Kind = "any"
    used: frozenset[str] = frozenset()
    bound: Mapping[str, Any] = field(default_factory=dict)
    called: frozenset[str] = frozenset()


def fast_emitter(prefix: str = "", known: Known = NOTHING_KNOWN) -> Emitter:
    """What turns one tree into text; its local names begin with `prefix`, what is `known` is not read again."""
    return Emitter(RULES, FUNCTIONS, prefix, known)


def fast_form(node: Node, prefix: str = "", known: Known = NOTHING_KNOWN) -> Fast | None:
    """The fast form of a tree, None where it has none. `prefix` keeps the local names of several apart."""
    emitter = fast_emitter(prefix, known)
    try:
        code = emitter.emit(node)
        source = emitter.value(code)
    except Unsupported:
        return None
    kind: Kind = "any" if code.kind == "number" else code.kind
    used = emitter.used | {"v"} if emitter.called else emitter.used
    return Fast(source, kind, frozenset(used), emitter.bound, frozenset(emitter.called))


def function_of(
    fast: Fast,
    otherwise: Callable[..., JSON],
    wanted: frozenset[type] | None = None,
    refused: Callable[[JsonataError], JSON] | None = None,
) -> Callable[..., JSON] | None:
    """`(states, scope) -> value` that calls `otherwise` with the same arguments when the fast form raises.

    So it does where the value is of no `wanted` type. `refused` is told of errors of the expression itself,
    if given. None where Python can't compile the text (it is nested too deeply).
    """
    lines = [_PRELUDE[name] for name in sorted(fast.used & _PRELUDE.keys())]
    if fast.called:
        shadowed = " or ".join(f"{name!r} in v" for name in sorted(fast.called))
        lines.append(f"if {shadowed}: raise Failure")
    if wanted is None:
        lines.append(f"return {fast.source}")
    else:
        lines += [f"value = {fast.source}", "if type(value) in wanted:", "    return value"]
    body = "\n        ".join(lines)
    text = (
        "def evaluate(states, scope):\n"
        f"    try:\n        {body}\n"
        f"{_REFUSED if refused else ''}"
        "    except Failure:\n        pass\n"
        "    return otherwise(states, scope)\n"
    )
    namespace: dict[str, Any] = {
        **fast.bound,
        "__builtins__": _BUILTINS,
        "Failure": Exception,
        "otherwise": otherwise,
        "wanted": wanted,
        "Refused": JsonataError,
        "refused": refused,
    }
    code = code_of(text, "<jsonata>") if all(map(fits, lines)) else None
    if code is None:
        return None
    exec(code, namespace)  # noqa: S102 - text of our own making, see above
    function: Callable[..., JSON] = namespace["evaluate"]
    return function


def constant_form(value: JSON, name: str) -> Fast:
    """A constant of a template: scalars by `repr`, others bound under `name` and shared by all evaluations."""
    if value is None or type(value) in (bool, str) or (type(value) is int and -MAX_SAFE <= value <= MAX_SAFE):
        return Fast(repr(value))
    return Fast(name, bound={name: value})


def call_form(function: Callable[..., JSON], name: str) -> Fast:
    """A part of a template that has no fast form of its own."""
    return Fast(f"{name}(states, scope)", used=frozenset(["scope"]), bound={name: function})


def joined(source: str, kind: Kind, parts: list[Fast]) -> Fast:
    """A template made of parts; `source` has their texts in it."""
    bound = {name: value for part in parts for name, value in part.bound.items()}
    used = frozenset().union(*(part.used for part in parts))
    called = frozenset().union(*(part.called for part in parts))
    return Fast(source, kind, used, bound, called)
