"""Executions on the interpreter: their effects are performed in order, and answers are handed back."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, cast

from express import engine
from express.engine.effects import Cancel, Effect, Finish, StartTask, StartTimer, Yield
from express.engine.events import Event, TaskFailed, TaskStarted, TaskSubmitted, TaskSucceeded
from express.engine.execution import Execution
from express.errors import RUNTIME, StatesError
from express.ports import Submitted
from express.runtime.executor.eager_task import EagerTask
from express.runtime.executor.run import Run
from express.runtime.executor.run_queue import AGAIN_SECONDS, RunQueue
from express.runtime.executor.state import ExecutorState
from express.runtime.executor.task_calls import JSON_TYPES, failed
from express.values import JSON

if TYPE_CHECKING:
    from express.runtime.executor.executor import Executor

INLINE_ANSWERS = 64
"""Answers given at once that one execution may take in a row before others have their turn."""

log = logging.getLogger(__name__)


class EffectPerformer:
    """Performs effects for the executions of one executor. `step` hands an event to an execution, in its turn."""

    def __init__(
        self, state: ExecutorState, queue: RunQueue, step: Callable[[Run, Event | None], None], owner: Executor
    ) -> None:
        self._state = state
        self._clock = state.clock
        self._calls = state.calls
        self._callbacks = state.callbacks
        self._wheel = state.wheel
        self._tasks = state.tasks
        self._queue = queue
        self._step = step
        self._owner = owner

    # Events in --------------------------------------------------------------------------------------

    def deliver(self, x: Execution, event: Event | None) -> list[Effect]:
        """Hand an event, or its next turn, to the engine; return its effects. A bug ends the execution only."""
        now = self._clock.monotonic()
        try:
            return engine.advance(x, now) if event is None else engine.deliver(x, event, now)
        except Exception as bug:
            return [fail(x, bug)]

    def answered(self, run: Run, task: StartTask, answer: JSON | TaskFailed) -> None:
        """Deliver an answer to an execution on the table, unless nobody wants it any more."""
        owned = run.owned
        if owned is not None and owned.tasks.pop(task.seq, None) is not None:
            self._step(run, answer if type(answer) is TaskFailed else TaskSucceeded(task.seq, answer))

    # Effects out ------------------------------------------------------------------------------------

    def perform(self, run: Run, effects: list[Effect], patience: int = INLINE_ANSWERS) -> Finish | None:
        """Perform effects in order, then those of the answers that came at once; the end, if they lead there.

        Timers are started last: an execution whose tasks all answer at once never touches the wheel.
        """
        answers: deque[Event] = deque()
        timers: dict[int, float] = {}
        until = 0.0
        while True:
            finish = self._apply(run, effects, answers, timers)
            if finish is not None:
                return self.end(run, finish)
            if not answers or not patience:
                break
            patience -= 1
            now = self._clock.monotonic()
            until = until or now + AGAIN_SECONDS
            if now >= until:
                break
            effects = self.deliver(run.x, answers.popleft())
        for answer in answers:
            self._queue.again(run, answer)
        if timers:
            slots = run.owning().timers
            for seq, at in timers.items():
                slots[seq] = self._wheel.add(run, seq, at)
        return None

    def _apply(self, run: Run, effects: list[Effect], answers: deque[Event], timers: dict[int, float]) -> Finish | None:
        """Start tasks, note timers, cancel; the end if it is the last of `effects`: what was asked for is void then."""
        if effects and type(effects[-1]) is Finish:
            return effects[-1]
        for effect in effects:
            kind = type(effect)
            if kind is StartTask:
                if effect.resource.kind == "activity":  # type: ignore[union-attr]
                    answers.append(TaskStarted(effect.seq))  # type: ignore[union-attr]  # whoever answers has taken it
                answer = self._call(run, cast(StartTask, effect))
                if answer is not None:
                    answers.append(answer)
            elif kind is StartTimer:
                timer = cast(StartTimer, effect)
                timers[timer.seq] = timer.at
            elif kind is Cancel:
                seq = cast(Cancel, effect).seq
                if timers.pop(seq, None) is None:
                    self._cancel(run, seq)
            elif kind is Yield and not run.owning().queued:
                run.owning().queued = True
                self._queue.again(run, None)
        return None

    def _call(self, run: Run, task: StartTask) -> Event | None:
        """Start one call; its answer if that came at once."""
        x = run.x
        if task.token is not None and self._callbacks is not None:
            self._callbacks.expect(self._owner, run, task)
        try:
            output = self._calls.start(task, x.about, x.deadline)
        except StatesError as error:
            return TaskFailed(task.seq, error.error, error.cause)
        if type(output) in JSON_TYPES:
            return TaskSucceeded(task.seq, output)
        self.wait_for(run, task, output)
        return None

    def wait_for(self, run: Run, task: StartTask, output: Awaitable[JSON] | EagerTask) -> None:
        """Wait for an answer: of a handler that is being stepped, or in a task of its own."""
        if type(output) is EagerTask:
            self._tasks.add(output)
            run.owning().tasks[task.seq] = output, None
            output.run = run
            output.task = task
            return
        output = cast(Awaitable[JSON], output)
        loop = asyncio.get_running_loop()
        waiting = asyncio.Task(self._answer(run, task, output), loop=loop, name=task.state)
        run.owning().tasks[task.seq] = waiting, output
        self._tasks.add(waiting)

    def _give_up(self, waiting: asyncio.Task[None] | EagerTask, output: Awaitable[JSON] | None) -> None:
        """Cancel a call. One that has not begun never will: not even its own end is going to run."""
        waiting.cancel()
        if isinstance(output, Coroutine) and inspect.getcoroutinestate(output) == inspect.CORO_CREATED:
            waiting.add_done_callback(self._tasks.discard)
            output.close()

    async def _answer(self, run: Run, task: StartTask, output: Awaitable[JSON]) -> None:
        """Wait for one answer and deliver it, unless nobody wants it any more."""
        answer: JSON | TaskFailed
        try:
            answer = await output
            if type(answer) is Submitted:
                self._step(run, TaskSubmitted(task.seq, answer.output))
                if answer.then is None:  # the outcome comes by token
                    if run.owned is not None:
                        run.owned.tasks.pop(task.seq, None)
                    return
                answer = await answer.then()
        except asyncio.CancelledError as cancelled:
            if run.owned is None or task.seq not in run.owned.tasks:
                raise  # by us
            answer = failed(task, cancelled)
        except (Exception, SystemExit) as error:  # a handler's sys.exit() must not end the worker
            answer = failed(task, error)
        finally:
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        self.answered(run, task, answer)

    def _cancel(self, run: Run, seq: int) -> None:
        owned = run.owning()
        slot = owned.timers.pop(seq, None)
        if slot is not None:
            self._wheel.remove(run, seq, slot)
            return
        if self._callbacks is not None:
            self._callbacks.forget(run, seq)
        call = owned.tasks.pop(seq, None)
        if call is not None:
            self._give_up(*call)

    def end(self, run: Run, finish: Finish) -> Finish:
        report(run.x)
        self.release(run)
        return finish

    def release(self, run: Run) -> None:
        """Take back all that a run still owns."""
        self._state.running -= 1
        self._state.take_timer(run)
        if self._callbacks is not None:
            self._callbacks.ended(run)
        if run.call is not None:
            self._tasks.add(run.call)  # it may have to clean up
            run.call.cancel()
            run.call = None
        owned, run.owned = run.owned, None
        if owned is None:
            return
        for seq, slot in owned.timers.items():
            self._wheel.remove(run, seq, slot)
        for call in owned.tasks.values():
            self._give_up(*call)


def report(x: Execution | Run) -> None:
    """Log a bug of ours that has ended an execution."""
    if x.bug is not None:
        log.error("internal error in %s", x.about.execution_arn, exc_info=x.bug)


def fail(x: Execution, bug: Exception) -> Finish:
    """End an execution by a bug of ours."""
    x.bug = bug
    x.finished = finish = Finish("FAILED", error=RUNTIME, cause=f"Internal error: {type(bug).__name__}: {bug}")
    return finish
