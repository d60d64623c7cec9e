"""A running execution as its host holds it, and where it is left while it waits between two segments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from express.engine.effects import Finish
from express.engine.execution import Execution
from express.engine.segments import Ended, Point, Suspended
from express.runtime.executor.eager_task import EagerTask
from express.values import JSON

Done: TypeAlias = Callable[["Run", Finish], None]


class Owned:
    """The slots of an execution's timers and its calls, both by seq."""

    __slots__ = ("queued", "tasks", "timers")

    def __init__(self) -> None:
        self.timers: dict[int, int] = {}
        self.tasks: dict[int, tuple[asyncio.Task[None] | EagerTask, Awaitable[JSON] | None]] = {}
        self.queued = False


class Run(Suspended, eq=False):
    """An execution that has not ended at once. `item` belongs to the caller.

    While it waits between two segments it is its own `x`, with one timer at most, in `slot`: one object for each of
    a hundred thousand. `call` is the handler whose answer it waits for, if that is stepped; its timer is then a
    place among others. On the table `x` is an `Execution`. `owned` is made when there is something to own.
    """

    done: Done
    item: Any
    call: EagerTask | None = None
    slot: int | set[Run] | None = None
    other: Execution | Ended | None = None
    owned: Owned | None = None

    @property
    def x(self) -> Any:
        """The execution: an `Execution` or, on the segments, this."""
        return self if self.other is None else self.other

    def owning(self) -> Owned:
        """Return what it owns, to be added to."""
        if self.owned is None:
            self.owned = Owned()
        return self.owned


NOWHERE: Point = ()


def around(x: Execution | Ended, done: Done, item: Any) -> Run:
    """A run for what is no longer, or has never been, on the segments."""
    return Run(x.about, x.started, 0, None, cast(Any, None), None, None, None, NOWHERE, done, item, other=x)
