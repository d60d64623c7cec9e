"""The functions Step Functions adds, through whichever tier evaluates them."""

from typing import Any

import pytest

from express.errors import EvaluationError
from express.expr.scope import Constants

from .support import evaluate

CASES: list[tuple[str, Any]] = [
    ("$partition([1,2,3,4], 2)", [[1, 2], [3, 4]]),
    ("$partition([1,2,3], 2)", [[1, 2], [3]]),
    ("$partition([0], 1)", [[0]]),
    ("$partition([1,2,3], 1.9)", [[1], [2], [3]]),
    ("$partition([1,2,3], 10)", [[1, 2, 3]]),
    ("$range(0, 6, 2)", [0, 2, 4, 6]),
    ("$range(0, 5, 2)", [0, 2, 4]),
    ("$range(3, 1, -1)", [3, 2, 1]),
    ("$range(1, 9, 9)", 1),
    ("$range(4, 4, 1)", 4),
    ("$range(0.9, 3.9, 1.9)", [0, 1, 2, 3]),
    ('$hash("input", "SHA-1")', "140f86aae51ab9e1cda9b4254fe98a74eb54c1a1"),
    ('$hash("input data", "MD5")', "812f45842bc6d66ee14572ce20db8e86"),
    ('$hash("input data", "SHA-256")', "b4a697a057313163aee33cd8d40c66e9f0f177e00cac2de32475ffff6169c3e3"),
    ("$random(42)", 0.7275636800328681),
    ("$random(42.9)", 0.7275636800328681),
    ("$random()", 0.25),
    ("$uuid()", "u-1"),
    ('$parse("{\\"a\\": [1, 2.50, null]}").a', [1, 2.5, None]),
    ('$parse("null")', None),
    ('$parse("9223372036854775808")', 2**63),
    ('$parse("\\"x\\"")', "x"),
]

UNDEFINED = [
    "$partition([], 2)",
    "$partition([1], 0)",
    "$partition($missing, 1)",
    "$range(0, 5, 0)",
    "$range(0, 5, -1)",
    "$range(0, 5)",
    "$parse($missing)",
    '$hash("a")',
]

ERRORS = [
    ("$parse('{')", "D3137: Invalid JSON"),
    ("$parse('')", "D3137: Invalid JSON"),
    ("$parse('[1,]')", "D3137: Invalid JSON"),
    ("$parse('NaN')", "D3137: Invalid JSON"),
    ('$parse("{\\"a\\":1,\\"a\\":2}")', "D3137: Invalid JSON"),
    ("$parse('1e999')", "D3137: Invalid JSON"),
    ("$parse(1)", 'T0410: Argument 1 of function "parse" does not match function signature'),
    ("$parse('1', 2)", 'T0410: Argument 2 of function "parse" does not match function signature'),
    ("$partition([1], -2)", "D3137: Second argument must be zero or greater"),
    ("$partition(1, 2)", 'T0412: Argument 1 of function "partition" must be an array of undefined'),
    ("$partition([1], 'a')", 'T0410: Argument 2 of function "partition" does not match function signature'),
    ("$range('a', 1, 1)", 'T0410: Argument 1 of function "range" does not match function signature'),
    ("$range(1, 2, 3, 4)", 'T0410: Argument 4 of function "range" does not match function signature'),
    ("$hash('a', 'SHA-2')", "D3137: Hash algorithm 'SHA-2' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5"),
    ("$hash(1, 'MD5')", 'T0410: Argument 1 of function "hash" does not match function signature'),
    ("$random('a')", 'T0410: Argument 1 of function "random" does not match function signature'),
    ("$uuid(1)", 'T0410: Argument 1 of function "uuid" does not match function signature'),
]

# The same call where generated code can't reach it: behind a function it has no rule for.
EXACTLY = "$reduce([1, 2], function($a, $b) {{ {} }})"


def scope() -> Constants:
    """A scope with recognisable chance."""
    return Constants({}, {}, random=lambda: 0.25, uuid=lambda: "u-1")


@pytest.mark.parametrize(("call", "value"), CASES)
def test_results_are_those_of_aws(call: str, value: Any) -> None:
    """Each function gives AWS's result (spec §7), in the fast form and in the exact one."""
    assert evaluate(call, {}, scope()) == value
    if value is not None:  # a null out of a function is nothing to the library behind the exact form
        assert evaluate(EXACTLY.format(call), {}, scope()) == value


@pytest.mark.parametrize("call", UNDEFINED)
def test_calls_that_give_nothing(call: str) -> None:
    """Each of these is undefined in both forms."""
    for text in (call, EXACTLY.format(call)):
        with pytest.raises(EvaluationError, match="returned nothing"):
            evaluate(text, {}, scope())


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors_are_those_of_aws(call: str, message: str) -> None:
    """Each mistake has AWS's code and text in both forms."""
    for text in (call, EXACTLY.format(call)):
        with pytest.raises(EvaluationError) as caught:
            evaluate(text, {}, scope())
        assert str(caught.value.cause).endswith(f"threw an error during evaluation. {message}")


def test_parsed_integers_keep_64_bits() -> None:
    """AWS keeps a parsed integer exact as far as 64 bits go; so does the fast form."""
    assert evaluate('$parse("9223372036854775807")', {}, scope()) == 2**63 - 1


def test_functions_of_aws_can_be_passed_on() -> None:
    """They are values like any other function."""
    assert evaluate('$map(["1", "[2]"], $parse)', {}, scope()) == [1, [2]]
    assert evaluate('"a" ~> $hash("MD5")', {}, scope()) == "0cc175b9c0f1b6a831c399e269772661"


def test_distinct_is_that_of_the_language() -> None:
    """The replacement for the library's slow one keeps order, types and single results."""
    assert evaluate("$distinct([1, '1', 1, true, {'a': 1, 'b': 2}, {'b': 2, 'a': 1}, null, null])") == [
        1, "1", True, {"a": 1, "b": 2}, None,
    ]  # fmt: skip
    assert evaluate("$distinct([1, 1])") == evaluate("$distinct([1, 1.0])")
    assert evaluate("$distinct('a')") == "a"
