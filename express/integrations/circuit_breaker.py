"""Protection of an endpoint: a breaker, a bound on calls at once, a time limit.

An endpoint is what fails as a whole: a function of ours that is not inline, a connection of HTTP tasks, a service of
AWS, a row of `aws.functions`, Kafka. When so many calls in a row tell that it is dead, further ones are refused at
once: they hold no memory, no connection and no place in the pipeline until their time limit. After a pause one call
goes through as a probe; its end decides. A share of failures instead of a row of them would also stop the half of an
endpoint that still works.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from fnmatch import fnmatchcase
from types import CoroutineType
from typing import Any, Protocol, TypeAlias, cast

from express.config import Breaker as Settings
from express.config import Limit
from express.engine.effects import StartTask
from express.errors import TIMEOUT, StatesError
from express.integrations.queue_time import begin
from express.ports import Describe, Direct, Integration, Tally, TaskContext
from express.values import JSON

BREAKER_OPEN = "Express.BreakerOpen"
"""The endpoint is left alone for now. Like any error of a task: States.TaskFailed and States.ALL cover it."""

QUEUE_FULL = "Express.QueueFull"
"""More calls wait for the endpoint than may."""

Start: TypeAlias = Callable[[StartTask, TaskContext], JSON | Awaitable[JSON]]

_NO_LIMIT = Limit()


class Breaker:
    """Counts failures in a row. Knows no clock: every call brings the time, in monotonic seconds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._row = 0
        self._pause = float(settings.open)
        self._until: float | None = None
        self._probing = False
        self._life = 0
        self.opened = 0
        """Times that it has opened."""

    @property
    def is_open(self) -> bool:
        """Return whether calls are refused, but for a probe."""
        return self._until is not None

    def remaining(self, now: float) -> float | None:
        """Seconds until a call may be tried; 0 while a probe runs, None if it may now."""
        if self._until is None or (now >= self._until and not self._probing):
            return None
        return max(self._until - now, 0.0)

    def enter(self) -> int:
        """A call begins that may be tried; the number that `leave` wants."""
        self._probing = self._until is not None
        return self._life

    def leave(self, life: int, error: str | None, now: float) -> None:
        """A call has ended. What began before the breaker opened or closed tells nothing of the time since."""
        if life != self._life:
            return
        if error is not None and self._is_dead(error):
            self._fail(now)
        elif self._until is not None or self._row:
            self._close()

    def abandon(self, life: int) -> None:
        """A call was given up without an end that tells anything: a probe is still wanted."""
        if life == self._life:
            self._probing = False

    def _is_dead(self, error: str) -> bool:
        return any(fnmatchcase(error, pattern) for pattern in self._settings.errors)

    def _fail(self, now: float) -> None:
        self._row += 1
        if self._until is None and not (0 < self._settings.failures <= self._row):
            return
        self._until = now + self._pause
        self._pause = min(self._pause * 2, float(self._settings.open_max))
        self._probing = False
        self._life += 1
        self.opened += 1

    def _close(self) -> None:
        if self._until is not None:
            self._life += 1
        self._row, self._until, self._probing = 0, None, False
        self._pause = float(self._settings.open)


