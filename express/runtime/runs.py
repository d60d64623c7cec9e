"""A running execution as its host holds it, and where it is left while it waits between two segments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from express.engine import About
from express.engine.effects import Finish, StartTask
from express.engine.execution import Execution
from express.engine.fast import Ended, Parked
from express.engine.program import Program
from express.runtime.stepped import Stepped
from express.values import JSON

Done: TypeAlias = Callable[["Run", Finish], None]
Late: TypeAlias = list[tuple[StartTask, Awaitable[JSON] | Stepped]]


class Owned:
    """What an execution owns while it runs: the slots of its timers and its calls, both by seq."""

    __slots__ = ("queued", "tasks", "timers")

    def __init__(self) -> None:
        self.timers: dict[int, int] = {}
        self.tasks: dict[int, tuple[asyncio.Task[None] | Stepped, Awaitable[JSON] | None]] = {}
        self.queued = False


class Run(Parked):
    """An execution that has not ended at once. `item` belongs to the caller.

    While it waits between two segments it is its own `x`, with one timer at most, in `slot`: one object for each of
    a hundred thousand. `call` is the handler whose answer it waits for, if that is stepped; its timer may then be a
    place among others. On the table `x` is an `Execution`. `owned` is made when there is something to own.
    """

    __slots__ = ("call", "done", "item", "other", "owned", "slot")

    def __init__(self, x: Execution | Ended | None, done: Done, item: Any) -> None:
        self.other = x
        self.done = done
        self.item = item
        self.slot: int | set[Run] | None = None
        self.call: Stepped | None = None
        self.owned: Owned | None = None
        self.finished = None

    @classmethod
    def of(
        cls, program: Program, data: JSON, about: About, started: float, limit: float | None, done: Done, item: Any
    ) -> Run:
        """An execution on the segments."""
        run = cls(None, done, item)
        run.program = program
        run.data = data
        run.about = about
        run.started = started
        run.limit = limit
        return run

    @property
    def x(self) -> Any:
        """The execution: an `Execution` or, on the segments, this."""
        return self if self.other is None else self.other

    def owning(self) -> Owned:
        """What it owns, to be added to."""
        if self.owned is None:
            self.owned = Owned()
        return self.owned
