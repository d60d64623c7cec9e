"""The definitions that make functions of the complete evaluator pay; see `charges`."""

from __future__ import annotations

from collections.abc import Iterable

from express.expr.jsonata.charges import MARK, UNPAID
from express.expr.jsonata.function_table import FUNCTIONS
from express.expr.jsonata.sharing import CLONED, HELD

_MATCHER = (
    "$metered§:=function($m, $u) {$m ? ($spend§($u); $merge§([$m, "
    '{"next": function() {$metered§($m.next(), $u)}}]))};'
    "$matcher§:=function($s, $p) {$length§($s) > 4000 and $type§($p) = "
    '"function" ? function($t, $i) {$metered§($p($t, $i), $length§($s) / 50)} : $p};'
)
_TEXT = (
    "$written§:=$string;"
    '$text§:=function($x) {$type§($x) = "string" ? ($length§($x) > 5000 ? $spend§($length§($x) / 500); $x) : '
    '$type§($x) = "array" or $type§($x) = "object" ? $written§($x) : $x};'
)
_KEPT = ("type", "length", "count", "each", "merge")


def paid(names: Iterable[str]) -> list[str]:
    """Return those of the named functions that a prelude defines.

    >>> paid(["abs", "trim", "map", "sum"])
    ['sum', 'trim']
    """
    return sorted(name for name in names if name in FUNCTIONS and FUNCTIONS[name].charge.parameters)


_CLONING = (
    f'${CLONED}:=function($v) {{$type§($v) = "array" or $type§($v) = "object" ? '
    "($z := $length§($string§($v)); $z > 500 ? $spend§($z / 6); $v) : $v};"
)
"""The definition of what pays for the copy that a transform makes."""

_HOLDING = f'${HELD}:=function($v) {{$type§($v) = "array" or $type§($v) = "object" ? (${HELD}§($v); $v) : $v}};'
"""The definition of what weighs a value that is put into another (`sharing`)."""


def prelude(names: Iterable[str], text: str = "") -> str:
    """The definitions that make the named functions pay, and `$text§`, which does for operands of `&`.

    `text`: the expression, `bounded`; what was put into it is defined, too.
    """
    wanted = sorted({*paid(names), "string"})
    added = (_HOLDING if HELD in text else "") + (_CLONING if CLONED in text else "")
    kept = "".join(f"${name}{MARK}:=${name};" for name in sorted({*_KEPT, *wanted}))
    return kept + _MATCHER + "".join(map(_definition, wanted)) + _TEXT + added


def _definition(name: str) -> str:
    charge = FUNCTIONS[name].charge
    parameters = ", ".join(f"${p}" for p in charge.parameters)
    native = f"${name}{MARK}"
    body = charge.body.replace("{name}", native) or f"{native}({parameters})"
    paying = f"$z := {charge.size}; $z > {UNPAID} ? $spend§($z); " if charge.size else ""
    return f"${name}:=function({parameters})<{charge.signature}>{{({paying}{body})}};"
