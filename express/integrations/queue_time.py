"""Start times of calls that had to wait for a place: for the metric of what AWS calls ScheduleTime.

Whoever measures a call opens a `QueueTime`; wherever calls wait for a place (a gate, a slot of a function, a thread, a
process), that is told once they have it. Waits that follow each other add up, since the last one told counts.
"""

from __future__ import annotations

import time
from contextvars import ContextVar


class QueueTime:
    """One call: when it was asked for, and when it began."""

    __slots__ = ("_asked", "_begun")

    def __init__(self, asked: float) -> None:
        """`asked` as by `time.perf_counter`."""
        self._asked = asked
        self._begun = asked

    def begin(self) -> None:
        """The call has its place now; may be told by any thread."""
        self._begun = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Return how long it waited; 0 where there was nothing to wait for."""
        return self._begun - self._asked


SCHEDULE: ContextVar[QueueTime | None] = ContextVar("schedule", default=None)
"""The schedule of the call that the current task performs."""


def begin() -> None:
    """Tell that the call of the current task has its place."""
    schedule = SCHEDULE.get()
    if schedule is not None:
        schedule.begin()
