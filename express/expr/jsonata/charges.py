"""What each function of JSONata costs, and how the complete evaluator is made to pay for it.

The evaluator counts its own steps, but not what a function of its library does below one: `$keys` of 15,000 keys is
one step and takes 0.3 s. So an expression that may meet large values is given a *prelude*: definitions under the
functions' own names that pay first (`spend§`, by what the arguments hold) and then call the function that they
shadow, which is kept under a name with a mark. Some functions are replaced altogether (`functions`, `replace`).

Costs are in units (`budget.UNITS`) and were measured at 256 KiB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MARK: Final = "§"
SPEND: Final = f"spend{MARK}"
UNPAID: Final = 150
"""Units of a call that the steps of its own evaluation pay for well enough."""

HOSTED: Final = f"{MARK}{MARK}"
"""Stands behind the name of a function of ours in preludes."""


@dataclass(frozen=True, slots=True)
class Charge:
    """How a function is paid for.

    `free`: it takes the same little time for any arguments. `steps`: it calls a function for each item, which the
    evaluator counts. `own`: it is ours, and pays by itself. Otherwise `parameters` and `signature` are its own, `size`
    is an expression over them that says how much there is to do, a unit each, and `body` what is called then, if that
    is not the function with its parameters; both may use `name§` for what is shadowed.
    """

    parameters: str = ""
    signature: str = ""
    size: str = ""
    body: str = ""
    free: bool = False
    steps: bool = False
    own: bool = False


_FREE, _STEPS, _OWN = Charge(free=True), Charge(steps=True), Charge(own=True)


def _text(size: str, parameters: str = "s", signature: str = "s-:s", body: str = "") -> Charge:
    return Charge(parameters, signature, size.replace("#", "$length§"), body)


def _items(size: str, parameters: str = "a", signature: str = "a:a", body: str = "") -> Charge:
    return Charge(parameters, signature, size.replace("#", "$count§"), body)


def _matching(parameters: str, signature: str, size: str) -> Charge:
    """A function that takes a text or a pattern: in a long text each match of a pattern is paid for, too."""
    name, rest = "{name}", "".join(f", ${p}" for p in parameters[2:])
    call = f"{name}($s, $matcher§($s, $p){rest})"
    return _text(size, parameters, signature, call)


_KEYS = (
    '($type§($o) = "object" ? ($count§($o.*) > 200 ? $each§($o, function($v, $k) {$k}) : {name}($o)) : '
    "$count§($o) > 200 ? $keys§§($o) : {name}($o))"
)

CHARGES: Final[dict[str, Charge]] = {
    **dict.fromkeys(["abs", "boolean", "ceil", "count", "error", "exists", "floor", "formatBase"], _FREE),
    **dict.fromkeys(["assert", "length", "millis", "not", "power", "round", "sqrt", "type"], _FREE),
    **dict.fromkeys(["each", "filter", "map", "reduce", "sift", "single"], _STEPS),
    **dict.fromkeys(["hash", "parse", "random", "range", "uuid", "zip"], _OWN),
    "append": _items("(#($a) + #($b)) / 8", "ab", "xx:a"),
    "average": _items("#($a) / 20", signature="a<n>:n"),
    "base64decode": _text("#($s) / 4"),
    "base64encode": _text("#($s) / 8"),
    "contains": _matching("sp", "s-(sf):b", "#($s) / 100"),
    "decodeUrl": _text("#($s) / 2"),
    "decodeUrlComponent": _text("#($s) / 2"),
    "distinct": _items("#($a) / 2", signature="x:x", body="($j := $distinct§§($a); $exists($j) ? $j : $a)"),
    "encodeUrl": _text("#($s) * 1.5"),
    "encodeUrlComponent": _text("#($s) * 1.5"),
    "formatInteger": _text("#($p)", "np", "n-s:s"),
    "formatNumber": _text("#($p)", "npo", "n-so?:s"),
    "fromMillis": _text("#($p) * 2", "npt", "n-s?s?:s"),
    "join": Charge("as", "a<s>s?:s", "$count§($a)", "($j := {name}($a, $s); $spend§($length§($j) / 64); $j)"),
    "keys": Charge("o", "x-:a<s>", "$count§($o) > 200 ? $count§($o) * 12", _KEYS),
    "lookup": _items("#($o) * 2", "ok", "x-s:x"),
    "lowercase": _text("#($s) / 32"),
    "match": _matching("spn", "s-f<s:o>n?:a<o>", "#($s) / 100"),
    "max": _items("#($a) / 20", signature="a<n>:n"),
    "merge": _items("#($a) * 7 + #($a.*) * 2", signature="a<o>:o"),
    "min": _items("#($a) / 20", signature="a<n>:n"),
    "now": _text("#($p) * 2", "pt", "s?s?:s"),
    "number": Charge("v", "(nsb)-:n", '$type§($v) = "string" ? $length§($v) / 6'),
    "pad": Charge("snc", "s-ns?:s", "", "$pad§§($s, $n, $c)"),
    "parseInteger": _text("(#($s) + #($p)) / 2", "sp", "s-s:n"),
    "replace": Charge(
        "sprn",
        "s-(sf)(sf)n?:s",
        "$length§($s) / 100",
        '($type§($p) = "string" ? $replace§§($s, $p, $r, $n) : {name}($s, $matcher§($s, $p), $r, $n))',
    ),
    "partition": _items("#($a) * 2 + ($n > 1 ? #($a) / $n : #($a)) * 4", "an", "x?x?:x", "$partition§§($a, $n)"),
    "reverse": _items("#($a) / 12"),
    "shuffle": _items("#($a) / 10"),
    "sort": _items("#($a) * 4", "af", "af?:a", "($exists($f) ? {name}($a, $f) : {name}($a))"),
    "split": _matching("spn", "s-(sf)n?:a<s>", '#($s) / ($p = "" ? 1 : 8)'),
    "spread": Charge("o", "x-:a<o>", "$count§($o)", "($j := {name}($o); $spend§($count§($j) * 4); $j)"),
    "string": Charge(
        "xp",
        "x-b?:s",
        "$count§($x)",
        "($j := {name}($x, $p); $length§($j) > 500 ? $spend§($length§($j) / 3); $j)",
    ),
    "substring": _text("#($s) / 200", "sbn", "s-nn?:s"),
    "substringAfter": _text("#($s) / 100", "sc", "s-s:s"),
    "substringBefore": _text("#($s) / 100", "sc", "s-s:s"),
    "sum": _items("#($a) / 20", signature="a<n>:n"),
    "toMillis": _text("#($s) / 4 + #($p) * 16", "sp", "s-s?:n"),
    "trim": _text("#($s) / 16"),
    "uppercase": _text("#($s) / 32"),
}
"""Every function that an expression may call, standard or AWS's own."""

