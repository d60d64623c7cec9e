"""A thread that names handlers which do not return, and one that keeps the loop of its worker to itself.

It looks on from a thread, since a loop that is blocked can tell nothing. What it needs to know of a handler that
runs on the loop it reads from the stack of the main thread: calls cost nothing more for being watched.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

from express.config import Config
from express.config.cluster import GROUP_MS
from express.integrations.local import LocalFunctions
from express.integrations.local import functions as calling
from express.integrations.local.functions import LocalFunction
from express.integrations.local.threads import ThreadCall, called_from
from express.kafka.properties import client_properties

LOOK_SECONDS = 0.5
"""Between two looks."""

SLOW_SECONDS = 30.0
"""A call that holds its thread for so long is told of; one whose execution has ended, at once."""

BLOCKED_SECONDS = 5.0
"""Seconds after which a handler that blocks the loop is named in the log, too."""

COUNTED_SECONDS = 1.0
"""From here on, the time of a blocked loop counts as that of the handler that blocks it."""

LONGEST_PAUSE = 3_600.0
"""Between two lines about one handler, which come after 30 s, then a minute, then two …"""

EXIT_BLOCKED = 76
"""A handler has blocked the loop for so long that the group would give the worker up."""

BLOCKED_BY = b"!"
"""Prefix of the line that tells the parent which function blocks the loop."""

log = logging.getLogger(__name__)


class Culprit(NamedTuple):
    """The place where the main thread is: a function, if it runs a handler, its name in words, and the line of code."""

    function: str | None
    name: str
    place: str


class Pauses:
    """Between two lines about the same thing the time doubles."""

    def __init__(self, first: float = SLOW_SECONDS) -> None:
        self._first = first
        self._next: dict[str, tuple[float, float]] = {}

    def due(self, name: str, now: float) -> bool:
        """Tell if something may be said again; it counts as said then."""
        at, pause = self._next.get(name, (now, self._first))
        if now < at:
            return False
        if now - at > 2 * pause:
            pause = self._first  # it was quiet for long: this is something new
        self._next[name] = now + pause, min(2 * pause, LONGEST_PAUSE)
        return True


class HandlerWatch:
    """Watches the handlers of one worker. `turns` counts the turns of the loop; `limit` is what a handler may block it.

    `blocked` is called with the function that has blocked the loop for longer than `limit`; the loop is still blocked.
    """

    def __init__(
        self, functions: LocalFunctions, turns: Callable[[], int], limit: float, blocked: Callable[[str], None]
    ) -> None:
        self.seconds: dict[str, float] = {}
        """Function → the seconds for which it has blocked the loop."""
        self._functions = functions
        self._turns = turns
        self._limit = limit
        self._blocked = blocked
        self._main = threading.main_thread().ident or 0
        self._seen = -1
        self._stuck = 0.0
        self._tell_at = self._first = min(BLOCKED_SECONDS, limit / 2)
        self._pauses = Pauses()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="handler watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Tell of what has not returned by `now`."""
        self._look_at_threads(now)
        turns = self._turns()
        if turns != self._seen:
            self._go_on()
            self._seen = turns
            return
        self._stuck += LOOK_SECONDS  # by looks, not by the clock: a process that is stopped blocks nothing
        if self._stuck >= COUNTED_SECONDS:
            self._look_at_loop()

    # Threads ------------------------------------------------------------------------------------------

    def _look_at_threads(self, now: float) -> None:
        by_function: dict[str, list[ThreadCall]] = {}
        for call in self._functions.pool.calls:
            by_function.setdefault(call.function, []).append(call)
        for function, calls in by_function.items():
            left = sum(call.left is not None for call in calls)
            oldest = min(calls, key=lambda call: call.began)
            if (left or now - oldest.began >= SLOW_SECONDS) and self._pauses.due(function, now):
                log.warning(
                    "handler %s has been running for %.0f s and not returned; calls of it hold %d of %d threads, and "
                    "of %d of them the executions have ended",
                    *(oldest.name, now - oldest.began, len(calls), self._functions.pool.most, left),
                )

    # The loop -----------------------------------------------------------------------------------------

    def _look_at_loop(self) -> None:
        culprit = _culprit(sys._current_frames().get(self._main))
        if culprit is None:
            return
        if culprit.function is not None:
            before = self.seconds.get(culprit.function, COUNTED_SECONDS - LOOK_SECONDS)
            self.seconds[culprit.function] = before + LOOK_SECONDS
        if self._stuck >= self._tell_at:
            self._tell_at *= 2
            log.warning(
                "%s has blocked the event loop for %.0f s, at %s: nothing else runs in this worker meanwhile",
                *(culprit.name, self._stuck, culprit.place),
            )
        if culprit.function is not None and self._stuck >= self._limit:
            log.error(
                "%s has blocked the event loop for %.0f s, at %s; before session_timeout_ms is over and the group "
                "gives its partitions away, the worker ends and begins anew with this function in processes of its "
                'own, as with mode = "process"; what ran in the worker runs again',
                *(culprit.name, self._stuck, culprit.place),
            )
            self._blocked(culprit.function)

    def _go_on(self) -> None:
        if self._stuck >= self._first:
            log.warning("the event loop goes on after %.0f s", self._stuck)
        self._stuck, self._tell_at = 0.0, self._first


def _culprit(frame: FrameType | None) -> Culprit | None:
    """Return the place where a thread is; None where it has ended."""
    if frame is None:
        return None
    code = frame.f_code
    place = f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
    caller: FrameType | None = frame
    while caller is not None:
        if caller.f_code.co_filename == calling.__file__:
            function, context = caller.f_locals.get("self"), caller.f_locals.get("context")
            if isinstance(function, LocalFunction) and context is not None:
                return Culprit(function.name, f"handler {called_from(function.name, context)}", place)
        caller = caller.f_back
    return Culprit(None, "something that is no handler", place)


def limit_of(config: Config) -> float:
    """Seconds that a handler may block the loop: two thirds of the time after which the group gives a member up."""
    consumer = client_properties(config.kafka).consumer
    return float(consumer.get("session_timeout_ms", GROUP_MS["session_timeout_ms"])) / 1000 * 2 / 3


def end_blocked(reports: int, function: str) -> None:
    """End this process though its loop is blocked, and tell the parent, at the other end of `reports`, why."""
    line = b"\n%s%s\n" % (BLOCKED_BY, json.dumps(function).encode())
    try:
        os.write(reports, line)  # not by the loop; a report that was half sent is cut off
    finally:
        os._exit(EXIT_BLOCKED)
