"""Payload templates: what is replaced, what stays, what is refused."""

import copy
from typing import Any

import pytest
from hypothesis import given

from express.errors import RUNTIME, ExpressionError, StatesError
from express.expr.scope import Constants
from tests.expr.support import CONTEXT, SCOPE, documents
from tests.expr.written import compile_template

DATA = {"x": 1, "o": {"y": [1, 2]}, "s": "text"}


@pytest.mark.parametrize(
    ("template", "payload"),
    [
        ({}, {}),
        ("$.x", "$.x"),
        ([1, "a"], [1, "a"]),
        ({"a": "$.x"}, {"a": "$.x"}),
        ({"a.$": "$.x"}, {"a": 1}),
        ({"a.$": "$"}, {"a": DATA}),
        ({"a.$": "$$.Execution.Name", "b.$": "$name", "c.$": "$v.xs[0]"}, {"a": "run", "b": "Ada", "c": 10}),
        ({"a.$": "States.Format('<{}>', $.s)"}, {"a": "<text>"}),
        ({"k": {"a.$": "$.x", "b": 2}}, {"k": {"a": 1, "b": 2}}),
        ({"k": [{"a.$": "$.x"}, 2, [{"b.$": "$.s"}]]}, {"k": [{"a": 1}, 2, [{"b": "text"}]]}),
        ([{"a.$": "$.x"}], [{"a": 1}]),
        ({"a.$": "$.o.y[*]", "b.$": "$.gone[*]"}, {"a": [1, 2], "b": []}),
        ({"a.$": "$.o.y[9]"}, {"a": None}),
        ({".$": "$.x"}, {"": 1}),
        ({"a.$": "$['s']"}, {"a": "text"}),
        ({"a.$.$": "$.x"}, {"a.$": 1}),
    ],
)
def test_payloads(template: Any, payload: Any) -> None:
    """Keys that end in `.$` are replaced, everywhere in objects and arrays; the rest is literal."""
    assert compile_template(template, "Parameters")(DATA, SCOPE) == payload


def test_the_order_of_keys_is_the_templates() -> None:
    """Whatever is dynamic and whatever is not, the keys come in the order of the definition."""
    template = compile_template({"c.$": "$.x", "a": 1, "b.$": "$.s", "d": {}}, "Parameters")

    assert list(template(DATA, SCOPE)) == ["c", "a", "b", "d"]


def test_constant_parts_are_built_once() -> None:
    """A template without dynamic keys gives the very same value; a constant part is shared."""
    whole = {"a": [1, {"b": 2}]}
    constant = compile_template(whole, "Parameters")
    part = compile_template({"a": whole, "x.$": "$.x"}, "Parameters")

    assert constant.constant
    assert constant(DATA, SCOPE) is whole
    assert not part.constant
    assert part(DATA, SCOPE)["a"] is whole


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        (
            {"k.$": "$.p"},
            "The JSONPath '$.p' specified for the field 'k.$' could not be found in the input '{\"x\":1}'",
        ),
        (
            {"in": [{"k.$": "$.p.q"}]},
            "The JSONPath '$.p.q' specified for the field 'k.$' could not be found in the input '{\"x\":1}'",
        ),
        (
            {"k.$": "$$.Nope.Deep"},
            "The JSONPath '$.Nope.Deep' specified for the field 'k.$' could not be found in the input "
            '\'{"Execution":{"Input":{"n":1},"Name":"run"},"State":{"Name":"S"}}\'',
        ),
        (
            {"k.$": "States.Format('{}', $.p)"},
            "The function 'States.Format('{}', $.p)' had the following error: The JsonPath argument for the "
            "field '$.p' could not be found in the input '{\"x\":1}'",
        ),
    ],
)
def test_misses(template: Any, cause: str) -> None:
    """A path that finds nothing fails the execution in AWS's words; a Context path is sought in the Context."""
    with pytest.raises(StatesError) as caught:
        compile_template(template, "Parameters")({"x": 1}, Constants(CONTEXT))

    assert (caught.value.error, caught.value.cause, caught.value.located) == (RUNTIME, cause, True)


@pytest.mark.parametrize(
    "template",
    [
        {"a.$": 1},
        {"a.$": None},
        {"a.$": {"b": 1}},
        {"a.$": "x"},
        {"a.$": ""},
        {"a.$": " States.UUID()"},
        {"a.$": "States.Nope()"},
        {"a.$": "$."},
        {"a.$": "$.x", "a": 1},
        {"a": 1, "a.$": "$.x"},
        {"deep": [{"a.$": "literal"}]},
    ],
)
def test_refused(template: Any) -> None:
    """A `.$` value that is neither path nor call, and two keys that become one, are refused when compiled."""
    with pytest.raises(ExpressionError):
        compile_template(template, "Parameters")


def test_the_refusal_is_awss() -> None:
    """The words begin as AWS's diagnostic does (recorded)."""
    with pytest.raises(ExpressionError) as caught:
        compile_template({"v.$": "literal"}, "Assign")

    assert str(caught.value).startswith(
        "The value for the field 'v.$' must be a valid JSONPath or a valid intrinsic function call"
    )


def test_a_template_too_deep_is_refused() -> None:
    """Nesting is bounded, so that no definition can exhaust the stack."""
    template: Any = {"a.$": "$.x"}
    for _ in range(150):
        template = {"k": template}

    with pytest.raises(ExpressionError):
        compile_template(template, "Parameters")


def test_a_number_that_cannot_be_written_is_refused() -> None:
    """Integers beyond 64 bits have no place in a payload; they are refused when compiled, not when written."""
    with pytest.raises(ExpressionError):
        compile_template({"a": 2**64}, "Parameters")


@given(documents())
def test_data_is_shared_and_never_changed(data: Any) -> None:
    """A selected value is the very object of the input, and the input stays as it was."""
    before = copy.deepcopy(data)
    payload = compile_template({"all.$": "$", "n": [{"all.$": "$"}]}, "Parameters")(data, SCOPE)

    assert payload["all"] is data
    assert payload["n"][0]["all"] is data
    assert data == before


@given(documents())
def test_a_template_without_dynamic_keys_is_itself(value: Any) -> None:
    """Whatever JSON value a template is, without `.$` keys it evaluates to itself."""
    assert compile_template(value, "Result")(None, SCOPE) is value
