"""The bound of what is in flight: executions, and their estimated memory."""

from __future__ import annotations

from express.runtime.counters import Counters

STOP_AT, GO_ON_AT = 0.8, 0.6
"""Shares of the memory budget; between them nothing changes, so that the intake does not flutter."""


class Admission:
    """Counts what is in flight and says when the intake has to stop.

    Counting messages is not enough: an event of 256 KiB can take 6 MiB once parsed.
    """

    def __init__(self, executions: int, heap_bytes: int, counters: Counters) -> None:
        self._executions = executions
        self._most = heap_bytes
        self._stop = int(heap_bytes * STOP_AT)
        self._go_on = int(heap_bytes * GO_ON_AT)
        self._counters = counters
        self._inside = 0
        self._heavy = False
        self.closed = False

    def enter(self, heap: int) -> None:
        """One more in flight."""
        self._inside += 1
        self._counters.heap_bytes += heap
        self._judge()

    def leave(self, heap: int) -> None:
        """One less."""
        self._inside -= 1
        self._counters.heap_bytes -= heap
        self._judge()

    def grow(self, heap: int) -> bool:
        """Return what is in flight takes so much more, or less; whether it may grow further."""
        self._counters.heap_bytes += heap
        self._judge()
        return self._counters.heap_bytes < self._most

    def _judge(self) -> None:
        heap = self._counters.heap_bytes
        self._heavy = heap >= self._stop or (self._heavy and heap > self._go_on)
        closed = self._heavy or self._inside >= self._executions
        self._counters.intake_stops += closed and not self.closed
        self.closed = closed
