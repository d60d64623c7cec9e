"""A value that is put into another again and again costs what it would if it were copied."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from benchmarks import hostile
from express.budget import UNITS
from express.engine import About, start
from express.engine.effects import Finish
from express.expr.jsonata import evaluator
from express.expr.jsonata.parser import parse
from express.expr.jsonata.sharing import Sharing
from tests.engine.scripts import Fixed
from tests.patience import PATIENCE

TWICE = ['{"a": $w, "b": $w}', '[{"b": $w}, {"b": $w}]', "[[$w], [$w]]"]
USES = [
    "$v = $w",
    "$v in [$w]",
    "$boolean($v)",
    "$v.a",
    "$count($v.*)",
    "$uppercase($v)",
    "$v + 1",
    "$v < $w",
    "-$v",
    "$v",
]


@pytest.fixture(autouse=True)
def without_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is paid for ends an expression: on a machine that is busy, the time would be up first."""
    monkeypatch.setattr(evaluator, "TIMEOUT", PATIENCE)


def ended(text: str, data: Any = None) -> tuple[Finish, int]:
    """How a state with this Output ends without any clock, and the units that are left."""
    program = hostile.compile_definition(hostile.definition("jsonata", text))
    x, effects = start(program, data, 0.0, about=About(), entropy=Fixed(), size=len(orjson.dumps(data)))
    finish = hostile.finished(x, effects)
    return finish, x.allowance.units if x.allowance else UNITS


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("twice", TWICE)
def test_what_a_recursion_puts_into_itself_is_paid_for(twice: str, use: str) -> None:
    """2^40 values that take no memory are never looked at: not compared, followed, converted or shown in an error."""
    made = f"$f := function($n, $w) {{$n = 0 ? $w : $f($n - 1, {twice})}}; $v := $f(40, 1); $w := $f(40, 1)"
    finish, left = ended(f"({made}; {use})")
    assert finish.error == "States.QueryEvaluationError"
    assert left == 0


@pytest.mark.parametrize(
    "text",
    [
        "("
        + "; ".join(f'$v{i}:={{"a":$v{i - 1},"b":$v{i - 1}}}' for i in range(1, 40)).replace("$v0", "1")
        + "; $v39)",
        '({"a": 1})' + '.{"a": $, "b": $}' * 40 + " = 1",
        "[1]" + ".[[$], [$]]" * 40 + " = 1",
        '$reduce([1..40], function($a, $i) {{"a": $a, "b": $a}}) = 1',
        "$reduce([1..40], function($a, $i) {$map([1, 2], function($x) {$a})}, [1]) = 1",
        "($two := function($x) {[[$x], [$x]]}; $more := $two ~> $two ~> $two; $all := $more ~> $more ~> $more; "
        "$all($all($all(1))) = 1)",
        "(function($t) {$t($t, 40, 1)})(function($t, $n, $w) {$n = 0 ? $w : $t($t, $n - 1, [[$w], [$w]])}) = 1",
        '$reduce([1..40], function($a, $i) {$a ~> |$|{"x": $, "y": $}|}, {"q": 1}) = 1',
        '($f := function($n, $w) {$n = 0 ? $w : $f($n - 1, {"x": {"a": $w.x, "b": $w.x}})}; $f(40, {"x": 1}) = 1)',
    ],
)
def test_there_is_no_way_around_it(text: str) -> None:
    """By names, steps, reductions, maps, compositions, transforms and functions that are handed to themselves."""
    finish, _ = ended(text)
    assert finish.error == "States.QueryEvaluationError"


def test_names_that_hide_functions_do_not_switch_the_charges_off() -> None:
    """A variable of the workflow that is called like a function leaves the other functions as they are."""
    loop = "$map([1..50], function($i) {$count($sort($states.input.numbers))})"
    data = hostile.document(loop, 100_000)
    machine = {
        "QueryLanguage": "JSONata",
        "StartAt": "A",
        "States": {
            "A": {"Type": "Pass", "Assign": {"sum": 1, "string": "x"}, "Next": "B"},
            "B": {"Type": "Pass", "Output": f"{{% [$sum, $string, {loop}] %}}", "End": True},
        },
    }
    x, effects = start(hostile.compile_definition(machine), data, 0.0, about=About(), entropy=Fixed(), size=100_000)
    finish = hostile.finished(x, effects)
    assert finish.error == "States.QueryEvaluationError"
    assert x.allowance is not None
    assert x.allowance.units == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (
            '$reduce([1..300], function($a, $i) {{"n": $a.n + $i, "all": $append($a.all, $i)}}, {"n": 0, "all": []}).n',
            45_150,
        ),
        ("($f := function($n, $all) {$n = 0 ? $all : $f($n - 1, $append($all, $n))}; $count($f(200, [])))", 200),
        ('$reduce([1..100], function($a, $i) {$merge([$a, {"k" & $i: $i}])}, {}).k7', 7),
        ('$count([1..900].{"i": $, "o": {"i": $, "j": {"k": $}}})', 900),
        ('($tree := function($n) {$n = 0 ? [] : [{"l": $tree($n - 1), "r": $tree($n - 1)}]}; $tree(2).l.l)', []),
        ('($p := {"a": 1}; $q := {"p": $p, "again": $p}; $q.p = $q.again)', True),
    ],
)
def test_what_grows_as_it_is_used_stays_allowed(text: str, value: Any) -> None:
    """Lists, sums and objects that a reduction or a recursion makes, and projections, are not refused."""
    finish, _ = ended(text)
    assert (finish.status, finish.output) == ("SUCCEEDED", value)


def test_projections_are_not_weighed() -> None:
    """Members of the items of an array put nothing deeper than the data are, however they are nested."""
    for text in ('a.{"id": id, "all": $, "p": {"q": name}}', '$map(a, function($i) {{"o": $i, "p": {"q": $i}}})'):
        assert not Sharing(parse(text)).places
