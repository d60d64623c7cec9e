"""Follows what a group has committed, while brokers come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from express.errors import SourceError
from express.kafka.survey import Survey
from express.ports import Partition

INTERVAL = 0.2


class Watch:
    """Samples the committed offsets of `group`. One that goes back was a stale commit that the broker took."""

    def __init__(self, address: str, group: str) -> None:
        self.committed: dict[Partition, int] = {}
        self.steps_back: list[str] = []
        self._address = address
        self._group = group
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def reached(self, ends: Mapping[Partition, int], seconds: float) -> float:
        """Wait until everything below `ends` is committed; how long it took. Raises TimeoutError."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            async with self._news:
                await self._news.wait_for(lambda: all(self.committed.get(at, 0) >= end for at, end in ends.items()))
        return time.monotonic() - began

    async def _run(self) -> None:
        while True:
            with suppress(SourceError, TimeoutError, OSError):
                async with Survey({"bootstrap_servers": self._address, "request_timeout_ms": 5_000}) as survey:
                    while True:
                        self._note({at: found.offset for at, found in (await survey.committed(self._group)).items()})
                        async with self._news:
                            self._news.notify_all()
                        await asyncio.sleep(INTERVAL)
            await asyncio.sleep(INTERVAL)

    def _note(self, found: Mapping[Partition, int]) -> None:
        for at, offset in found.items():
            before = self.committed.get(at, 0)
            if offset < before:
                self.steps_back.append(f"{at.topic}-{at.number}: {before} -> {offset}")
            self.committed[at] = offset
