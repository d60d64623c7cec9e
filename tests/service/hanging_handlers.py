"""Handlers that do not return, or keep everything to themselves until they do."""

from __future__ import annotations

import threading
import time
from typing import Any

never = threading.Event()


def double(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Twice the number; hang where the event says so."""
    if event.get("hang"):
        never.wait()
    return {"twice": event["n"] * 2}


def block(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Twice the number, after so many seconds in which nothing else can run on the loop."""
    time.sleep(event.get("seconds", 0))
    return {"twice": event["n"] * 2}


async def block_loop(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The same from a coroutine that forgets to give way."""
    return block(event, context)


def leave_a_thread(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Twice the number, and a thread that nobody ends."""
    threading.Thread(target=never.wait, name="left behind").start()
    return {"twice": event["n"] * 2}
