"""Threads for handlers that are not called inline, and what runs in them.

A thread can't be ended from outside: a handler that never returns holds its thread for as long as the process lives.
So the threads are daemons, which no end of a process waits for, and every call is known by name until it returns.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Any, ParamSpec, TypeVar

import msgspec

from express.integrations.local.context import LambdaContext
from express.values import JSON

P = ParamSpec("P")
T = TypeVar("T")

DEAD_SECONDS = 10.0
"""For so long every thread has to be held by calls that nobody waits for before the pool counts as dead."""


class ThreadCall(msgspec.Struct, eq=False):
    """A call of a handler that holds a thread. `left` is when its execution stopped waiting for it."""

    function: str
    context: LambdaContext
    began: float = 0.0
    left: float | None = None

    @property
    def name(self) -> str:
        """The handler's function and where it is called from."""
        return called_from(self.function, self.context)


class HandlerThreads(Executor):
    """At most `most` daemon threads, started when they are first needed."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._monotonic = monotonic
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], None]] | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._closed = False
        self._calls: dict[int, ThreadCall] = {}

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` as soon as a thread is free."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        with self._lock:
            if self._closed:
                raise RuntimeError("the threads of handlers are closed")
            self._queue.put((future, run))
            if not self._idle.acquire(blocking=False) and len(self._threads) < self.most:
                thread = Thread(target=self._work, name=f"handler_{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; what runs is waited for only if `wait` says so."""
        with self._lock:
            self._closed = True
            while cancel_futures and not self._queue.empty():
                waiting = self._queue.get()
                if waiting is not None:
                    waiting[0].cancel()
            for _ in self._threads:
                self._queue.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        while (waiting := self._queue.get()) is not None:
            waiting[1]()
            del waiting  # and all that it holds, while nothing comes
            self._idle.release()

    # What runs ----------------------------------------------------------------------------------------

    def enter(self, call: ThreadCall) -> None:
        """Note that a call has its thread now."""
        call.began = self._monotonic()
        self._calls[id(call)] = call

    def leave(self, call: ThreadCall) -> None:
        """Note that the handler has returned."""
        self._calls.pop(id(call), None)

    def abandon(self, call: ThreadCall) -> None:
        """Note that nobody waits for the call any more, which does not end it."""
        call.left = self._monotonic()

    @property
    def calls(self) -> list[ThreadCall]:
        """The calls that hold a thread, the oldest first; may be asked by any thread."""
        return list(self._calls.values())

    @property
    def dead(self) -> str:
        """The reason why no call gets a thread any more; empty while some may."""
        calls, now = self.calls, self._monotonic()
        left = [call.left for call in calls if call.left is not None]
        if len(left) < self.most or now - max(left) < DEAD_SECONDS:
            return ""
        longest = now - min(call.began for call in calls)
        held = ", ".join(f"{name}: {count}" for name, count in Counter(call.name for call in calls).most_common())
        return (
            f"all {self.most} threads (workers.threads) are held by handlers whose executions have ended, "
            f"for up to {longest:.0f} s ({held})"
        )

    def sums(self) -> dict[str, dict[str, float]]:
        """Function → calls that are waited for, calls that nobody waits for, and the seconds of the longest."""
        found: dict[str, dict[str, float]] = {}
        now = self._monotonic()
        for call in self.calls:
            row = found.setdefault(call.function, {"awaited": 0, "abandoned": 0, "seconds": 0.0})
            row["awaited" if call.left is None else "abandoned"] += 1
            row["seconds"] = max(row["seconds"], now - call.began)
        return found


def names(calls: Iterable[ThreadCall], now: float) -> str:
    """Calls in words, for a sentence: each handler once, with the time of its longest call."""
    longest: dict[str, float] = {}
    for call in calls:
        longest[call.name] = max(longest.get(call.name, 0.0), now - call.began)
    return ", ".join(f"{name} for {seconds:.0f} s" for name, seconds in longest.items())


def called_from(function: str, context: Any) -> str:
    """A function with the state and the workflow that have called it, as far as they can be told."""
    try:
        state: JSON = context._task.state
        return f"{function} (state {state!r} of {context._execution.state_machine_name})"
    except Exception:  # what describes a call on the direct way may be gone with its execution
        return function
