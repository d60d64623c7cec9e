"""History events as AWS writes them for Express workflows: one JSON object per log event, filtered by level.

Pure: whoever ran an execution with a `History` renders it here afterwards and hands the bytes to a sink, so that
an execution is never held up by its log. Shapes and the table of levels: CloudWatch Logs page of the Step
Functions guide, spec/express.md §4. `event_members` also serves GetExecutionHistory, whose events carry the same
members under one more key.
"""

from __future__ import annotations

import json
from typing import Literal

import orjson

from express.engine import Execution
from express.values import JSON

Level = Literal["ALL", "ERROR", "FATAL", "OFF"]

DATA_LIMIT = 248 * 1024
"""Bytes of input, output, parameters and assigned variables that one log event may carry; more is cut off."""

_FATAL = frozenset({"ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"})
_ERROR = _FATAL | {
    "EvaluationFailed",
    "FailStateEntered",
    "LambdaFunctionFailed",
    "LambdaFunctionScheduleFailed",
    "LambdaFunctionStartFailed",
    "LambdaFunctionTimedOut",
    "MapIterationAborted",
    "MapIterationFailed",
    "MapRunAborted",
    "MapRunFailed",
    "MapStateAborted",
    "MapStateFailed",
    "ParallelStateAborted",
    "ParallelStateFailed",
    "TaskFailed",
    "TaskStartFailed",
    "TaskStateAborted",
    "TaskSubmitFailed",
    "TaskTimedOut",
    "WaitStateAborted",
}
LEVELS: dict[Level, frozenset[str] | None] = {"ALL": None, "ERROR": _ERROR, "FATAL": _FATAL, "OFF": frozenset()}
"""The event types that each level writes; None: all of them."""

BARE = frozenset(
    {
        "MapStateAborted",
        "MapStateFailed",
        "MapStateSucceeded",
        "ParallelStateAborted",
        "ParallelStateFailed",
        "ParallelStateStarted",
        "ParallelStateSucceeded",
        "TaskStateAborted",
        "WaitStateAborted",
    }
)
"""Event types that have no details on AWS (spec/api.md §7)."""

_PAYLOADS = ("input", "output", "parameters")
ERROR_LENGTH, CAUSE_LENGTH = 256, 32_768
_LONGEST = {"error": ERROR_LENGTH, "cause": CAUSE_LENGTH}

# Legal in JSON, and line ends to many a tool that reads logs: escaped, so that a value can't forge a log line.
_LINE_ENDS = (("\x85".encode(), b"\\u0085"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))


def event_members(
    kind: str, details: dict[str, JSON], *, include_data: bool = True, limit: int = DATA_LIMIT
) -> dict[str, JSON]:
    """The members of one event's details as AWS names them: values as JSON text, with their `…Details`.

    Without `include_data`, whatever may hold the data of an execution is left away; names, roles, errors and
    causes stay.
    """
    if kind in BARE:
        return {}
    room = limit
    members: dict[str, JSON] = {}
    for name, value in details.items():
        if name in _PAYLOADS:
            if include_data:
                room = _add_payload(members, name, value, room)
        elif name == "assignedVariables":
            if include_data:
                room = _add_variables(members, value, room)
        elif name in _LONGEST and value is not None:
            members[name] = clipped(value, _LONGEST[name])
        else:
            members[name] = value
    return members


def clipped(value: str, length: int) -> str:
    """A text of at most `length` characters, with lone surrogates, which no UTF-8 can hold, written out."""
    return value.encode("utf-8", "backslashreplace").decode()[:length]


def _add_payload(members: dict[str, JSON], name: str, value: JSON, room: int) -> int:
    members[name], truncated, room = _text(value, room)
    if name != "parameters":
        members[f"{name}Details"] = {"truncated": truncated}
    return room


def _add_variables(members: dict[str, JSON], values: dict[str, JSON], room: int) -> int:
    """Each variable as JSON text; those that come last are cut first."""
    cut = False
    members["assignedVariables"] = texts = {}
    for name, value in values.items():
        texts[name], truncated, room = _text(value, room)
        cut = cut or truncated
    members["assignedVariablesDetails"] = {"truncated": cut}
    return room


def _text(value: JSON, room: int) -> tuple[str, bool, int]:
    """A value as JSON text, cut to `room` bytes of UTF-8; whether it was cut; and the room that is left."""
    try:
        raw = orjson.dumps(value)
    except (TypeError, RecursionError):
        raw = json.dumps(value, separators=(",", ":"), default=str).encode()
    if len(raw) <= room:
        return raw.decode(), False, room - len(raw)
    return raw[:room].decode(errors="ignore"), True, 0


def log_events(x: Execution, level: Level, *, include_data: bool) -> list[dict[str, JSON]]:
    """The log events of an execution that was run with a history, in order."""
    if x.history is None:
        return []
    wanted = LEVELS[level]
    arn = x.about.execution_arn
    redrives = str(x.about.redrive_count or 0)
    origin = x.about.started - x.started
    return [
        {
            "id": str(id_),
            "type": kind,
            "details": event_members(kind, details, include_data=include_data),
            "previous_event_id": str(prev),
            "event_timestamp": str(round((time + origin) * 1000)),
            "execution_arn": arn,
            "redrive_count": redrives,
        }
        for id_, prev, kind, time, details in x.history.log
        if wanted is None or kind in wanted
    ]


def log_lines(x: Execution, level: Level, *, include_data: bool) -> bytes:
    """The log events as JSON lines. No value can end a line: all line ends inside strings are escaped."""
    lines = b"".join(
        orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
        for event in log_events(x, level, include_data=include_data)
    )
    for character, escape in _LINE_ENDS:
        if character in lines:
            lines = lines.replace(character, escape)
    return lines
