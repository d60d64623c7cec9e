"""The commit metadata that tells which offsets above the frontier are finished."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from express.runtime.drain.commit_metadata import (
    IN_FLIGHT_LIMIT,
    METADATA_LIMIT,
    SPAN_LIMIT,
    CommitMetadata,
    decode,
    encode,
)


@st.composite
def maps(draw: st.DrawFn) -> tuple[int, CommitMetadata]:
    frontier = draw(st.integers(0, 1 << 62))
    span = draw(st.integers(1, SPAN_LIMIT - 1))
    above = draw(st.sets(st.integers(1, span - 1), max_size=IN_FLIGHT_LIMIT - 1)) if span > 1 else set()
    return frontier, CommitMetadata(frontier + span, (frontier, *(frontier + gap for gap in sorted(above))))


@given(maps())
def test_a_map_comes_back_as_it_was(case: tuple[int, CommitMetadata]) -> None:
    """decode(encode(x)) = x for every map within the limits, and its text fits a commit."""
    frontier, found = case

    metadata = encode(frontier, found.highest, found.unfinished)

    assert decode(frontier, metadata) == found
    assert len(metadata) <= METADATA_LIMIT


def test_the_longest_map_fits_a_commit() -> None:
    """No map of 1,024 unfinished offsets within the span is longer than the one built greedily here.

    A gap takes one more byte from 128 and from 16,384 on, so the dearest way to spend the span is to give as
    many gaps as possible three bytes and all others two.
    """
    gaps = [128] * (IN_FLIGHT_LIMIT - 1)
    spare = SPAN_LIMIT - 2 - sum(gaps)
    for i in range(spare // (16_384 - 128)):
        gaps[i] = 16_384
    unfinished = [7]
    for gap in gaps:
        unfinished.append(unfinished[-1] + gap)

    metadata = encode(7, 7 + SPAN_LIMIT - 1, unfinished)

    assert unfinished[-1] < 7 + SPAN_LIMIT - 1
    assert len(metadata) == 2_894
    assert len(metadata) <= METADATA_LIMIT


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: "x1" + base64.b64encode(raw).decode()))
@example("\x01garbage")
@example("x1")
@example("x1A")
@example("x1gICAgICAgAE=")
@example("x1" + "A" * 5000)
def test_foreign_metadata_is_survived(metadata: str) -> None:
    """Whatever stands in the metadata, decoding gives a sound map or None and never fails."""
    found = decode(50, metadata)

    if found is not None:
        assert found.unfinished[0] == 50
        assert list(found.unfinished) == sorted(set(found.unfinished))
        assert found.unfinished[-1] < found.highest < 50 + SPAN_LIMIT


@pytest.mark.parametrize("metadata", ["", "e", "x1!!", "x2BQM=", "x1AA==", "x1AwM=", "x1BQA="])
def test_metadata_that_is_not_ours_is_none(metadata: str) -> None:
    """Empty text, other magics, bad base64, an empty span, gaps beyond the end and gaps of zero are refused."""
    assert decode(0, metadata) is None
