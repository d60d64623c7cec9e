"""The checker behind `express verify`: it must see every fault, and none where there is none."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.ports import Partition, Position, Record
from express.runtime.drain.offset_tracker import OffsetTracker
from express.verify.audit import Audit, Findings, finished

AT = Partition("in", 0)


def event(offset: int, key: bytes | None = b"k") -> Record:
    return Record("in", 0, offset, 0, key, b'{"n":%d}' % offset)


def result(offset: int, key: bytes | None = b"k", arn: str = "arn", topic: bytes = b"in") -> Record:
    headers = {
        "express.source-topic": topic,
        "express.source-partition": b"0",
        "express.source-offset": b"%d" % offset,
        "express.execution-arn": f"{arn}:{offset}".encode(),
    }
    return Record("out", 0, 0, 0, key, b"{}", tuple(headers.items()))


def dead_letter(offset: int, value: bytes | None, **more: bytes) -> Record:
    headers = {"topic": b"in", "partition": b"0", "offset": b"%d" % offset, "execution.arn": b"arn:%d" % offset}
    headers |= {name.replace("_", "."): content for name, content in more.items()}
    named = tuple((f"__express.errors.{name}", content) for name, content in headers.items())
    return Record("dead", 0, 0, 0, b"k", value, named)


def audited(
    written: list[Record],
    committed: Position | None = None,
    *,
    records: int = 4,
    first: int = 0,
    compacted: bool = False,
    forgetful: bool = False,
) -> Findings:
    audit = Audit(
        {AT: (first, first + records)}, compacted={"in"} if compacted else (), forgetful=forgetful, ordering="key"
    )
    audit.add_input(AT, [event(offset) for offset in range(first, first + records) if offset != 2 or not compacted])
    audit.add_output(written)
    positions: Mapping[Partition, Position] | None = None if committed is None else {AT: committed}
    return audit.conclude(positions)[0]


ALL = [result(offset) for offset in range(4)]


def test_a_finished_pipeline_is_clean() -> None:
    """One result per record and a commit at the end: nothing to find."""
    found = audited(ALL, Position(4))

    assert (found.results, found.lost, found.open, found.duplicates, found.wrong) == (4, 0, 0, 0, 0)


def test_a_gap_below_the_commit_is_lost() -> None:
    """What is committed without a terminal record is lost, and told by its offset."""
    found = audited([ALL[0], ALL[2], ALL[3]], Position(4))

    assert found.lost == 1
    assert found.examples == {"lost": [1]}


def test_a_gap_above_the_commit_is_still_to_come() -> None:
    """What is not committed as finished may come yet."""
    found = audited(ALL[:2], Position(2))

    assert (found.lost, found.open) == (0, 2)


def test_a_gap_that_the_map_calls_finished_is_lost() -> None:
    """The map in the metadata is a promise as well: here it says 1 and 3 are finished."""
    tracker = OffsetTracker(0)
    for offset in range(4):
        tracker.track(offset)
    tracker.finish(1)
    tracker.finish(3)

    assert audited([ALL[1], ALL[3]], tracker.position()).lost == 0
    assert audited([ALL[1]], tracker.position()).examples["lost"] == [3]


def test_without_a_group_everything_has_to_be_there() -> None:
    """Without commits there is no "still to come"."""
    assert audited(ALL[:3]).lost == 1


def test_duplicates_are_counted_and_keep_their_name() -> None:
    """A replay doubles a record under the same execution ARN; another ARN is a fault."""
    found = audited([*ALL, ALL[1], result(2, arn="other")], Position(4))

    assert (found.duplicates, found.renamed) == (2, 1)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        pytest.param(result(9), "phantoms", id="offset never written"),
        pytest.param(result(0, key=b"other"), "mismatched", id="key of another record"),
        pytest.param(dead_letter(0, b"changed"), "mismatched", id="dead letter with changed bytes"),
    ],
)
def test_terminal_records_must_match_an_input(record: Record, kind: str) -> None:
    """A terminal record that names no input record, or carries other data, is found."""
    found = audited([*ALL, record], Position(4))

    assert getattr(found, kind) == 1
    assert found.wrong == 1


def test_dead_letters_finish_a_record() -> None:
    """A dead letter with the original bytes, or marked as truncated, is a terminal record."""
    letters = [dead_letter(0, b'{"n":0}'), dead_letter(1, None, value_truncated=b"true")]
    found = audited([*letters, ALL[2], ALL[3]], Position(4))

    assert (found.dead_letters, found.results, found.lost, found.wrong) == (2, 2, 0, 0)


def test_order_is_judged_by_first_results() -> None:
    """Results of one key out of order are found; a replay of the lot is not out of order."""
    assert audited([ALL[1], ALL[0], ALL[2], ALL[3]], Position(4)).disordered == 1
    assert audited([*ALL[:2], *ALL], Position(4)).disordered == 0


def test_what_the_log_forgot_is_not_held_against_anyone() -> None:
    """Truncated or compacted input makes terminal records `gone`; truncated output makes gaps `unknown`."""
    assert audited(ALL, Position(4), first=2, records=2).gone == 2
    assert audited(ALL, Position(4), compacted=True).gone == 1
    found = audited(ALL[2:], Position(4), forgetful=True)
    assert (found.unknown, found.lost) == (2, 0)


def test_a_commit_beyond_the_end_is_told() -> None:
    """A topic that was made anew under an old commit."""
    assert audited(ALL, Position(10)).ahead == 6


def test_records_of_other_inputs_are_strangers() -> None:
    """An output topic may be shared: what names another topic, or nothing, is only counted."""
    audit = Audit({AT: (0, 0)})
    audit.add_output([result(0, topic=b"elsewhere"), event(0)])

    assert audit.strangers == 2


@given(st.lists(st.booleans(), max_size=200))
def test_both_readers_of_the_map_agree(done: list[bool]) -> None:
    """What the tracker wrote means the same to the checker, which reads it with code of its own."""
    tracker = OffsetTracker(50)
    for index in range(len(done)):
        tracker.track(50 + index)
    for index, is_done in enumerate(done):
        if is_done:
            tracker.finish(50 + index)
    is_finished = finished(tracker.position())

    assert [is_finished(50 + index) for index in range(len(done))] == done


@pytest.mark.parametrize("metadata", ["\x01garbage", "x1", "x1!", "x1gA==", "é", "x1" + "A" * 4096])
def test_foreign_metadata_says_nothing(metadata: str) -> None:
    """Only what lies below the commit is finished then."""
    is_finished = finished(Position(5, metadata))

    assert [offset for offset in range(3, 20) if is_finished(offset)] == [3, 4]
