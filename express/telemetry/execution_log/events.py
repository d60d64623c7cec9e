"""History events as AWS writes them for Express workflows: one JSON object per log event, filtered by level.

Pure: whoever ran an execution with a `History` renders it here afterwards and hands the bytes to a sink, so that
an execution is never held up by its log. Shapes and the table of levels: CloudWatch Logs page of the Step
Functions guide. `event_members` also serves GetExecutionHistory, whose events carry the same
members under one more key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeAlias, overload

import orjson

from express.engine import About, Execution
from express.engine.history import TRUNCATED, HistoryEvent
from express.values import JSON

Level = Literal["ALL", "ERROR", "FATAL", "OFF"]

DATA_LIMIT = 248 * 1024
"""Bytes of input, output, parameters and assigned variables that one log event may carry; more is cut off."""

SLICE_EVENTS, SLICE_BYTES = 500, 1 << 20
"""Log events that are written in one go: about two milliseconds of Python."""

_FATAL = frozenset({"ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"})
_ERROR = _FATAL | {
    "EvaluationFailed",
    "FailStateEntered",
    TRUNCATED,
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
"""Event types that have no details on AWS (Step Functions API Reference, "HistoryEvent")."""

_PAYLOADS = frozenset({"input", "output", "parameters"})
_FLAGS = {"input": "inputDetails", "output": "outputDetails"}
_WHOLE, _CUT = {"truncated": False}, {"truncated": True}

Texts: TypeAlias = Callable[[JSON, int], tuple[JSON, bool, int]]
"""(value, room) → its JSON text within `room` bytes of UTF-8, whether it was cut, and the room that is left."""

ERROR_LENGTH, CAUSE_LENGTH = 256, 32_768
_LONGEST = {"error": ERROR_LENGTH, "cause": CAUSE_LENGTH}

# Legal in JSON, and line ends to many a tool that reads logs: escaped, so that a value can't forge a log line.
_LINE_ENDS = (("\x85".encode(), b"\\u0085"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))


def _text(value: JSON, room: int) -> tuple[JSON, bool, int]:
    """The plain way to write a value."""
    try:
        raw = orjson.dumps(value)
    except (TypeError, RecursionError):
        raw = json.dumps(value, separators=(",", ":"), default=str).encode()
    if len(raw) <= room:
        return raw.decode(), False, room - len(raw)
    return raw[:room].decode(errors="ignore"), True, 0


def event_members(
    kind: str, details: dict[str, JSON], *, include_data: bool = True, limit: int = DATA_LIMIT, texts: Texts = _text
) -> dict[str, JSON]:
    """The members of one event's details as AWS names them: values as JSON text, with their `…Details`.

    Without `include_data`, whatever may hold the data of an execution is left away; names, roles, errors and
    causes stay. `texts` writes the values.
    """
    if kind in BARE:
        return {}
    room = limit
    members: dict[str, JSON] = {}
    for name, value in details.items():
        if name in _PAYLOADS:
            if include_data:
                members[name], truncated, room = texts(value, room)
                if name in _FLAGS:
                    members[_FLAGS[name]] = _CUT if truncated else _WHOLE
        elif name == "assignedVariables":
            if include_data:
                room = _add_variables(members, value, room, texts)
        elif name in _LONGEST and value is not None:
            members[name] = clipped(value, _LONGEST[name])
        else:
            members[name] = value
    return members


def clipped(value: str, length: int) -> str:
    """A text of at most `length` characters, with lone surrogates, which no UTF-8 can hold, written out."""
    return value.encode("utf-8", "backslashreplace").decode()[:length]


def _add_variables(members: dict[str, JSON], values: dict[str, JSON], room: int, texts: Texts) -> int:
    """Each variable as JSON text; those that come last are cut first."""
    cut = False
    members["assignedVariables"] = shown = {}
    for name, value in values.items():
        shown[name], truncated, room = texts(value, room)
        cut = cut or truncated
    members["assignedVariablesDetails"] = {"truncated": cut}
    return room


def log_events(x: Execution, level: Level, *, include_data: bool) -> list[dict[str, JSON]]:
    """The log events of an execution that was run with a history, in order."""
    if x.history is None:
        return []
    return history_events(x.about, x.started, x.history.log, level, include_data=include_data)


def history_events(
    about: About, began: float, events: Iterable[HistoryEvent], level: Level, *, include_data: bool
) -> list[dict[str, JSON]]:
    """The same of an execution's events; it began at the engine time `began`."""
    wanted = LEVELS[level]
    chosen = [event for event in events if wanted is None or event[2] in wanted]
    return list(LoggedEvents(about, began, chosen, include_data=include_data))


