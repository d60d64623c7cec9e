"""Fork and join on a virtual clock: every running `States` map is a generator that asks for what it waits for.

A generator may yield `Sleep(until)` or `Fork(children, limit)`. What is runnable runs first come, first served.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from .failure import Failure

JSON = Any
Body = Generator["Sleep | Fork", Any, JSON]


class Sleep:
    """Go on at this virtual time."""

    def __init__(self, until: float) -> None:
        self.until = until


class Fork:
    """Run `make(0)` … `make(count - 1)`, at most `limit` at once; the answer is the list of their results."""

    def __init__(self, count: int, limit: int, make: Callable[[int], Body]) -> None:
        self.make = make
        self.count = count
        self.limit = limit or 40
        self.results: list[JSON] = [None] * count
        self.started = 0
        self.left = count
        self.threads: set[Thread] = set()


class Thread:
    """One generator, where it belongs, and what it forked into."""

    def __init__(self, body: Body, parent: Thread | None, fork: Fork | None, index: int) -> None:
        self.body = body
        self.parent = parent
        self.fork = fork
        self.index = index
        self.child: Fork | None = None
        self.dead = False

    def kill(self) -> None:
        """Stop this thread and all below it."""
        self.dead = True
        if self.child is not None:
            for thread in list(self.child.threads):
                thread.kill()


class Capped(Exception):
    """The execution met its time limit."""


class Clock:
    """Runs a body to its end. `racy` tells that the outcome hung on the order of things at one instant."""

    def __init__(self, limit: float) -> None:
        self.now = 0.0
        self.limit = limit
        self.racy = False
        self._order = 0
        self._ready: deque[tuple[Thread, JSON, Failure | None]] = deque()
        self._sleeping: list[tuple[float, int, Thread]] = []
        self._result: list[JSON] = []

    def run(self, body: Body) -> JSON:
        """The result of `body`. Raises Failure or Capped."""
        self._go_on(Thread(body, None, None, 0), None, None)
        while not self._result:
            if self._ready:
                thread, value, failure = self._ready.popleft()
                if not thread.dead:
                    self._go_on(thread, value, failure)
            else:
                self._wake()
        return self._result[0]

    def _wake(self) -> None:
        until, _, thread = heapq.heappop(self._sleeping)
        if thread.dead:
            return
        if until >= self.limit:
            self.racy = self.racy or until == self.limit
            raise Capped
        self.now = until
        self._go_on(thread, None, None)

    def _go_on(self, thread: Thread, value: JSON, failure: Failure | None) -> None:
        try:
            wish = thread.body.throw(failure) if failure is not None else thread.body.send(value)
        except StopIteration as end:
            self._ended(thread, end.value)
        except Failure as error:
            self._failed(thread, error)
        else:
            self._grant(thread, wish)

    def _grant(self, thread: Thread, wish: Sleep | Fork) -> None:
        if isinstance(wish, Sleep):
            self._order += 1
            heapq.heappush(self._sleeping, (max(wish.until, self.now), self._order, thread))
            return
        if wish.count == 0:
            self._ready.append((thread, [], None))
            return
        thread.child = wish
        for _ in range(min(wish.limit, wish.count)):
            if thread.child is wish:
                self._begin(thread, wish)

    def _begin(self, parent: Thread, fork: Fork) -> None:
        """Start the next child. Where even that fails (ItemSelector, say), the forking state fails."""
        try:
            body = fork.make(fork.started)
        except Failure as failure:
            self._give_up(parent, fork, failure)
            return
        thread = Thread(body, parent, fork, fork.started)
        fork.started += 1
        fork.threads.add(thread)
        self._ready.append((thread, None, None))

    def _ended(self, thread: Thread, result: JSON) -> None:
        fork, parent = thread.fork, thread.parent
        if fork is None or parent is None:
            self._result.append(result)
            return
        fork.threads.discard(thread)
        fork.results[thread.index] = result
        fork.left -= 1
        if fork.left == 0:
            parent.child = None
            self._ready.append((parent, fork.results, None))
        elif fork.started < fork.count:
            self._begin(parent, fork)

    def _failed(self, thread: Thread, failure: Failure) -> None:
        fork, parent = thread.fork, thread.parent
        if fork is None or parent is None:
            raise failure
        fork.threads.discard(thread)
        self._give_up(parent, fork, failure)

    def _give_up(self, parent: Thread, fork: Fork, failure: Failure) -> None:
        self._note_race(fork)
        for sibling in list(fork.threads):
            sibling.kill()
        parent.child = None
        self._go_on(parent, None, failure)

    def _note_race(self, fork: Fork) -> None:
        """A sibling (or any other thread) that could run at this very instant makes the outcome a race."""
        rivals = any(not entry[0].dead for entry in self._ready)
        due = any(until <= self.now and not thread.dead for until, _, thread in self._sleeping)
        self.racy = self.racy or rivals or due or fork.started < fork.count
