"""What a small input would make large is counted before it is built: forms, queries, headers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from express.errors import StatesError
from express.integrations.apigateway import build as build_apigateway
from express.integrations.bounds import MOST_FORM_BYTES
from express.integrations.http.connections import ready
from express.integrations.http.requests import ARRAYS, build
from express.values import JSON, size
from tests.integrations.test_apigateway import GET
from tests.integrations.test_http import connection, request

LONG = "k" * 50_000
BOMBS: dict[str, Any] = {
    "a long name over many values": {LONG: {str(i): i for i in range(9_000)}},
    "a long name over a long list": {LONG: [{"a": 1}] * 9_000},
    "a long name over nothing": {LONG: [[]] * 20_000},
    "names that are long together": {"k" * 5_000: {"l" * 5_000: {"m" * 5_000: {str(i): 0 for i in range(20_000)}}}},
}


def http(**more: JSON) -> Any:
    """The request of an HTTP task."""
    url = "http://127.0.0.1:1/v1"
    return build(request(url, Method="POST", **more), ready("shop", connection(url)), "key", "agent")


@pytest.mark.parametrize("form", ARRAYS)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_form_is_bounded_before_it_is_built(bomb: str, form: str) -> None:
    """A body of a hundred kilobytes makes no hundreds of megabytes: the task fails, and quickly."""
    body = BOMBS[bomb]
    assert size(body) < 262_144
    transform = {"RequestBodyEncoding": "URL_ENCODED", "RequestEncodingOptions": {"ArrayFormat": form}}
    began = time.process_time()
    with pytest.raises(StatesError) as raised:
        http(RequestBody=body, Transform=transform)

    assert raised.value.error == "States.DataLimitExceeded"
    assert raised.value.cause is not None
    assert raised.value.cause.startswith("The state/task 'http' provided parameters with a size exceeding")
    assert time.process_time() - began < 2.5  # it took 4 seconds, and more memory than there may be


def test_forms_of_the_largest_inputs_are_sent() -> None:
    """What is large because the input is, is no bomb."""
    transform = {"RequestBodyEncoding": "URL_ENCODED"}
    sent = http(RequestBody={"a": ["é" * 10] * 8_000, "b": {"c": "é" * 20_000}}, Transform=transform)

    assert 262_144 < len(sent.body) < 6 * MOST_FORM_BYTES


@pytest.mark.parametrize("name", ["q", "q" * 30_000])
@pytest.mark.parametrize("values", [[1] * 30_000, [[["x"] * 100]] * 300])
def test_a_query_is_bounded(name: str, values: Any) -> None:
    """A name that is repeated for each of its values."""
    with pytest.raises(StatesError, match="exceeding the maximum number of bytes"):
        http(QueryParameters={name: values})
    with pytest.raises(StatesError, match="exceeding the maximum number of bytes"):
        build_apigateway({**GET, "QueryParameters": {name: ["x"] * 30_000}})


def test_headers_are_bounded() -> None:
    """All their names and values, those with many values too."""
    with pytest.raises(StatesError, match="exceeding the maximum number of bytes"):
        build_apigateway({**GET, "Headers": {"X-" + "n" * 200: ["x"] * 30_000}})
    with pytest.raises(StatesError, match="The headers are too large"):
        http(Headers={"X-A": ["x"] * 30_000})
