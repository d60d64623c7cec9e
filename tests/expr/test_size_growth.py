"""The promise about sizes: a result is never larger than its growth says."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from express.errors import StatesError
from express.expr.size_growth import Growth
from express.values import size
from tests.expr.support import SCOPE, documents
from tests.expr.written import (
    compile_input_path,
    compile_items_path,
    compile_path,
    compile_result_path,
    compile_template,
)

# Data as it is read from a record: text forms that are written longer than they are read are the initial bound's
# business (five times the bytes), so the data here has been through orjson once.
odd = st.sampled_from(["\x01\x02", '"\\', "a,b,,c", "é✓", "[1e15]", '{"a":[]}', "AQID", "x" * 50])
data = documents(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e20, 1e20) | odd)

path = st.sampled_from(
    [
        "$",
        "$.a",
        "$.a.b",
        "$['k-1']",
        "$.a[0]",
        "$.a[7]",
        "$[0]",
        "$.b[-1]",
        "$[*]",
        "$[*][7,8]",
        "$.*",
        "$[*][0,0,1]",
        "$.a[1:]",
        "$[?(@.a)]",
        "$[*]['a','b']",
        "$.a['b','c']",
        "$[*][*]",
        "$[?(@==1)]",
    ]
)
call = st.recursive(
    path | st.sampled_from(["'const'", "-12", "1.5", "null", "true"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda parts: f"States.Array({', '.join(parts)})"),
        inner.map("States.Base64Encode({})".format),
        inner.map("States.Base64Decode({})".format),
        inner.map("States.JsonToString({})".format),
        inner.map("States.StringToJson({})".format),
        inner.map("States.ArrayUnique({})".format),
        inner.map("States.ArrayLength({})".format),
        inner.map("States.ArrayPartition({}, 1)".format),
        inner.map("States.ArrayGetItem({}, 0)".format),
        inner.map("States.StringSplit({}, ',')".format),
        inner.map("States.Hash({}, 'SHA-512')".format),
        st.tuples(inner, inner).map(lambda pair: "States.JsonMerge({}, {}, false)".format(*pair)),
        st.tuples(inner, inner).map(lambda pair: "States.Format('<{{}}> {{}}', {}, {})".format(*pair)),
        st.tuples(inner, inner).map(lambda pair: "States.ArrayContains({}, {})".format(*pair)),
        st.tuples(inner, inner).map(lambda pair: "States.MathAdd({}, {})".format(*pair)),
        st.just("States.ArrayRange(-1000000000000, 1000000000000, 9000000000)"),
        st.just("States.UUID()"),
        st.just("States.MathRandom(-2147483648, 2147483647)"),
    ),
    max_leaves=4,
)
dynamic = path | call.filter(lambda text: text.startswith("States."))
template = st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "é", "k"]), inner, max_size=3)
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x.$", "y\n.$", "z.$"]), dynamic, max_size=3)
    ),
    max_leaves=8,
)


def holds(growth: Growth, value: Any, *sources: Any) -> bool:
    """Whether `value` is within the bound; an unknown growth promises nothing."""
    return growth is None or size(value) <= growth[0] * sum(map(size, sources)) + growth[1]


def read(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


@given(path, data)
def test_paths(text: str, value: Any) -> None:
    """A selected part is at most as large as the whole, but for the nulls of absent elements."""
    value = read(value)
    reader = compile_path(text, "InputPath")
    try:
        found = reader(value, SCOPE)
    except StatesError:
        return
    assert holds(reader.growth, found, value)


@given(template, data)
def test_templates(shape: Any, value: Any) -> None:
    """A payload is within the template's bound, whatever its paths and calls find."""
    value = read(value)
    compiled = compile_template(shape, "Parameters")
    try:
        payload = compiled(value, SCOPE)
    except StatesError:
        return
    assert compiled.growth is not None
    assert holds(compiled.growth, payload, value)


@given(st.sampled_from(["$", None, "$.a", "$.a.b['x y']", "$['é']", "$.a[0]", "$[0].c"]), data, data)
def test_result_paths(text: str | None, raw: Any, result: Any) -> None:
    """What ResultPath makes is at most raw input and result together, plus the names it adds."""
    write = compile_result_path(text)
    try:
        merged = write(raw, result)
    except StatesError:
        return
    assert holds(write.growth and (1, write.growth[1]), merged, raw, result)


def test_what_is_not_in_the_data_is_unknown() -> None:
    """Context and variables have sizes of their own: their growth is unknown, and so is a template's with them."""
    assert compile_path("$$.Execution", "").growth is None
    assert compile_path("$v", "").growth is None
    assert compile_path("$..a", "").growth is None
    assert compile_template({"a.$": "$.a", "b.$": "States.Format('{}', $v)"}, "").growth is None


def test_known_growths() -> None:
    """The examples of the design: parts count, constants count, names count."""
    empty = compile_input_path(None, "InputPath")

    assert empty is not None
    assert empty.growth == (0, 2)
    assert compile_path("$.a.b", "").growth == (1, 0)
    assert compile_template({"a.$": "$.x", "b.$": "$.y"}, "").growth == (2, 12)
    assert compile_template({"a": [1, 2]}, "").growth == (0, 11)
    assert compile_items_path("$.xs", "ItemsPath").growth == (1, 0)
