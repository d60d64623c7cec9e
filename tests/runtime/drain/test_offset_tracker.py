"""The committable position of a partition while its records finish out of order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from express.ports import Position
from express.runtime.drain.commit_metadata import METADATA_LIMIT, SPAN_LIMIT, decode
from express.runtime.drain.offset_tracker import OffsetTracker


def tracked(tracker: OffsetTracker, offsets: range) -> OffsetTracker:
    for offset in offsets:
        assert tracker.track(offset)
    return tracker


def test_the_position_is_the_lowest_unfinished_offset() -> None:
    """An offset can be committed when it and all before it are finished, whatever the order."""
    tracker = tracked(OffsetTracker(0), range(3))

    assert tracker.position() == Position(0)
    tracker.finish(0)
    assert tracker.position() == Position(1)
    tracker.finish(1)
    tracker.finish(2)
    assert tracker.position() == Position(3)


def test_what_finished_above_the_frontier_is_told_in_the_metadata() -> None:
    """A restart replays only what was open: the map says which offsets above the frontier are finished."""
    tracker = tracked(OffsetTracker(10), range(10, 15))
    for offset in (11, 13):
        tracker.finish(offset)

    position = tracker.position()
    again = OffsetTracker(*position)

    assert position.offset == 10
    assert [offset for offset in range(10, 17) if again.track(offset)] == [10, 12, 14, 15, 16]


def test_gaps_in_the_log_count_as_finished() -> None:
    """Compaction and transaction markers leave offsets that are never fetched; they hold back nothing."""
    tracker = OffsetTracker(0)
    for offset in (0, 7, 90):
        tracker.track(offset)
        tracker.finish(offset)

    assert tracker.position() == Position(91)


def test_markers_behind_the_last_record_are_passed() -> None:
    """The position of a log that was read to its end is its end, also where that holds no records."""
    tracker = tracked(OffsetTracker(0), range(3))
    tracker.reach(5)
    assert tracker.position() == Position(0)

    for offset in range(3):
        tracker.finish(offset)
    assert tracker.position() == Position(5)

    tracker.reach(4)
    assert tracker.track(7)
    tracker.finish(7)
    assert tracker.position() == Position(8)


def test_an_unfinished_offset_that_the_log_lost_is_passed() -> None:
    """What was unfinished at the restart and is not in the log any more holds back nothing."""
    old = tracked(OffsetTracker(0), range(6))
    for offset in (1, 3, 5):
        old.finish(offset)
    tracker = OffsetTracker(*old.position())

    assert tracker.track(4)
    tracker.finish(4)

    assert tracker.position() == Position(6)


def test_a_second_restart_still_knows_the_first_ones_map() -> None:
    """Finished offsets that were not fetched again yet stay in the map of the next commit."""
    old = tracked(OffsetTracker(0), range(10))
    for offset in (1, 2, 4, 9):
        old.finish(offset)
    tracker = OffsetTracker(*old.position())
    tracker.track(0)
    tracker.finish(0)

    again = OffsetTracker(*tracker.position())

    assert [offset for offset in range(3, 11) if again.track(offset)] == [3, 5, 6, 7, 8, 10]


def test_foreign_metadata_means_replay_from_the_frontier() -> None:
    """Another program's metadata is no reason to fail, nor to skip anything."""
    tracker = OffsetTracker(5, "\x01streams")

    assert [tracker.track(offset) for offset in (5, 6)] == [True, True]


def test_no_more_fits_than_the_map_can_hold() -> None:
    """With `limit` offsets open nothing more fits, until one of them finishes."""
    tracker = OffsetTracker(0, limit=3)
    assert tracker.fits(2, count=3)
    assert not tracker.fits(3, count=4)
    tracked(tracker, range(3))

    assert tracker.open == 3
    assert not tracker.fits(3)
    tracker.finish(1)
    assert tracker.fits(3)


