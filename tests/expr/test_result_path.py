"""ResultPath: where a result goes."""

import copy
from typing import Any

import pytest
from hypothesis import given

from express.errors import RESULT_PATH_MATCH_FAILURE, ExpressionError, StatesError
from tests.expr.support import SCOPE, documents
from tests.expr.written import compile_path, compile_result_path


@pytest.mark.parametrize(
    ("path", "raw", "merged"),
    [
        ("$", {"a": 1}, "result"),
        (None, {"a": 1}, {"a": 1}),
        ("$.r", {"a": 1}, {"a": 1, "r": "result"}),
        ("$.a", {"a": 1}, {"a": "result"}),
        ("$.a.b.c", {"a": {"x": 1}}, {"a": {"x": 1, "b": {"c": "result"}}}),
        ("$['a b']", {}, {"a b": "result"}),
        ("$.xs[1]", {"xs": [1, 2, 3]}, {"xs": [1, "result", 3]}),
        ("$.xs[0].y", {"xs": [{"x": 1}]}, {"xs": [{"x": 1, "y": "result"}]}),
        ("$[0]", [1, 2], ["result", 2]),
    ],
)
def test_where_the_result_goes(path: str | None, raw: Any, merged: Any) -> None:
    """Missing objects are made, elements of arrays are replaced, null keeps the raw input."""
    assert compile_result_path(path)(raw, "result") == merged


@pytest.mark.parametrize(
    ("path", "raw", "step"),
    [
        ("$.r", [1], "r"),
        ("$.r", "text", "r"),
        ("$.a.r", {"a": 1}, "r"),
        ("$.xs[3]", {"xs": [1]}, "3"),
        ("$[0]", {}, "0"),
    ],
)
def test_what_it_cannot_go_into(path: str, raw: Any, step: str) -> None:
    """A result that can't be placed fails the state with States.ResultPathMatchFailure."""
    with pytest.raises(StatesError) as caught:
        compile_result_path(path)(raw, 1)

    assert caught.value.error == RESULT_PATH_MATCH_FAILURE
    assert (caught.value.cause or "").startswith(f'Unable to apply step "{step}" to input ')


@pytest.mark.parametrize("path", ["$.a[*]", "$.a[-1]", "$..a", "$$.x", "$v", "a", "$.a[0:1]", "$['a','b']"])
def test_what_is_no_place(path: str) -> None:
    """ResultPath must be a Reference Path into the data: no Context, no variable, nothing of several."""
    with pytest.raises(ExpressionError):
        compile_result_path(path)


@given(documents(), documents())
def test_what_was_put_is_found_and_nothing_is_changed(raw: Any, value: Any) -> None:
    """Reading by the same path gives the result back; raw input and result are as they were."""
    before, given_value = copy.deepcopy(raw), copy.deepcopy(value)
    for path in ("$.a", "$.b['x y'].c", "$.c[0]", "$[1]", "$.a.b[1].c"):
        try:
            merged = compile_result_path(path)(raw, value)
        except StatesError:
            continue
        assert compile_path(path, "")(merged, SCOPE) is value
    assert (raw, value) == (before, given_value)
