"""The second linking: emitted source gives what the closure gives, or raises."""

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.errors import ExpressionError, StatesError
from express.expr.jsonpath.syntax import parse
from express.expr.operators import BOOLEAN, NUMBER, OPERATORS, PATH, STRING, TIMESTAMP
from express.expr.python.emitter import Emitter, path_source
from express.values import JSON
from tests.expr.support import CONTEXT, SCOPE, documents
from tests.expr.test_size_growth import dynamic, path, template
from tests.expr.written import (
    compile_path,
    compile_result_path,
    compile_rule,
    compile_template,
    input_path_source,
    result_path_source,
    rule_source,
    template_source,
)

VARIABLES = SCOPE.variables()


class Raised(Exception):
    """The optimistic text gave up, as it may."""


def run(text: str, emitter: Emitter, data: Any, **names: Any) -> Any:
    """The value of emitted text, with nothing but what the emitter bound."""
    spare = {"__builtins__": {kind.__name__: kind for kind in (type, int, float, str, list, dict, bool, repr)}}
    names = {**spare, **emitter.symbols.constants, "d": data, "c": CONTEXT, "v": VARIABLES, **names}
    code = compile(text, "<emitted>", "eval")
    try:
        return eval(code, names)  # noqa: S307  # the text under test
    except Exception as error:
        raise Raised from error


def same(emitted: Any, exact: Any) -> bool:
    """Identity of types all the way down: 1, 1.0 and True are three values here."""
    if type(emitted) is not type(exact):
        return False
    if type(emitted) is dict:
        return list(emitted) == list(exact) and all(same(emitted[key], exact[key]) for key in exact)
    if type(emitted) is list:
        return len(emitted) == len(exact) and all(map(same, emitted, exact))
    return bool(emitted == exact)


def agree(text: str | None, emitter: Emitter, exact: Any, data: Any, *, must: bool = False) -> None:
    """Where the text does not raise, the closure gives the same; with `must` there has to be a text that runs."""
    assert text is not None or not must
    if text is None:
        return
    try:
        value = run(text, emitter, data)
    except Raised:
        assert not must
        return
    assert same(value, exact(data, SCOPE))


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(
        [0.5, 1.0, -0.0, 2**31 - 1, -(2**31), 2**31, "a", "b", "", "é", "2016-03-14T01:59:00Z", "YQ==", "[1]"]
    )
)
data = documents(leaves)


@given(
    path
    | st.sampled_from(["$$.Execution.Input.n", "$v.xs[0]", "$v.xs[-1]", "$name", "$name[0]", "$.a.b.c", "$.a[0].b[1]"]),
    data,
)
def test_paths(text: str, value: Any) -> None:
    """A path's text gives the very value that its closure finds."""
    emitter = Emitter()
    source = path_source(parse(text), emitter)
    agree(source, emitter, compile_path(text, ""), value)
    if source is not None:
        agree(input_path_source(text, emitter), emitter, compile_path(text, ""), value)


@given(template, data)
def test_templates(shape: Any, value: Any) -> None:
    """A template's text gives the same payload, in the same order."""
    emitter = Emitter()
    agree(template_source(shape, emitter), emitter, compile_template(shape, ""), value)


@given(dynamic, data)
def test_calls(text: str, value: Any) -> None:
    """Calls that are put together in place give what the functions give."""
    emitter = Emitter()
    shape = {"r.$": text}
    agree(template_source(shape, emitter), emitter, compile_template(shape, ""), value)


@given(st.integers() | st.floats(allow_nan=False), st.integers(-(2**32), 2**32) | st.floats(-1e10, 1e10))
def test_sums(first: Any, second: Any) -> None:
    """A sum in place is refused where the function refuses it."""
    emitter = Emitter()
    shape = {"r.$": f"States.MathAdd($.a, {second!r})"}
    agree(template_source(shape, emitter), emitter, compile_template(shape, ""), {"a": first})


def _operand(name: str) -> st.SearchStrategy[JSON]:
    if name == "StringMatches":
        return st.sampled_from(["a*", "*", "a", "*b*", "\\*", "a\\", ""])
    return {
        PATH: st.sampled_from(["$.a", "$.b", "$.c[0]", "$.gone", "$$.Execution.Name", "$v.xs[1]", "$[*]"]),
        STRING: st.sampled_from(["a", "b", "", "é", "\U00010000", "\uffff"]),
        NUMBER: st.sampled_from([0, 1, -1, 0.5, 1.0]),
        BOOLEAN: st.booleans(),
        TIMESTAMP: st.sampled_from(["2016-03-14T01:59:00Z", "2016-03-14T02:59:00.5+01:00"]),
    }[OPERATORS[name].operand]


data_test = st.sampled_from(sorted(OPERATORS)).flatmap(
    lambda name: st.tuples(
        st.sampled_from(["$", "$.a", "$.a.b", "$.b[0]", "$.gone", "$$.State.Name", "$name", "$[*]", "$.a.b.c"]),
        _operand(name),
    ).map(lambda pair: {"Variable": pair[0], name: pair[1]})
)
rule = st.recursive(
    data_test,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda rules: {"And": rules})
        | st.lists(inner, min_size=1, max_size=3).map(lambda rules: {"Or": rules})
        | inner.map(lambda one: {"Not": one})
    ),
    max_leaves=5,
)


