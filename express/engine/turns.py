"""The events of one turn as bytes, and back.

A turn is what one event from outside makes an execution do until it waits again. Types of events are numbers of
`KINDS`, so that list is only ever added to at its end. Values are written once in a turn, as in a snapshot; JSON text
is made when somebody reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from express.engine.history import HistoryEvent
from express.engine.snapshot import WrittenValues, packed, read_value
from express.errors import SnapshotError
from express.values import JSON

VERSION = 1

KINDS = (
    "ExecutionStarted",
    "ExecutionSucceeded",
    "ExecutionFailed",
    "ExecutionTimedOut",
    "ExecutionAborted",
    "ExecutionRedriven",
    "PassStateEntered",
    "PassStateExited",
    "ChoiceStateEntered",
    "ChoiceStateExited",
    "WaitStateEntered",
    "WaitStateExited",
    "WaitStateAborted",
    "SucceedStateEntered",
    "SucceedStateExited",
    "FailStateEntered",
    "TaskStateEntered",
    "TaskStateExited",
    "TaskStateAborted",
    "TaskScheduled",
    "TaskStarted",
    "TaskStartFailed",
    "TaskSubmitted",
    "TaskSubmitFailed",
    "TaskSucceeded",
    "TaskFailed",
    "TaskTimedOut",
    "LambdaFunctionScheduled",
    "LambdaFunctionScheduleFailed",
    "LambdaFunctionStarted",
    "LambdaFunctionStartFailed",
    "LambdaFunctionSucceeded",
    "LambdaFunctionFailed",
    "LambdaFunctionTimedOut",
    "ActivityScheduled",
    "ActivityScheduleFailed",
    "ActivityStarted",
    "ActivitySucceeded",
    "ActivityFailed",
    "ActivityTimedOut",
    "ParallelStateEntered",
    "ParallelStateStarted",
    "ParallelStateSucceeded",
    "ParallelStateFailed",
    "ParallelStateAborted",
    "ParallelStateExited",
    "MapStateEntered",
    "MapStateStarted",
    "MapIterationStarted",
    "MapIterationSucceeded",
    "MapIterationFailed",
    "MapIterationAborted",
    "MapStateSucceeded",
    "MapStateFailed",
    "MapStateAborted",
    "MapStateExited",
    "MapRunStarted",
    "MapRunSucceeded",
    "MapRunFailed",
    "MapRunAborted",
    "MapRunRedriven",
    "EvaluationFailed",
)
"""Every type of a history event (Step Functions API Reference, "HistoryEvent"), in the order of their numbers."""

_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


def encode_events(events: Sequence[HistoryEvent], data: JSON) -> bytes:
    """Return the events of a turn, whose ids follow one another. What is part of the input `data` refers to it."""
    written = WrittenValues(data)
    rows = [
        (_NUMBERS[kind], id_ - prev, time, {name: written.put(value) for name, value in details.items()})
        for id_, prev, kind, time, details in events
    ]
    return packed((VERSION, events[0][0], rows, written.values))


def decode_events(turn: bytes, data: JSON) -> list[HistoryEvent]:
    """Return the events of a turn of the execution whose input is `data`. Raises SnapshotError."""
    try:
        version, first, rows, values = msgspec.msgpack.decode(turn)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise SnapshotError(f"events can't be read: {error}") from error
    if version != VERSION:
        raise SnapshotError(f"events have version {version}; this release reads {VERSION}")
    values[0] = data
    return [
        (id_, id_ - back, KINDS[kind], time, {name: read_value(value, values) for name, value in details.items()})
        for id_, (kind, back, time, details) in enumerate(rows, first)
    ]
