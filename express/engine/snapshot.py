"""The state of an execution that waits, as bytes, and back.

A snapshot names states, never rows, since a later compiler may number rows otherwise. It holds no input, no identity
and no history: whoever keeps it has those. Values are written once: what two frames share is a reference, and so is
a member of a value that was written already. The first byte that differs from `VERSION` is refused, as is a state
that the program does not have: such an execution is for a person to look at, never to be guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import msgspec

from express.engine.execution import SCHEDULED, TASK, About, Entropy, Execution, Frame, Join
from express.engine.history import History
from express.engine.program import Program, Row, Rows
from express.errors import SnapshotError
from express.values import INTEGER_MAX, INTEGER_MIN, JSON

VERSION = 1
"""The coding that is written. Every release reads the last two."""

Timers: TypeAlias = dict[int, float]
"""The engine time at which each pending timer is due, by `seq`."""

Stages: TypeAlias = dict[int, int]
"""Numbers of the host that say where it is with each pending task, by `seq`."""

Reference: TypeAlias = JSON
"""A scalar itself, else `[number of a value, key of a member, key of its member, …]`."""

_LONG = 40
"""Characters from which a text is worth a reference."""

_TASKS = (TASK, SCHEDULED)

_encode = msgspec.msgpack.Encoder().encode


def packed(coded: Any) -> bytes:
    """Return coded values as bytes. What no text can hold, as a handler's error may have, is written out."""
    try:
        return _encode(coded)
    except (UnicodeEncodeError, OverflowError, TypeError):
        return _encode(writable(coded))


