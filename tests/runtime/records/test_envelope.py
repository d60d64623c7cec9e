"""Inputs made of whole records: their shapes, and what no input is made of."""

from __future__ import annotations

import re
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.ports import Partition, Record
from express.runtime.records.envelope import opener
from express.runtime.records.json_input import Rejected, admit
from express.values import dumps, loads

AT = Partition("orders", 3)
VALUE = b'{"id": 7}'


def record(value: bytes | None = VALUE, key: bytes | None = b"k", *headers: tuple[str, bytes]) -> Record:
    return Record("orders", 3, 17, 1_700_000_000_123, key, value, headers)


def test_a_value_is_itself() -> None:
    """The envelope `value` is the value, and its text the bytes that came."""
    assert opener("value", 1_000)(AT, record()) == ({"id": 7}, VALUE)


def test_a_record_has_all_there_is() -> None:
    """Coordinates, time, key, headers and the parsed value."""
    data, text = opener("record", 10_000)(AT, record(VALUE, b"k", ("a", b"1"), ("b", b"2"), ("a", b"3")))

    assert data == {
        "topic": "orders",
        "partition": 3,
        "offset": 17,
        "timestamp": 1_700_000_000_123,
        "timestampType": "CREATE_TIME",
        "key": "k",
        "headers": {"a": ["1", "3"], "b": "2"},
        "value": {"id": 7},
    }
    assert text == dumps(data)


def test_what_is_no_text_is_base64() -> None:
    """Keys and headers of other bytes have members of their own, so that nobody mistakes one for the other."""
    data, _ = opener("record", 10_000)(AT, record(VALUE, b"\xff", ("a", b"\xfe"), ("b", b"x"), ("b", b"\xfd")))

    assert (data["key"], data["keyBase64"]) == (None, "/w==")
    assert (data["headers"], data["headersBase64"]) == ({}, {"a": "/g==", "b": ["eA==", "/Q=="]})


def test_headers_of_one_name_are_a_list() -> None:
    """Each is there, in its order, also those without a value; a name stands in one of the two members, whole."""
    several = ("a", b"1"), ("b", b"2"), ("a", None), ("c", b"\xff"), ("c", None), ("c", b"x"), ("a", b""), ("a", b"1")
    data, _ = opener("record", 10_000)(AT, record(VALUE, None, *several))  # type: ignore[arg-type] # some have no value

    assert data["headers"] == {"a": ["1", None, "", "1"], "b": "2"}
    assert data["headersBase64"] == {"c": ["/w==", None, "eA=="]}


def test_a_tombstone_is_a_record() -> None:
    """With the whole record as input, a null value is a value; alone it is none."""
    assert opener("record", 10_000)(AT, record(None, None))[0]["value"] is None
    with pytest.raises(Rejected, match="tombstone"):
        opener("value", 10_000)(AT, record(None))


def test_the_broker_s_time_is_called_so() -> None:
    """A topic with LogAppendTime is recognised."""
    late = Record("orders", 3, 17, 5, None, VALUE, (), 1)

    assert opener("record", 10_000)(AT, late)[0]["timestampType"] == "LOG_APPEND_TIME"


def test_pipes_gives_an_array_of_one() -> None:
    """The event has the members that AWS documents for self-managed Kafka, bytes in Base64, headers as numbers."""
    data, _ = opener("pipes", 10_000, "kafka-1:9092,kafka-2:9092")(AT, record(VALUE, b"k", ("trace", b"\x00\xff")))

    assert data == [
        {
            "eventSource": "SelfManagedKafka",
            "bootstrapServers": "kafka-1:9092,kafka-2:9092",
            "eventSourceKey": "orders-3",
            "topic": "orders",
            "partition": 3,
            "offset": 17,
            "timestamp": 1_700_000_000_123,
            "timestampType": "CREATE_TIME",
            "key": "aw==",
            "value": "eyJpZCI6IDd9",
            "headers": [{"trace": [0, 255]}],
        }
    ]


@given(st.binary(max_size=400), st.binary(max_size=40))
def test_pipes_takes_any_bytes(value: bytes, key: bytes) -> None:
    """Whatever a record holds comes back whole out of its Base64: nothing is poison."""
    data, text = opener("pipes", 10_000)(AT, record(value, key))

    assert (b64decode(data[0]["value"]), b64decode(data[0]["key"])) == (value, key)
    assert loads(text) == data


def test_pipes_leaves_out_what_is_not_there() -> None:
    """A record without key and value has no such members, as at AWS."""
    data, _ = opener("pipes", 10_000)(AT, record(None, None))

    assert not {"key", "value"} & set(data[0])


@pytest.mark.parametrize("envelope", ["record", "pipes"])
def test_the_limit_is_for_the_whole_input(envelope: str) -> None:
    """A value that fits alone does not when its envelope makes it too large."""
    value = dumps("x" * 900)

    assert len(value) < 1_000
    with pytest.raises(Rejected, match="with what its envelope adds; the limit is 1000") as refusal:
        opener(envelope, 1_000)(AT, record(value))  # type: ignore[arg-type] # both are
    assert refusal.value.disposition == "OVERSIZE"


@pytest.mark.parametrize("envelope", ["record", "pipes", "cloudevents"])
@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ([("h", b"")] * 65, "The record has 65 headers; the limit is 64."),
        ([("h", b"x" * 32_768)], "The headers of the record have 32769 bytes; the limit is 32768."),
    ],
    ids=["many", "long"],
)
def test_headers_have_a_limit(envelope: str, headers: list[tuple[str, bytes]], cause: str) -> None:
    """No input is made of more than 64 headers or 32 KiB of them."""
    with pytest.raises(Rejected, match=re.escape(cause)):
        opener(envelope, 300_000)(AT, record(VALUE, None, *headers))  # type: ignore[arg-type] # both are


@pytest.mark.parametrize("envelope", ["record", "pipes"])
def test_what_a_dead_letter_says_does_not_count_when_it_is_written_back(envelope: str) -> None:
    """Headers that a first try had room for have it in every further one; a second set counts like any header."""
    own = ("topic", "partition", "offset", "timestamp", "stage", "disposition", "error", "cause", "redrives")
    letter = [(f"__express.errors.{name}", b"x" * 1_000) for name in own]
    most = [(f"h{n}", b"x" * 500) for n in range(64)]
    opener(envelope, 300_000)(AT, record(VALUE, None, *most, *letter))  # type: ignore[arg-type] # both are
    for more in (letter[:1], [("__express.errors.none", b"")], [("__express.errors.worker", b"x" * 5_000)]):
        with pytest.raises(Rejected, match="headers"):
            opener(envelope, 300_000)(AT, record(VALUE, None, *most, *letter, *more))  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5) | st.none()), max_size=64), st.binary(max_size=9))
def test_every_record_is_json(headers: list[tuple[str, bytes]], key: bytes) -> None:
    """Whatever bytes key and headers hold, the input is JSON that the door for payloads lets in."""
    data, text = opener("record", 300_000)(AT, record(VALUE, key, *headers))

    assert admit(text) == data
