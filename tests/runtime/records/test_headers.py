"""What of a record's headers goes on: trace contexts that are one, and named headers, each with a bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.runtime.records.headers import (
    COPIED_BYTES,
    COPIED_LIMIT,
    HEADER_LIMIT,
    NOTHING,
    Carrier,
    trace,
    trace_headers,
)

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

names = st.sampled_from(["traceparent", "tracestate", "id", "other"]) | st.text(max_size=8)
headers = st.lists(st.tuples(names, st.binary(max_size=64) | st.just(PARENT) | st.none()), max_size=80)


@pytest.mark.parametrize(
    "parent",
    [
        PARENT.replace(b"00-4", b"ff-4"),
        b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + b"\n",
        PARENT + b"-" + b"x" * 65,
        b"",
        b"\xff" * 55,
    ],
)
def test_what_is_no_traceparent_is_nothing(parent: bytes) -> None:
    """Version ff, ids of zeros, capitals, other lengths and other bytes are ignored, as W3C says."""
    assert trace(parent, b"a=1") is None


def test_later_versions_may_say_more() -> None:
    """A version that is not known yet is passed on with what it adds."""
    parent = PARENT.replace(b"00-4", b"01-4") + b"-more"

    assert trace(parent) == (parent.decode(), "")


@pytest.mark.parametrize("state", [b"", b"a=" + b"x" * 512, b"a=\xff", b"a=1\nb=2"])
def test_a_bad_tracestate_is_left_out(state: bytes) -> None:
    """One that is too long or not printable goes; the parent stays."""
    assert trace(PARENT, state) == (PARENT.decode(), "")


def test_named_headers_are_copied_in_order() -> None:
    """Those that are named, every occurrence, and the trace context before them; nothing else."""
    carried = Carrier(["id"])(
        [("id", b"1"), ("x", b"2"), ("traceparent", PARENT), ("tracestate", b"a=1"), ("id", b"3")]
    )

    assert carried.trace == (PARENT.decode(), "a=1")
    assert carried.headers == (("traceparent", PARENT), ("tracestate", b"a=1"), ("id", b"1"), ("id", b"3"))


def test_what_is_too_long_is_not_copied() -> None:
    """A value beyond the limit is left out, not cut: half an id is a wrong one."""
    carry = Carrier(["id"])

    assert carry([("id", b"x" * COPIED_BYTES)]).headers
    assert carry([("id", b"x" * (COPIED_BYTES + 1))]) is NOTHING


@given(headers)
def test_the_bounds_hold_for_any_headers(given_headers: list[tuple[str, bytes]]) -> None:
    """Whatever the headers are: no more than so many go on, none is invented, and none is too long."""
    carried = Carrier(["id", "other"])(given_headers)
    copied = [header for header in carried.headers if header[0] in ("id", "other")]

    assert len(copied) <= COPIED_LIMIT
    assert set(copied) <= set(given_headers[:HEADER_LIMIT])
    assert all(len(value) <= COPIED_BYTES for _, value in carried.headers)
    if carried.trace is not None:
        assert carried.headers[: len(trace_headers(carried.trace))] == trace_headers(carried.trace)
