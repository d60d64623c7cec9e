"""Executions that are suspended between two segments: in a Wait, before a retry, or for one answer."""

from __future__ import annotations

from typing import cast

from express.engine.effects import Effect, Finish
from express.engine.events import Event, Stopped, TaskFailed, TaskSucceeded, TimerFired
from express.engine.handover import inflate
from express.engine.program import END
from express.engine.segments import Point, again, answered, drive
from express.errors import TIMEOUT
from express.runtime.executor.eager_task import EagerTask
from express.runtime.executor.effects import INLINE_ANSWERS, EffectPerformer
from express.runtime.executor.run import Run
from express.runtime.executor.run_queue import RunQueue
from express.runtime.executor.state import ExecutorState
from express.runtime.executor.task_calls import TaskCaller, failed

_OVER = TimerFired(0)

TOO_LATE = Finish("TIMED_OUT", error=TIMEOUT)
"""The end of an execution whose last answer came after its deadline."""


class SuspendedRuns:
    """Suspends executions where their segments have left them, and wakes them."""

    def __init__(self, state: ExecutorState, performer: EffectPerformer, queue: RunQueue) -> None:
        self._state = state
        self._clock = state.clock
        self._calls = state.calls
        self._callbacks = state.callbacks
        self._wheel = state.wheel
        self._tasks = state.tasks
        self._performer = performer
        self._queue = queue

    def settle(self, run: Run, point: Point, call: TaskCaller) -> Finish | None:
        """Leave an execution where its segments have left it: ended, parked, or on the table. The end, if it ended."""
        if point[0] == END:
            late = self._state.is_late(call.deadline)
            return self._performer.end(run, run.end(point, TOO_LATE if late else Finish("SUCCEEDED", point[1])))
        if point[0] >= 0:
            row = run.program.scope.rows[point[0]]
            if row.kind == "Wait" or len(point) == 8 or not row.plan.timed:
                self._suspend(run, point, call)
                return None
        return self._performer.perform(run, self._inflate(run, point, call), INLINE_ANSWERS // 8)

    def _suspend(self, run: Run, point: Point, call: TaskCaller) -> None:
        """Wait for the one thing that comes next: the end of a Wait or an answer, or else the deadline."""
        run.rest(point)
        if self.hold(run, point, call):
            return
        late = call.late
        at = run.deadline
        if late is not None:
            call.late = None
            self._performer.wait_for(run, call.asked(run.program, point), late)
            if at is not None:
                run.slot = self._wheel.add(run, 0, at)
            return
        seconds = point[5] if len(point) == 7 else point[7]
        if seconds < 0:
            seconds = -seconds * self._state.entropy.random()
        due: float = self._clock.monotonic() + seconds
        run.slot = self._wheel.leave(run, due if at is None else min(at, due))

    def hold(self, run: Run, point: Point, call: TaskCaller) -> bool:
        """Park an execution behind a handler that is stepped, if that is all it waits for. Its `site` is `point`."""
        stepped = call.late
        if type(stepped) is not EagerTask or point[0] < 0:
            return False
        if run.program.scope.rows[point[0]].plan.timed:
            return False
        call.late = None
        run.call = stepped
        stepped.run = run
        wheel, at = self._wheel, call.deadline
        run.slot = among = wheel.latest if at is not None and wheel.since <= at < wheel.until else wheel.others(at)
        among.add(run)
        return True

    def handler_ended(self, stepped: EagerTask) -> None:
        """A handler has ended that an execution waits for between two segments, unless nobody wants it any more.

        Where nothing else is to be done, as nearly always, this is all that its end takes.
        """
        run, call, error = stepped.run, stepped.caller, stepped.error
        if run.call is not stepped:
            self._unwanted(run, stepped)
            return
        program, site, slot = run.program, run.site, run.slot
        segments = program.segments
        stepped.run = None
        if type(slot) is not set and self._state.is_late(
            call.deadline
        ):  # a deadline that is near has a timer of its own
            self._tasks.discard(stepped)
            run.call = None
            run.done(run, self._performer.end(run, run.end(run.point, TOO_LATE)))
            return
        point = answered(
            segments, site, stepped.value if error is None else failed(call.asked(program, site), error), call
        )
        late = len(program.resources) > 1 and self._state.is_late(
            call.deadline
        )  # a task after it may have held up the loop
        if point[0] == END and type(slot) is set and self._callbacks is None and run.owned is None and not late:
            slot.discard(run)
            self._state.running -= 1
            finish: Finish | None = run.end(point, Finish("SUCCEEDED", point[1]))
        else:
            self._tasks.discard(stepped)
            self._state.take_timer(run)
            run.call = None
            finish = self.settle(run, drive(program, segments, point, call), call)
        if finish is not None:
            run.done(run, finish)

    def _unwanted(self, run: Run, stepped: EagerTask) -> None:
        """A handler has ended that an execution on the table waits for, or nobody any more."""
        self._tasks.discard(stepped)
        task, error = stepped.task, stepped.error
        if run.owned is not None and task.seq in run.owned.tasks:
            self._performer.answered(run, task, stepped.value if error is None else failed(task, error))

    def _inflate(self, run: Run, point: Point, call: TaskCaller) -> list[Effect]:
        """Go on on the table; the effects that has."""
        now = self._clock.monotonic()
        x, effects = inflate(
            run.program,
            point,
            run.data,
            now,
            run.about,
            self._state.entropy,
            run.deadline,
            run.started,
            prepare=self._calls.prepare,
            asked=call.since,
        )
        run.other = x
        late = call.late
        if late is not None:
            call.late = None
            self._performer.wait_for(run, call.asked(run.program, point), late)
        return effects

    def wake(self, run: Run, event: Event | None) -> Finish | None:
        """Return what a parked execution waited for has come; the end, if it leads there."""
        point, segments, deadline = run.point, run.program.segments, run.deadline
        kind = type(event)
        if self._state.is_late(deadline) and kind is not Stopped:
            return self._performer.end(run, run.end(point, TOO_LATE))
        self._state.take_timer(run)
        call = TaskCaller(self._calls, run.about, deadline)
        if kind not in (TimerFired, TaskSucceeded, TaskFailed):
            call.late, run.call = run.call, None
            finish = self._performer.perform(run, self._inflate(run, point, call))
            return finish if finish is not None else self._performer.perform(run, self._performer.deliver(run.x, event))
        if len(point) == 8:
            point = again(run.program, segments, point, call)
        else:
            answer = cast(TaskSucceeded, event).output if kind is TaskSucceeded else None
            point = answered(segments, point, event if kind is TaskFailed else answer, call)
            if point[0] != END:
                point = drive(run.program, segments, point, call)
        return self.settle(run, point, call)

    def fired(self, run: Run, seq: int) -> None:
        """A timer came due. It waits its turn, since thousands may come due together."""
        if seq > 0:
            del run.owning().timers[seq]
            self._queue.due(run, TimerFired(seq))
        elif type(run.slot) is set:
            run.slot = self._wheel.add(run, 0, cast(float, run.deadline))
            self._tasks.add(cast(EagerTask, run.call))
        elif seq == 0 or run.slot == -seq:
            run.slot = None
            self._queue.due(run, _OVER)
