"""The Standard executions in memory: what moved lately, bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from express.runtime.standard.live import LiveExecution

LOOKED_AT = 64
"""Executions that are looked at when memory is short, each time one has moved."""


class LiveCache:
    """Live executions by id, in the order in which they moved. Those that the journal has wholly may be forgotten."""

    def __init__(self, limit: int) -> None:
        """`limit` in bytes, as they are estimated."""
        self._limit = limit
        self._bytes = 0
        self._held: OrderedDict[int, LiveExecution] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[LiveExecution]:
        return iter(self._held.values())

    def get(self, id_: int) -> LiveExecution | None:
        """The execution of an id, if it is here."""
        return self._held.get(id_)

    def hold(self, live: LiveExecution) -> None:
        """Take an execution that has moved, and forget others where there is no room."""
        if self._held.get(live.id) is not live:
            live.counted = 0
        self._held[live.id] = live
        self._held.move_to_end(live.id)
        self._bytes += live.bytes - live.counted
        live.counted = live.bytes
        if self._bytes > self._limit:
            self._shrink()

    def forget(self, live: LiveExecution) -> None:
        """Let go of an execution; of another copy than the one that is here nothing happens."""
        if self._held.get(live.id) is live:
            del self._held[live.id]
            self._bytes -= live.counted

    def _shrink(self) -> None:
        """Forget what has not moved for longest, as far as the journal has it."""
        for live in list(islice(self._held.values(), LOOKED_AT)):
            if live.is_idle:
                self.forget(live)
            else:
                self._held.move_to_end(live.id)
