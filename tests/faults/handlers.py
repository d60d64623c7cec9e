"""The functions that the workers of a fault test call."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

from tests.faults import crash
from tests.sinks import control

MOST_SECONDS = "EXPRESS_FAULTS_MOST_SECONDS"
"""The variable that makes long tasks shorter."""

control.trust_if_told()

POINTS = crash.arm(Path(os.environ[crash.VARIABLE])) if crash.VARIABLE in os.environ else None


async def work(event: dict[str, Any], context: Any) -> Any:
    """Wait as long as the event says. The answer tells the idempotency key: a replay has to give the same bytes."""
    await asyncio.sleep(min(event["hold"], float(os.environ.get(MOST_SECONDS, "inf"))))
    if POINTS:
        POINTS.reach("task")
    if "grow" in event:
        return "x" * (event["grow"] - 2)
    return {"id": event["id"], "seq": event["seq"], "idempotency_key": context.idempotency_key}


def hang(event: dict[str, Any], context: Any) -> None:
    """Never return, in a thread."""
    threading.Event().wait()


def block(event: dict[str, Any], context: Any) -> None:
    """Not return for longer than any trial, on the loop."""
    time.sleep(3_600)
