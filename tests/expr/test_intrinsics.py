"""Intrinsic functions: results, argument rules, limits, failures (States Language, "Intrinsic functions")."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.errors import INTRINSIC_FAILURE, RUNTIME, ExpressionError, StatesError
from express.expr.intrinsics.functions import FUNCTIONS, TEXT_FUNCTIONS
from express.expr.scope import Constants
from express.values import equal
from tests.expr.support import SCOPE, documents
from tests.expr.written import compile_call

DATA = {
    "xs": [1, 2, 3, 4, 5],
    "empty": [],
    "o": {"Arg1": 1, "Arg2": []},
    "s": "a,b",
    "null": None,
    "long": "a" * 10_001,
    "most": "a" * 10_000,
    "n": 2.5,
    "t": "n={}",
    "big": 3_000_000_000,
}


def call(text: str, data: Any = DATA, scope: Constants = SCOPE) -> Any:
    return compile_call(text)(data, scope)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("States.Array()", []),
        ("States.Array(1, 'a', null, true, $.o)", [1, "a", None, True, {"Arg1": 1, "Arg2": []}]),
        ("States.Array(\n  1 ,\t2\n)", [1, 2]),
        ("States.Array('it\\'s', 'a\\\\b', '\\{\\}')", ["it's", "a\\b", "{}"]),
        ("States.Array(-1, +2, 1.5, 1e3)", [-1, 2, 1.5, 1000.0]),
        ("States.Array($.xs[1:3], $['s'], $.xs[?(@ > 4)])", [[2, 3], "a,b", [5]]),
        ("States.Array($$.Execution.Name, $name)", ["run", "Ada"]),
        ("States.ArrayPartition($.xs, 2)", [[1, 2], [3, 4], [5]]),
        ("States.ArrayPartition($.xs, 10)", [[1, 2, 3, 4, 5]]),
        ("States.ArrayPartition($.empty, 1)", []),
        ("States.ArrayContains($.xs, 5)", True),
        ("States.ArrayContains($.xs, '5')", False),
        ("States.ArrayContains(States.Array($.o), $.o)", True),
        ("States.ArrayContains(States.Array(1, 0), true)", False),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(0, 10, 3)", [0, 3, 6, 9]),
        ("States.ArrayRange(5, 1, -2)", [5, 3, 1]),
        ("States.ArrayRange(3, 3, -1)", [3]),
        ("States.ArrayRange(5, 1, 1)", []),
        ("States.ArrayRange(1.4, 5.6, 2.2)", [1, 3, 5]),
        ("States.ArrayGetItem($.xs, 0)", 1),
        ("States.ArrayGetItem(States.Array(null), 0)", None),
        ("States.ArrayLength($.xs)", 5),
        ("States.ArrayUnique(States.Array(1, 1.0, '1', true, 1))", [1, "1", True]),
        ("States.ArrayUnique(States.Array($.o, $.o, $.xs, $.xs))", [{"Arg1": 1, "Arg2": []}, [1, 2, 3, 4, 5]]),
        ("States.Base64Encode('Data to encode')", "RGF0YSB0byBlbmNvZGU="),
        ("States.Base64Encode('✓')", "4pyT"),
        ("States.Base64Decode('4pyT')", "✓"),
        ("States.Base64Decode('')", ""),
        ("States.Base64Decode(' YWJjZA== ')", "abcd"),
        ("States.Base64Decode('YWJjZA')", "abcd"),
        ("States.Base64Decode('ab==cd')", "i"),
        ("States.Hash('input data', 'MD5')", "812f45842bc6d66ee14572ce20db8e86"),
        ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("States.Hash(123, 'MD5')", "202cb962ac59075b964b07152d234b70"),
        ("States.JsonMerge($.o, States.StringToJson('{\"Arg1\":{}}'), false)", {"Arg1": {}, "Arg2": []}),
        ("States.StringToJson('[1, -0, 1.5, null]')", [1, 0, 1.5, None]),
        ("States.StringToJson('')", None),
        ("States.StringToJson('  ')", None),
        ("States.StringToJson(' {\"a\":1} ')", {"a": 1}),
        ("States.JsonToString($.o)", '{"Arg1":1,"Arg2":[]}'),
        ("States.JsonToString('é')", '"é"'),
        ("States.Format('{}{}', 'a', 1.1)", "a1.1"),
        ("States.Format('no placeholders')", "no placeholders"),
        ("States.Format('\\{{}\\} it\\'s \\\\', $.n)", "{2.5} it's \\"),
        ("States.Format($.t, 1)", "n=1"),
        ("States.Format('{} {}', 'it\\'s', '\\{\\}')", "it's {}"),
        ("States.Format('{}|{}|{}', $.null, true, $.o)", "null|true|{Arg1=1, Arg2=[]}"),
        ("States.Format('{}', '{}')", "{}"),
        ("States.MathAdd(111, -1)", 110),
        ("States.MathAdd(2147483646, 1)", 2147483647),
        ("States.MathAdd(-2147483647, -1)", -2147483648),
        ("States.StringSplit('1,2;3', ',;')", ["1", "2", "3"]),
        ("States.StringSplit(', , ,', ',')", [" ", " "]),
        ("States.StringSplit(',,,,', ',')", []),
        ("States.StringSplit('', ',')", []),
        ("States.StringSplit('abc', '')", ["abc"]),
        ("States.StringSplit('a.b|c', '.|')", ["a", "b", "c"]),
        ("States.UUID()", "00000000-0000-4000-8000-000000000000"),
        ("States.MathRandom(1, 5)", 3),
    ],
)
def test_results(text: str, value: Any) -> None:
    """Each function gives what the specification and AWS give."""
    assert equal(call(text), value)


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [(1.5, 1.51, 4), (-1.5, -1.51, -3), (-0.5, 0.5, 1), (2.5, 0, 3), (-2.5, 0, -2), (1.49, 1.5, 3), (-3.5, 0, -3)],
)
def test_numbers_round_as_java_rounds(first: float, second: float, total: int) -> None:
    """Half goes up, towards positive infinity (recorded)."""
    assert call("States.MathAdd($.a, $.b)", {"a": first, "b": second}) == total


@pytest.mark.parametrize(
    "text",
    [
        "States.ArrayPartition('x', 1)", "States.ArrayPartition($.xs, 0)", "States.ArrayPartition($.xs, 0.49)",
        "States.ArrayPartition($.xs, '2')", "States.ArrayPartition($.xs, null)", "States.ArrayContains('x', 'x')",
        "States.ArrayRange(1, 10, 0)", "States.ArrayRange(1, 1001, 1)", "States.ArrayRange(1001, 1, -1)",
        "States.ArrayRange('1', 2, 1)", "States.ArrayGetItem($.xs, 5)", "States.ArrayGetItem($.xs, -1)",
        "States.ArrayGetItem($.xs, '0')", "States.ArrayLength('abc')", "States.ArrayUnique($.o)",
        "States.Base64Encode($.long)", "States.Base64Encode(1)", "States.Base64Decode($.long)",
        "States.Hash($.long, 'MD5')", "States.Hash('a', 'md5')", "States.Hash('a', 'SHA256')", "States.Hash('a', 1)",
        "States.JsonMerge($.o, $.o, true)", "States.JsonMerge($.o, $.xs, false)", "States.JsonMerge(null, $.o, false)",
        "States.StringToJson('{bad}')", "States.StringToJson(1)", "States.StringToJson('NaN')",
        "States.Format('{} {}', 1)", "States.Format('{}', 1, 2)", "States.Format('{')", "States.Format('}')",
        "States.Format('{{}}', 1)", "States.Format($.n, 1)", "States.MathAdd('1', 1)", "States.MathAdd(true, 1)",
        "States.MathAdd(null, 1)", "States.MathAdd(2147483647, 1)", "States.MathAdd($.big, 1)",
        "States.MathRandom(1, 1)", "States.MathRandom(5, 1)", "States.MathRandom('a', 1)",
        "States.MathRandom(1, 9, 'x')",
        "States.MathRandom(1, 9, null)", "States.StringSplit(1, ',')", "States.StringSplit('a', null)",
    ],
)  # fmt: skip
def test_bad_arguments_fail(text: str) -> None:
    """What a function does not take is a failure that names the call as it was written, when it is reached."""
    compiled = compile_call(text)

    with pytest.raises(StatesError) as caught:
        compiled(DATA, SCOPE)

    name = text.partition("(")[0]
    assert caught.value.error == INTRINSIC_FAILURE
    assert caught.value.cause == f"The function '{text}' had the following error: Invalid arguments in {name}"
    assert caught.value.located


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("States.Format('{}',$.nope)", "$.nope"),
        ("States.Format('{} {}', $.s, $.a.b)", "$.a.b"),
        ("States.Format('{}', States.Format('{}', $.nope))", "$.nope"),
        ("States.Format('{}', $.xs[9])", "$.xs[9]"),
        ("States.JsonToString($$.Nope.Deep)", "$.Nope.Deep"),
        ("States.ArrayLength($.nope)", "$.nope"),
    ],
)
def test_a_missing_argument_names_itself_and_the_whole_call(text: str, shown: str) -> None:
    """A path that finds nothing is States.Runtime; the input shown is the state's, even for a Context path."""
    data = {"s": 1, "xs": [1, 2]}

    with pytest.raises(StatesError) as caught:
        call(text, data)

    assert caught.value.error == RUNTIME
    assert caught.value.cause == (
        f"The function '{text}' had the following error: The JsonPath argument for the field '{shown}' "
        f"could not be found in the input '{json.dumps(data, separators=(',', ':'))}'"
    )


