"""A handler for the tests of whole services."""

from __future__ import annotations

import asyncio
from typing import Any


def double(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Twice the number."""
    return {"twice": event["n"] * 2}


async def gate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Knock at the test's gate and wait until it opens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", event["port"])
    try:
        return {"answer": (await reader.readline()).decode()}
    finally:
        writer.close()
