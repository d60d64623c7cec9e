"""Executions that wait between two segments: in a Wait, before a retry, or for one answer, with one timer at most."""

from __future__ import annotations

from typing import cast

from express.engine.effects import Effect, Finish
from express.engine.events import Event, TaskFailed, TaskSucceeded, TimerFired
from express.engine.fast import Point, again, answered, drive
from express.engine.inflate import inflate
from express.engine.program import END
from express.errors import TIMEOUT
from express.runtime.calls import Caller, failed
from express.runtime.performing import INLINE_ANSWERS, Performing
from express.runtime.runs import Late, Run
from express.runtime.stepped import Stepped

_OVER = TimerFired(0)


class Parking(Performing):
    """The part of an `Executor` that leaves executions where their segments have left them, and wakes them."""

    def _settle(self, run: Run, point: Point, late: Late) -> Finish | None:
        """Leave an execution where its segments have left it: ended, parked, or on the table. The end, if it ended."""
        if point[0] == END:
            return self._end(run, run.end(point, Finish("SUCCEEDED", point[1])))
        if point[0] >= 0:
            row = run.program.scope.rows[point[0]]
            if row.kind == "Wait" or len(point) == 8 or (row.plan.timeout is None and row.plan.heartbeat is None):
                self._park(run, point, late)
                return None
        return self._perform(run, self._inflate(run, point, late), INLINE_ANSWERS // 8)

    def _park(self, run: Run, point: Point, late: Late) -> None:
        """Wait for the one thing that comes next: the end of a Wait or an answer, or else the deadline."""
        run.rest(point)
        at = run.deadline
        if late:
            for task, output in late:
                self._await(run, task, output)
            if at is not None:
                run.slot = self._wheel.add(run, 0, at)
            return
        seconds = point[5] if len(point) == 7 else point[7]
        if seconds < 0:
            seconds = -seconds * self._entropy.random()
        due: float = self._clock.monotonic() + seconds
        run.slot = self._wheel.leave(run, due if at is None else min(at, due))

    def _hold(self, run: Run, point: Point, late: Late, call: Caller, deadline: float | None) -> bool:
        """Park an execution behind a handler that is being stepped; false if it waits for something else too."""
        task, stepped = late[0]
        plan = run.program.scope.rows[point[0]].plan if point[0] >= 0 else None
        if plan is None or type(stepped) is not Stepped or plan.timeout is not None or plan.heartbeat is not None:
            return False
        late.clear()
        run.rest(point)
        run.call = stepped
        stepped.run = run
        stepped.task = task
        stepped.caller = call
        stepped.told = self._told
        self._tasks.add(stepped)
        if deadline is not None:
            run.slot = among = self._wheel.others(deadline)
            among.add(run)
        return True

    def _handler_ended(self, stepped: Stepped) -> None:
        """A handler has ended that an execution waits for between two segments, unless nobody wants it any more."""
        self._tasks.discard(stepped)
        run, error = stepped.run, stepped.error
        answer = stepped.value if error is None else failed(stepped.task, error)
        if run.call is not stepped:
            self._answered(run, stepped.task, answer)
            return
        call = stepped.caller
        late = call.late
        run.call = None
        self._unpark(run)
        program = run.program
        segments = program.segments
        point = answered(segments, run.point, answer, call)
        if point[0] != END:
            point = drive(program, segments, point, call)
            if len(late) == 1 and self._hold(run, point, late, call, run.deadline):
                return
        finish = self._settle(run, point, late)
        if finish is not None:
            run.done(run, finish)

    def _inflate(self, run: Run, point: Point, late: Late) -> list[Effect]:
        """Go on on the table; the effects that has."""
        now = self._clock.monotonic()
        x, effects = inflate(run.program, point, run.data, now, run.about, self._entropy, run.deadline, run.started)
        run.other = x
        for task, output in late:
            self._await(run, task, output)
        return effects

    def _wake(self, run: Run, event: Event | None) -> Finish | None:
        """What a parked execution waited for has come; the end, if it leads there."""
        point, segments, deadline = run.point, run.program.segments, run.deadline
        kind = type(event)
        if kind is TimerFired and deadline is not None and self._clock.monotonic() >= deadline:
            return self._end(run, run.end(point, Finish("TIMED_OUT", error=TIMEOUT)))
        late: Late = []
        self._unpark(run)
        if kind not in (TimerFired, TaskSucceeded, TaskFailed):
            if run.call is not None:
                run.owning().tasks[1] = run.call, None
                run.call = None
            finish = self._perform(run, self._inflate(run, point, late))
            return finish if finish is not None else self._perform(run, self._deliver(run.x, event))
        call = Caller(self._calls, run.about, deadline, late)
        if len(point) == 8:
            point = again(run.program, segments, point, call)
        else:
            answer = cast(TaskSucceeded, event).output if kind is TaskSucceeded else None
            point = answered(segments, point, event if kind is TaskFailed else answer, call)
            if point[0] != END:
                point = drive(run.program, segments, point, call)
        return self._settle(run, point, late)

    def _unpark(self, run: Run) -> None:
        slot = run.slot
        if slot is None:
            return
        run.slot = None
        if type(slot) is int:
            self._wheel.remove(run, 0, slot)  # which does nothing to one that was left there
        else:
            cast("set[Run]", slot).discard(run)

    def _fired(self, run: Run, seq: int) -> None:
        """A timer came due. It waits its turn, since thousands may come due together."""
        if seq > 0:
            del run.owning().timers[seq]
            self._queue(self._ready, run, TimerFired(seq))
        elif type(run.slot) is set:
            run.slot = self._wheel.add(run, 0, cast(float, run.deadline))
        elif seq == 0 or run.slot == -seq:
            run.slot = None
            self._queue(self._ready, run, _OVER)
