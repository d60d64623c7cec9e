"""The calls of Standard executions: begun once their turn is committed, and made again where a host has died."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import cast

from express.engine import About
from express.engine.effects import StartTask
from express.engine.events import Event, TaskFailed, TaskSubmitted, TaskSucceeded
from express.engine.execution import Prepare
from express.engine.history import HistoryEvent
from express.engine.turns import decode_events
from express.errors import StatesError
from express.ports import LEAVE, Clock, Submitted
from express.ports.journal import Journal
from express.runtime.executor.task_calls import JSON_TYPES, ResourceCalls, failed
from express.runtime.standard.live import CALLED, SUBMITTED, LiveExecution
from express.values import JSON

LOST = "Express.TaskLost"
"""The error of a task whose call was under way when its host died, where it is not to be made again."""


CALLS_AT_ONCE = 100_000
"""Calls that may be under way before starts are refused."""


def as_a_year(prepare: Prepare) -> Prepare:
    """`prepare` for an execution whose deadline is wall time: its calls end by their own limits."""

    def prepared(task: StartTask, about: About, deadline: float | None) -> StartTask:
        return prepare(task, about, None)

    return prepared


class StandardCalls:
    """Makes the calls of a host's executions. `post` delivers their answers."""

    def __init__(
        self,
        calls: ResourceCalls,
        clock: Clock,
        journal: Journal,
        post: Callable[[int, Event], None],
        *,
        fail_lost: bool,
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._journal = journal
        self._post = post
        self._fail_lost = fail_lost
        self._running = 0
        self._closing = False

    @property
    def is_full(self) -> bool:
        """Return whether as many calls are under way as may be."""
        return self._running >= CALLS_AT_ONCE

    def begin(self, live: LiveExecution, task: StartTask) -> None:
        """Make one call; its answer is posted."""
        if task.seq in live.calls:
            return  # it was under way when the copy of the execution was dropped
        x = live.x
        deadline = None if x.deadline is None else self._clock.monotonic() + x.deadline - self._clock.wall()
        try:
            output = self._calls.start(task, x.about, deadline)
        except StatesError as error:
            self._post(live.id, TaskFailed(task.seq, error.error, error.cause))
            return
        if type(output) in JSON_TYPES:
            self._post(live.id, TaskSucceeded(task.seq, output))
            return
        self._running += 1
        work = self._answer(live, task, cast(Awaitable[JSON], output))
        live.calls[task.seq] = asyncio.get_running_loop().create_task(work, name=task.state)

    async def _answer(self, live: LiveExecution, task: StartTask, output: Awaitable[JSON]) -> None:
        answer: JSON | TaskFailed
        try:
            answer = await output
            if type(answer) is Submitted:
                if task.submitted is None:
                    self._post(live.id, TaskSubmitted(task.seq, answer.output))
                if answer.then is None:
                    return
                answer = await answer.then()
            event: Event = TaskSucceeded(task.seq, answer)
        except asyncio.CancelledError:
            if self._closing or live.calls.get(task.seq) is not asyncio.current_task():
                raise  # by us
            event = TaskFailed(task.seq, "States.Runtime", "The call was cancelled")
        except (Exception, SystemExit) as error:  # a handler's sys.exit() must not end the server
            event = failed(task, error)
        finally:
            self._running -= 1
            if live.calls.get(task.seq) is asyncio.current_task():
                del live.calls[task.seq]
        self._post(live.id, event)

    def cancel(self, live: LiveExecution, seq: int) -> None:
        """Give a call up that nobody waits for any more."""
        call = live.calls.pop(seq, None)
        if call is not None:
            call.cancel()

    def cancel_all(self, live: LiveExecution) -> None:
        """Give up all calls of an execution that is over."""
        for seq in list(live.calls):
            self.cancel(live, seq)

    async def close(self, calls: Collection[asyncio.Task[None]]) -> None:
        """Cancel calls, but leave what was submitted running, and wait until they have noticed."""
        self._closing = True
        for call in calls:
            call.cancel(LEAVE)
        await asyncio.gather(*calls, return_exceptions=True)

    # After a crash -----------------------------------------------------------------------------------

    async def recover(self, live: LiveExecution) -> None:
        """Make the calls of an execution again that are under way and nobody here has made. Raises StoreError."""
        queued = {effect.seq for turn in live.turns for effect in turn.effects}  # begun once they are committed
        for seq, stage in list(live.stages.items()):
            if seq in live.calls or stage not in (CALLED, SUBMITTED) or seq in queued:
                continue
            if self._fail_lost and stage == CALLED:
                self._post(live.id, TaskFailed(seq, LOST, "The call was under way when the server ended"))
                continue
            task = self._calls.prepare(await self.asked(live, seq), live.x.about, None)
            if seq in live.stages and seq not in live.calls and not live.dropped:
                self.begin(live, task)

    async def asked(self, live: LiveExecution, seq: int) -> StartTask:
        """The call of a task, its parameters read from the history: the same key as before. Raises StoreError."""
        x = live.x
        frame = x.pending[seq][0]
        assert frame is not None, "only the deadline has no frame"
        row, id_ = frame.rows[frame.at], frame.prev
        submitted = None
        while True:  # back over what the task has recorded
            _, prev, kind, _, details = _event(await self._journal.history(live.id, id_, 1), id_, x.input)
            if kind.endswith("Scheduled"):
                break
            if kind.endswith("Submitted"):
                submitted = details["output"]
            id_ = prev
        credentials = details.get("taskCredentials")
        return StartTask(
            seq,
            row.plan.resource,
            details.get("parameters", details.get("input")),
            row.name,
            f"{frame.path()}{row.name}#{frame.steps}",
            frame.retry_count,
            details.get("timeoutInSeconds"),
            details.get("heartbeatInSeconds"),
            frame.token,
            None if credentials is None else {"RoleArn": credentials["roleArn"]},
            submitted=submitted,
        )


def _event(turns: list[bytes], id_: int, data: JSON) -> HistoryEvent:
    return next(event for turn in turns for event in decode_events(turn, data) if event[0] == id_)
