"""The state of an execution as bytes: what it shares is written once, and what does not fit is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from express.compiler import compile_definition
from express.engine import About, Execution, History, Program, deliver, start
from express.engine.effects import StartTask, StartTimer
from express.engine.events import TaskSucceeded
from express.engine.snapshot import VERSION, decode, encode
from express.errors import SnapshotError
from tests.engine.scripts import Fixed, program, task


def branch(number: int) -> dict[str, Any]:
    """A branch of one task."""
    return {"StartAt": f"B{number}", "States": {f"B{number}": task(End=True)}}


def begun(machine: Program, data: Any) -> tuple[Execution, dict[int, float], list[int]]:
    """An execution that waits, its timers, and the seqs of its tasks."""
    x, effects = start(machine, data, 100.0, about=About(), entropy=Fixed(), history=History(), limit=None)
    timers = {effect.seq: effect.at for effect in effects if isinstance(effect, StartTimer)}
    return x, timers, [effect.seq for effect in effects if isinstance(effect, StartTask)]


def again(x: Execution, timers: dict[int, float], machine: Program) -> tuple[Execution, dict[int, float]]:
    """The execution that its snapshot gives under a program."""
    copy, due, _ = decode(encode(x, timers, {}), machine, x.input, x.about, x.entropy, x.history)
    return copy, due


def renamed(name: str) -> Program:
    """A machine with one state of that name."""
    return compile_definition({"StartAt": name, "States": {name: task(End=True)}})


def test_a_state_that_waits_is_taken_up_where_it_stands() -> None:
    """A task's timeout and its answer mean the same to the execution that was made of bytes."""
    machine = program(task(TimeoutSeconds=30, ResultPath="$.answer"), task())
    x, timers, (seq,) = begun(machine, {"order": 7})

    copy, due = again(x, timers, machine)
    effects = deliver(copy, TaskSucceeded(seq, "yes"), 101.0)

    assert due == {seq + 1: 130.0}
    assert [effect.input for effect in effects if isinstance(effect, StartTask)] == [{"order": 7, "answer": "yes"}]


def test_what_branches_share_is_written_once() -> None:
    """The input of ten branches is the execution's, and no part of the snapshot."""
    machine = program({"Type": "Parallel", "Branches": list(map(branch, range(10)))})
    x, timers, seqs = begun(machine, {"text": "x" * 90_000})

    snapshot = encode(x, timers, {})
    copy, _ = again(x, timers, machine)

    assert len(seqs) == 10
    assert len(snapshot) < 1_000
    assert all(frame is None or frame.data is x.input for frame, _ in copy.pending.values())


def test_the_items_of_a_map_are_members_of_its_input() -> None:
    """A Map over a member of the input refers to it, and its iterations refer to its items."""
    machine = program({"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": branch(0)})
    x, timers, seqs = begun(machine, {"items": [{"text": "x" * 5_000} for _ in range(40)]})

    assert len(seqs) == 40
    assert len(encode(x, timers, {})) < 5_000


@pytest.mark.parametrize("broken", [b"", b"\x93\x01", msgspec.msgpack.encode([VERSION + 1, 0.0]), b"\xc1"])
def test_what_is_no_snapshot_is_refused(broken: bytes) -> None:
    """Bytes of another version, and no bytes of ours, are held and never guessed."""
    with pytest.raises(SnapshotError):
        decode(broken, program(task()), {}, About(), Fixed(), None)


def test_a_state_that_is_gone_is_refused_by_name() -> None:
    """An execution stands in a state that another definition does not have."""
    x, timers, _ = begun(renamed("Approve"), {})

    with pytest.raises(SnapshotError, match="no state 'Approve'"):
        again(x, timers, renamed("Reject"))
