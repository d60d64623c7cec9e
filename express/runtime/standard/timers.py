"""The timers of Standard executions that are due soon; the journal has all of them.

In memory is what is due within `HORIZON` seconds, at most `MOST` of them, read anew every `REFILL` seconds. A turn
whose first timer is nearer adds itself.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable

from express.errors import StoreError
from express.ports import Clock

log = logging.getLogger(__name__)

HORIZON = 60.0
"""Seconds ahead of which timers are held in memory."""

REFILL = 20.0
"""Seconds from one look into the journal to the next."""

MOST = 50_000
"""Timers that are held at most; when more are due, the next look comes as soon as these are done."""


class DueTimers:
    """Calls `fire` with the execution whose timer has come due."""

    def __init__(
        self,
        clock: Clock,
        read: Callable[[float, int], Awaitable[list[tuple[float, int]]]],
        fire: Callable[[int], None],
    ) -> None:
        """`read` gives (due, execution) of what is due by a time, so many at most, the earliest first."""
        self._clock = clock
        self._read = read
        self._fire = fire
        self._heap: list[tuple[float, int]] = []
        self._held: dict[int, float] = {}
        self._known = 0.0
        self._since: dict[int, float | None] | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._refilling: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._heap)

    async def refill(self) -> None:
        """Read what is due soon."""
        until = self._clock.wall() + HORIZON
        self._since = {}
        rows = await self._read(until, MOST)
        self._known = rows[-1][0] if len(rows) == MOST else until
        self._heap, self._held = [], {}
        for due, id_ in rows:
            self._add(due, id_)
        since, self._since = self._since, None
        for id_, changed in since.items():
            self.changed(id_, changed)
        self._arm()

    def changed(self, id_: int, due: float | None) -> None:
        """An execution's first timer is due then from now on; None: it has none."""
        if self._since is not None:
            self._since[id_] = due  # what is being read may be older
        if due is None or not self._is_near(due):
            self._held.pop(id_, None)
        elif self._held.get(id_) != due:
            self._add(due, id_)
            self._arm()

    def _is_near(self, due: float) -> bool:
        """Return whether a timer is to be held; the clock may have been set forward since the last look."""
        return due <= self._known or (len(self._heap) < MOST and due <= self._clock.wall() + HORIZON)

    def start(self) -> None:
        """Look into the journal again and again, until `stop`."""
        self._refilling = asyncio.get_running_loop().create_task(self._refill_for_ever(), name="timers")

    async def stop(self) -> None:
        """Fire nothing more."""
        if self._handle is not None:
            self._handle.cancel()
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.gather(self._refilling, return_exceptions=True)

    async def _refill_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REFILL)
            try:
                await self.refill()
            except StoreError as error:  # what is held is fired none the less
                log.warning("due timers could not be read: %s", error)

    def _add(self, due: float, id_: int) -> None:
        self._held[id_] = due
        heapq.heappush(self._heap, (due, id_))

    def _arm(self) -> None:
        while self._heap and self._held.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # it has changed since
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._heap:
            delay = max(self._heap[0][0] - self._clock.wall(), 0.0)
            self._handle = asyncio.get_running_loop().call_later(delay, self._due)

    def _due(self) -> None:
        self._handle = None
        now = self._clock.wall()
        while self._heap and self._heap[0][0] <= now:
            due, id_ = heapq.heappop(self._heap)
            if self._held.get(id_) == due:
                del self._held[id_]
                self._fire(id_)
        self._arm()
