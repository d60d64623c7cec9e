"""Runaway expressions: each is stopped within bounds of time and memory (reliability row 41)."""

import resource
import time
from typing import Any

import pytest

from express.errors import EvaluationError
from express.expr.jsonata import JsonataSyntaxError
from tests.expr.written import compile_value

from .support import SCOPE

DOUBLING = "($p := function($s, $n) { $n = 0 ? $s : $p($s & $s, $n - 1) }; $length($p('x', 31)))"
BOMBS = [
    "($f := function($x) { $f($x + 1) }; $f(1))",
    "($f := function() { $g() }; $g := function() { $f() }; $f())",
    "($f := function($x) { 1 + $f($x + 1) }; $f(1))",
    "($f := function($x) { [$f($x), $f($x)] }; $f(1))",
    "($fib := function($n) { $n < 2 ? $n : $fib($n - 1) + $fib($n - 2) }; $fib(30))",
    "($y := function($f) { $f($f) }; $y($y))",
    "[1..1e7]",
    "[1..9999999]",
    "[0..$states.input.big]",
    "[$states.input.low..9999998]",
    "$count([1..1e7])",
    "$sum([1..9999999])",
    "[1..1e9]",
    "[1..1e15]",
    "[1..131072].[1..131072]",
    "[1..1000].[1..1000].[1..1000]",
    "{'a': [1..131071], 'b': [1..131071], 'c': [1..131071], 'd': [1..131071]}",
    "$map([1..1000], function($a) { $map([1..1000], function($b) { $a * $b }) })",
    "$reduce([1..100000], function($a, $b) { $a & 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' })",
    "$sort([1..100000], function($a, $b) { $a < $b })",
    "$states.input.numbers[$ in $states.input.numbers]",
    "$states.input.numbers.($states.input.numbers)",
    "$states.input.numbers.($states.input.text)",
    "$states.input.numbers.{'a': $states.input.numbers}",
    DOUBLING,
    "$pad('a', 500000000)",
    "$pad('a', -500000000)",
    "$pad('', 5000000, 'xyz')",
    "$replace($states.input.text, 'x', $states.input.text)",
    "$join($states.input.numbers.($states.input.text))",
    "$match($states.input.as, /(a+)+$/)",
    "$contains($states.input.as, /(a|aa)+$/)",
    "$split($states.input.as, /(a|a)*b/)",
    "$replace($states.input.as, /(a+)+$/, 'x')",
    "$range(1, 1e9, 1)",
    "$range(-9e15, 9e15, 1)",
    "$merge([1..100000].{$string($): $})",
    "$zip([1..131072], [1..131072], [1..131072], [1..131072], [1..131072])",
    "$eval('1 + 1')",
    " & ".join(["$states.input.text"] * 200),
]
FINE = [
    ("$distinct($states.input.numbers) ~> $count", 20_000),
    ("$sum($states.input.numbers)", 199_990_000),
    ("$count($states.input.**)", None),
    ("$length($string($states.input))", None),
    ("[1..131072] ~> $count()", 131_072),
    ("($f := function($x) { $x = 0 ? 0 : 1 + $f($x - 1) }; $f(31))", 31),
]
DATA: dict[str, Any] = {
    "as": "a" * 5000 + "!",
    "text": "x" * 200_000,
    "numbers": list(range(20_000)),
    "big": 8_000_000,
    "low": -8_000_000,
}


def spent(expression: str) -> tuple[Any, float]:
    """The value or the failure of an expression, and the seconds of processor it took."""
    evaluate = compile_value(f"{{% {expression} %}}", "Output")
    start = time.thread_time()
    try:
        value = evaluate({"input": DATA}, SCOPE)
    except EvaluationError as error:
        value = error
    return value, time.thread_time() - start


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb[:40])
def test_a_bomb_is_stopped(bomb: str) -> None:
    """Each fails as an evaluation error; typically in 10 ms, never in more than a blink."""
    value, seconds = spent(bomb)
    assert isinstance(value, EvaluationError), str(value)[:100]
    assert seconds < 0.25


@pytest.mark.parametrize(("expression", "value"), FINE)
def test_a_large_but_honest_evaluation_passes(expression: str, value: Any) -> None:
    """The bounds leave room for everything a payload of the largest size can ask for."""
    result, seconds = spent(expression)
    assert not isinstance(result, EvaluationError)
    assert value is None or result == value
    assert seconds < 0.5


def test_bombs_take_little_memory() -> None:
    """All of them together don't make the process grow by much."""
    for bomb in BOMBS:
        spent(bomb)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in BOMBS:
        spent(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 * 1024


@pytest.mark.parametrize("terms", [100, 101])
def test_depth_ends_where_it_ends_on_aws(terms: int) -> None:
    """A hundred terms pass and one more fails (measured)."""
    value, _ = spent("+".join(["1"] * terms))
    assert (value == 100) if terms == 100 else "Stack overflow" in str(value)


@pytest.mark.parametrize(("calls", "fits"), [(31, True), (32, False)])
def test_recursion_ends_where_it_ends_on_aws(calls: int, fits: bool) -> None:
    """A call that is no tail call takes three levels and five at the end (measured)."""
    value, _ = spent(f"($f := function($x) {{ $x = 0 ? 0 : 1 + $f($x - 1) }}; $f({calls}))")
    assert fits == (value == calls)


def test_five_thousand_parentheses_are_refused_when_compiling() -> None:
    """Nesting that nothing could evaluate does not reach evaluation."""
    with pytest.raises(JsonataSyntaxError):
        spent("(" * 5000 + "1" + ")" * 5000)
