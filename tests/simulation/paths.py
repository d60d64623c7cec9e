"""Which path records take through the product: counted, never judged by."""

from __future__ import annotations

from typing import Any

import msgspec

from express.runtime.counters import Counters
from express.runtime.records.fast_path import FastPath


class Paths(msgspec.Struct):
    """How many records took which path, replays included."""

    fast: int = 0
    """Run from bytes to result in the loop of `FastPath`."""
    begun: int = 0
    """Begun there, and ended by the dispatcher."""
    slow: int = 0
    """Run by the dispatcher alone."""
    dead: int = 0
    """No execution: dead letters."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.fast + self.begun + self.slow + self.dead

    def told(self) -> str:
        """The numbers, for people."""
        share = self.fast / self.total if self.total else 0.0
        return (
            f"{self.total} records: {self.fast} on the fast path ({share:.0%}), {self.begun} begun there, "
            f"{self.slow} on the slow path, {self.dead} dead letters"
        )

    def add(self, other: Paths) -> None:
        """Count what another has counted."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def enter(self, counters: Counters) -> None:
        """Count what one worker has done, but for what `counting` has seen of it."""
        self.slow += counters.started
        self.dead += counters.poison + counters.oversize

    def settle(self) -> None:
        """What was started and not on the fast path was on the slow one."""
        self.slow -= self.fast + self.begun


def counting(paths: Paths) -> type[FastPath]:
    """A `FastPath` that counts, and does nothing else than `FastPath` does."""

    class Counted(FastPath):
        def _enter(self, assigned: Any, done: Any, left: int) -> None:
            paths.fast += len(done.stamps)
            paths.begun += left
            super()._enter(assigned, done, left)

    return Counted