def writable(value: Any) -> Any:
    """Return a value that JSON and MessagePack can hold: the same, but for texts and numbers that are none."""
    kind = type(value)
    if kind is str:
        return value.encode("utf-8", "backslashreplace").decode()
    if kind is dict:
        return {writable(key): writable(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [writable(item) for item in value]
    if kind is int and not INTEGER_MIN <= value <= INTEGER_MAX:
        return float(value)
    return value if value is None or kind in (bool, int, float) else repr(value)


def encode(x: Execution, timers: Timers, stages: Stages) -> bytes:
    """Return the state of an execution: one that waits for something, or one that has ended unsuccessfully."""
    frames = _frames(x.last if x.last is not None else _root(x))
    numbers = {id(frame): number for number, frame in enumerate(frames)}
    written = WrittenValues(x.input)
    rows = [_frame(frame, numbers, written) for frame in frames]
    pending = [
        (seq, -1 if frame is None else numbers[id(frame)], role, stages.get(seq) if role in _TASKS else timers.get(seq))
        for seq, (frame, role) in x.pending.items()
    ]
    ready = [(numbers[id(frame)], frame.rows[step].name if step >= 0 else step) for frame, step in x.ready]
    return packed(
        (VERSION, x.now, x.started, x.deadline, x.seq, x.events, x.transitions, pending, ready, rows, written.values)
    )


def decode(
    snapshot: bytes,
    program: Program,
    data: JSON,
    about: About,
    entropy: Entropy,
    history: History | None,
    prepare: Any = None,
) -> tuple[Execution, Timers, Stages]:
    """Return the execution of a snapshot, its timers and its tasks. `data` is its input. Raises SnapshotError."""
    try:
        version, *state = msgspec.msgpack.decode(snapshot)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise SnapshotError(f"the snapshot can't be read: {error}") from error
    if version != VERSION:
        raise SnapshotError(f"the snapshot has version {version}; this release reads {VERSION}")
    now, started, deadline, seq, events, transitions, pending, ready, rows, values = state
    x = Execution(program, data, started, about, entropy, history, deadline, prepare)
    x.now, x.seq, x.events, x.transitions = now, seq, events, transitions
    values[0] = data
    frames: list[Frame] = []
    for row in rows:
        frames.append(_framed(x, row, frames, values))
    timers: Timers = {}
    stages: Stages = {}
    for number, at, role, rest in pending:
        frame = None if at < 0 else frames[at]
        x.pending[number] = frame, role
        if frame is not None:
            frame.waits.append(number)
        if rest is not None:
            (stages if role in _TASKS else timers)[number] = rest
    if not pending and not ready:
        x.last = frames[0]
    x.ready.extend((frames[at], _place(frames[at].rows, step) if type(step) is str else step) for at, step in ready)
    return x, timers, stages


class WrittenValues:
    """Values in the order in which they were first met, and where each can be found again."""

    def __init__(self, data: JSON) -> None:
        self.values: list[JSON] = []
        self._places: dict[int, list[Any]] = {}
        self._opened: set[int] = set()
        if type(data) in (dict, list):
            self.put(data)
            self.values[0] = None
        else:
            self.values.append(None)

    def put(self, value: JSON) -> Reference:
        """Return a reference to a value, which is written if nobody has it."""
        kind = value.__class__
        if kind is not dict and kind is not list and (kind is not str or len(value) < _LONG):
            return value
        identity = id(value)
        places = self._places
        place = places.get(identity)
        if place is None:
            place = places[identity] = [len(self.values)]
            self.values.append(value)
        elif identity in self._opened:
            return place
        self._opened.add(identity)
        if kind is not str:
            for key, member in value.items() if kind is dict else enumerate(value):
                if (member.__class__ is dict or member.__class__ is list) and id(member) not in places:
                    places[id(member)] = [*place, key]
        return place


def read_value(reference: Reference, values: list[JSON]) -> JSON:
    """Return what a reference means. `values` are those that were written, with the input in the first place."""
    if type(reference) is not list:
        return reference
    value = values
    for key in reference:
        value = value[key]
    return value


def _root(x: Execution) -> Frame:
    waiting = (*(frame for frame, _ in x.pending.values()), *(frame for frame, _ in x.ready))
    some = next((frame for frame in waiting if frame is not None), None)
    assert some is not None, "an execution that has not ended waits in some frame"
    while some.join is not None:
        some = some.join.frame
    return some


def _frames(root: Frame) -> list[Frame]:
    """Every frame, parents before their children, which come in the order in which they were started."""
    frames = [root]
    for frame in frames:
        if frame.children is not None:
            frames.extend(frame.children.running.values())
    return frames


def _frame(frame: Frame, numbers: Mapping[int, int], written: WrittenValues) -> tuple[Any, ...]:
    join = frame.join
    return (
        -1 if join is None else numbers[id(join.frame)],
        frame.index,
        frame.rows[frame.at].name if frame.steps else None,
        written.put(frame.data),
        frame.prev,
        frame.entered_id,
        frame.entered_prev,
        frame.entered_at,
        frame.steps,
        frame.retries,
        frame.retry_count,
        frame.token,
        written.put(frame.vars) if frame.vars else None,
        written.put(frame.assigned) if frame.assigned else None,
        None if frame.item is None else (frame.item["Index"], written.put(frame.item["Value"])),
        frame.bound,
        None if frame.children is None else _join(frame.children, written),
    )


def _join(join: Join, written: WrittenValues) -> tuple[Any, ...]:
    same = join.row.kind == "Parallel"  # its branches have one input
    return (
        written.put(join.payload),
        written.put(join.items[0]) if same else written.put(join.items),
        len(join.items),
        join.limit,
        [written.put(result) for result in join.results],
        join.started,
        join.todo,
    )


def _framed(x: Execution, row: list[Any], frames: list[Frame], values: list[JSON]) -> Frame:
    """The frame of a row, below its parent."""
    parent, index, name, data, prev, entered_id, entered_prev, entered_at, steps, retries, retry_count, *rest = row
    token, variables, assigned, item, bound, children = rest
    join = None if parent < 0 else frames[parent].children
    rows = x.program.scope.rows if join is None else join.plan.child_scope(index).rows
    frame = Frame(x, rows, read_value(data, values))
    frame.at = 0 if name is None else _place(rows, name)
    frame.join, frame.index = join, index
    if join is not None:
        join.running[index] = frame
    frame.prev, frame.entered_id, frame.entered_prev, frame.entered_at = prev, entered_id, entered_prev, entered_at
    frame.steps, frame.retries, frame.retry_count, frame.token = steps, retries, retry_count, token
    frame.vars = {} if variables is None else cast("dict[str, JSON]", read_value(variables, values))
    frame.assigned = read_value(assigned, values)
    frame.item = None if item is None else {"Index": item[0], "Value": read_value(item[1], values)}
    frame.bound = bound
    if children is not None:
        frame.children = _joined(frame, frame.rows[frame.at], children, values)
    return frame


def _joined(frame: Frame, row: Row, coded: list[Any], values: list[JSON]) -> Join:
    payload, items, count, limit, results, started, todo = coded
    same = read_value(items, values)
    join = Join(frame, row, row.plan, [same] * count if row.kind == "Parallel" else same, limit)
    join.payload = read_value(payload, values)
    join.results = [read_value(result, values) for result in results]
    join.started, join.todo = started, todo
    return join


def _place(rows: Rows, name: str) -> int:
    for place, row in enumerate(rows):
        if row.name == name:
            return place
    raise SnapshotError(f"the definition has no state {name!r} where the execution stands")
