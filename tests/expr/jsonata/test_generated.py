"""Generated code: it decides as the complete evaluator does, and nothing of an expression runs in it."""

from __future__ import annotations

import ast
import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from express.expr.jsonata import UNDEFINED, JsonataError, JsonataSyntaxError, is_expression, parse, references
from express.expr.jsonata.evaluator import Exact
from express.expr.jsonata.expression import source_of
from express.expr.jsonata.generated import Form, fast_form, function_of
from express.expr.jsonata.sequences import follow
from express.expr.scope import Constants
from express.values import equal
from tests.expr.written import compile_expression, compile_value

from .support import CONTEXT, NAMES, SHARED, documents, evaluate, expressions, inputs

NOT_FINITE = [("NaN", None), ("Infinity", "D1001"), ("-Infinity", "D1001")]


@settings(max_examples=400)
@given(expressions, inputs, documents, documents)
def test_fast_and_exact_agree(text: str, data: Any, result: Any, variable: Any) -> None:
    """Where the fast form gives a value the complete evaluator gives the same, and neither changes its data."""
    node = parse(text)
    form = fast_form(node)
    if form is None:
        return
    states, scope = {"input": data, "result": result}, Constants(CONTEXT, {"x": variable, "list": [1, 2], "o": {}})
    before = deepcopy(states)
    function = function_of(lambda: Form(form, lambda states, scope: UNDEFINED))
    assert function is not None
    try:
        value = function(states, scope)
    except JsonataError:
        value = UNDEFINED
    if value is UNDEFINED:
        return
    try:
        exact = Exact(text, node, references(node)).evaluate(states, scope)
    except JsonataError as error:
        exact = error.code  # jlens has no infinity; AWS writes it
    assert equal(value, exact) or (value, exact) in NOT_FINITE
    assert states == before


@settings(max_examples=200)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), documents)
def test_paths_over_arrays_agree(names: list[str], data: Any) -> None:
    """Following names in Python gives what the complete evaluator gives, nothing included."""
    text = "$states.input." + ".".join(names)
    node = parse(text)
    exact = Exact(text, node, references(node)).evaluate({"input": data}, Constants())
    found = follow(data, tuple(names))
    assert found is exact if UNDEFINED in (found, exact) else equal(found, exact)


@pytest.mark.parametrize("name", ["w1j_pass10_jsonata", "w2j_iot_jsonata"])
def test_the_workloads_need_no_complete_evaluator(name: str) -> None:
    """Every expression of the measured workloads has a fast form."""
    file = SHARED / f"workloads/{name}.json"
    if not file.exists():
        pytest.skip("shared/workloads is not there")
    texts = [text for text in _strings(json.loads(file.read_text("utf-8"))["definition"]) if is_expression(text)]
    assert texts
    assert [text for text in texts if fast_form(parse(source_of(text))) is None] == []


def test_most_published_expressions_have_a_fast_form() -> None:
    """The census of published definitions: the share of expressions that need no complete evaluator."""
    folder = SHARED / "conformance/definitions/valid"
    if not folder.exists():
        pytest.skip("shared/conformance/definitions is not there")
    texts = {text for file in folder.glob("*.json") for text in _strings(json.loads(file.read_text("utf-8")))}
    nodes = [parse(source_of(text)) for text in texts if is_expression(text) and "${" not in text]
    fast = sum(fast_form(node) is not None for node in nodes)
    assert fast / len(nodes) > 0.85, (fast, len(nodes))


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []


HOSTILE = [
    "__import__('os').system('true')", '"); raise SystemExit #', "'\\\"\n\r\t\\", "{0.__class__}", "%s%n",
    "\x00\x1f\x7f",
    "si", "v", "c", "scope", "t1", "h_miss", "otherwise", "\u2028\u2029\ufeff", "𝒽", "{% 1 %}", "`", "f'{1}'",
    "__builtins__", "states", "\ud800", "#", "\\x27", "a" * 5000,
]  # fmt: skip

hostile = st.sampled_from(HOSTILE) | st.text(max_size=20)


@settings(max_examples=300)
@given(hostile, hostile, hostile)
def test_hostile_strings_are_only_data(key: str, name: str, text: str) -> None:
    """Keys, names, literals and data of any kind come out as they went in, whatever Python would make of them."""
    quoted, ticked = _literal(text), name.replace("`", "")
    value = compile_value(
        {key: f"{{% {quoted} & $states.input.`{ticked}` %}}", "constant": [key + " ", text + " "]}, "O"
    )
    wanted = {key: text + text, "constant": [key + " ", text + " "]}
    assert value({"input": {ticked: text}}, Constants()) == wanted


@settings(max_examples=300)
@given(hostile, hostile)
def test_generated_text_is_one_expression(name: str, text: str) -> None:
    """The text is a single expression whose only names are ours."""
    form = fast_form(
        parse(f"{{{_literal(text)}: $states.input.`{name.replace('`', '')}`, 'b': $x = {_literal(name)}}}")
    )
    if form is None:
        return
    tree = ast.parse(form.source, mode="eval")
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    ours = {"si", "v", "type", "float", "int", "str", "list", "bool", "len"} | set(form.bound)
    assert all(name in ours or name.startswith("t") for name in names)
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert attributes <= {"get", "__class__", "is_integer"}


def _literal(text: str) -> str:
    """`text` as a JSONata string literal."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = (f"\\u{ord(c):04x}" if ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 else c for c in text)
    return f'"{"".join(escaped)}"'


@settings(max_examples=200)
@given(st.text(alphabet="$abx1.[](){}'\"`/*+-=:;,?@#%^|&~! ", max_size=24))
def test_any_expression_compiles_or_is_refused(text: str) -> None:
    """Nothing but a syntax error comes out of compiling."""
    with suppress(JsonataSyntaxError):
        compile_expression(f"{{% {text} %}}", "Output")


def test_a_template_fails_at_its_first_bad_leaf() -> None:
    """When the one function gives up, the leaves are evaluated in order and the first failure is named."""
    template = {"a": "{% $states.input.a %}", "b": "{% $states.input.b %}", "c": "{% $sum('x') %}"}
    value = compile_value(template, "Output")
    with pytest.raises(Exception, match="'Output/b' returned nothing"):
        value({"input": {"a": 1}}, Constants())


def test_deep_and_long_expressions_fall_back() -> None:
    """What Python would not compile is evaluated completely, or refused as on AWS."""
    assert evaluate("(" * 60 + "1" + ")" * 60) == 1
    assert evaluate("+".join(["1"] * 90)) == 90
    assert evaluate(" & ".join(["'a'"] * 90)) == "a" * 90
    nested: Any = "{% $states.input %}"
    for _ in range(95):
        nested = [nested]
    assert compile_value(nested, "Output")({"input": 1}, Constants()) == json.loads("[" * 95 + "1" + "]" * 95)


def test_large_templates_are_evaluated_part_by_part() -> None:
    """A template of hundreds of expressions is no one function and still right."""
    template = {f"k{i}": f"{{% $states.input.n + {i} %}}" for i in range(300)}
    assert compile_value(template, "Output")({"input": {"n": 1}}, Constants()) == {f"k{i}": i + 1 for i in range(300)}