def test_one_stuck_record_holds_back_nobody_within_the_span() -> None:
    """200,000 records pass a stuck one, memory does not grow with them, and the map stays a few characters."""
    tracker = tracked(OffsetTracker(0), range(1))
    waiting = 1
    for offset in range(1, 200_001):
        tracker.track(offset)
        if offset % 2:
            waiting = offset
        else:
            tracker.finish(waiting)
            tracker.finish(offset)

    position = tracker.position()

    assert position.offset == 0
    assert len(position.metadata) <= 8
    assert len(tracker._order) <= 70
    again = OffsetTracker(*position)
    assert [offset for offset in range(200_002) if again.track(offset)] == [0, 200_001]


def test_the_span_is_bounded() -> None:
    """An offset too far above the stuck one does not fit, since the map could not tell of it."""
    tracker = tracked(OffsetTracker(0), range(1))

    assert tracker.fits(SPAN_LIMIT - 1)
    assert not tracker.fits(SPAN_LIMIT)


class Tracking(RuleBasedStateMachine):
    """A tracker beside the plainest model: the set of what was fetched and the set of what finished."""

    offsets = Bundle("offsets")

    def __init__(self) -> None:
        super().__init__()
        self.tracker = OffsetTracker(0, limit=12)
        self.fetched: list[int] = []
        self.finished: set[int] = set()
        self.commit = Position(0)
        self.committed: set[int] = set()
        self.cursor = 0

    @precondition(lambda self: self.tracker.fits(self.cursor))
    @rule(target=offsets, gap=st.sampled_from([0, 0, 0, 1, 5, 300]))
    def fetch(self, gap: int) -> int:
        known = [offset for offset in self.fetched if offset >= self.cursor]
        offset = known[0] if known else self.cursor + gap
        self.cursor = offset + 1
        if not known:
            self.fetched.append(offset)
        fresh = self.tracker.track(offset)
        assert fresh == (offset not in self.finished)
        return offset

    @precondition(lambda self: all(offset < self.cursor for offset in self.fetched))
    @rule(gap=st.sampled_from([0, 1, 300]))
    def reach(self, gap: int) -> None:
        """The log goes on with what is no record."""
        self.cursor += gap
        self.tracker.reach(self.cursor)
        if self.finished.issuperset(self.fetched):
            assert self.tracker.position() == Position(self.cursor)

    @rule(offset=consumes(offsets))
    def finish(self, offset: int) -> None:
        if offset < self.cursor and offset not in self.finished:
            self.tracker.finish(offset)
            self.finished.add(offset)

    @rule()
    def save(self) -> None:
        self.commit = self.tracker.position()
        self.committed = set(self.finished)

    @rule()
    def crash(self) -> None:
        """Everything since the last commit is forgotten; the log stays."""
        self.tracker = OffsetTracker(*self.commit, limit=12)
        self.finished = set(self.committed)
        self.cursor = self.commit.offset

    @invariant()
    def nothing_unfinished_is_passed(self) -> None:
        position = self.tracker.position()
        unfinished = [offset for offset in self.fetched if offset not in self.finished]
        if unfinished:
            assert position.offset <= unfinished[0]
        assert len(position.metadata) <= METADATA_LIMIT
        if position.metadata:
            found = decode(*position)
            assert found is not None
            told = {o for o in self.fetched if position.offset <= o <= found.highest} - set(found.unfinished)
            assert told <= self.finished

    @invariant()
    def what_finished_is_not_forgotten(self) -> None:
        """Replayed from this position, exactly the unfinished records run again."""
        again = OffsetTracker(*self.tracker.position())
        start = again.next
        replayed = [offset for offset in self.fetched if offset >= start and again.track(offset)]
        assert replayed == [offset for offset in self.fetched if offset not in self.finished]


TestTracking = Tracking.TestCase
TestTracking.settings = settings(max_examples=150, stateful_step_count=60)
