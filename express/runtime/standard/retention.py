"""Deleting executions that are kept no longer."""

from __future__ import annotations

import asyncio
import logging

from express.errors import StoreError
from express.ports import Clock
from express.ports.journal import Journal

log = logging.getLogger(__name__)

DAY = 86_400.0

RETENTION_SECONDS = 60.0
"""Seconds from one look for executions that are not kept any longer to the next."""

FORGOTTEN_AT_ONCE = 1_000
"""Executions that are deleted in one transaction."""


async def forget_old(journal: Journal, clock: Clock, retention: float) -> None:
    """Delete what is over for longer than `retention` seconds, again and again, a few at a time."""
    while True:
        try:
            while await journal.forget(clock.wall() - retention, FORGOTTEN_AT_ONCE):
                pass
        except StoreError as error:
            log.warning("old executions could not be deleted: %s", error)
        await asyncio.sleep(RETENTION_SECONDS)
