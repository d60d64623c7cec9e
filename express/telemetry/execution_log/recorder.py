"""The log of executions that workers run for records: AWS's Express log events, as much as a level asks for.

`ALL` and whatever else a machine of the same pipeline logs at `ALL` beside is told from recorded histories, event by
event. The other levels record nothing: of an execution that does not succeed they tell the one event it ended with,
which costs those that succeed nothing. Its id is 0, because nobody has counted the events before it, and failures
that the execution has dealt with are not told. An `ExecutionLog` is what a pipeline takes as `ports.Tracing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from express.engine import About, History
from express.engine.effects import Finish
from express.engine.history import HistoryEvent
from express.ports import MASK, LogSink, Partition
from express.telemetry.execution_log.events import Level, line_slices
from express.telemetry.slices import LogSlices

ENDS = {"FAILED": "ExecutionFailed", "TIMED_OUT": "ExecutionTimedOut", "ABORTED": "ExecutionAborted"}
"""Status → the event that tells of it."""


class LogRule(msgspec.Struct, frozen=True):
    """The rule for logging one state machine's executions."""

    level: Level = "OFF"
    include_data: bool = False


class ExecutionLog:
    """Writes what the `rules`, by state machine name, ask for to `sink`."""

    slow = float("inf")
    """The slowest are nothing special here."""

    def __init__(self, rules: Mapping[str, LogRule], sink: LogSink) -> None:
        self._rules = rules
        self._slices = LogSlices(sink)
        self.threshold = MASK + 1 if any(rule.level == "ALL" for rule in rules.values()) else 0

    def ended(
        self, about: About, finish: Finish, seconds: float, history: History | None, partition: Partition, offset: int
    ) -> None:
        """Take the execution of a record (`ports.Tracing`)."""
        rule = self._rules.get(about.state_machine_name)
        if rule is None or rule.level == "OFF":
            return
        if history is not None and self.threshold:
            events: Sequence[HistoryEvent] = _as_told(history.log, finish)
        elif finish.status != "SUCCEEDED":
            events = [(0, 0, ENDS[finish.status], seconds, _why(finish))]
        else:
            return
        began = history.log[0][3] if history is not None and self.threshold else 0.0
        lines = line_slices(about, began, events, rule.level, include_data=rule.include_data)
        self._slices.write(lines, about.execution_arn)

    def close(self) -> None:
        """Write what is left of long logs."""
        self._slices.close()


def _as_told(events: Sequence[HistoryEvent], finish: Finish) -> Sequence[HistoryEvent]:
    """A history whose success was no result: the output was too large for it, say."""
    if finish.status == "SUCCEEDED" or events[-1][2] != "ExecutionSucceeded":
        return events
    id_, previous, _, time, _ = events[-1]
    return [*events[:-1], (id_, previous, ENDS[finish.status], time, _why(finish))]


def _why(finish: Finish) -> dict[str, str]:
    found = {"error": finish.error, "cause": finish.cause}
    return {name: value for name, value in found.items() if value is not None}
