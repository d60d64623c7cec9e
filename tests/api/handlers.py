"""Functions that the tests' state machines call."""

from __future__ import annotations

import asyncio
from typing import Any


async def echo(event: Any, context: Any) -> Any:
    """The event."""
    return event


async def fail(event: Any, context: Any) -> Any:
    """Raises."""
    raise RuntimeError("as asked")


class Gate:
    """Lets a test hold a task until it has looked."""

    entered = 0
    left = 0
    opened: asyncio.Event | None = None


async def wait(event: Any, context: Any) -> Any:
    """Waits until it is cancelled."""
    Gate.entered += 1
    try:
        await asyncio.Event().wait()
    finally:
        Gate.left += 1
