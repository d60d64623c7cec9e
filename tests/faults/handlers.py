"""The one function that the workers of a fault test call."""

from __future__ import annotations

import asyncio
from typing import Any


async def work(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Wait as long as the event says. The answer tells the idempotency key: a replay has to give the same bytes."""
    await asyncio.sleep(event["hold"])
    return {"id": event["id"], "seq": event["seq"], "idempotency_key": context.idempotency_key}
