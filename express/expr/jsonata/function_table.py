"""The functions of JSONata: one row each, which is all that lint, interpreter and optimizer need.

To add a function, add its row to `FUNCTIONS`; nothing else names functions. What it computes is `hosted` (a function of
ours; those of the standard library are the complete evaluator's own) and, for the optimizer, what `emit` writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from express.expr.jsonata import charges as charge
from express.expr.jsonata import functions, library, support
from express.expr.jsonata import generate_functions as rules
from express.expr.jsonata.emitter import CallRule
from express.expr.jsonata.functions import Hosted

SMALL: Final = "small"
PARTS: Final = "parts"
TEXT: Final = "text"
"""Bounds of a result: a number or a word; no larger than the arguments together; their text."""

MUCH: Final = "much"
MUCH_EACH: Final = "much each"
"""A function makes much of little, or is called over and over with what it made; so it does for one item, too."""


class Function(NamedTuple):
    """One function that an expression may call.

    `charge`: how the complete evaluator is made to pay for it. `emit`: writes a call as Python text; without it an
    expression that calls the function has no fast form. `growth`: how large its result can be, "" where that is not
    known. `makes`: whether it makes much of little. `quadratic`: it may take long over one item, too. `aws`: Step
    Functions adds it. `hosted`: the function of ours that the evaluator calls by this name; `behind`: the one that its
    prelude calls.
    """

    name: str
    charge: charge.Charge
    emit: CallRule | None = None
    growth: str = ""
    makes: str = ""
    quadratic: bool = False
    aws: bool = False
    hosted: Hosted | None = None
    behind: Hosted | None = None


FUNCTIONS: Final[Mapping[str, Function]] = {
    function.name: function
    for function in (
        Function("abs", charge.FREE, growth=SMALL),
        Function(
            "append",
            charge.on_items("(#($a) + #($b)) / 8", "ab", "xx:a"),
            emit=rules.values(library.append, "array", 2),
            growth=PARTS,
        ),
        Function("assert", charge.FREE),
        Function(
            "average",
            charge.on_items("#($a) / 20", signature="a<n>:n"),
            emit=rules.values(library.average, "number", 1),
            growth=SMALL,
        ),
        Function("base64decode", charge.on_text("#($s) / 4")),
        Function("base64encode", charge.on_text("#($s) / 8")),
        Function("boolean", charge.FREE, emit=rules.boolean, growth=SMALL),
        Function("ceil", charge.FREE, emit=rules.operands(library.ceil, "integer"), growth=SMALL),
        Function(
            "contains",
            charge.matching("sp", "s-(sf):b", "#($s) / 100"),
            emit=rules.strings(library.has, "boolean", 2),
            growth=SMALL,
            quadratic=True,
        ),
        Function("count", charge.FREE, emit=rules.count, growth=SMALL),
        Function("decodeUrl", charge.on_text("#($s) / 2")),
        Function("decodeUrlComponent", charge.on_text("#($s) / 2")),
        Function(
            "distinct",
            charge.on_items("#($a) / 2", signature="x:x", body="($j := $distinct§§($a); $exists($j) ? $j : $a)"),
            growth=PARTS,
            hosted=Hosted(functions.distinct, functions.values, "<x:x>"),
            behind=Hosted(functions.distinct_or_none, functions.values),
        ),
        Function("each", charge.STEPS),
        Function("encodeUrl", charge.on_text("#($s) * 1.5"), emit=rules.strings(library.encode_url, "string", 1)),
        Function(
            "encodeUrlComponent",
            charge.on_text("#($s) * 1.5"),
            emit=rules.strings(library.encode_url_component, "string", 1),
        ),
        Function("error", charge.FREE),
        Function("exists", charge.FREE, emit=rules.exists, growth=SMALL),
        Function("filter", charge.STEPS, emit=rules.loop(support.filtered, support.filtered_by_index, condition=True)),
        Function("floor", charge.FREE, emit=rules.operands(library.floor, "integer"), growth=SMALL),
        Function("formatBase", charge.FREE),
        Function("formatInteger", charge.on_text("#($p)", "np", "n-s:s"), makes=MUCH_EACH),
        Function("formatNumber", charge.on_text("#($p)", "npo", "n-so?:s"), makes=MUCH_EACH),
        Function("fromMillis", charge.on_text("#($p) * 2", "npt", "n-s?s?:s"), makes=MUCH_EACH),
        Function(
            "hash",
            charge.OWN,
            emit=rules.added(library.hash_text),
            aws=True,
            hosted=Hosted(functions.hash_text, functions.characters(16)),
        ),
        Function(
            "join",
            charge.Charge("as", "a<s>s?:s", "$count§($a)", "($j := {name}($a, $s); $spend§($length§($j) / 64); $j)"),
            emit=rules.join,
        ),
        Function(
            "keys",
            charge.Charge("o", "x-:a<s>", "$count§($o) > 200 ? $count§($o) * 12", charge.KEYS),
            emit=rules.values(library.keys, "any", 1),
            quadratic=True,
            behind=Hosted(functions.keys, functions.values),
        ),
        Function("length", charge.FREE, emit=rules.length, growth=SMALL),
        Function("lookup", charge.on_items("#($o) * 2", "ok", "x-s:x"), emit=rules.lookup, growth=PARTS),
        Function("lowercase", charge.on_text("#($s) / 32"), emit=rules.strings(library.lower, "string", 1)),
        Function("map", charge.STEPS, emit=rules.loop(support.mapped, support.mapped_by_index, condition=False)),
        Function("match", charge.matching("spn", "s-f<s:o>n?:a<o>", "#($s) / 100"), quadratic=True),
        Function(
            "max",
            charge.on_items("#($a) / 20", signature="a<n>:n"),
            emit=rules.values(library.largest, "any", 1),
            growth=SMALL,
        ),
        Function(
            "merge", charge.on_items("#($a) * 7 + #($a.*) * 2", signature="a<o>:o"), emit=rules.merge, growth=PARTS
        ),
        Function("millis", charge.FREE, emit=rules.millis, growth=SMALL),
        Function(
            "min",
            charge.on_items("#($a) / 20", signature="a<n>:n"),
            emit=rules.values(library.smallest, "any", 1),
            growth=SMALL,
        ),
        Function("not", charge.FREE, emit=rules.not_, growth=SMALL),
        Function("now", charge.on_text("#($p) * 2", "pt", "s?s?:s"), emit=rules.now, growth=SMALL, makes=MUCH_EACH),
        Function(
            "number",
            charge.Charge("v", "(nsb)-:n", '$type§($v) = "string" ? $length§($v) / 6'),
            emit=rules.values(library.number, "integer", 1),
            growth=SMALL,
        ),
        Function(
            "pad",
            charge.Charge("snc", "s-ns?:s", "", "$pad§§($s, $n, $c)"),
            makes=MUCH_EACH,
            behind=Hosted(functions.pad, functions.padding),
        ),
        Function(
            "parse",
            charge.OWN,
            emit=rules.added(library.parse_json),
            makes=MUCH,
            aws=True,
            hosted=Hosted(functions.parse_large, functions.parsing),
        ),
        Function("parseInteger", charge.on_text("(#($s) + #($p)) / 2", "sp", "s-s:n")),
        Function(
            "partition",
            charge.on_items("#($a) * 2 + ($n > 1 ? #($a) / $n : #($a)) * 4", "an", "x?x?:x", "$partition§§($a, $n)"),
            emit=rules.added(library.partition),
            aws=True,
            hosted=Hosted(functions.partition, functions.values),
            behind=Hosted(functions.partition, lambda *_: 0),
        ),
        Function("power", charge.FREE, growth=SMALL),
        Function("random", charge.OWN, emit=rules.drawn(functions.random_of, "any"), growth=SMALL, aws=True),
        Function(
            "range",
            charge.OWN,
            emit=rules.added(library.number_range),
            makes=MUCH,
            aws=True,
            hosted=Hosted(functions.number_range, functions.numbers),
        ),
        Function("reduce", charge.STEPS, makes=MUCH),
        Function(
            "replace",
            charge.Charge(
                "sprn",
                "s-(sf)(sf)n?:s",
                "$length§($s) / 100",
                '($type§($p) = "string" ? $replace§§($s, $p, $r, $n) : {name}($s, $matcher§($s, $p), $r, $n))',
            ),
            makes=MUCH,
            quadratic=True,
        ),
        Function(
            "reverse",
            charge.on_items("#($a) / 12"),
            emit=rules.values(library.reversed_items, "array", 1),
            growth=PARTS,
        ),
        Function("round", charge.FREE, emit=rules.operands(library.rounded_whole, "integer"), growth=SMALL),
        Function("shuffle", charge.on_items("#($a) / 10")),
        Function("sift", charge.STEPS),
        Function("single", charge.STEPS),
        Function(
            "sort",
            charge.on_items("#($a) * 4", "af", "af?:a", "($exists($f) ? {name}($a, $f) : {name}($a))"),
            growth=PARTS,
        ),
        Function(
            "split",
            charge.matching("spn", "s-(sf)n?:a<s>", '#($s) / ($p = "" ? 1 : 8)'),
            emit=rules.strings(library.split, "array", 2),
            quadratic=True,
        ),
        Function(
            "spread", charge.Charge("o", "x-:a<o>", "$count§($o)", "($j := {name}($o); $spend§($count§($j) * 4); $j)")
        ),
        Function("sqrt", charge.FREE, growth=SMALL),
        Function(
            "string",
            charge.Charge(
                "xp",
                "x-b?:s",
                "$count§($x)",
                "($j := {name}($x, $p); $length§($j) > 500 ? $spend§($length§($j) / 3); $j)",
            ),
            emit=rules.string,
            growth=TEXT,
        ),
        Function("substring", charge.on_text("#($s) / 200", "sbn", "s-nn?:s"), emit=rules.substring, growth=PARTS),
        Function(
            "substringAfter",
            charge.on_text("#($s) / 100", "sc", "s-s:s"),
            emit=rules.strings(library.after, "string", 2),
        ),
        Function(
            "substringBefore",
            charge.on_text("#($s) / 100", "sc", "s-s:s"),
            emit=rules.strings(library.before, "string", 2),
            growth=PARTS,
        ),
        Function(
            "sum",
            charge.on_items("#($a) / 20", signature="a<n>:n"),
            emit=rules.values(library.total, "number", 1),
            growth=SMALL,
        ),
        Function("toMillis", charge.on_text("#($s) / 4 + #($p) * 16", "sp", "s-s?:n"), growth=SMALL, makes=MUCH_EACH),
        Function("trim", charge.on_text("#($s) / 16"), emit=rules.strings(library.trim, "string", 1)),
        Function("type", charge.FREE, emit=rules.values(library.type_name, "string", 1), growth=SMALL),
        Function("uppercase", charge.on_text("#($s) / 32"), emit=rules.strings(library.upper, "string", 1)),
        Function("uuid", charge.OWN, emit=rules.drawn(functions.uuid_of, "string"), growth=SMALL, aws=True),
        Function("zip", charge.OWN, hosted=Hosted(functions.zipped, functions.values, "<a+>")),
    )
}
"""Every function that an expression may call, standard (without `$eval`) or AWS's own, by name."""

EMITTED: Final[Mapping[str, CallRule]] = {f.name: f.emit for f in FUNCTIONS.values() if f.emit is not None}
"""The functions that have a fast form."""
