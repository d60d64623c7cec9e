from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.devbroker.apis import APIS, Api
from express.devbroker.messages.admin import MetadataRequest
from express.devbroker.messages.groups import HeartbeatRequest
from express.devbroker.wire import Cursor, MalformedError, decode, encode, read_varint, skip_tags, varint
from tests.kafka.requests import (
    sample,
)


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.request.__name__)
def test_a_request_survives_the_wire(api: Api) -> None:
    """In every version, what is written is read back, to the last byte."""
    for version in range(api.first, api.last + 1):
        flexible = version >= api.flexible
        out: list[bytes] = []
        encode(sample(api.request, "topic"), version, flexible, out)
        cursor = Cursor(b"".join(out))
        read = decode(api.request, version, flexible, cursor)
        again: list[bytes] = []
        encode(read, version, flexible, again)

        assert cursor.pos == len(cursor.data)
        assert b"".join(again) == b"".join(out)


@given(st.sampled_from(APIS), st.binary(max_size=200), st.data())
def test_any_bytes_are_a_message_or_malformed(api: Api, data: bytes, pick: st.DataObject) -> None:
    """Whatever a client sends, reading it ends in a message or in MalformedError."""
    version = pick.draw(st.integers(api.first, api.last))
    try:
        read = decode(api.request, version, version >= api.flexible, Cursor(data))
    except MalformedError:
        return
    assert isinstance(read, api.request)


@given(st.sampled_from(APIS), st.data())
def test_a_cut_message_is_malformed(api: Api, pick: st.DataObject) -> None:
    """A message without its end is never taken for a whole one."""
    version = pick.draw(st.integers(api.first, api.last))
    out: list[bytes] = []
    encode(sample(api.request, "topic"), version, version >= api.flexible, out)
    data = b"".join(out)
    if not data:
        return
    cut = data[: pick.draw(st.integers(0, len(data) - 1))]
    with pytest.raises(MalformedError):
        decode(api.request, version, version >= api.flexible, Cursor(cut))


def test_lengths_are_checked_before_anything_is_made() -> None:
    """An array said to have two thousand million elements is refused at once."""
    with pytest.raises(MalformedError, match="array of 2147483647"):
        decode(MetadataRequest, 1, False, Cursor(b"\x7f\xff\xff\xff" + b"\0" * 20))


def test_null_is_refused_where_there_must_be_a_value() -> None:
    """A group without a name is no group."""
    with pytest.raises(MalformedError, match="null"):
        decode(HeartbeatRequest, 0, False, Cursor(b"\xff\xff\0\0\0\1\0\0"))


@given(st.integers(0, (1 << 63) - 1))
def test_variable_length_integers(value: int) -> None:
    """They come back as they were, at any size."""
    cursor = Cursor(varint(value))

    assert read_varint(cursor) == value
    assert cursor.pos == len(cursor.data)


def test_tagged_fields_are_stepped_over() -> None:
    """What a newer client adds is not looked at."""
    cursor = Cursor(b"\x02\x00\x03abc\x05\x01xrest")
    skip_tags(cursor)

    assert cursor.data[cursor.pos :] == b"rest"
