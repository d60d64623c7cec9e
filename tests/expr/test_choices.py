"""Choice rules of JSONPath states (States Language, "Choice State")."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.errors import RUNTIME, ExpressionError, StatesError
from express.expr.operators import OPERATORS, PATH, TIMESTAMP
from express.expr.wildcards import matches, wildcard_pieces
from tests.expr.support import SCOPE, documents
from tests.expr.written import compile_rule

T1, T2 = "2016-03-14T01:59:00Z", "2016-03-14T02:59:00.5+01:00"


def test(rule: dict[str, Any], data: Any) -> bool:
    return compile_rule(rule)(data, SCOPE)


test.__test__ = False  # type: ignore[attr-defined]  # a helper, in spite of its name


@pytest.mark.parametrize(
    ("operator", "value", "operand", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", 1, "1", False),
        ("StringLessThan", "A", "AB", True),
        ("StringLessThan", "AB", "A", False),
        ("StringLessThan", "\U00010000", "\uffff", True),
        ("StringGreaterThan", "\uffff", "\U00010000", True),
        ("StringGreaterThan", "é", "z", True),
        ("StringLessThanEquals", "", "", True),
        ("StringGreaterThanEquals", "b", "a", True),
        ("StringGreaterThanEquals", None, "a", False),
        ("StringMatches", "log-1.txt", "log-*.txt", True),
        ("StringMatches", "log-.txt", "log-*.txt", True),
        ("StringMatches", "xlog-1.txt", "log-*.txt", False),
        ("StringMatches", "a*b", "a\\*b", True),
        ("StringMatches", "axb", "a\\*b", False),
        ("StringMatches", "a\\b", "a\\\\b", True),
        ("StringMatches", "anything", "*", True),
        ("StringMatches", "", "*", True),
        ("StringMatches", "a?c", "a?c", True),
        ("StringMatches", "abc", "a?c", False),
        ("StringMatches", 5, "*", False),
        ("NumericEquals", 1, 1.0, True),
        ("NumericEquals", True, 1, False),
        ("NumericEquals", "1", 1, False),
        ("NumericLessThan", 1, 1.5, True),
        ("NumericLessThanEquals", 1.0, 1, True),
        ("NumericGreaterThan", 0, 0.0, False),
        ("NumericGreaterThanEquals", -1, -1, True),
        ("BooleanEquals", True, True, True),
        ("BooleanEquals", 1, True, False),
        ("BooleanEquals", None, False, False),
        ("TimestampEquals", T1, "2016-03-14T02:59:00+01:00", True),
        ("TimestampLessThan", T1, T2, True),
        ("TimestampLessThanEquals", T1, T1, True),
        ("TimestampGreaterThan", T2, T1, True),
        ("TimestampGreaterThanEquals", "2016-03-14", T1, False),
        ("TimestampEquals", 5, T1, False),
    ],
)
def test_comparisons(operator: str, value: Any, operand: Any, expected: bool) -> None:
    """A literal operator and its Path twin agree; the wrong type is false, never converted."""
    assert test({"Variable": "$.v", operator: operand}, {"v": value}) is expected
    if f"{operator}Path" in OPERATORS:
        data = {"v": value, "o": operand}
        assert test({"Variable": "$.v", f"{operator}Path": "$.o"}, data) is expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("IsNull", None, True),
        ("IsNull", 0, False),
        ("IsNumeric", 1.5, True),
        ("IsNumeric", True, False),
        ("IsNumeric", "1", False),
        ("IsString", "", True),
        ("IsString", None, False),
        ("IsBoolean", False, True),
        ("IsBoolean", 0, False),
        ("IsTimestamp", T1, True),
        ("IsTimestamp", "2016-03-14T01:59:00", False),
        ("IsPresent", None, True),
    ],
)
def test_type_tests(operator: str, value: Any, expected: bool) -> None:
    """`true` asks whether it is so, `false` whether it is not."""
    assert test({"Variable": "$.v", operator: True}, {"v": value}) is expected
    assert test({"Variable": "$.v", operator: False}, {"v": value}) is not expected


@pytest.mark.parametrize(
    "path", ["$.gone", "$.v.gone", "$.xs[2]", "$.gone.gone", "$gone", "$$.Task.Token", "$.xs[?(@ > 9)]"]
)
def test_presence(path: str) -> None:
    """What is not there is not present: an array's end included (`IsPresent` on `$.xs[0]` asks for emptiness)."""
    data = {"v": 1, "xs": [1, 2]}

    assert test({"Variable": path, "IsPresent": True}, data) is False
    assert test({"Variable": path, "IsPresent": False}, data) is True


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"Variable": "$.gone", "StringEquals": "a"}, "$.gone"),
        ({"Variable": "$.gone", "IsNull": True}, "$.gone"),
        ({"Variable": "$.gone", "StringMatches": "*"}, "$.gone"),
        ({"Variable": "$.v", "NumericEqualsPath": "$.gone"}, "$.gone"),
        ({"Variable": "$.xs[7]", "NumericEquals": 1}, "$.xs[7]"),
        ({"Variable": "$$.Gone", "NumericEquals": 1}, "$.Gone"),
        ({"Not": {"Variable": "$.gone", "IsString": True}}, "$.gone"),
    ],
)
def test_a_path_that_finds_nothing_fails_the_execution(rule: dict[str, Any], path: str) -> None:
    """Only IsPresent may look for what is not there."""
    with pytest.raises(StatesError) as caught:
        test(rule, {"v": 1, "xs": []})

    assert caught.value.error == RUNTIME
    assert caught.value.cause == (
        f"Invalid path '{path}': The choice state's condition path references an invalid value."
    )
    assert caught.value.located


