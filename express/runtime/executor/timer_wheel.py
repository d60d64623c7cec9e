"""Timers by the hundred thousand: one timer of the loop for all that are due within the same 10 ms.

An execution that waits owns no task and no future, only its place here. `call_later` per execution was the
alternative: 300 to 600 bytes more for each, and twice the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Generic, TypeVar

from express.ports import Clock

TICKS = 100
"""Slots of a second, unless it is said otherwise."""

COARSE_SECONDS = 1.0
"""Width in seconds of the slots for timers that are nearly always taken back long before they are due."""

Owner = TypeVar("Owner")


class TimerWheel(Generic[Owner]):
    """Calls `fire(owner, seq)` for each timer once its time has come, never before, about 10 ms late at most.

    A timer is found by its owner, its `seq` and the slot that `add` answered. One that is hardly ever given up may be
    left instead: it takes a place in a list, eight bytes, and cannot be taken back; `fire(owner, -slot)` is called,
    and the owner knows whether it still waits for that slot. One that is hardly ever due may be put among `others`.
    """

    def __init__(self, clock: Clock, fire: Callable[[Owner, int], None], ticks: int = TICKS) -> None:
        self._clock = clock
        self._ticks = ticks
        self._later = 1.0 if ticks == TICKS else 0.5
        self._fire = fire
        self._slots: dict[int, dict[Owner, int | tuple[int, ...]]] = {}
        self._left: dict[int, tuple[int, list[Owner]]] = {}
        self._coarse: dict[int, set[Owner]] = {}
        self.latest: set[Owner] = set()
        self.since = self.until = 0.0
        self._endless: set[Owner] = set()

    def add(self, owner: Owner, seq: int, at: float) -> int:
        """Start the timer `seq` of `owner`, due at `at` on the clock; its slot."""
        number = int(at * self._ticks + self._later)
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = {}
            delay = max(0.0, number / self._ticks - self._clock.monotonic())
            asyncio.get_running_loop().call_later(delay, self._due, number)
        others = slot.get(owner)
        if others is None:
            slot[owner] = seq
        else:
            slot[owner] = (*others, seq) if type(others) is tuple else (others, seq)  # type: ignore[assignment]
        return number

    def leave(self, owner: Owner, at: float) -> int:
        """Start a timer that stays until it is due; its slot, the same object for all that are left there."""
        number = int(at * self._ticks + self._later)
        slot = self._left.get(number)
        if slot is None:
            slot = self._left[number] = (number, [])
            delay = max(0.0, number / self._ticks - self._clock.monotonic())
            asyncio.get_running_loop().call_later(delay, self._due_left, number)
        slot[1].append(owner)
        return slot[0]

    def others(self, at: float | None) -> set[Owner]:
        """Return the owners that wait for about `at`, a few seconds ahead: an owner adds itself and takes itself out.

        `fire(owner, 0)` is called a second early at most, never late; the owner starts a timer of its own then.
        """
        if at is None:
            return self._endless
        number = int(at / COARSE_SECONDS)
        found = self._coarse.get(number)
        if found is None:
            found = self._coarse[number] = set()
            delay = max(0.0, number * COARSE_SECONDS - self._clock.monotonic())
            asyncio.get_running_loop().call_later(delay, self._due_coarse, number)
        self.since, self.until, self.latest = number * COARSE_SECONDS, (number + 1) * COARSE_SECONDS, found
        return found

    def among_others(self) -> Iterator[Owner]:
        """All owners that wait among others."""
        return chain(self._endless, *self._coarse.values())

    def remove(self, owner: Owner, seq: int, number: int) -> None:
        """Forget a timer; one that has fired or is firing is left alone."""
        slot = self._slots.get(number)
        if slot is None:
            return
        seqs = slot.get(owner)
        if seqs == seq:
            del slot[owner]
        elif type(seqs) is tuple:
            slot[owner] = tuple(other for other in seqs if other != seq)

    def __len__(self) -> int:
        """Return how many owners wait, counted once per slot."""
        return sum(map(len, self._slots.values()))

    def _due(self, number: int) -> None:
        early = number / self._ticks - self._clock.monotonic()
        if early > 0:  # the loop's clock is coarser than ours
            asyncio.get_running_loop().call_later(early, self._due, number)
            return
        for owner, seqs in self._slots.pop(number).items():
            if type(seqs) is tuple:
                for seq in seqs:
                    self._fire(owner, seq)
            else:
                self._fire(owner, seqs)  # type: ignore[arg-type]  # an int

    def _due_coarse(self, number: int) -> None:
        self.until = self.since
        for owner in self._coarse.pop(number):
            self._fire(owner, 0)

    def _due_left(self, number: int) -> None:
        early = number / self._ticks - self._clock.monotonic()
        if early > 0:
            asyncio.get_running_loop().call_later(early, self._due_left, number)
            return
        fire = self._fire
        for owner in self._left.pop(number)[1]:
            fire(owner, -number)
