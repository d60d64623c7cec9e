"""The host of executions: performs what the engine asks for and tells it what happened.

One executor per event loop, shared by all pipelines of a worker, so that there is one run queue and one
budget. What ends without waiting never becomes a `Run`; what waits owns its place in the timer wheel, or a handler's
coroutine that is stepped, or one asyncio task per other call that is really awaited, and nothing else.

Its parts: `RunQueue` (whose turn it is), `EffectPerformer` (what the interpreter asks for), `SuspendedRuns` (waiting
between two segments), `ResourceCalls` (how tasks are called), `TimerWheel`; here starting and stopping.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeAlias, cast, overload

from express.engine import About, start
from express.engine.effects import Effect, Finish, StartTask
from express.engine.events import Event, Stopped
from express.engine.execution import Entropy, Execution
from express.engine.handover import start_recorded
from express.engine.history import History
from express.engine.program import END, EXECUTION_SECONDS, Program, Row, cap
from express.engine.segments import PENDING, Ended, Point, begin, ended
from express.ports import Clock, Direct, Identity, Integration
from express.runtime.executor.callbacks import Callbacks
from express.runtime.executor.eager_task import EagerTask
from express.runtime.executor.effects import EffectPerformer, fail, report
from express.runtime.executor.run import Done, Run, around
from express.runtime.executor.run_queue import RunQueue
from express.runtime.executor.state import ExecutorState
from express.runtime.executor.suspended import TOO_LATE, SuspendedRuns
from express.runtime.executor.task_calls import TaskCaller, described
from express.runtime.executor.timer_wheel import TICKS
from express.values import JSON, dumps

__all__ = ["Done", "Executor", "Run", "TaskCaller"]

Late: TypeAlias = list[tuple[StartTask, Awaitable[JSON] | EagerTask]]
"""Calls that were not answered at once, and what is awaited."""


class Executor:
    """Runs executions on the current loop."""

    def __init__(
        self,
        clock: Clock,
        integration: Integration,
        entropy: Entropy | None = None,
        callbacks: Callbacks | None = None,
        *,
        ticks: int = TICKS,
    ) -> None:
        """`integration` performs the tasks: the table of all of them, or a single one.

        `callbacks` is where tasks of STANDARD machines wait for theirs; its entropy makes their tokens. Timers are
        due with the next of so many `ticks` a second.
        """
        self._clock = clock
        self._state = ExecutorState(clock, integration, entropy, callbacks, self._handler_ended, self._fired, ticks)
        self._calls = self._state.calls
        queue = RunQueue(clock, self._step)
        self._performer = EffectPerformer(self._state, queue, self._step, self)
        self._suspended = SuspendedRuns(self._state, self._performer, queue)
        self._hold = self._suspended.hold

    @property
    def running(self) -> int:
        """Executions that were submitted and have not ended."""
        return self._state.running

    @property
    def timers(self) -> int:
        """Timers that are not due yet."""
        return len(self._state.wheel)

    @property
    def calls(self) -> int:
        """Calls that are not answered yet."""
        return len(self._under_way())

    @property
    def callbacks(self) -> Callbacks | None:
        """Return where tasks wait for their callbacks; None: there are none."""
        return self._state.callbacks

    @overload
    def submit(
        self,
        program: Program,
        data: JSON,
        about: About,
        done: Done,
        item: Any = None,
        *,
        limit: float | None = EXECUTION_SECONDS,
        size: int = 0,
        history: History,
    ) -> tuple[Execution, Run | None]: ...

    @overload
    def submit(
        self,
        program: Program,
        data: JSON,
        about: About,
        done: Done,
        item: Any = None,
        *,
        limit: float | None = EXECUTION_SECONDS,
        size: int = 0,
        history: History | None = None,
    ) -> tuple[Execution | Ended, Run | None]: ...

    def submit(
        self,
        program: Program,
        data: JSON,
        about: About,
        done: Done,
        item: Any = None,
        *,
        limit: float | None = EXECUTION_SECONDS,
        size: int = 0,
        history: History | None = None,
    ) -> tuple[Execution | Ended, Run | None]:
        """Start an execution. Its run is None if it has ended at once; else `done(run, finish)` is called later."""
        now = self._clock.monotonic()
        segments = program.segments
        if history is not None or segments is None:
            return self._submit_table(program, data, about, done, item, now, limit, size, history)
        call = TaskCaller(self._calls, about, cap(program, limit, now))
        point = begin(program, segments, data, size or len(dumps(data)), call)
        if point[0] == END:
            x = ended(about, now, point)
            if program.resources and self._state.is_late(call.deadline):
                x.finished = TOO_LATE
            return x, None
        self._state.running += 1
        run = Run(about, now, 0, None, program, data, limit, None, point, done, item)
        return (run, run) if self._hold(run, point, call) else self._go_on(run, point, call)

    def _submit_table(
        self,
        program: Program,
        data: JSON,
        about: About,
        done: Done,
        item: Any,
        now: float,
        limit: float | None,
        size: int,
        history: History | None,
    ) -> tuple[Execution | Ended, Run | None]:
        """Start on the table, or on the segments that keep a history."""
        late: Late = []
        try:
            x, effects = self._begin(program, data, about, now, limit, size, history, late)
        except Exception as bug:
            x, effects = Execution(program, data, now, about, self._state.entropy, history, None), []
            fail(x, bug)
        if x.finished is not None and not late:
            report(x)
            return x, None
        run = around(x, done, item)
        self._state.running += 1
        for task, output in late:
            self._performer.wait_for(run, task, output)
        if self._performer.perform(run, effects) is None:
            return x, run
        return x, None

    def _begin(
        self,
        program: Program,
        data: JSON,
        about: About,
        now: float,
        limit: float | None,
        size: int,
        history: History | None,
        late: Late,
    ) -> tuple[Execution, list[Effect]]:
        """Start on the segments that keep a history, or on the table where there are none."""
        segments = program.segments.recording if history is not None and program.segments is not None else None
        if segments is None or history is None:
            return start(
                program,
                data,
                now,
                about=about,
                entropy=self._state.entropy,
                history=history,
                limit=limit,
                size=size,
                prepare=self._calls.prepare,
            )
        deadline = cap(program, limit, now)
        call = TaskCaller(self._calls, about, deadline)

        def timed(row: Row, payload: JSON, counts: int, tries: int) -> JSON:
            history.asked = history.now
            answer = call(row, payload, counts, tries)
            if call.late is not None:
                late.append((described(payload, (row, counts, about, deadline))[0], call.late))
                call.late = None
            history.now = now = self._clock.monotonic()
            return PENDING if deadline is not None and now >= deadline else answer  # which comes too late

        size = size or len(dumps(data))
        entropy = self._state.entropy
        return start_recorded(
            program,
            segments,
            data,
            now,
            timed,
            about=about,
            entropy=entropy,
            history=history,
            limit=limit,
            size=size,
            prepare=self._calls.prepare,
        )

    def go_on(
        self,
        program: Program,
        data: JSON,
        about: About,
        done: Done,
        began: float,
        limit: float | None,
        point: Point,
        call: TaskCaller,
        item: Any = None,
    ) -> tuple[Execution | Ended, Run | None]:
        """Take over an execution from where its segments have left it, which called `call`; else as `submit`."""
        self._state.running += 1
        run = Run(about, began, 0, None, program, data, limit, None, point, done, item)
        return (run, run) if self._hold(run, point, call) else self._go_on(run, point, call)

    def _go_on(self, run: Run, point: Point, call: TaskCaller) -> tuple[Execution | Ended, Run | None]:
        is_over = self._suspended.settle(run, point, call) is not None
        return run.x, None if is_over else run

    def caller(self, about: Identity, deadline: float | None) -> TaskCaller:
        """Calls the tasks of one execution for its segments."""
        return TaskCaller(self._calls, about, deadline)

    def direct(self, row: Row) -> Direct | None:
        """The direct way to what a Task calls, for its first try; None where there is none."""
        return self._calls.direct(row)

    # Events -----------------------------------------------------------------------------------------

    def _step(self, run: Run, event: Event | None) -> None:
        """Hand an event, or its next turn, to an execution; `done` is called if it ends."""
        x = run.x
        if x.finished is not None:
            return
        if event is None:
            run.owning().queued = False
        if x is run:
            finish = self._suspended.wake(run, event)
        else:
            finish = self._performer.perform(run, self._performer.deliver(x, event))
        if finish is not None:
            run.done(run, finish)

    def _handler_ended(self, handler: EagerTask) -> None:
        self._suspended.handler_ended(handler)

    def _fired(self, run: Run, seq: int) -> None:
        self._suspended.fired(run, seq)

    def tell(self, run: Run, event: Event) -> None:
        """Hand an event from outside to an execution: an answer by task token, a heartbeat."""
        self._step(run, event)

    def stop(self, run: Run, error: str | None = None, cause: str | None = None) -> None:
        """End an execution as ABORTED; `done` is called."""
        self._step(run, Stopped(error, cause))

    def drop(self, run: Run) -> None:
        """Give an execution up without an end: its calls are cancelled and nobody is told."""
        if run.x.finished is None:
            run.x.finished = Finish("ABORTED")
            self._performer.release(run)
            run.data = run.held = None
            run.site = ()  # the wheel may hold it until it would have been due

    async def close(self) -> None:
        """Cancel the calls that still run and wait until they have noticed."""
        tasks = self._under_way()
        for task in tasks:
            task.cancel()
        await asyncio.gather(
            *(task if isinstance(task, asyncio.Task) else task.ending() for task in tasks), return_exceptions=True
        )

    def _under_way(self) -> list[asyncio.Task[None] | EagerTask]:
        """The calls that still run."""
        return [*self._state.tasks, *(cast(EagerTask, run.call) for run in self._state.wheel.among_others())]
