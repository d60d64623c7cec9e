"""Handlers: imported once from what the configuration names, then called in one of three ways."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from express.config import Function
from express.errors import ConfigError, StatesError
from express.integrations.local.context import DirectCall, LambdaContext
from express.integrations.local.marshal import copied, failure, marshalled, timed_out
from express.integrations.local.process import ProcessPool
from express.integrations.local.threads import HandlerThreads, ThreadCall
from express.integrations.queue_time import SCHEDULE, QueueTime, begin
from express.ports import QUICK_SECONDS, Describe, Direct, Tally
from express.values import JSON

Handler: TypeAlias = Callable[[Any, Any], Any]
Run: TypeAlias = Callable[[JSON, LambdaContext], JSON | Awaitable[JSON]]


class HandlerError(ConfigError):
    """A handler module that crashes while it is imported."""


def load_handler(target: str) -> Handler:
    """The function that `module:function` names.

    Raises ConfigError where there is none, and HandlerError where its module crashes.
    """
    module_name, _, path = target.partition(":")
    try:
        value: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise ConfigError(f"there is no module {error.name!r} for the handler {target!r}") from error
        raise HandlerError(f"the module of handler {target!r} needs {error.name!r}, which is missing") from error
    except Exception as error:
        raise HandlerError(f"the module of handler {target!r} crashes: {type(error).__name__}: {error}") from error
    for name in path.split("."):
        value = getattr(value, name, None)
    if not callable(value):
        raise ConfigError(f"the module {module_name!r} has no function {path!r}")
    return value  # type: ignore[no-any-return] # getattr loses what callable() said


class LocalFunction:
    """A handler and the way it is called: `run` answers at once or with something to await.

    A handler gets a copy of the event, so that it may change it; its answer is copied too.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        options: Function,
        pool: HandlerThreads,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.memory = options.memory
        self.timeout: float | None = options.timeout
        self.monotonic = monotonic
        self._handler = handler
        self._pool = pool
        self._slots = asyncio.Semaphore(options.concurrency) if options.concurrency else None
        self._processes = _processes(options)
        self.run: Run = self._way(options.mode)

    @property
    def is_inline(self) -> bool:
        """Return whether calls run on the caller's stack, at once."""
        return self.run == self._inline

    def _way(self, mode: str) -> Run:
        if self._processes is not None:
            return self._in_process
        if not _is_async(self._handler) and mode == "inline":
            return self._inline
        run = self._on_loop if _is_async(self._handler) else self._in_thread
        return self._bounded(run) if self._slots is not None or self.timeout is not None else run

    def bound(self, describe: Describe, tally: Tally | None = None) -> Direct | None:
        """The direct way to a handler that is called inline or stepped: one call, no effect, no task."""
        if self.run == self._on_loop:
            return self._bound_on_loop(describe, tally)
        if self.run != self._inline:
            return None
        handler, timed = self._handler, self.timeout is not None
        tally = tally or Untallied()
        clock, at_once = tally.clock, tally.at_once

        def call(event: JSON, site: Any) -> JSON | Awaitable[JSON]:
            began = clock()
            context = DirectCall(self, describe, event, site)
            if timed:
                context._started = self.monotonic()
            try:
                result = handler(copied(event), context)
            except (Exception, SystemExit) as error:
                failed = failure(error, context.aws_request_id)
                tally.failed(failed, began)
                raise failed from error
            if type(result) is not dict and inspect.isawaitable(result):
                return tally.awaited(self._awaited(result, context), began)
            try:
                answer = marshalled(result, context)
            except StatesError as error:
                tally.failed(error, began)
                raise
            seconds = clock() - began
            if seconds > QUICK_SECONDS:
                tally.succeeded(began)
            else:
                at_once[0] += 1
                at_once[1] += seconds
            return answer

        return call

    def _inline(self, event: JSON, context: LambdaContext) -> JSON | Awaitable[JSON]:
        result = self._called(event, context)
        if type(result) is not dict and inspect.isawaitable(result):  # a `def` that hands out a coroutine
            return self._awaited(result, context)
        return marshalled(result, context)

    def _called(self, event: JSON, context: LambdaContext) -> object:
        try:
            return self._handler(copied(event), context)
        except (Exception, SystemExit) as error:
            raise failure(error, context.aws_request_id) from error

    def _bound_on_loop(self, describe: Describe, tally: Tally | None) -> Direct:
        handler = self._handler

        async def called(event: JSON, site: Any) -> JSON:
            context = DirectCall(self, describe, event, site)
            try:
                result = await handler(copied(event), context)
            except (Exception, SystemExit) as error:
                raise failure(error, context.aws_request_id) from error
            return marshalled(result, context)

        if tally is None:
            return called
        clock, awaited = tally.clock, tally.awaited
        return lambda event, site: awaited(called(event, site), clock())

    async def _on_loop(self, event: JSON, context: LambdaContext) -> JSON:
        return await self._awaited(self._handler(copied(event), context), context)

    async def _awaited(self, answer: Awaitable[object], context: LambdaContext) -> JSON:
        try:
            result = await answer
        except (Exception, SystemExit) as error:
            raise failure(error, context.aws_request_id) from error
        return marshalled(result, context)

    async def _in_thread(self, event: JSON, context: LambdaContext) -> JSON:
        loop, schedule, call = asyncio.get_running_loop(), SCHEDULE.get(), ThreadCall(self.name, context)
        try:
            answer = await loop.run_in_executor(self._pool, self._scheduled, event, call, schedule)
        except asyncio.CancelledError:
            self._pool.abandon(call)
            raise
        return await answer if isinstance(answer, Coroutine) else answer

    def _scheduled(self, event: JSON, call: ThreadCall, schedule: QueueTime | None) -> JSON | Awaitable[JSON]:
        """Run a call in a thread, as soon as there is one."""
        if schedule is not None:
            schedule.begin()
        self._pool.enter(call)
        try:
            return self._inline(event, call.context)
        finally:
            self._pool.leave(call)

    async def _in_process(self, event: JSON, context: LambdaContext) -> JSON:
        assert self._processes is not None
        return await self._processes.call(event, context)

    def _bounded(
        self, run: Callable[[JSON, LambdaContext], Awaitable[JSON]]
    ) -> Callable[[JSON, LambdaContext], Coroutine[Any, Any, JSON]]:
        """`run` under the function's own concurrency and timeout."""
        seconds = self.timeout

        async def limited(event: JSON, context: LambdaContext) -> JSON:
            try:
                async with asyncio.timeout(seconds):
                    return await run(event, context)
            except TimeoutError:
                assert seconds is not None
                raise timed_out(seconds, context.aws_request_id) from None

        slots = self._slots
        if slots is None:
            return limited

        async def queued(event: JSON, context: LambdaContext) -> JSON:
            async with slots:
                begin()
                return await limited(event, context)

        return queued

    async def close(self) -> None:
        """End the handler's processes."""
        if self._processes is not None:
            await self._processes.close()


class Untallied:
    """A `Tally` that nobody reads."""

    clock = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.at_once = [0, 0.0]

    def succeeded(self, began: float) -> None:
        """Nothing to be done."""

    def failed(self, error: StatesError, began: float) -> None:
        """Nothing to be done."""

    def awaited(self, answer: Awaitable[JSON], began: float) -> Awaitable[JSON]:
        """The answer."""
        return answer


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)


def _processes(options: Function) -> ProcessPool | None:
    if options.mode != "process":
        return None
    return ProcessPool(options.handler, options.concurrency, options.timeout)


def load_functions(table: Mapping[str, Function], pool: HandlerThreads) -> dict[str, LocalFunction]:
    """Every function of a configuration, imported now, so that a mistake shows at the start."""
    return {name: LocalFunction(name, load_handler(options.handler), options, pool) for name, options in table.items()}
