"""Steps a handler's coroutine: at once as far as it goes without waiting, then whenever what it waits for has come.

An `asyncio.Task` takes a turn of the loop before it begins, and more than 2 µs even for a handler that never waits.
A `EagerTask` begins where it is made and is what asyncio's documentation ("Extending") calls a task implementation of
one's own: the current task during each step, with a context of its own, cancelled and uncancelled like a Task, so
that `asyncio.timeout`, `TaskGroup`, anyio and aiohttp work in it. Two things differ: `asyncio.all_tasks()` does not
list it (that list alone would cost a third as much again), and its end is told in the step in which it comes.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, CancelledError, Future
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, TextIO

import msgspec

from express.runtime.executor.current_task import CURRENT

__all__ = ["EagerTask", "EagerTasks"]

_NOT_YET: Any = object()


class EagerTask(msgspec.Struct, eq=False, weakref=True):
    """A coroutine that is being stepped; a `EagerTasks` makes them.

    `_fut_waiter` and `_must_cancel` are named as in a Task, since anyio looks at them.
    """

    _coro: Coroutine[Any, Any, Any]
    _stepper: EagerTasks
    _name: str
    _context: Context
    caller: Any
    run: Any = None
    task: Any = None
    """These belong to who is told of its end; nobody is as long as `run` is None."""

    value: Any = _NOT_YET
    """The value that the coroutine returned."""

    error: BaseException | None = None
    """The exception that it raised; None if it returned."""

    _fut_waiter: Future[Any] | None = None
    _must_cancel: bool = False
    _message: Any = None
    _cancels: int = 0
    _end: Future[Any] | None = None

    # What a Task answers -----------------------------------------------------------------------------

    def get_coro(self) -> Coroutine[Any, Any, Any]:
        """The coroutine."""
        return self._coro

    def get_context(self) -> Context:
        """Its context."""
        return self._context

    def get_loop(self) -> AbstractEventLoop:
        """Its loop."""
        return self._stepper.loop

    def get_name(self) -> str:
        """The state that called."""
        return self._name

    def set_name(self, value: object) -> None:
        """Name it anew."""
        self._name = str(value)

    def get_stack(self, *, limit: int | None = None) -> list[Any]:
        """The coroutine's frame, if it is suspended."""
        frame = self._coro.cr_frame  # type: ignore[attr-defined]  # of every coroutine that `async def` makes
        return [] if frame is None else [frame]

    def print_stack(self, *, limit: int | None = None, file: TextIO | None = None) -> None:
        """Print the place where it is suspended."""
        for frame in self.get_stack():
            print(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}', file=file)

    def done(self) -> bool:
        """Return whether it has ended."""
        return self.value is not _NOT_YET or self.error is not None

    def cancelled(self) -> bool:
        """Return whether it ended because it was cancelled."""
        return isinstance(self.error, CancelledError)

    def result(self) -> Any:
        """Return what it returned; raises what it raised, and InvalidStateError before its end."""
        return self.ending().result()

    def exception(self) -> BaseException | None:
        """Return what it raised; itself raises CancelledError after that, and InvalidStateError before its end."""
        return self.ending().exception()

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Call `fn(self)` in a turn of the loop after its end."""
        self.ending().add_done_callback(lambda _: fn(self), context=context)

    def cancel(self, msg: Any | None = None) -> bool:
        """Throw CancelledError into the coroutine at its next step; false if it has ended."""
        if self.done():
            return False
        self._cancels += 1
        if self._fut_waiter is None or not self._fut_waiter.cancel(msg=msg):
            self._must_cancel = True
            self._message = msg
        return True

    def cancelling(self) -> int:
        """Return how often it was asked to end, and that not taken back."""
        return self._cancels

    def uncancel(self) -> int:
        """Take one `cancel` back, as its receiver; those that are left."""
        if self._cancels:
            self._cancels -= 1
        return self._cancels

    def ending(self) -> Future[Any]:
        """A future of its end, for whoever wants more than to be told."""
        if self._end is None:
            self._end = self._stepper.loop.create_future()
            if self.done():
                self._settle(self._end)
        return self._end

    def _settle(self, end: Future[Any]) -> None:
        if end.done():
            return
        if self.error is None:
            end.set_result(self.value)
        elif isinstance(self.error, CancelledError):
            end.cancel()
        else:
            end.set_exception(self.error)
            end.exception()  # it counts as retrieved

    # Stepping ----------------------------------------------------------------------------------------

    def _step(self, error: BaseException | None = None) -> None:
        """Run the coroutine up to what it waits for next, in its context."""
        if self._must_cancel:
            if not isinstance(error, CancelledError):
                error = CancelledError() if self._message is None else CancelledError(self._message)
            self._must_cancel = False
        stepper = self._stepper
        loop = stepper.loop
        CURRENT[loop] = self
        try:
            go_on: Any = self._coro.send if error is None else self._coro.throw
            waits = self._context.run(go_on, error)
        except StopIteration as stop:
            self.value = stop.value
        except KeyboardInterrupt as raised:
            self.error = raised
            raise
        except BaseException as raised:
            self.error = raised
        else:
            if waits is None:
                stepper.yielded(self)
            else:
                self._wait(waits)
            return
        finally:
            del CURRENT[loop]
        if self._end is not None:
            self._settle(self._end)
        if self.run is not None:
            stepper.told(self)

    def _wait(self, waits: Any) -> None:
        """Go on once a future has ended."""
        if getattr(waits, "_asyncio_future_blocking", None) is not True:
            refused = f"Task got bad yield: {waits!r}"
        elif waits.get_loop() is not self._stepper.loop:
            refused = f"Task {self!r} got Future {waits!r} attached to a different loop"
        else:
            waits._asyncio_future_blocking = False
            waits.add_done_callback(self._woken, context=self._stepper.context)
            self._fut_waiter = waits
            if self._must_cancel and waits.cancel(msg=self._message):
                self._must_cancel = False
            return
        self._stepper.loop.call_soon(self._step, RuntimeError(refused))

    def _woken(self, future: Future[Any]) -> None:
        self._fut_waiter = None
        try:
            future.result()
        except BaseException as error:
            self._step(error)
        else:
            self._step()


def _nobody(_: EagerTask) -> None:
    """Ignore the end of a task that nobody waits for."""


class EagerTasks:
    """Steps the handlers of a loop.

    Those that yield bare, as `asyncio.sleep(0)` does, are stepped together: a call of the loop for each would cost a
    tenth of a short execution. Each goes on when everybody who was due before it yielded has had its turn, and a turn
    of the loop later than a Task would if it is not alone.
    """

    def __init__(self, loop: AbstractEventLoop, told: Callable[[EagerTask], None] = _nobody) -> None:
        """`told` is called in the step in which a handler ends, unless that is its first."""
        self.loop = loop
        self.told = told
        self.context = copy_context()
        """The context in which the end of a handler is acted upon, instead of the handler's own."""
        self._yielded: deque[EagerTask] = deque()

    def begin(self, coro: Coroutine[Any, Any, Any], name: str, caller: Any = None) -> Any:
        """Step a coroutine for the first time: what it returned if it ended, else its `EagerTask`.

        Raises what it raised. This may lie within a step of another task.
        """
        loop, context = self.loop, copy_context()
        stepped = EagerTask(coro, self, name, context, caller)
        outer = CURRENT.get(loop)
        CURRENT[loop] = stepped
        try:
            waits = context.run(coro.send, None)
        except StopIteration as stop:
            stepped.value = stop.value
        except BaseException as raised:
            stepped.error = raised
            raise
        else:
            if waits is None:
                self.yielded(stepped)
            else:
                stepped._wait(waits)
            return stepped
        finally:
            if outer is None:
                del CURRENT[loop]
            else:
                CURRENT[loop] = outer
            if stepped._end is not None:
                stepped._settle(stepped._end)
        return stepped.value

    def yielded(self, stepped: EagerTask) -> None:
        """Let others have their turn, then step on."""
        if not self._yielded:
            self.loop.call_soon(self._turn, context=self.context)
        self._yielded.append(stepped)

    def _turn(self) -> None:
        """Go on with one at once. Before the second of several yielded, others may have come to be due after us."""
        yielded, self._yielded = self._yielded, deque()
        if len(yielded) > 1:
            self.loop.call_soon(self._go_on, yielded)
        else:
            self._go_on(yielded)

    def _go_on(self, yielded: deque[EagerTask]) -> None:
        try:
            while yielded:
                yielded.popleft()._step()
        finally:
            if yielded:
                self.loop.call_soon(self._go_on, yielded)
