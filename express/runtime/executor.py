"""The host of executions: performs what the engine asks for and tells it what happened.

One executor per event loop, shared by all pipelines of a worker, so that there is one run queue and one
budget. What ends without waiting never becomes a `Run`; what waits owns its place in the timer wheel, or a handler's
coroutine that is stepped, or one asyncio task per other call that is really awaited, and nothing else.

Its parts: how calls are made (`calls`), what the table asks for (`performing`), waiting between two segments
(`parking`), and here starting and stopping.
"""

from __future__ import annotations

import asyncio
from typing import Any, overload

from express.engine import About, start
from express.engine.effects import Effect, Finish
from express.engine.events import Event, Stopped
from express.engine.execution import Execution
from express.engine.fast import Ended, Point, begin
from express.engine.history import History
from express.engine.program import END, EXECUTION_SECONDS, Program, Row, cap
from express.engine.recorded import start_recorded
from express.runtime.calls import Caller
from express.runtime.parking import Parking
from express.runtime.performing import fail
from express.runtime.runs import Done, Late, Run
from express.values import JSON, dumps

__all__ = ["Done", "Executor", "Late", "Run"]


class Executor(Parking):
    """Runs executions on the current loop."""

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
        if history is None and program.segments is not None:
            return self._submit_fast(program, data, about, done, item, now, limit, size)
        late: Late = []
        try:
            x, effects = self._begin(program, data, about, now, limit, size, history, late)
        except Exception as bug:
            x, effects = Execution(program, data, now, about, self._entropy, history, None), []
            fail(x, bug)
        if x.finished is not None and not late:
            self._report(x)
            return x, None
        run = Run(x, done, item)
        self.running += 1
        for task, output in late:
            self._await(run, task, output)
        if self._perform(run, effects) is None:
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
                program, data, now, about=about, entropy=self._entropy, history=history, limit=limit, size=size
            )
        call = Caller(self._calls, about, cap(program, limit, now), late)

        def timed(row: Row, payload: JSON, counts: int, tries: int) -> JSON:
            answer = call(row, payload, counts, tries)
            history.now = self._clock.monotonic()
            return answer

        size = size or len(dumps(data))
        entropy = self._entropy
        return start_recorded(
            program, segments, data, now, timed, about=about, entropy=entropy, history=history, limit=limit, size=size
        )

    def _submit_fast(
        self,
        program: Program,
        data: JSON,
        about: About,
        done: Done,
        item: Any,
        now: float,
        limit: float | None,
        size: int,
    ) -> tuple[Execution | Ended, Run | None]:
        """Start on the generated segments; what they do not bring to its end goes on on the table."""
        late: Late = []
        deadline = cap(program, limit, now)
        call = Caller(self._calls, about, deadline, late)
        point = begin(program, program.segments, data, size or len(dumps(data)), call)
        if point[0] == END:
            return Ended(about, now, point), None
        run = Run.of(program, data, about, now, limit, done, item)
        if len(late) == 1 and self._hold(run, point, late, call, deadline):
            self.running += 1
            return run, run
        return self._go_on(run, point, late)

    def go_on(
        self,
        program: Program,
        data: JSON,
        about: About,
        done: Done,
        began: float,
        limit: float | None,
        point: Point,
        late: Late,
    ) -> tuple[Execution | Ended, Run | None]:
        """Take over an execution that began elsewhere, from where its segments have left it; else as `submit`."""
        return self._go_on(Run.of(program, data, about, began, limit, done, None), point, late)

    def _go_on(self, run: Run, point: Point, late: Late) -> tuple[Execution | Ended, Run | None]:
        self.running += 1
        ended = self._settle(run, point, late) is not None
        return run.x, None if ended else run

    def caller(self, about: About, deadline: float | None, late: Late) -> Caller:
        """Calls the tasks of one execution for its segments; what is not answered at once goes to `late`."""
        return Caller(self._calls, about, deadline, late)

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
            self._release(run)
            run.data = run.held = None
            run.site = ()  # the wheel may hold it until it would have been due

    async def close(self) -> None:
        """Cancel the calls that still run and wait until they have noticed."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(
            *(task if isinstance(task, asyncio.Task) else task.ending() for task in tasks), return_exceptions=True
        )
