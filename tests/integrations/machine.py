"""Runs one execution over the engine with local functions and a clock that jumps: no loop time is spent."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Mapping
from typing import Any

from express.config import Function
from express.docs.samples import shipped
from express.engine import About, deliver, start
from express.engine.effects import Cancel, Finish, StartTask, StartTimer
from express.engine.events import Event, TaskFailed, TaskSucceeded, TimerFired
from express.engine.program import Program
from express.errors import StatesError
from express.integrations import Integrations, LocalFunctions, table
from express.ports import TaskContext
from express.runtime.clock import SystemEntropy
from express.values import JSON

ARN = "arn:aws:states:us-east-1:123456789012:express:sample:t-0-1:5d1f"


class Ran:
    """What an execution did: its end, the functions it called in order, and the engine time it took."""

    def __init__(self) -> None:
        self.finish = Finish("")
        self.calls: list[str] = []
        self.seconds = 0.0


def run(program: Program, data: JSON, functions: Mapping[str, Function]) -> Ran:
    """Run to the end."""
    return asyncio.run(_run(program, data, LocalFunctions(functions)))


async def _run(program: Program, data: JSON, local: LocalFunctions) -> Ran:
    ran, events = Ran(), deque[Event]()
    integrations = Integrations(table(local))
    timers: list[tuple[float, int]] = []
    about = About(execution_arn=ARN, name="t-0-1", state_machine_name="sample")
    x, effects = start(program, data, 0.0, about=about, entropy=SystemEntropy(), history=None)
    while x.finished is None:
        cancelled = {effect.seq for effect in effects if isinstance(effect, Cancel)}
        timers = [timer for timer in timers if timer[1] not in cancelled]
        for effect in effects:
            if isinstance(effect, StartTimer):
                timers.append((effect.at, effect.seq))
            elif isinstance(effect, StartTask):
                ran.calls.append(effect.state)
                events.append(await _answer(integrations, effect))
        heapq.heapify(timers)
        if not events:
            ran.seconds, seq = heapq.heappop(timers)
            events.append(TimerFired(seq))
        effects = deliver(x, events.popleft(), ran.seconds)
    await local.close()
    ran.finish = x.finished
    return ran


async def _answer(integrations: Integrations, task: StartTask) -> TaskSucceeded | TaskFailed:
    try:
        output: Any = integrations.start(task, TaskContext(ARN, "sample", 1e12))
        return TaskSucceeded(task.seq, await output if isinstance(output, Awaitable) else output)
    except StatesError as error:
        return TaskFailed(task.seq, error.error, error.cause)


def workflow(name: str) -> bytes:
    """The text of a sample workflow."""
    return shipped(f"workflows/{name}.asl.json").read_bytes()
