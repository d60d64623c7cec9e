"""Counts of what is committed of Standard executions, for metrics."""

from __future__ import annotations

from collections import Counter
from typing import Any

from express.ports.journal import Begun, Redriven
from express.runtime.standard.live import LiveExecution, QueuedTurn


class StandardCounts:
    """Counts by state machine. Its names are those of the server's machines."""

    def __init__(self) -> None:
        self._executions: Counter[tuple[str, str]] = Counter()
        self._transitions: Counter[str] = Counter()
        self._turns = 0
        self.lost = 0
        """Turns that were computed on a state that somebody else had moved on."""

    def committed(self, live: LiveExecution, turn: QueuedTurn) -> None:
        """Count a turn that is committed."""
        name = live.begun.machine.rpartition(":")[2]
        self._turns += 1
        self._transitions[name] += turn.transitions
        if isinstance(turn.first, Begun):
            self._executions[name, "started"] += 1
        elif isinstance(turn.first, Redriven):
            self._executions[name, "redriven"] += 1
        if turn.finish is not None:
            self._executions[name, turn.finish.status.lower()] += 1

    def data(self) -> dict[str, Any]:
        """Return the counts as the metrics take them."""
        return {
            "executions": [(names, count) for names, count in sorted(self._executions.items())],
            "transitions": [((name,), count) for name, count in sorted(self._transitions.items())],
            "turns": self._turns,
            "lost": self.lost,
        }
