"""The host of executions: performs what the engine asks for and tells it what happened.

One executor per event loop, shared by all pipelines of a worker, so that there is one run queue and one
budget. What ends without waiting never becomes a `Run`; what waits owns its place in the timer wheel or one
asyncio task per call that is really awaited, and nothing else.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeAlias, cast, overload

from express.engine import About, advance, deliver, start
from express.engine.effects import Cancel, Effect, Finish, StartTask, StartTimer, Yield
from express.engine.events import Event, Stopped, TaskFailed, TaskSubmitted, TaskSucceeded, TimerFired
from express.engine.execution import Entropy, Execution
from express.engine.fast import (
    PENDING,
    Call,
    Ended,
    Point,
    again,
    answered,
    attempts,
    begin,
    drive,
    step_key,
)
from express.engine.history import History
from express.engine.inflate import inflate
from express.engine.program import END, EXECUTION_SECONDS, Program, Row, cap
from express.engine.recorded import start_recorded
from express.errors import RUNTIME, TIMEOUT, StatesError
from express.ports import Clock, Direct, Integration, Submitted, TaskContext
from express.runtime.callbacks import Callbacks
from express.runtime.clock import SystemEntropy
from express.runtime.runs import Done, Late, Run
from express.runtime.wheel import TimerWheel
from express.values import JSON, dumps

__all__ = ["Done", "Executor", "Late", "Run"]

TURN_SECONDS = 0.005
"""What the run queue may take of one turn of the loop, whatever the number of executions in it."""

AGAIN_SECONDS = 0.002
"""The same for those who have used up a turn before: whoever comes due meanwhile waits for two of these."""

INLINE_ANSWERS = 64
"""Answers given at once that one execution may take in a row before others have their turn."""

_JSON_TYPES = frozenset({dict, list, str, int, float, bool, type(None)})

_OVER = TimerFired(0)

log = logging.getLogger(__name__)

Site: TypeAlias = tuple[Row, int, About, float | None]
"""Where a call on the short way stands: row, counts, execution, deadline."""


class Executor:
    """Runs executions on the current loop."""

    def __init__(
        self,
        clock: Clock,
        integration: Integration,
        entropy: Entropy | None = None,
        callbacks: Callbacks | None = None,
    ) -> None:
        """`integration` performs the tasks: the table of all of them, or a single one.

        `callbacks` is where tasks of STANDARD machines wait for theirs; its entropy makes their tokens.
        """
        self._clock = clock
        self._integration = integration
        self._callbacks = callbacks
        self._entropy = entropy or (SystemEntropy() if callbacks is None else callbacks.entropy)
        self._ready: deque[tuple[Run, Event | None]] = deque()
        self._again: deque[tuple[Run, Event | None]] = deque()
        self._turning = False
        self._wheel = TimerWheel[Run](clock, self._fired)
        self._tasks: set[asyncio.Task[None]] = set()
        self._directs: dict[str, Direct | None] = {}
        self.running = 0
        """Executions that were submitted and have not ended."""

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
            _fail(x, bug)
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
        call = self.caller(about, cap(program, limit, now), late)

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
        call = self.caller(about, cap(program, limit, now), late)
        point = begin(program, program.segments, data, size or len(dumps(data)), call)
        if point[0] == END:
            return Ended(about, now, point), None
        return self._go_on(Run.of(program, data, about, now, limit, done, item), point, late)

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

    def caller(self, about: About, deadline: float | None, late: Late) -> Call:
        """Calls the tasks of one execution for its segments; what is not answered at once goes to `late`."""

        directs = self._directs

        def call(row: Row, payload: JSON, counts: int, tries: int) -> JSON:
            plan = row.plan
            arn = plan.resource.arn
            direct = None
            if not tries and plan.timeout is None:
                direct = directs[arn] if arn in directs else self._bind(plan.resource)
            try:
                if direct is not None:
                    output = direct(payload, (row, counts, about, deadline))
                    if type(output) in _JSON_TYPES:
                        return output
                    task = _described(payload, (row, counts, about, deadline))[0]
                else:
                    timeout = None if plan.timeout is None else plan.timeout(None)
                    attempt = sum(attempts(tries))
                    task = StartTask(1, plan.resource, payload, row.name, step_key(row, counts), attempt, timeout)
                    output = self._start(task, about, deadline)
                    if type(output) in _JSON_TYPES:
                        return output
            except StatesError as error:
                return TaskFailed(1, error.error, error.cause)
            except Exception as bug:
                return _broken(_described(payload, (row, counts, about, deadline))[0], bug)
            late.append((task, output))
            return PENDING

        return call

    def _bind(self, resource: Any) -> Direct | None:
        """The short way to a resource, if its integration has one."""
        bind = getattr(self._integration, "bind", None)
        direct: Direct | None = None if bind is None else bind(resource, _described)
        self._directs[resource.arn] = direct
        return direct

    # Between two segments ---------------------------------------------------------------------------

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
            finish = self._perform(run, self._inflate(run, point, late))
            return finish if finish is not None else self._perform(run, self._deliver(run.x, event))
        call = self.caller(run.about, deadline, late)
        if len(point) == 8:
            point = again(run.program, segments, point, call)
        else:
            answer = cast(TaskSucceeded, event).output if kind is TaskSucceeded else None
            point = answered(segments, point, event if kind is TaskFailed else answer, call)
            if point[0] != END:
                point = drive(run.program, segments, point, call)
        return self._settle(run, point, late)

    def _unpark(self, run: Run) -> None:
        if run.slot is not None:
            self._wheel.remove(run, 0, run.slot)  # which does nothing to one that was left there
            run.slot = None

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
            run.data = run.held = None  # the wheel may hold it until it would have been due

    async def close(self) -> None:
        """Cancel the calls that still run and wait until they have noticed."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Events in --------------------------------------------------------------------------------------

    def _fired(self, run: Run, seq: int) -> None:
        """A timer came due. It waits its turn, since thousands may come due together."""
        if seq > 0:
            del run.owning().timers[seq]
            self._queue(self._ready, run, TimerFired(seq))
        elif seq == 0 or run.slot == -seq:
            run.slot = None
            self._queue(self._ready, run, _OVER)

    def _queue(self, queue: deque[tuple[Run, Event | None]], run: Run, event: Event | None) -> None:
        queue.append((run, event))
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Let queued executions go on for one budget, then let the loop have its turn.

        Timers that came due go first. Who has used up a turn goes on in what is left, one at least: a thousand
        endless loops would hold up a timer for half a second if it stood in line behind them.
        """
        ready, again, monotonic = self._ready, self._again, self._clock.monotonic
        began = monotonic()
        until = began + TURN_SECONDS
        while ready:
            self._step(*ready.popleft())
            if monotonic() >= until:
                break
        until = began + AGAIN_SECONDS
        while again:
            self._step(*again.popleft())
            if monotonic() >= until:
                break
        if ready or again:
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._turning = False

    def _step(self, run: Run, event: Event | None) -> None:
        x = run.x
        if x.finished is not None:
            return
        if event is None:
            run.owning().queued = False
        finish = self._wake(run, event) if x is run else self._perform(run, self._deliver(x, event))
        if finish is not None:
            run.done(run, finish)

    def _deliver(self, x: Execution, event: Event | None) -> list[Effect]:
        """What the engine answers to an event, or to its next turn. A bug ends the execution, not the process."""
        now = self._clock.monotonic()
        try:
            return advance(x, now) if event is None else deliver(x, event, now)
        except Exception as bug:
            return [_fail(x, bug)]

    # Effects out ------------------------------------------------------------------------------------

    def _perform(self, run: Run, effects: list[Effect], patience: int = INLINE_ANSWERS) -> Finish | None:
        """Perform effects in order, then those of the answers that came at once; the end, if they lead there.

        Timers are started last: an execution whose tasks all answer at once never touches the wheel.
        """
        answers: deque[Event] = deque()
        timers: dict[int, float] = {}
        while True:
            finish = self._apply(run, effects, answers, timers)
            if finish is not None:
                return self._end(run, finish)
            if not answers or not patience:
                break
            patience -= 1
            effects = self._deliver(run.x, answers.popleft())
        for answer in answers:
            self._queue(self._again, run, answer)
        if timers:
            slots = run.owning().timers
            for seq, at in timers.items():
                slots[seq] = self._wheel.add(run, seq, at)
        return None

    def _apply(self, run: Run, effects: list[Effect], answers: deque[Event], timers: dict[int, float]) -> Finish | None:
        """Start tasks, note timers, cancel; the end if it is among `effects`."""
        for effect in effects:
            kind = type(effect)
            if kind is StartTask:
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
            elif kind is Finish:
                return cast(Finish, effect)
            elif kind is Yield and not run.owning().queued:
                run.owning().queued = True
                self._queue(self._again, run, None)
        return None

    def _call(self, run: Run, task: StartTask) -> Event | None:
        """Start one call; its answer if that came at once."""
        x = run.x
        if task.token is not None and self._callbacks is not None:
            self._callbacks.expect(self, run, task)
        try:
            output = self._start(task, x.about, x.deadline)
        except StatesError as error:
            return TaskFailed(task.seq, error.error, error.cause)
        if type(output) in _JSON_TYPES:
            return TaskSucceeded(task.seq, output)
        self._await(run, task, output)
        return None

    def _start(self, task: StartTask, about: About, deadline: float | None) -> JSON | Awaitable[JSON]:
        """What the integration answers; raises StatesError, also for a bug of the integration."""
        context = _context(about, deadline)
        try:
            return self._integration.start(task, context)
        except StatesError:
            raise
        except Exception as bug:
            broken = _broken(task, bug)
            raise StatesError(broken.error, broken.cause) from bug

    def _await(self, run: Run, task: StartTask, output: Awaitable[JSON]) -> None:
        """Wait for an answer in a task of its own."""
        loop = asyncio.get_running_loop()
        waiting = asyncio.Task(self._answer(run, task, output), loop=loop, name=task.state)
        run.owning().tasks[task.seq] = waiting, output
        self._tasks.add(waiting)

    def _give_up(self, waiting: asyncio.Task[None], output: Awaitable[JSON]) -> None:
        """Cancel a call. One that has not begun never will: not even its own end is going to run."""
        waiting.cancel()
        if isinstance(output, Coroutine) and inspect.getcoroutinestate(output) == inspect.CORO_CREATED:
            waiting.add_done_callback(self._tasks.discard)
            output.close()

    async def _answer(self, run: Run, task: StartTask, output: Awaitable[JSON]) -> None:
        """Wait for one answer and deliver it, unless nobody wants it any more."""
        event: Event
        try:
            answer = await output
            if type(answer) is Submitted:
                self._step(run, TaskSubmitted(task.seq, answer.output))
                if answer.then is None:  # the outcome comes by token
                    if run.owned is not None:
                        run.owned.tasks.pop(task.seq, None)
                    return
                answer = await answer.then()
            event = TaskSucceeded(task.seq, answer)
        except StatesError as error:
            event = TaskFailed(task.seq, error.error, error.cause)
        except asyncio.CancelledError as cancelled:
            if run.owned is None or task.seq not in run.owned.tasks:
                raise  # by us
            event = _broken(task, cancelled)
        except (Exception, SystemExit) as bug:  # a handler's sys.exit() must not end the worker
            event = _broken(task, bug)
        finally:
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        owned = run.owned
        if owned is not None and owned.tasks.pop(task.seq, None) is not None:
            self._step(run, event)

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

    def _end(self, run: Run, finish: Finish) -> Finish:
        self._report(run.x)
        self._release(run)
        return finish

    def _release(self, run: Run) -> None:
        """Take back all that a run still owns."""
        self.running -= 1
        self._unpark(run)
        if self._callbacks is not None:
            self._callbacks.ended(run)
        owned, run.owned = run.owned, None
        if owned is None:
            return
        for seq, slot in owned.timers.items():
            self._wheel.remove(run, seq, slot)
        for call in owned.tasks.values():
            self._give_up(*call)

    @staticmethod
    def _report(x: Execution | Run) -> None:
        if x.bug is not None:
            log.error("internal error in %s", x.about.execution_arn, exc_info=x.bug)


def _described(payload: JSON, site: Site) -> tuple[StartTask, TaskContext]:
    """What a call on the short way would have been on the long one."""
    row, counts, about, deadline = site
    task = StartTask(1, row.plan.resource, payload, row.name, step_key(row, counts))
    return task, _context(about, deadline)


def _context(about: About, deadline: float | None) -> TaskContext:
    name, until = about.state_machine_name, deadline or float("inf")
    return TaskContext(about.execution_arn, name, until, about.trace, about.account)


def _fail(x: Execution, bug: Exception) -> Finish:
    x.bug = bug
    x.finished = finish = Finish("FAILED", error=RUNTIME, cause=f"Internal error: {type(bug).__name__}: {bug}")
    return finish


def _broken(task: StartTask, bug: BaseException) -> TaskFailed:
    """A call that failed in a way no integration should: the task fails as States.Runtime."""
    log.error("integration of %s failed in state %s", task.resource, task.state, exc_info=bug)
    return TaskFailed(task.seq, RUNTIME, f"{type(bug).__name__}: {bug}")
