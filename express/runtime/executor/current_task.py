"""Which task is the current one of a loop: asyncio's own table of them.

asyncio has `_enter_task` and `_leave_task` for implementations of tasks. An entry of the table is the same in a third
of the time, and it can be put aside for a task that is begun within a step of another. Where the table is out of
reach, as from Python 3.14 on, what stands in for it goes through the functions.
"""

from __future__ import annotations

import asyncio
from asyncio import tasks
from typing import Any, Protocol

__all__ = ["CURRENT", "CurrentTasks"]


class CurrentTasks(Protocol):
    """The current tasks by their loops, as far as a dict has it."""

    def get(self, loop: asyncio.AbstractEventLoop, /) -> Any:
        """The current task of a loop, None if there is none."""

    def __setitem__(self, loop: asyncio.AbstractEventLoop, task: Any, /) -> None:
        """Make `task` the current one."""

    def __delitem__(self, loop: asyncio.AbstractEventLoop, /) -> None:
        """Have no current one."""


class SwappedTasks:
    """The same by asyncio's functions."""

    def get(self, loop: asyncio.AbstractEventLoop, /) -> Any:
        """The current task of a loop, None if there is none."""
        return tasks.current_task(loop)

    def __setitem__(self, loop: asyncio.AbstractEventLoop, task: Any, /) -> None:
        """Make `task` the current one."""
        if self.get(loop) is not None:
            del self[loop]
        tasks._enter_task(loop, task)

    def __delitem__(self, loop: asyncio.AbstractEventLoop, /) -> None:
        """Have no current one."""
        task: Any = self.get(loop)
        tasks._leave_task(loop, task)


def _table() -> CurrentTasks:
    """Asyncio's own, if `current_task` reads it."""
    table = getattr(tasks, "_current_tasks", None)
    probe: Any = object()
    if type(table) is dict:
        table[probe] = probe
        try:
            if tasks.current_task(probe) is probe:
                return table
        finally:
            del table[probe]
    return SwappedTasks()


CURRENT = _table()
