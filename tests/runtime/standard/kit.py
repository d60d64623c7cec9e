"""A host over a journal in a file, functions that answer as a test wants, and a clock that can be set forward."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from express.compiler import compile_definition
from express.engine import About
from express.engine.effects import StartTask
from express.engine.history import HistoryEvent
from express.engine.turns import decode_events
from express.errors import DefinitionError, ExpressError
from express.ports import Integration, TaskContext
from express.ports.journal import Begun, Journal, Stored
from express.runtime.executor.task_calls import ResourceCalls
from express.runtime.standard.host import StandardHost
from express.runtime.standard.live import Revision
from express.runtime.standard.tokens import StandardTokens
from express.stores.database import Database
from express.stores.journal import SqliteJournal
from express.values import loads
from tests.patience import PATIENCE

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"

Function = Callable[[StartTask], Any]


class Clock:
    """The machine's clock, so many seconds ahead."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.ahead = 0.0

    def wall(self) -> float:
        """Now."""
        return time.time() + self.ahead


class Functions(Integration):
    """Answers every task by a function of the test, and notes the calls."""

    def __init__(self, answer: Function) -> None:
        self._answer = answer
        self.calls: list[StartTask] = []

    def start(self, task: StartTask, context: TaskContext) -> Any | Awaitable[Any]:
        """Return what the test's function does."""
        self.calls.append(task)
        return self._answer(task)


class Lab:
    """Hosts over one file, one after the other."""

    def __init__(self, folder: Path, definition: dict[str, Any], answer: Function = lambda task: task.input) -> None:
        self.folder = folder
        self.definition = definition
        self.clock = Clock()
        self.functions = Functions(answer)
        self.database = Database(folder / "express.db")
        self.journal: Journal
        self.host: StandardHost
        self.tokens: StandardTokens

    async def revision(self, begun: Begun) -> Revision:
        """The present definition, as that of every execution."""
        about = About(
            execution_arn=f"{MACHINE}:{begun.name}",
            name=begun.name,
            state_machine_arn=MACHINE,
            state_machine_name="m",
            started=begun.started,
        )
        try:
            return Revision(compile_definition(self.definition, type="STANDARD"), about)
        except DefinitionError as error:
            raise ExpressError(f"it does not compile any more: {error}") from error

    @asynccontextmanager
    async def running(
        self, journal: Callable[[Journal], Journal] = lambda journal: journal, **options: Any
    ) -> AsyncIterator[StandardHost]:
        """A host that runs; closed in the end as a server closes it."""
        self.tokens = StandardTokens(self.clock)
        self.journal = journal(SqliteJournal(self.database))
        calls = ResourceCalls(self.functions, self.clock)
        self.host = StandardHost(self.journal, calls, self.clock, self.tokens, self.revision, **options)
        await self.host.open()
        try:
            yield self.host
        finally:
            await self.host.close()

    async def start(self, name: str, text: str = "{}") -> bool:
        """Start an execution."""
        begun = Begun(machine=MACHINE, name=name, revision="INITIAL", started=self.clock.wall(), input=text)
        return await self.host.start(begun, await self.revision(begun))

    async def stored(self, name: str) -> Stored:
        """An execution as the journal has it."""
        found = await self.journal.find(MACHINE, name)
        assert found is not None, name
        return found

    async def ended(self, name: str) -> Stored:
        """The same, once it is over."""
        async with asyncio.timeout(PATIENCE):
            while (found := await self.stored(name)).ended is None:  # noqa: ASYNC110 - another process might end it
                await asyncio.sleep(0.01)
        return found

    async def events(self, name: str) -> list[HistoryEvent]:
        """Every event that is committed."""
        found = await self.stored(name)
        turns = await self.journal.history(found.id, 1, 100_000)
        events = [event for turn in turns for event in decode_events(turn, loads(found.begun.input))]
        assert [event[0] for event in events] == list(range(1, len(events) + 1)), "the history is dense"
        return events

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that is going to happen."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - calls and commits, which set no Event
                await asyncio.sleep(0.005)


def machine(*states: dict[str, Any], **top: Any) -> dict[str, Any]:
    """A machine of states S0, S1, …, each going to the next one unless it says otherwise."""
    named: dict[str, Any] = {}
    for number, state in enumerate(states):
        last = number == len(states) - 1
        free = {"Next", "End"} & state.keys() or state["Type"] in ("Choice", "Succeed", "Fail")
        follow = {} if free else {"End": True} if last else {"Next": f"S{number + 1}"}
        named[f"S{number}"] = {**state, **follow}
    return {"StartAt": "S0", "States": named, **top}


def task(**fields: Any) -> dict[str, Any]:
    """A Task state that calls the function."""
    return {"Type": "Task", "Resource": FUNCTION, **fields}


TOKEN = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "Parameters": {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}},
}
"""A state that waits for somebody's word."""
