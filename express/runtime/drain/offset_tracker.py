"""Which offset of a partition can be committed while its records finish out of order."""

from __future__ import annotations

from collections import deque

from express.ports import Position
from express.runtime.drain import commit_metadata
from express.runtime.drain.commit_metadata import IN_FLIGHT_LIMIT, SPAN_LIMIT


class OffsetTracker:
    """The committable position of one partition while its records finish out of order.

    Fetch order rules, not arithmetic: only offsets that were fetched are ever open, so compaction and
    transaction markers leave gaps that count as finished. Offsets come in ascending order.

    The record fetched last is open without being entered anywhere: one that finishes before the next is
    fetched costs two comparisons.
    """

    __slots__ = ("_highest", "_last", "_limit", "_open", "_order", "_resumed", "_unseen", "next")

    def __init__(self, frontier: int, metadata: str = "", limit: int = IN_FLIGHT_LIMIT) -> None:
        """Go on from a commit of `frontier`. Metadata that is not ours means: replay all from the frontier."""
        found = commit_metadata.decode(frontier, metadata)
        self.next = frontier
        """One above the offset fetched last."""
        self._limit = limit
        self._last = -1
        self._open: set[int] = set()
        self._order: deque[int] = deque()  # what was open once, ascending; the first still is
        self._highest = found.highest if found else -1
        self._resumed = self._highest  # up to here only what is in _unseen is unfinished; -1 once passed
        self._unseen = deque(found.unfinished) if found else deque()

    def track(self, offset: int) -> bool:
        """Note that `offset` was fetched; False if it had finished before the restart and is to be skipped."""
        if self._last >= 0:
            self._open.add(self._last)
            self._order.append(self._last)
            self._last = -1
        self.next = offset + 1
        if self._resumed >= 0 and self._is_finished(offset):
            return False
        self._last = offset
        return True

    def finish(self, offset: int) -> None:
        """Note that the open `offset` has its terminal record among those of the next flush."""
        if offset == self._last:
            self._last = -1
        else:
            self._open.remove(offset)
            self._tidy()
        if offset > self._highest:
            self._highest = offset

    def reach(self, offset: int) -> None:
        """Note that all below `offset` was fetched or will never be: markers of transactions, holes.

        Without this the position would stop at the last record, and the lag of an idle topic never be 0.
        """
        self.next = max(self.next, offset)
        while self._unseen and self._unseen[0] < offset:
            self._unseen.popleft()
        if offset > self._resumed:
            self._resumed = -1

    @property
    def resuming(self) -> bool:
        """Return whether records may still come that had finished before the restart."""
        return self._resumed >= 0

    def passed(self, offset: int) -> None:
        """Note that records up to `offset` were fetched and have finished at once, all that came since the last."""
        if self._last >= 0:
            self._open.add(self._last)
            self._order.append(self._last)
            self._last = -1
        self.next = offset + 1
        if offset > self._highest:
            self._highest = offset

    def position(self) -> Position:
        """Return what can be committed now: the lowest unfinished offset, and the map of the finished ones above it."""
        unfinished = self._unfinished()
        if not unfinished:
            return Position(max(self.next, self._resumed + 1))
        frontier = unfinished[0]
        if self._highest < frontier:
            return Position(frontier)
        below = [offset for offset in unfinished if offset < self._highest]
        return Position(frontier, commit_metadata.encode(frontier, self._highest, below))

    @property
    def open(self) -> int:
        """Return how many offsets were fetched and are unfinished."""
        return len(self._open) + (self._last >= 0)

    def fits(self, offset: int, count: int = 1) -> bool:
        """Return whether `count` more offsets up to `offset` can be tracked, so that their map still fits a commit.

        What a restart left unfinished always fits: it has its place in the map already.
        """
        if offset <= self._resumed:
            return True
        if len(self._open) + len(self._unseen) + (self._last >= 0) + count > self._limit:
            return False
        lowest = self._order[0] if self._order else self._last
        return lowest < 0 or offset - lowest < SPAN_LIMIT

    def _is_finished(self, offset: int) -> bool:
        """Return whether the commit this tracker began with says so. Passes what the log does not have any more."""
        unseen = self._unseen
        while unseen and unseen[0] < offset:
            unseen.popleft()
        if offset > self._resumed:
            self._resumed = -1
            return False
        if unseen and unseen[0] == offset:
            unseen.popleft()
            return False
        return True

    def _unfinished(self) -> list[int]:
        known = self._open
        found = [offset for offset in self._order if offset in known]
        if self._last >= 0:
            found.append(self._last)
        found.extend(self._unseen)
        return found

    def _tidy(self) -> None:
        """Drop finished offsets from the front, and all of them once they are the greater part."""
        order, known = self._order, self._open
        while order and order[0] not in known:
            order.popleft()
        if len(order) > 2 * len(known) + 64:
            self._order = deque(offset for offset in order if offset in known)