YES = {"Variable": "$.v", "NumericEquals": 1}
NO = {"Variable": "$.v", "NumericEquals": 2}
FAILS = {"Variable": "$.gone", "NumericEquals": 1}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"And": [YES, YES]}, True),
        ({"And": [YES, NO]}, False),
        ({"And": [YES, YES, NO]}, False),
        ({"And": [YES]}, True),
        ({"And": [NO, FAILS]}, False),
        ({"And": [NO, FAILS, FAILS]}, False),
        ({"Or": [NO, YES]}, True),
        ({"Or": [NO, NO, NO]}, False),
        ({"Or": [YES, FAILS]}, True),
        ({"Or": [YES, FAILS, FAILS]}, True),
        ({"Not": NO}, True),
        ({"Not": {"And": [YES, {"Or": [NO, {"Not": YES}]}]}}, True),
    ],
)
def test_combinations(rule: dict[str, Any], expected: bool) -> None:
    """And, Or and Not nest, and stop at the first test that decides."""
    assert test({**rule, "Next": "There"}, {"v": 1}) is expected


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"Variable": "$.v"},
        {"NumericEquals": 1},
        {"Variable": 1, "NumericEquals": 1},
        {"Variable": "v", "NumericEquals": 1},
        {"Variable": "$.v", "NumericEquals": 1, "IsString": True},
        {"Variable": "$.v", "NumericEquals": "1"},
        {"Variable": "$.v", "NumericEquals": True},
        {"Variable": "$.v", "StringEquals": 1},
        {"Variable": "$.v", "StringEqualsPath": "nope"},
        {"Variable": "$.v", "BooleanEquals": 1},
        {"Variable": "$.v", "IsPresent": "true"},
        {"Variable": "$.v", "TimestampEquals": "today"},
        {"Variable": "$.v", "Equals": 1},
        {"And": []},
        {"And": YES},
        {"Or": [1]},
        {"Not": [YES]},
        {"Not": "x"},
    ],
)
def test_refused(rule: dict[str, Any]) -> None:
    """A rule that can't be tested is refused when it is compiled."""
    with pytest.raises(ExpressionError):
        compile_rule(rule)


def test_rules_nested_too_deep_are_refused() -> None:
    """Nesting is bounded, so that no definition can exhaust the stack."""
    rule: dict[str, Any] = YES
    for _ in range(200):
        rule = {"Not": rule}

    with pytest.raises(ExpressionError):
        compile_rule(rule)


@pytest.mark.parametrize("pattern", ["a\\", "\\a*", "\\"])
def test_an_open_escape_fails_when_it_is_reached(pattern: str) -> None:
    """A backslash that escapes nothing is a run-time failure (spec §10)."""
    rule = compile_rule({"Variable": "$.v", "StringMatches": pattern})

    with pytest.raises(StatesError) as caught:
        rule({"v": "a"}, SCOPE)
    assert caught.value.error == RUNTIME


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_wildcards_match_what_a_regular_expression_matches(pattern: str, value: str) -> None:
    """`*` is any text, also none."""
    pieces = wildcard_pieces(pattern)

    assert pieces is not None
    assert matches(value, pieces) is (re.fullmatch(pattern.replace("*", ".*"), value) is not None)


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("a" * 250_000, "*".join(["a"] * 10_000) + "*b"),
        ("a" * 20_000, "*" + "a" * 2_000 + "b*"),
        ("ab" * 120_000, "*b" * 5_000 + "c"),
    ],
)
def test_matching_is_linear(value: str, pattern: str) -> None:
    """The worst patterns over the largest texts take little time (the bound is loose for slow machines)."""
    rule = compile_rule({"Variable": "$.v", "StringMatches": pattern})
    began = time.process_time()

    assert rule({"v": value}, SCOPE) is False
    assert time.process_time() - began < 0.25


def test_a_thousand_rules_over_a_large_text_take_little_time() -> None:
    """An order needs no more of a text than the operand is long."""
    data = {"v": "é" * 120_000}
    rules = [
        compile_rule({"Variable": "$.v", op: "é" * i + "z"})
        for i in range(100)
        for op in ("StringEquals", "StringLessThan", "StringGreaterThan", "StringMatches", "TimestampEquals")
        if not op.startswith("Timestamp")
    ]
    began = time.process_time()

    for rule in rules:
        rule(data, SCOPE)
    assert time.process_time() - began < 0.25


texts = st.text(st.sampled_from("aé\ud7ff\ue000\uffff\U00010000"), max_size=4)


@given(texts, texts)
def test_strings_are_in_utf16_order(a: str, b: str) -> None:
    """The order is Java's `compareTo`, by UTF-16 code unit, which differs from Python's by code point."""
    first, second = a.encode("utf-16-be"), b.encode("utf-16-be")

    assert test({"Variable": "$", "StringLessThan": b}, a) is (first < second)
    assert test({"Variable": "$", "StringGreaterThanEquals": b}, a) is (first >= second)
    assert test({"Variable": "$.a", "StringLessThanPath": "$.b"}, {"a": a, "b": b}) is (first < second)


@given(documents())
def test_every_value_is_exactly_one_of_the_types(value: Any) -> None:
    """Type tests partition the scalars, and objects and arrays are none of them."""
    found = [
        name
        for name in ("IsNull", "IsNumeric", "IsString", "IsBoolean")
        if test({"Variable": "$.v", name: True}, {"v": value})
    ]

    assert len(found) == (0 if type(value) in (dict, list) else 1)


def test_the_table_of_operators() -> None:
    """An operator that ends in Path reads its operand there, and the one without compares with a constant."""
    assert all((op.operand == PATH) is name.endswith("Path") for name, op in OPERATORS.items())
    assert all(name.removesuffix("Path") in OPERATORS for name in OPERATORS)
    assert OPERATORS["TimestampLessThan"].operand == TIMESTAMP
