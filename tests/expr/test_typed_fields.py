"""Fields that take a path to one suitable value (texts recorded)."""

from typing import Any

import pytest

from express.errors import REFERENCE_PATH_CONFLICT, RUNTIME, ExpressionError, StatesError
from tests.expr.support import SCOPE
from tests.expr.written import (
    compile_error_path,
    compile_integer_path,
    compile_items_path,
    compile_number_path,
    compile_seconds_path,
    compile_timestamp_path,
)

COMPILERS: dict[str, Any] = {
    "SecondsPath": compile_seconds_path,
    "TimestampPath": compile_timestamp_path,
    "ItemsPath": compile_items_path,
    "MaxConcurrencyPath": compile_integer_path,
    "TimeoutSecondsPath": compile_integer_path,
    "ToleratedFailurePercentagePath": compile_number_path,
    "ErrorPath": compile_error_path,
    "CausePath": compile_error_path,
}


@pytest.mark.parametrize(
    ("field", "path", "data", "value"),
    [
        ("SecondsPath", "$.p", {"p": 0}, 0),
        ("SecondsPath", "$v.xs[0]", {}, 10),
        ("TimestampPath", "$.p", {"p": "2016-12-05T21:29:29+01:00"}, "2016-12-05T21:29:29+01:00"),
        ("ItemsPath", "$", [1], [1]),
        ("ItemsPath", "$.p", {"p": []}, []),
        ("ItemsPath", "$v.xs", {}, [10, 20]),
        ("MaxConcurrencyPath", "$.p", {"p": 3}, 3),
        ("TimeoutSecondsPath", "$$.Execution.Input.n", {}, 1),
        ("ToleratedFailurePercentagePath", "$.p", {"p": 12.5}, 12.5),
        ("ToleratedFailurePercentagePath", "$.p", {"p": "12.5"}, 12.5),
        ("SecondsPath", "$.p", {"p": "5"}, 5),
        ("MaxConcurrencyPath", "$.p", {"p": "1"}, 1),
        ("TimeoutSecondsPath", "$.p", {"p": "+30"}, 30),
        ("ErrorPath", "$.e", {"e": "Boom"}, "Boom"),
        ("ErrorPath", "$name", {}, "Ada"),
        ("CausePath", "States.Format('{} failed', $.e)", {"e": "x"}, "x failed"),
        ("CausePath", "States.JsonToString($)", {"e": 1}, '{"e":1}'),
    ],
)
def test_values(field: str, path: str, data: Any, value: Any) -> None:
    """A suitable value is given on as it is."""
    assert COMPILERS[field](path, field)(data, SCOPE) == value


@pytest.mark.parametrize(
    ("field", "path", "data", "cause"),
    [
        ("SecondsPath", "$.p", {}, "The SecondsPath parameter does not reference an input value: $.p"),
        ("SecondsPath", "$.p", {"p": 1.5}, "The SecondsPath parameter cannot be parsed as a long value: $.p == 1.5"),
        ("SecondsPath", "$.p", {"p": "5s"}, "The SecondsPath parameter cannot be parsed as a long value: $.p == 5s"),
        ("SecondsPath", "$.p", {"p": "-5"}, "The SecondsPath parameter references a negative value: $.p == -5"),
        ("SecondsPath", "$.p", {"p": True}, "The SecondsPath parameter cannot be parsed as a long value: $.p == true"),
        ("SecondsPath", "$.p", {"p": -1}, "The SecondsPath parameter references a negative value: $.p == -1"),
        ("TimestampPath", "$.p", {}, "The TimestampPath parameter does not reference an input value: $.p"),
        (
            "TimestampPath",
            "$.p",
            {"p": "2024-01-15T10:30:00"},
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
            "string: $.p == 2024-01-15T10:30:00",
        ),
        (
            "TimestampPath",
            "$.p",
            {"p": 5},
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
            "string: $.p == 5",
        ),
        ("ItemsPath", "$", {"a": 1}, 'Reference path "$" must point to array.'),
        ("ItemsPath", "$$.Execution.Input", {}, 'Reference path "$.Execution.Input" must point to array.'),
        (
            "MaxConcurrencyPath",
            "$.p",
            {"p": "NoNumber"},
            'The MaxConcurrencyPath field refers to value "NoNumber" which is not a valid integer: $.p',
        ),
        (
            "MaxConcurrencyPath",
            "$.p",
            {"p": {}},
            'The MaxConcurrencyPath field refers to value "{}" which is not a valid integer: $.p',
        ),
        (
            "ToleratedFailurePercentagePath",
            "$.p",
            {"p": "x"},
            'The ToleratedFailurePercentagePath field refers to value "x" which is not a valid float: $.p',
        ),
        ("TimeoutSecondsPath", "$.p", {}, "Invalid path '$.p' : No results for path: $['p']"),
        (
            "ErrorPath",
            "$.E",
            {},
            "The JSONPath '$.E' specified for the field 'ErrorPath' could not be found in the input '{}'",
        ),
    ],
)
def test_failures(field: str, path: str, data: Any, cause: str) -> None:
    """Anything else fails the execution with the cause AWS gives."""
    with pytest.raises(StatesError) as caught:
        COMPILERS[field](path, field)(data, SCOPE)

    assert (caught.value.error, caught.value.cause, caught.value.located) == (RUNTIME, cause, True)


@pytest.mark.parametrize(("path", "step"), [("$.p", "p"), ("$.a.p", "p"), ("$.no.p", "no"), ("$.xs[3]", "3")])
def test_items_that_are_not_there(path: str, step: str) -> None:
    """A missing ItemsPath is a failure of its own on AWS (published failures)."""
    with pytest.raises(StatesError) as caught:
        compile_items_path(path, "ItemsPath")({"a": {}, "xs": []}, SCOPE)

    assert caught.value.error == REFERENCE_PATH_CONFLICT
    assert caught.value.cause == f'Unable to apply step "{step}" to input {{"a":{{}},"xs":[]}}'


@pytest.mark.parametrize("value", [1, None, True, ["a"], {"a": "b"}])
def test_error_and_cause_must_be_text(value: Any) -> None:
    """A value that is no string can be neither error nor cause."""
    with pytest.raises(StatesError) as caught:
        compile_error_path("$.e", "ErrorPath")({"e": value}, SCOPE)

    assert caught.value.error == RUNTIME


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("ErrorPath", "$.a[*]"),
        ("ErrorPath", "States.Array()"),
        ("CausePath", "States.MathAdd(1, 2)"),
        ("CausePath", "text"),
        ("ItemsPath", "$..a"),
        ("SecondsPath", "5"),
    ],
)
def test_refused(field: str, path: str) -> None:
    """What can't be such a field is refused when it is compiled."""
    with pytest.raises(ExpressionError):
        COMPILERS[field](path, field)
