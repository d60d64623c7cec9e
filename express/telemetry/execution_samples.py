"""Ended executions that a worker shows its parent: failures, the slowest, and a sample of the others.

A worker has ended a million executions by the time somebody looks; what can be looked at is chosen here and sent
along with the reports. The share that is recorded falls and doubles until about so many of each report are: at a few
executions a second that is all of them, at 50,000 one in thousands, and those in between never leave the direct way.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import orjson

from express.engine import About, History
from express.engine.effects import Finish
from express.engine.history import TRUNCATED, HistoryEvent
from express.ports import MASK, Partition
from express.telemetry.execution_log.events import CAUSE_LENGTH, ERROR_LENGTH, LoggedEvents, clipped
from express.telemetry.execution_log.recorder import ENDS
from express.values import JSON, text

MOST_ROWS = 64
"""Rows of one report, failures first come first served."""

MOST_BYTES = 4 << 20
"""Bytes of one report's histories and payloads."""

MOST_HISTORY = 1 << 20
"""Bytes of one history; the rest of its events are left out, and counted where they would be."""

SAMPLES = 16
"""Recorded executions of one report that are aimed at."""


SLOW_SECONDS = 0.001
"""Seconds up to which an execution is not slow, whatever the others take."""


class ExecutionSample(msgspec.Struct, kw_only=True):
    """An ended execution. `history` holds its log events; those that were not recorded have only the last."""

    arn: str
    machine_arn: str
    name: str
    status: str
    started: float
    stopped: float
    error: str | None = None
    cause: str | None = None
    input: str | None = None
    output: str | None = None
    history: bytes = b"[]"


class ExecutionSamples:
    """Chooses and renders. What a pipeline takes as `ports.Tracing`; `take` is for whoever sends reports."""

    def __init__(self, *, include_data: bool) -> None:
        self.threshold = MASK + 1
        self.slow = SLOW_SECONDS
        self._include_data = include_data
        self._rows: list[ExecutionSample] = []
        self._recorded = 0
        self._slowest = 0.0
        self._room = MOST_BYTES

    def ended(
        self, about: About, finish: Finish, seconds: float, history: History | None, partition: Partition, offset: int
    ) -> None:
        """Take the execution of a record (`ports.Tracing`)."""
        self._recorded += history is not None
        self._slowest = max(self._slowest, seconds)
        if len(self._rows) >= MOST_ROWS or self._room <= 0:
            self.slow = float("inf")  # until the next report
            self.threshold = min(self.threshold, MASK >> 12)
            return
        row = self._row(about, finish, seconds, history)
        self._rows.append(row)
        self._room -= len(row.history) + len(row.input or "") + len(row.output or "")

    def take(self) -> list[ExecutionSample]:
        """The rows since the last call; the share is set for the next."""
        rows, self._rows = self._rows, []
        if self._recorded > 2 * SAMPLES:
            self.threshold = max(self.threshold * SAMPLES // self._recorded, 1)
        elif self._recorded < SAMPLES:
            self.threshold = min(self.threshold << 1, MASK + 1)
        self.slow = max(self._slowest / 2, SLOW_SECONDS)  # what was slow before is the measure of the next
        self._recorded, self._slowest, self._room = 0, 0.0, MOST_BYTES
        return rows

    def _row(self, about: About, finish: Finish, seconds: float, history: History | None) -> ExecutionSample:
        events: list[HistoryEvent] = [] if history is None else list(history.log)
        began = events[0][3] if events else 0.0
        if not events and finish.status in ENDS:
            details: dict[str, JSON] = {"error": finish.error, "cause": finish.cause}
            events = [(1, 0, ENDS[finish.status], seconds, details)]
        include = self._include_data
        data = events[0][4].get("input") if history is not None and events else None
        return ExecutionSample(
            arn=about.execution_arn,
            machine_arn=about.state_machine_arn,
            name=about.name,
            status=finish.status,
            started=about.started,
            stopped=about.started + seconds,
            error=None if finish.error is None else clipped(finish.error, ERROR_LENGTH),
            cause=None if finish.cause is None else clipped(finish.cause, CAUSE_LENGTH),
            input=text(data) if include and history is not None else None,
            output=text(finish.output) if include and finish.status == "SUCCEEDED" else None,
            history=_written(LoggedEvents(about, began, events, include_data=include)),
        )


def _written(events: LoggedEvents) -> bytes:
    """The events as a JSON list of at most MOST_HISTORY bytes, the last one always among them."""
    written: list[bytes] = []
    room = MOST_HISTORY
    for place, event in enumerate(events):
        text = orjson.dumps(event)
        room -= len(text)
        if room < 0 and place < len(events) - 1:
            written += map(orjson.dumps, _cut(events, place))
            break
        written.append(text)
    return b"[%b]" % b",".join(written)


def _cut(events: LoggedEvents, place: int) -> Iterator[dict[str, JSON]]:
    """Return what stands for the events from `place` on, and the last one."""
    first, last = events[place], events[-1]
    left_out = len(events) - 1 - place
    known = events[-2]
    if known["type"] == TRUNCATED:
        left_out += known["details"]["eventsLeftOut"] - 1
    yield {**first, "type": TRUNCATED, "details": {"eventsLeftOut": left_out}}
    yield {**last, "previous_event_id": str(min(int(last["previous_event_id"]), int(first["id"])))}
