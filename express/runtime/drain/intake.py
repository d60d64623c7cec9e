"""Polled records on their way to the dispatcher, in slices that leave the loop its turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from express.ports import Clock, ConsumedRecord, Partition
from express.runtime.drain.assignment import AssignedPartition
from express.runtime.records.dispatcher import Dispatcher

SLICE_RECORDS = 500
"""Most records taken by one poll: more are more memory than the caches hold."""

SLICE_SECONDS = 0.004
"""Seconds that records are run before the event loop has its turn: heartbeats and acknowledgements share it."""


class Intake:
    """Holds what was polled and could not be started yet, for want of time or room."""

    def __init__(
        self,
        owned: Mapping[Partition, AssignedPartition],
        dispatcher: Dispatcher,
        clock: Clock,
        renew: Callable[[AssignedPartition, int], AssignedPartition],
    ) -> None:
        """`renew(assigned, offset)` begins anew with a partition whose offsets went back to `offset`."""
        self._owned = owned
        self._dispatcher = dispatcher
        self._clock = clock
        self._renew = renew

    def add(self, polled: Iterable[tuple[Partition, Sequence[ConsumedRecord]]]) -> int:
        """Take a poll's records; how many. Those of partitions that are not assigned come again after their seek."""
        count, now = 0, self._clock.monotonic()
        for partition, records in polled:
            assigned = self._owned.get(partition)
            if assigned is not None and assigned.dispatching:
                assigned.held.extend(records)
                assigned.polled = now
                count += len(records)
        return count

    def wanted(self) -> list[Partition] | None:
        """The partitions to be polled: those whose last records are all started. None: all."""
        free = [partition for partition, assigned in self._owned.items() if not assigned.held]
        return None if len(free) == len(self._owned) else free

    def work(self) -> bool:
        """Start held records for one slice of time; whether there are some left that could be started."""
        until = self._clock.monotonic() + SLICE_SECONDS
        room = self._dispatcher.room
        more = False
        for assigned in list(self._owned.values()):
            if assigned.held and not room.closed:
                more |= self._work_partition(assigned, until) and not room.closed
        return more

    def _work_partition(self, assigned: AssignedPartition, until: float) -> bool:
        """Start records of one partition; return whether the time was up with something left."""
        if assigned.held[0].offset < assigned.tracker.next:
            assigned = self._renew(assigned, assigned.held[0].offset)
        held, tracker = assigned.held, assigned.tracker
        take, room, monotonic = self._dispatcher.take, self._dispatcher.room, self._clock.monotonic
        fast_path = self._dispatcher.fast_path
        all_fit = tracker.fits(held[-1].offset, len(held))
        while held:
            if room.closed or monotonic() >= until:
                return True
            if all_fit and fast_path is not None:
                fast_path.run(assigned, until)
                if not held or room.closed:
                    continue
            record = held[0]
            offset = record.offset
            if not all_fit and not tracker.fits(offset):
                return False
            held.popleft()
            if tracker.track(offset):
                take(assigned, record)
            else:
                self._dispatcher.skip()
        self._dispatcher.waited(assigned.polled)
        return False