class LoggedEvents(Sequence[dict[str, JSON]]):
    """Log events that are written when they are read, each on its own: whoever wants ten of 25,000 waits for ten.

    `size`: about how many bytes are held for them.
    """

    def __init__(
        self, about: About, began: float, events: Sequence[HistoryEvent], *, include_data: bool, size: int = 0
    ) -> None:
        self._about = about
        self._began = began
        self._events = events
        self._include_data = include_data
        self.size = size

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, place: int) -> dict[str, JSON]: ...

    @overload
    def __getitem__(self, place: slice) -> LoggedEvents: ...

    def __getitem__(self, place: int | slice) -> dict[str, JSON] | LoggedEvents:
        about = self._about
        if isinstance(place, slice):
            return LoggedEvents(about, self._began, self._events[place], include_data=self._include_data)
        id_, prev, kind, time, details = self._events[place]
        return {
            "id": str(id_),
            "type": kind,
            "details": event_members(kind, details, include_data=self._include_data),
            "previous_event_id": str(prev),
            "event_timestamp": str(round((time + about.started - self._began) * 1000)),
            "execution_arn": about.execution_arn,
            "redrive_count": str(about.redrive_count or 0),
        }


def log_lines(x: Execution, level: Level, *, include_data: bool) -> bytes:
    """The log events as JSON lines. No value can end a line: all line ends inside strings are escaped.

    The same events as `log_events`, put together of bytes: a state's output is the next one's input and is written
    once, for 1.1 µs an event instead of 2.3.
    """
    if x.history is None:
        return b""
    return b"".join(line_slices(x.about, x.started, x.history.log, level, include_data=include_data))


def line_slices(
    about: About, began: float, events: Iterable[HistoryEvent], level: Level, *, include_data: bool
) -> Iterator[bytes]:
    """The same of an execution's events, which began at the engine time `began`, in slices that are quickly written.

    A slice has SLICE_EVENTS lines, or less of them if they are large.
    """
    wanted = LEVELS[level]
    tail = b'","execution_arn":%b,"redrive_count":"%d"}\n' % (
        orjson.dumps(about.execution_arn),
        about.redrive_count or 0,
    )
    origin = about.started - began
    renderer = _Renderer(include_data)
    render = renderer.details
    lines: list[bytes] = []
    room = SLICE_BYTES
    for id_, prev, kind, time, details in events:
        if wanted is not None and kind not in wanted:
            continue
        line = b'{"id":"%d","type":"%b","details":%b,"previous_event_id":"%d","event_timestamp":"%d%b' % (
            id_,
            kind.encode(),
            render(kind, details),
            prev,
            round((time + origin) * 1000),
            tail,
        )
        lines.append(line)
        room -= len(line)
        if len(lines) == SLICE_EVENTS or room <= 0:
            yield _escaped(b"".join(lines))
            lines, room = [], SLICE_BYTES
            renderer.forget()
    if lines:
        yield _escaped(b"".join(lines))


def _escaped(lines: bytes) -> bytes:
    if not lines.isascii():
        for character, escape in _LINE_ENDS:
            lines = lines.replace(character, escape)
    return lines


class _Renderer:
    """Details as bytes. Texts of values are kept by identity: the history holds the values, the engine changes none."""

    __slots__ = ("_include_data", "_known", "_names")

    def __init__(self, include_data: bool) -> None:
        self._include_data = include_data
        self._known: dict[int, tuple[bytes, int]] = {}
        self._names: dict[str, bytes] = {}

    def forget(self) -> None:
        """Let go of the texts of values: those of a long history would take as much as the history."""
        self._known.clear()

    def details(self, kind: str, details: dict[str, JSON]) -> bytes:
        """The details of one event. Entering and leaving a state, most of all events, goes the direct way."""
        if kind.endswith(("StateEntered", "StateExited")) and len(details) == 2:
            return self._state(details)
        return orjson.dumps(event_members(kind, details, include_data=self._include_data, texts=self._fragment))

    def _state(self, details: dict[str, JSON]) -> bytes:
        name = details["name"]
        head = self._names.get(name)
        if head is None:
            head = self._names[name] = orjson.dumps(name)
        if not self._include_data:
            return b'{"name":%b}' % head
        member = b"input" if "input" in details else b"output"
        text, truncated, _ = self._text(details[member.decode()], DATA_LIMIT)
        flag = b"true" if truncated else b"false"
        return b'{"name":%b,"%b":%b,"%bDetails":{"truncated":%b}}' % (head, member, text, member, flag)

    def _fragment(self, value: JSON, room: int) -> tuple[JSON, bool, int]:
        text, truncated, left = self._text(value, room)
        return orjson.Fragment(text), truncated, left

    def _text(self, value: JSON, room: int) -> tuple[bytes, bool, int]:
        """Return the same as the plain `_text`, as a JSON string."""
        known = self._known.get(id(value))
        if known is not None and known[1] <= room:
            return known[0], False, room - known[1]
        written, truncated, left = _text(value, room)
        text = orjson.dumps(written)
        if not truncated:
            self._known[id(value)] = (text, room - left)
        return text, truncated, left