def test_an_index_into_what_is_no_array_has_the_librarys_words() -> None:
    """Here AWS shows what its JSONPath library says."""
    with pytest.raises(StatesError) as caught:
        call("States.Format('{}', $.other[0])", {"other": 1})

    assert (caught.value.cause or "").endswith(
        "had the following error: Filter: [0] can only be applied to arrays. Current context is: 1"
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "States", "States.Nope()", "Format('a')", "States.Format", "States.Format(", "States.Format('a'",
        "States.Format('a' 'b')", "States.Format('a',)", "States.Format(,)", "States.Format('a", "States.Format(\"a\")",
        "States.UUID()[0]", "States.UUID() x", " States.UUID()", "States.UUID(1)", "States.Hash('a')",
        "States.ArrayLength()", "States.Format()", "States.MathRandom(1)", "States.Array(nope)", "States.Array($.)",
        "States.Array(1e999)", "States.Array('\\n')", "States.StringToJson('{\"a\":\"\\\"b\\\"\"}')",
        "States.Array('a\\')",
        "States.MathAdd(" * 11 + "1" + ", 1)" * 11,
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    """Bad syntax, unknown functions, wrong numbers of arguments and calls nested too deep don't compile."""
    with pytest.raises(ExpressionError):
        compile_call(text)


def test_ten_calls_deep_is_allowed() -> None:
    """The limit of nesting is ten."""
    assert call("States.MathAdd(" * 10 + "0" + ", 1)" * 10) == 10


def test_the_functions_of_fail_are_known() -> None:
    """ErrorPath and CausePath may call some functions of the table, and none of those that make no text."""
    assert set(FUNCTIONS) > TEXT_FUNCTIONS
    with pytest.raises(ExpressionError):
        compile_call("States.Array()", allowed=TEXT_FUNCTIONS)


def test_a_constant_call_is_computed_once() -> None:
    """What cannot change is shared; what draws on chance is drawn anew."""
    constant = compile_call("States.Array(1, States.MathAdd(1, 1))")
    draws = iter(("one", "two"))
    fresh = compile_call("States.Array(States.UUID())")
    scope = Constants(uuid=lambda: next(draws))

    assert constant(None, SCOPE) is constant({}, SCOPE)
    assert [fresh(None, scope), fresh(None, scope)] == [["one"], ["two"]]


def test_chance_comes_from_the_scope_and_a_seed_decides() -> None:
    """MathRandom covers its range without the end; the same seed gives the same number."""
    low = Constants(random=lambda: 0.0)
    high = Constants(random=lambda: 0.999999999999)

    assert call("States.MathRandom(-2, 3)", scope=low) == -2
    assert call("States.MathRandom(-2, 3)", scope=high) == 2
    assert call("States.MathRandom(1, 1000, 7)", scope=low) == call("States.MathRandom(1, 1000, 7)", scope=high)


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_base64_and_json_round_trips(text: str) -> None:
    """Decoding gives back what was encoded, for any text."""
    data = {"s": text}

    assert call("States.Base64Encode($.s)", data) == base64.b64encode(text.encode()).decode()
    assert call("States.Base64Decode(States.Base64Encode($.s))", data) == text
    assert call("States.StringToJson(States.JsonToString($.s))", data) == text
    assert call("States.Format('{}', $.s)", data) == text


@given(st.lists(documents(max_leaves=4), max_size=8))
def test_unique_keeps_one_of_each(values: list[Any]) -> None:
    """No two results are equal, and every input equals one of them."""
    unique = call("States.ArrayUnique($.xs)", {"xs": values})

    assert all(not equal(a, b) for i, a in enumerate(unique) for b in unique[:i])
    assert all(any(equal(value, kept) for kept in unique) for value in values)


@given(st.lists(st.integers(), max_size=30), st.integers(1, 9))
def test_partition_keeps_every_element_in_order(values: list[int], size: int) -> None:
    """Chunks put together are the array; all but the last are full."""
    chunks = call("States.ArrayPartition($.xs, $.n)", {"xs": values, "n": size})

    assert [value for chunk in chunks for value in chunk] == values
    assert all(len(chunk) == size for chunk in chunks[:-1])


HOSTILE = {
    "States.StringSplit($.t, $.t)": {"t": "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))) * 4},
    "States.ArrayUnique($.xs)": {"xs": [True, False, 1, 0] * 15_000},
    "States.ArrayContains($.xs, 0)": {"xs": [1] * 120_000},
    "States.StringToJson($.t)": {"t": '"' + '\\"' * 100_000 + '"'},
    "States.Format($.t)": {"t": "\\{" * 60_000},
    "States.JsonToString($.t)": {"t": '"' * 200_000},
}


@pytest.mark.parametrize("text", HOSTILE)
def test_the_largest_arguments_take_little_time(text: str) -> None:
    """No function is more than linear in its arguments (the bound is loose for slow machines)."""
    compiled = compile_call(text)
    began = time.process_time()

    compiled(HOSTILE[text], SCOPE)

    assert time.process_time() - began < 0.25


def test_what_nests_too_deep_to_be_written_is_refused() -> None:
    """A value deeper than JSON text can be written is a bad argument, and can still be named in a cause."""
    deep: Any = []
    for _ in range(1_500):
        deep = [deep]

    for text in (
        "States.JsonToString($.t)",
        "States.Hash($.t, 'MD5')",
        "States.Format('{}', $.t)",
        "States.Format($.f, $.t)",
    ):
        with pytest.raises(StatesError) as caught:
            call(text, {"t": deep, "f": "{}"})
        assert caught.value.error == INTRINSIC_FAILURE
    with pytest.raises(StatesError):
        call("States.ArrayUnique($.x)", {"x": [deep, True]})
    with pytest.raises(StatesError, match="nested too deep to be shown"):
        call("States.ArrayLength($.gone)", {"t": deep})


def test_json_nested_too_deep_is_refused() -> None:
    """What could not be written out again is not read; brackets inside strings don't count."""
    deep = "[" * 201 + "]" * 201
    flat = json.dumps(["[" * 300])

    with pytest.raises(StatesError):
        call("States.StringToJson($.t)", {"t": deep})
    assert call("States.StringToJson($.t)", {"t": deep[1:-1]}) is not None
    assert call("States.StringToJson($.t)", {"t": flat}) == ["[" * 300]


@given(st.text(st.sampled_from("States.FormatArray('{}\\$, )1a\"\n"), max_size=40))
def test_any_text_is_a_call_or_refused(text: str) -> None:
    """The parser never fails in any other way, whatever it is given."""
    for source in (text, f"States.Format('{text}')", f"States.Array({text})"):
        try:
            compile_call(source)
        except ExpressionError:
            continue