@given(rule, data)
def test_rules(test: Any, value: Any) -> None:
    """A rule's text decides as its predicate does; where the predicate fails, the text raises."""
    emitter = Emitter()
    source = rule_source(test, emitter)
    exact = compile_rule(test)
    if source is None:
        return
    try:
        decision = run(source, emitter, value)
    except Raised:
        return
    try:
        expected = exact(value, SCOPE)
    except StatesError:
        pytest.fail("the text decided where the predicate fails")
    assert decision is expected


@given(st.sampled_from(["$", None, "$.a", "$.a.b", "$['x y'].c.a", "$.a[0]"]), data, data)
def test_result_paths(text: str | None, raw: Any, result: Any) -> None:
    """ResultPath's text makes what its closure makes."""
    emitter = Emitter()
    source = result_path_source(text, "d", "r", emitter)
    if source is None:
        return
    try:
        merged = run(source, emitter, raw, r=result)
    except Raised:
        return
    assert same(merged, compile_result_path(text)(raw, result))


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ({"a.$": "$.x", "b": {"c": [1, {"d.$": "$.y.z"}]}, "k": [1]}, {"x": 1, "y": {"z": None}}),
        ({"a.$": "States.Format('{}/{}: {}', $.x, $.y, $.x)"}, {"x": "a", "y": 1.5}),
        ({"a.$": "States.MathAdd($.x, 1)", "b.$": "States.Array($.x, 'k')"}, {"x": 41}),
        ({"a.$": "States.ArrayGetItem(States.StringSplit($.x, '-'), 0)"}, {"x": "p-q"}),
        ({"a.$": "$$.Execution.Name", "b.$": "$v.xs[0]"}, {}),
        ({"a.$": "States.Hash('x', 'MD5')", "b.$": "States.Format('\\{{}', 'x')"}, {}),
    ],
)
def test_the_common_subset_has_a_text_that_runs(shape: Any, value: Any) -> None:
    """What most definitions are made of does not need the closure."""
    emitter = Emitter()
    agree(template_source(shape, emitter), emitter, compile_template(shape, ""), value, must=True)


def test_what_has_no_text() -> None:
    """Chance, filters and wildcards stay with the closures; so do templates beyond all measure."""
    for leaf in ("States.UUID()", "States.MathRandom(1, 2)", "$.a[*]", "$..a", "$[?(@.a)]", "States.Array($[*])"):
        assert template_source({"a.$": leaf}, Emitter()) is None
    assert template_source({f"k{i}.$": "$.a" for i in range(500)}, Emitter()) is None
    assert path_source(parse("$" + ".a" * 100), Emitter()) is None


def test_constants_are_shared() -> None:
    """A constant object is bound, not written out again; one object has one name."""
    emitter = Emitter()
    constant = {"deep": [1, 2]}
    text = template_source({"a.$": "$.x", "b": constant, "c": constant}, emitter)

    assert text is not None
    value = run(text, emitter, {"x": 1})
    assert value["b"] is constant
    assert value["c"] is constant
    assert len(emitter.symbols.constants) == 1
    assert emitter.used == {"d"}


hostile = st.text(max_size=20) | st.sampled_from(
    [
        "'",
        '"',
        "\\",
        "'''",
        "{d}",
        "%s",
        "\n",
        "__import__('os')",
        "'] + exit() + ['",
        "\u2028",
        "\x00",
        "\ud800",
        "{0.__class__}",
    ]
)


@given(hostile, hostile, hostile)
def test_no_text_of_a_definition_becomes_code(name: str, literal: str, member: str) -> None:
    """Keys, names and literals enter as constants only: the emitted tree has no call and no name of theirs."""
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    shape = {f"{member}.$": f"$['{quoted}']", "other" + member: literal}
    rules: list[dict[str, Any]] = [
        {"Variable": f"$['{quoted}']", "StringEquals": literal},
        {"Variable": f"$['{quoted}']", "StringMatches": literal.replace("\\", "") + "*"},
        {"Variable": f"$['{quoted}']", "IsPresent": True},
    ]
    texts: list[tuple[str | None, Emitter]] = []
    for emit, value in [(template_source, shape), *((rule_source, rule) for rule in rules)]:
        emitter = Emitter()
        try:
            texts.append((emit(value, emitter), emitter))  # type: ignore[operator]
        except ExpressionError:
            continue
    for text, emitter in texts:
        assert text is not None
        tree = ast.parse(text, mode="eval")
        known = {"d", "type", "is", "dict", "str", *emitter.symbols.constants}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                assert node.id in known or node.id.startswith("t")
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr  # type: ignore[attr-defined]
                assert called in {"type", "startswith", *emitter.symbols.constants}
    emitter = Emitter()
    text = template_source(shape, emitter)
    assert text is not None
    assert same(run(text, emitter, {quoted: 7}), {member: 7, "other" + member: literal})
