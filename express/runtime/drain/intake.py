"""Polled records on their way to the dispatcher, in slices that leave the loop its turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from express.ports import Clock, ConsumedRecord, Partition
from express.runtime.drain.assignment import AssignedPartition
from express.runtime.records.dispatcher import Dispatcher

SLICE_RECORDS = 500
"""Most records taken by one poll: more are more memory than the caches hold (kafka.md §3.2)."""

SLICE_SECONDS = 0.004
"""How long records are run before the loop has its turn: heartbeats and acknowledgements share it."""


class Intake:
    """Holds what was polled and could not be started yet, for want of time or room."""

    def __init__(
        self,
        lanes: Mapping[Partition, AssignedPartition],
        dispatcher: Dispatcher,
        clock: Clock,
        renew: Callable[[AssignedPartition, int], AssignedPartition],
    ) -> None:
        """`renew(lane, offset)` makes a new lane for a partition whose offsets went back to `offset`."""
        self._lanes = lanes
        self._dispatcher = dispatcher
        self._clock = clock
        self._renew = renew

    def add(self, polled: Iterable[tuple[Partition, Sequence[ConsumedRecord]]]) -> int:
        """Take a poll's records; how many. Those of partitions without a lane come again after its seek."""
        count, now = 0, self._clock.monotonic()
        for partition, records in polled:
            lane = self._lanes.get(partition)
            if lane is not None and lane.dispatching:
                lane.held.extend(records)
                lane.polled = now
                count += len(records)
        return count

    def wanted(self) -> list[Partition] | None:
        """The partitions to be polled: those whose last records are all started. None: all."""
        free = [partition for partition, lane in self._lanes.items() if not lane.held]
        return None if len(free) == len(self._lanes) else free

    def work(self) -> bool:
        """Start held records for one slice of time; whether there are some left that could be started."""
        until = self._clock.monotonic() + SLICE_SECONDS
        room = self._dispatcher.room
        more = False
        for lane in list(self._lanes.values()):
            if lane.held and not room.closed:
                more |= self._work_lane(lane, until) and not room.closed
        return more

    def _work_lane(self, lane: AssignedPartition, until: float) -> bool:
        """Start records of one lane; whether the time was up with something left."""
        if lane.held[0].offset < lane.tracker.next:
            lane = self._renew(lane, lane.held[0].offset)
        held, tracker = lane.held, lane.tracker
        take, room, monotonic = self._dispatcher.take, self._dispatcher.room, self._clock.monotonic
        through = self._dispatcher.through
        all_fit = tracker.fits(held[-1].offset, len(held))
        while held:
            if room.closed or monotonic() >= until:
                return True
            if all_fit and through is not None:
                through.run(lane, until)
                if not held or room.closed:
                    continue
            record = held[0]
            offset = record.offset
            if not all_fit and not tracker.fits(offset):
                return False
            held.popleft()
            if tracker.track(offset):
                take(lane, record)
            else:
                self._dispatcher.skip()
        self._dispatcher.waited(lane.polled)
        return False
