"""The current task by asyncio's table and by its functions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from express.runtime.executor import current_task, eager_task


def test_without_the_table_the_functions_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where asyncio keeps its table to itself, handlers have a current task all the same, and so has who began them."""
    monkeypatch.setattr(eager_task, "CURRENT", current_task.SwappedTasks())
    seen: list[Any] = []

    async def handler() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    async def main() -> None:
        outer = asyncio.current_task()
        one = eager_task.EagerTasks(asyncio.get_running_loop()).begin(handler(), "Call")
        assert asyncio.current_task() is outer
        await one.ending()
        assert asyncio.current_task() is outer
        assert seen == [one, one]

    asyncio.run(main())
