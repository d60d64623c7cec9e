"""One machine on every tier: the rows and the segments, with a history and without, as the runtime runs them."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import msgspec

from express.compiler import compile_definition
from express.engine import About, History, Program
from express.engine.effects import Finish
from express.values import dumps
from tests.conformance.compare import difference

from .world import MONOTONIC, WALL, Chance, Endless, Loop, Reply, Tasks, Twice

JSON = Any
ABOUT = About("arn:e", "e", "arn:r", "arn:m", "m", WALL)


class Case(msgspec.Struct):
    """A machine, its input, and what its tasks answer, by the name of the state."""

    definition: dict[str, JSON]
    type: str
    input: JSON
    replies: dict[str, list[Reply]] = {}


class Ran(msgspec.Struct):
    """How a machine ran on one tier. `fast`: how many of its `transitions` were made by segments."""

    status: str
    output: JSON
    error: str | None
    cause: str | None
    transitions: int
    at: float
    log: list[JSON] | None
    calls: list[Any]
    fast: int = 0


class Verdict(msgspec.Struct):
    """What a comparison has found: `wrong` None where the tiers agree. `states` entered, `fast` by segments."""

    wrong: str | None
    states: int
    fast: int
    status: str
    endless: bool = False


def compare(case: Case) -> Verdict:
    """Run a case on the rows and on the segments, with a history and without, and hold them against one another."""
    program = compile_definition(copy.deepcopy(case.definition), type=case.type)  # type: ignore[arg-type]  # one of the two
    rows = msgspec.structs.replace(program, segments=None)
    before = dumps(case.input)
    try:
        plain, told = run(rows, case), run(rows, case, history=True)
        quick, recorded = run(program, case), run(program, case, history=True)
    except Endless:
        return Verdict(None, 0, 0, "", endless=True)
    late = plain.status == "TIMED_OUT" and any(reply.busy for replies in case.replies.values() for reply in replies)
    found = _unlike(plain, told, "rows with a history", (), late) or _unlike(plain, quick, "segments", ("calls",), late)
    found = found or _unlike(told, recorded, "segments with a history", ("calls", "log"), late)
    if dumps(case.input) != before:
        found = found or "the input was changed"
    return Verdict(found, plain.transitions, quick.fast, plain.status)


def _unlike(wanted: Ran, got: Ran, where: str, more: tuple[str, ...], late: bool) -> str | None:
    """Tell the first thing that differs. `late`: the loop was held up past the deadline, and it may have come far."""
    for name in ("status", "output", "error", "cause", *(() if late else ("transitions", "at", *more))):
        found = difference(_plain(getattr(wanted, name)), _plain(getattr(got, name)), name)
        if found is not None:
            return f"{where}: {found} (cause on the rows: {wanted.cause}; here: {got.cause})"
    return None


def _plain(value: JSON) -> JSON:
    if isinstance(value, list):
        return [msgspec.to_builtins(item) if isinstance(item, msgspec.Struct) else _listed(item) for item in value]
    return value


def _listed(item: JSON) -> JSON:
    return list(item) if isinstance(item, tuple) else item


def run(program: Program, case: Case, *, history: bool = False) -> Ran:
    """Run a case once, in virtual time, by a real executor."""
    loop = Loop()
    try:
        return loop.run_until_complete(_run(loop, program, case, History() if history else None))
    finally:
        loop.close()


async def _run(loop: Loop, program: Program, case: Case, history: History | None) -> Ran:
    tasks = Tasks(case.replies, loop)
    executor = Twice(loop, tasks, Chance())
    tasks.executor = executor
    ended = asyncio.Event()
    finishes: list[tuple[Finish, float]] = []

    def done(_: Any, finish: Finish) -> None:
        finishes.append((finish, loop.now))
        ended.set()

    data = copy.deepcopy(case.input)
    x, waiting = executor.submit(program, data, ABOUT, done, size=len(dumps(data)), history=history)
    if waiting is not None:
        tasks.run = waiting
        await ended.wait()
        x = waiting.x
    finish, at = finishes[0] if finishes else (x.finished, loop.now)
    assert finish is not None
    assert len(finishes) < 2, "it has ended twice"
    if x.bug is not None:
        raise x.bug
    await executor.close()
    assert executor.running == 0, "the executor still runs something"
    assert not loop.failures, loop.failures
    log = None if history is None else [list(event) for event in history.log]
    fast = 0 if program.segments is None else x.transitions if executor.on_segments is None else executor.on_segments
    return Ran(
        finish.status,
        finish.output,
        finish.error,
        finish.cause,
        x.transitions,
        at - MONOTONIC,
        log,
        sorted(tasks.calls, key=lambda call: (call.at, call.key, call.attempt)),
        fast,
    )
