"""CloudEvents in both modes: what comes in, what is none, and what results look like."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.runtime.records.cloudevents import read_event, result_attributes, write_result
from express.runtime.records.json_input import Rejected
from express.values import dumps, loads

EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/sensors/7",
    "type": "org.example.reading",
    "time": "2026-11-22T18:00:00.5Z",
    "sequence": "42",
}
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


def binary(event: dict[str, str] | None = None, content_type: str = "application/json") -> list[tuple[str, bytes]]:
    found = [(f"ce_{name}", value.encode()) for name, value in (event or EVENT).items()]
    return [*found, ("content-type", content_type.encode())] if content_type else found


def test_the_two_modes_are_one_event() -> None:
    """The same event in either mode is the same input."""
    whole = {**EVENT, "datacontenttype": "application/json", "data": {"t": 20.5}}

    assert read_event(binary(), b'{"t": 20.5}') == whole
    assert read_event(STRUCTURED, dumps(whole)) == whole


@pytest.mark.parametrize("headers", [[], [("content-type", b"application/json")]])
def test_a_structured_event_of_the_python_sdk(headers: list[tuple[str, bytes]]) -> None:
    """The SDK for Python declares the type of the data, or nothing; the event is recognised all the same."""
    assert read_event(headers, dumps({**EVENT, "data": {"t": 1}})) == {**EVENT, "data": {"t": 1}}


@pytest.mark.parametrize(
    ("content_type", "value", "expected"),
    [
        ("application/json", b"[1]", {"data": [1]}),
        ("application/vnd.acme+json; charset=utf-8", b"1", {"data": 1}),
        ("text/plain", "grün".encode(), {"data": "grün"}),
        ("text/plain; charset=iso-8859-1", b"gr\xfcn", {"data_base64": "Z3L8bg=="}),
        ("text/plain", b"gr\xfcn", {"data_base64": "Z3L8bg=="}),
        ("application/xml", b"<a/>", {"data": "<a/>"}),
        ("image/png", b"\x89PNG", {"data_base64": "iVBORw=="}),
        ("application/json", None, {}),
        ("application/json", b"", {}),
        ("", b'{"a": 1}', {"data": {"a": 1}}),
    ],
)
def test_data_of_every_kind(content_type: str, value: bytes | None, expected: dict[str, Any]) -> None:
    """JSON is parsed, text is text, all else is Base64; without a value there is no data."""
    event = read_event(binary(content_type=content_type), value)

    assert {name: event[name] for name in event if name.startswith("data") and name != "datacontenttype"} == expected
    assert event.get("datacontenttype", "") == content_type


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in EVENT.items() if key != name}


@pytest.mark.parametrize(
    ("headers", "value", "cause"),
    [
        ([], b"{}", "the record has no content-type application/cloudevents+json, no headers ce_… and no specversion"),
        ([], None, "the record has no content-type application/cloudevents+json, no headers ce_… and no specversion"),
        ([], b'"specversion"', "the value is no JSON object"),
        (binary(without("id")), b"{}", "the attribute 'id' is missing, empty or no text"),
        (binary({**EVENT, "source": ""}), b"{}", "the attribute 'source' is missing, empty or no text"),
        (binary(without("specversion")), b"{}", "it has no specversion; '1.0' is understood"),
        (binary({**EVENT, "specversion": "0.3"}), b"{}", "it has the specversion '0.3'; '1.0' is understood"),
        (binary({**EVENT, "time": "yesterday"}), b"{}", "the attribute 'time' is no RFC 3339 timestamp: 'yesterday'"),
        (binary({**EVENT, "time": "2026-13-01T00:00:00Z"}), b"{}", "the attribute 'time' is no RFC 3339 timestamp"),
        (binary({**EVENT, "myExtension": "x"}), b"{}", "'myExtension' is no name of an attribute"),
        (binary({**EVENT, "data": "x"}), b"{}", "the data stands in the header 'ce_data', not in the value"),
        ([*binary(), ("ce_x", b"\xff")], b"{}", "the header 'ce_x' is not UTF-8"),
        (STRUCTURED, b"[]", "the value is no JSON object"),
        (STRUCTURED, dumps({**EVENT, "id": 1}), "the attribute 'id' is missing, empty or no text"),
        (STRUCTURED, dumps({**EVENT, "x": {}}), "the attribute 'x' is neither text, integer nor boolean"),
        (STRUCTURED, dumps({**EVENT, "data": 1, "data_base64": ""}), "it has both data and data_base64"),
        (STRUCTURED, dumps({**EVENT, "data_base64": "!"}), "data_base64 is no Base64"),
        (STRUCTURED, dumps({**EVENT, "data_base64": 1}), "data_base64 is no Base64"),
        (
            [("content-type", b"application/cloudevents-batch+json")],
            b"[]",
            "the format application/cloudevents-batch+json is not supported",
        ),
        ([("content-type", b"application/cloudevents+avro")], b"", "the format application/cloudevents+avro is not"),
    ],
)
def test_what_is_no_cloudevent(headers: list[tuple[str, bytes]], value: bytes, cause: str) -> None:
    """Everything that the specification forbids is refused, with the reason."""
    with pytest.raises(Rejected, match=re.escape(f"Not a CloudEvent: {cause}")) as refusal:
        read_event(headers, value)
    assert refusal.value.disposition == "POISON"


@pytest.mark.parametrize("headers", [STRUCTURED, binary()])
def test_data_that_is_no_json(headers: list[tuple[str, bytes]]) -> None:
    """What says that it is JSON and is not, is refused as everywhere."""
    with pytest.raises(Rejected, match="Not valid JSON"):
        read_event(headers, b"{")


@given(
    st.lists(st.tuples(st.text(max_size=12) | st.sampled_from(["ce_id", "content-type"]), st.binary(max_size=40))),
    st.binary(max_size=60),
)
def test_any_record_is_an_event_or_refused(headers: list[tuple[str, bytes]], value: bytes) -> None:
    """Nothing but Rejected comes out of reading whatever is there, and an event can be written as JSON."""
    try:
        event = read_event([*binary(content_type=""), *headers], value)
    except Rejected:
        return
    assert loads(dumps(event)) == event


def test_a_result_in_the_binary_mode() -> None:
    """The value stays as it is, the attributes are headers."""
    attributes = result_attributes("arn:e", "arn:m", "TIMED_OUT", 1_700_000_000_005)
    value, headers = write_result("binary", attributes, b'{"a":1}', ("00-parent", "s=1"))

    assert value == b'{"a":1}'
    assert headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"arn:e"),
        ("ce_source", b"arn:m"),
        ("ce_type", b"express.execution.timed_out"),
        ("ce_time", b"2023-11-14T22:13:20.005Z"),
        ("ce_traceparent", b"00-parent"),
        ("ce_tracestate", b"s=1"),
        ("content-type", b"application/json"),
    ]


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_results_are_read_as_events(mode: Any) -> None:
    """What we write as a CloudEvent, we read as one, with the output as its data."""
    attributes = result_attributes("arn:e", "arn:m", "SUCCEEDED", 1_700_000_000_005)
    value, headers = write_result(mode, attributes, b'{"a":[1,null]}', None)

    assert read_event(headers, value) == {
        **attributes,
        "datacontenttype": "application/json",
        "data": {"a": [1, None]},
    }
