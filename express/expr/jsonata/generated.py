"""Generated functions: the fast form of an expression, and of a template that holds several.

The text comes from `generate`, which lets nothing of a definition into it but `repr` of JSON scalars. It runs
with the few built-in names it needs and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from express.expr.generated import code_of, fits
from express.expr.jsonata.emitter import NOTHING_KNOWN, Emitter, Kind, Known, Unsupported
from express.expr.jsonata.errors import JsonataError
from express.expr.jsonata.function_table import EMITTED
from express.expr.jsonata.generate import RULES
from express.expr.jsonata.names import FUNCTIONS
from express.expr.jsonata.nodes import Node
from express.expr.jsonata.numbers import MAX_SAFE
from express.expr.jsonata.sharing import Sharing
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
    """Return the emitter of one tree; its local names begin with `prefix`, what is `known` is not read again."""
    return Emitter(RULES, EMITTED, FUNCTIONS, prefix, known)


def fast_form(node: Node, prefix: str = "", known: Known = NOTHING_KNOWN) -> Fast | None:
    """The fast form of a tree, None where it has none. `prefix` keeps the local names of several apart."""
    if Sharing(node).places:
        return None
    emitter = fast_emitter(prefix, known)
    try:
        code = emitter.emit(node)
        source = emitter.value(code)
    except Unsupported:
        return None
    kind: Kind = "any" if code.kind == "number" else code.kind
    used = emitter.used | {"v"} if emitter.called else emitter.used
    return Fast(source, kind, frozenset(used), emitter.bound, frozenset(emitter.called))


class Form(NamedTuple):
    """The parts of a generated function.

    `otherwise` is called with the same arguments where `fast`, if there is such a form, raises, and where its value is
    of no `wanted` type. `refused` is told of errors of the expression itself.
    """

    fast: Fast | None
    otherwise: Callable[..., JSON]
    wanted: frozenset[type] | None = None
    refused: Callable[[JsonataError], JSON] | None = None


_OTHERWISE = "def evaluate(states, scope):\n    return otherwise(states, scope)\n"


def function_of(make: Callable[[], Form]) -> Callable[..., JSON]:
    """Return a function `(states, scope) -> value` that is generated when it is first called.

    Where segments run, rows evaluate next to nothing. The function gets its code then, so that later calls cost nothing
    more than if it had been generated at once.
    """
    namespace: dict[str, Any] = {"__builtins__": _BUILTINS}
    function = FunctionType(_FIRST, namespace, "evaluate")

    def first() -> Callable[..., JSON]:
        form = make()
        namespace.update({} if form.fast is None else form.fast.bound)
        namespace.update(Failure=Exception, Refused=JsonataError, **form._asdict())
        function.__code__ = _code(_text(form)) or _code(_OTHERWISE)
        return function

    namespace["first"] = first
    return function


def _text(form: Form) -> str:
    """The text of a generated function; one that is too much for Python is replaced by `otherwise`."""
    fast = form.fast
    if fast is None:
        return _OTHERWISE
    lines = [_PRELUDE[name] for name in sorted(fast.used & _PRELUDE.keys())]
    if fast.called:
        shadowed = " or ".join(f"{name!r} in v" for name in sorted(fast.called))
        lines.append(f"if {shadowed}: raise Failure")
    if form.wanted is None:
        lines.append(f"return {fast.source}")
    else:
        lines += [f"value = {fast.source}", "if type(value) in wanted:", "    return value"]
    if not all(map(fits, lines)):
        return _OTHERWISE
    body = "\n        ".join(lines)
    return (
        "def evaluate(states, scope):\n"
        f"    try:\n        {body}\n"
        f"{_REFUSED if form.refused else ''}"
        "    except Failure:\n        pass\n"
        "    return otherwise(states, scope)\n"
    )


def _code(text: str) -> Any:
    """The code of the one function in a text; None where Python does not take it."""
    module = code_of(text, "<jsonata>")
    return None if module is None else next(part for part in module.co_consts if isinstance(part, CodeType))


_FIRST = _code("def evaluate(states, scope):\n    return first()(states, scope)\n")


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
