"""The queues of activities: workers poll, and the oldest task that waits is theirs.

The queue is in the journal; in memory are the workers that wait, and which tasks are just being given away.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, NamedTuple

from express.engine.events import TaskStarted
from express.engine.execution import TASK
from express.errors import ApiError
from express.values import JSON

if TYPE_CHECKING:
    from express.runtime.standard.host import StandardHost

MOST_WORKERS = 1_000
"""Workers that may poll one activity at the same time (Step Functions Developer Guide, "Service quotas")."""


class ActivityTask(NamedTuple):
    """A task that a worker has got: its answer comes by the token."""

    token: str
    input: JSON


class ActivityQueues:
    """Gives the tasks of a host's executions to the workers that poll."""

    def __init__(self, host: StandardHost) -> None:
        self._host = host
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}
        self._workers: dict[str, int] = {}
        self._given: set[tuple[int, int]] = set()

    async def take(self, activity: str, worker: str | None, seconds: float) -> ActivityTask | None:
        """The oldest task that waits, or the first that comes within so many seconds. Raises ApiError, StoreError."""
        if self._workers.get(activity, 0) >= MOST_WORKERS:
            raise ApiError("ActivityWorkerLimitExceeded", f"{MOST_WORKERS} workers are polling {activity}")
        self._workers[activity] = self._workers.get(activity, 0) + 1
        until = asyncio.get_running_loop().time() + seconds
        try:
            while True:
                called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                waiting = self._waiting.setdefault(activity, {})
                waiting[called] = None
                task = None
                try:
                    task = await self._next(activity, worker)
                    left = until - asyncio.get_running_loop().time()
                    if task is not None or left <= 0:
                        return task
                    await asyncio.wait([called], timeout=left)
                    waiting.pop(called, None)
                finally:
                    if called in waiting:
                        del waiting[called]
                    elif task is not None or sys.exception() is not None:
                        self.offer(activity)  # it was called, and leaves: somebody else is
        finally:
            self._workers[activity] -= 1
            if not self._workers[activity]:
                del self._workers[activity]
                self._waiting.pop(activity, None)

    def offer(self, activity: str) -> None:
        """A task waits: call the worker that has been waiting for longest."""
        waiting = self._waiting.get(activity)
        if waiting:
            called = next(iter(waiting))
            del waiting[called]
            called.set_result(None)

    async def _next(self, activity: str, worker: str | None) -> ActivityTask | None:
        """Give away the first task that is still wanted. Nobody else is given it meanwhile."""
        for place in await self._host.journal.offered(activity, MOST_WORKERS):
            if place in self._given:
                continue
            self._given.add(place)
            try:
                task = await asyncio.shield(self._give(*place, worker))
            finally:
                self._given.discard(place)
            if task is not None:
                return task
        return None

    async def _give(self, execution: int, seq: int, worker: str | None) -> ActivityTask | None:
        live = await self._host.live(execution)
        if live is None or seq not in live.x.pending or live.x.pending[seq][1] == TASK:
            return None
        frame = live.x.pending[seq][0]
        token = None if frame is None else frame.token
        assert token is not None, "an activity's task has a token"
        parameters = await self._host.parameters(live, seq)
        return ActivityTask(token, parameters) if await self._host.ask(execution, TaskStarted(seq, worker)) else None