class CircuitBreaker:
    """One endpoint of a worker."""

    def __init__(self, name: str, settings: Settings, limit: Limit, monotonic: Callable[[], float]) -> None:
        self.name = name
        self.breaker = Breaker(settings)
        self.refused = 0
        self.running = 0
        self.waiting = 0
        self._limit = limit
        self._slots = asyncio.Semaphore(limit.concurrency) if limit.concurrency else None
        self._monotonic = monotonic
        self._last = ""

    def call(self, start: Start | Direct, task: Any, context: Any, seconds: float | None) -> Awaitable[JSON]:
        """A call of the endpoint, `start(task, context)`. Raises StatesError at once where it is not even tried.

        Whatever is counted is counted when the call is awaited: one that is cancelled before leaves no trace.
        `seconds` is the timeout of the state, which may end the call.
        """
        self._check()
        if self._slots is None:
            return self._tried(start, task, context, seconds)
        if self._slots.locked() and self.waiting >= self._limit.queue:
            self.refused += 1
            raise StatesError(QUEUE_FULL, f"{self.waiting} calls of {self.name} wait already")
        return self._queued(self._slots, start, task, context, seconds)

    def report(self) -> dict[str, int]:
        """Return what its metrics show."""
        return {
            "open": int(self.breaker.is_open),
            "running": self.running,
            "waiting": self.waiting,
            "opened": self.breaker.opened,
            "refused": self.refused,
        }

    def _check(self) -> None:
        remaining = self.breaker.remaining(self._monotonic())
        if remaining is not None:
            self.refused += 1
            raise StatesError(
                BREAKER_OPEN,
                f"{self.name} is not called: the last calls of it failed with {self._last}; "
                f"it is tried again in {remaining:.1f} s",
            )

    async def _queued(
        self, slots: asyncio.Semaphore, start: Start | Direct, task: Any, context: Any, seconds: float | None
    ) -> JSON:
        self.waiting += 1
        try:
            await slots.acquire()
        finally:
            self.waiting -= 1
        begin()
        try:
            return await self._tried(start, task, context, seconds)
        finally:
            slots.release()

    async def _tried(self, start: Start | Direct, task: Any, context: Any, seconds: float | None) -> JSON:
        self._check()  # it may have opened while this call waited
        life, began = self.breaker.enter(), self._monotonic()
        self.running += 1
        try:
            if self._limit.timeout is None:
                answer = start(task, context)
                if type(answer) is CoroutineType or inspect.isawaitable(answer):
                    answer = await answer
            else:
                answer = await self._timed(start, task, context)
        except StatesError as error:
            self._left(life, error.error)
            raise
        except asyncio.CancelledError:
            if seconds is not None and self._monotonic() - began >= seconds:
                self._left(life, TIMEOUT)  # by the state's own timeout
            else:
                self.breaker.abandon(life)
            raise
        except BaseException:
            self.breaker.abandon(life)
            raise
        finally:
            self.running -= 1
        self._left(life, None)
        return answer

    async def _timed(self, start: Start | Direct, task: Any, context: Any) -> JSON:
        seconds = self._limit.timeout
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                answer = start(task, context)
                return await answer if inspect.isawaitable(answer) else answer
        except TimeoutError:
            if not timer.expired():
                raise
            cause = f"{self.name} did not answer within {seconds:g} s"
            raise StatesError(TIMEOUT, cause) from None

    def _left(self, life: int, error: str | None) -> None:
        if error is not None:
            self._last = error
        self.breaker.leave(life, error, self._monotonic())


class Bounded(Protocol):
    """An integration that knows which endpoint a task needs."""

    def endpoint(self, task: StartTask) -> str | None:
        """Its name; None for what can't fail as a whole."""


class CircuitBreakers:
    """The gates of a worker, by the names of their endpoints."""

    def __init__(
        self,
        settings: Settings,
        limits: Mapping[str, Limit],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._monotonic = monotonic
        self._gates: dict[str, CircuitBreaker] = {}

    def around(self, performer: Integration, task: StartTask) -> Start:
        """Return how to start tasks of the same resource as `task`: through gates, where they have endpoints."""
        if not hasattr(performer, "endpoint"):
            return performer.start
        bounded = cast(Bounded, performer)
        start = performer.start
        if task.resource.kind in ("lambda", "other"):  # the ARN says it all
            endpoint = bounded.endpoint(task)
            if endpoint is None:
                return start
            call = self.gate(endpoint).call
            return lambda task, context: call(start, task, context, task.timeout)

        def guarded(task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
            name = bounded.endpoint(task)
            return start(task, context) if name is None else self.gate(name).call(start, task, context, task.timeout)

        return guarded

    def bound(self, performer: Integration, resource: Any, describe: Describe, tally: Tally | None) -> Direct | None:
        """The direct way to a resource: through its gate, where it has an endpoint."""
        named = hasattr(performer, "endpoint") and resource.kind in ("lambda", "other")  # the ARN says it all
        name = cast(Bounded, performer).endpoint(StartTask(1, resource, None, "", "")) if named else None
        if name is None:
            return performer.bind(resource, describe, tally)
        start = performer.bind(resource, describe)
        if start is None:
            return None
        call = self.gate(name).call
        if tally is None:
            return lambda payload, site: call(start, payload, site, None)
        clock = tally.clock

        def guarded(payload: JSON, site: Any) -> Awaitable[JSON]:
            began = clock()
            try:
                answer = call(start, payload, site, None)
            except StatesError as error:
                tally.failed(error, began)
                raise
            return tally.awaited(answer, began)

        return guarded

    def gate(self, name: str) -> CircuitBreaker:
        """The gate of an endpoint."""
        found = self._gates.get(name)
        if found is None:
            limit = self._limits.get(name, _NO_LIMIT)
            found = self._gates[name] = CircuitBreaker(name, self._settings, limit, self._monotonic)
        return found

    def report(self) -> dict[str, Any]:
        """Endpoint → what its metrics show, for those that were called."""
        return {name: gate.report() for name, gate in self._gates.items()}
