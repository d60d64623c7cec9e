"""Ends of executions that somebody waits for."""

from __future__ import annotations

import asyncio

from express.errors import StoreError
from express.ports.journal import Ended, Journal


class AwaitedEnds:
    """Tells whoever waits for the end of an execution, once it is committed."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: dict[int, set[asyncio.Future[Ended]]] = {}

    async def wait(self, execution: int) -> Ended:
        """The end of an execution, which may be there already. Raises StoreError."""
        waiting: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(execution, set())
        waiters.add(waiting)
        try:
            stored = await self._journal.load(execution)
            if stored is None:
                raise StoreError("the execution is not kept any more")
            return await waiting if stored.ended is None else stored.ended
        finally:
            waiters.discard(waiting)
            if not waiters and self._waiting.get(execution) is waiters:
                del self._waiting[execution]

    def tell(self, execution: int, end: Ended) -> None:
        """An execution has ended."""
        for waiting in self._waiting.pop(execution, ()):
            if not waiting.done():
                waiting.set_result(end)