_MATCHER = (
    "$metered§:=function($m, $u) {$m ? ($spend§($u); $merge§([$m, "
    '{"next": function() {$metered§($m.next(), $u)}}]))};'
    "$matcher§:=function($s, $p) {$length§($s) > 4000 and $type§($p) = "
    '"function" ? function($t, $i) {$metered§($p($t, $i), $length§($s) / 50)} : $p};'
)
_TEXT = (
    '$text§:=function($x) {$type§($x) = "string" ? ($length§($x) > 5000 ? $spend§($length§($x) / 500); $x) : '
    '$type§($x) = "array" or $type§($x) = "object" ? $string($x) : $x};'
)
_KEPT = ("type", "length", "count", "each", "merge")


QUADRATIC: Final = frozenset({"contains", "keys", "match", "replace", "split"})
"""Functions that may take long over one item, too."""

MAKERS: Final = frozenset({"formatInteger", "formatNumber", "fromMillis", "now", "pad", "toMillis"})
"""Functions that make much of little."""


def paid(names: Iterable[str]) -> list[str]:
    """Those of the named functions that a prelude defines.

    >>> paid(["abs", "trim", "map", "sum"])
    ['sum', 'trim']
    """
    return sorted(name for name in names if name in CHARGES and CHARGES[name].parameters)


def prelude(names: Iterable[str]) -> str:
    """The definitions that make the named functions pay, and `$text§`, which does for operands of `&`."""
    wanted = sorted({*paid(names), "string"})
    kept = "".join(f"${name}{MARK}:=${name};" for name in sorted({*_KEPT, *wanted}))
    return kept + _MATCHER + "".join(map(_definition, wanted)) + _TEXT


def _definition(name: str) -> str:
    charge = CHARGES[name]
    parameters = ", ".join(f"${p}" for p in charge.parameters)
    native = f"${name}{MARK}"
    body = charge.body.replace("{name}", native) or f"{native}({parameters})"
    paying = f"$z := {charge.size}; $z > {UNPAID} ? $spend§($z); " if charge.size else ""
    return f"${name}:=function({parameters})<{charge.signature}>{{({paying}{body})}};"
