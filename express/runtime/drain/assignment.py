"""One assigned partition, from its assignment to its revocation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from express.config.model import Ordering
from express.ports import ConsumedRecord, Partition, Position
from express.runtime.drain.offset_tracker import OffsetTracker
from express.runtime.executor.executor import Run
from express.runtime.records.terminal_record import Naming

NEVER = Position(-1)
"""The position of a partition that has no commit yet."""

OrderKey = Callable[[ConsumedRecord], bytes | None]

ORDER_KEYS: dict[Ordering, OrderKey] = {
    "key": lambda record: record.key,
    "partition": lambda record: b"",
    "none": lambda record: None,
}
"""Order keys by kind of ordering. Records with the same key must not overtake each other; None is free."""


class AssignedPartition:
    """A partition that this worker owns.

    A new assignment makes a new object, and what the old one still runs is dropped with it: the object itself is the
    epoch, and a result that comes late finds it gone.
    """

    __slots__ = (
        "committed",
        "dispatching",
        "held",
        "live",
        "naming",
        "partition",
        "polled",
        "runs",
        "tracker",
        "waiting",
    )

    def __init__(
        self, partition: Partition, naming: Naming, position: Position, limit: int, committed: Position | None = None
    ) -> None:
        """`committed`: what the group has; the position itself unless it is told otherwise."""
        self.partition = partition
        self.naming = naming
        self.tracker = OffsetTracker(*position, limit)
        self.committed = committed or position
        self.live = True
        self.dispatching = True
        """True while further records may be started; a partition that is about to go only finishes."""
        self.runs: set[Run] = set()
        self.held: deque[ConsumedRecord] = deque()
        """Polled and not yet looked at."""
        self.polled = 0.0
        """Monotonic time at which the last of these came."""
        self.waiting: dict[bytes, deque[tuple[ConsumedRecord, float]] | None] = {}
        """Behind an execution in flight with the same order key, which is there as long as that runs; since when."""


def running(owned: Collection[AssignedPartition]) -> int:
    """Count the executions in flight over `owned`."""
    return sum(len(assigned.runs) for assigned in owned)
