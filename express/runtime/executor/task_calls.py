"""Calls of tasks: answered at once where the integration answers at once, stepped where it is a handler.

Segments ask a `TaskCaller`, the table the same integration by way of the executor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any, TypeAlias

import msgspec

from express.engine import About
from express.engine.effects import StartTask
from express.engine.events import UNSENT, TaskFailed
from express.engine.execution import Prepare
from express.engine.program import Program, Row
from express.engine.segments import PENDING, Point, attempts, step_key
from express.errors import RUNTIME, StatesError, Unsendable
from express.ports import Clock, Direct, Identity, Integration, TaskContext
from express.runtime.executor.eager_task import EagerTask, EagerTasks
from express.values import JSON

JSON_TYPES = frozenset({dict, list, str, int, float, bool, type(None)})

STEPPED = frozenset({"lambda", "other"})
"""Kinds of resources whose coroutines are begun at once and stepped: handlers. What talks to the network on our own
account has a task, which begins when the execution has its place."""

Site: TypeAlias = tuple[Row, int, Identity, float | None]
"""The place of a direct call: row, counts, execution, deadline."""

log = logging.getLogger(__name__)


class ResourceCalls:
    """An integration, and what was found out about its resources."""

    def __init__(
        self, integration: Integration, clock: Clock, told: Callable[[EagerTask], None] = lambda _: None
    ) -> None:
        """`told` is called when a handler has ended that was stepped and awaited, if any is."""
        self.clock = clock
        self._integration = integration
        self._told = told
        self.prepare: Prepare = self._prepared
        self._stepper: EagerTasks | None = None
        self.directs: dict[str, Direct | None] = {}

    @property
    def stepper(self) -> EagerTasks:
        """Return what steps handlers, on the loop that is running when one is called first: the only one there is."""
        if self._stepper is None:
            self._stepper = EagerTasks(asyncio.get_running_loop(), self._told)
        return self._stepper

    def _prepared(self, task: StartTask, about: About, deadline: float | None) -> StartTask:
        """A call with what its integration makes of the parameters; raises StatesError, also for a bug of it."""
        try:
            return self._integration.prepare(task, context_of(about, deadline))
        except StatesError:
            raise
        except Exception as bug:
            failed = broken(task, bug)
            raise StatesError(failed.error, failed.cause) from bug

    def start(
        self, task: StartTask, about: Identity, deadline: float | None, *, fresh: bool = False
    ) -> JSON | Awaitable[JSON]:
        """Return what the integration answers; raises StatesError, also for a bug of the integration.

        `fresh`: the call has not been prepared, which may raise Unsendable.
        """
        context = context_of(about, deadline)
        try:
            if fresh:
                task = self._integration.prepare(task, context)
            return self._integration.start(task, context)
        except StatesError:
            raise
        except Exception as bug:
            failed = broken(task, bug)
            raise StatesError(failed.error, failed.cause) from bug

    def direct(self, row: Row) -> Direct | None:
        """The direct way to what a Task calls, for its first try; None where there is none, or the task is timed."""
        if row.plan.timed:
            return None
        resource = row.plan.resource
        return self.directs[resource.arn] if resource.arn in self.directs else self.bind(resource)

    def bind(self, resource: Any) -> Direct | None:
        """The direct way to a resource, if its integration has one."""
        direct = self.directs[resource.arn] = self._integration.bind(resource, described)
        return direct


class TaskCaller(msgspec.Struct, gc=False):
    """Calls the tasks of one execution for its segments.

    What is not answered at once is left in `late`, for whoever parks the execution to take it out again: a Caller is
    not looked at by the garbage collector, nor is it a closure, which would be seven objects for it to look at.
    """

    calls: ResourceCalls
    about: Identity
    deadline: float | None
    late: Awaitable[JSON] | EagerTask | None = None
    since: float | None = None
    """Monotonic time at which the last task with a timeout or a heartbeat was called."""

    def __call__(self, row: Row, payload: JSON, counts: int, tries: int) -> JSON:
        """The answer, a TaskFailed, or PENDING."""
        plan = row.plan
        resource = plan.resource
        direct = None
        if not tries and not plan.timed:
            directs = self.calls.directs
            direct = directs[resource.arn] if resource.arn in directs else self.calls.bind(resource)
        try:
            if direct is not None:
                output = direct(payload, (row, counts, self.about, self.deadline))
            else:
                if plan.timed:
                    self.since = self.calls.clock.monotonic()
                attempt = sum(attempts(tries)) if tries else 0
                task = StartTask(1, resource, payload, row.name, step_key(row, counts), attempt, *plan.seconds())
                output = self.calls.start(task, self.about, self.deadline, fresh=True)
            if type(output) in JSON_TYPES:
                return output
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            return self.raised(error, row, payload, counts)
        return self.taken(output, row, payload, counts)

    def taken(self, output: Awaitable[JSON] | EagerTask, row: Row, payload: JSON, counts: int) -> JSON:
        """Return what comes of a call that did not answer at once: still an answer, a TaskFailed, or PENDING."""
        if type(output) is CoroutineType and row.plan.resource.kind in STEPPED:
            try:
                output = (self.calls._stepper or self.calls.stepper).begin(output, row.name, self)
            except (Exception, SystemExit, asyncio.CancelledError) as error:
                return self.raised(error, row, payload, counts)
            if type(output) is not EagerTask:
                return output
        self.late = output
        return PENDING

    def raised(self, error: BaseException, row: Row, payload: JSON, counts: int) -> TaskFailed:
        """Return what comes of a call that raised."""
        if isinstance(error, StatesError):
            return TaskFailed(1, error.error, error.cause, UNSENT if type(error) is Unsendable else "run")
        return broken(self._task(row, payload, counts), error)

    def asked(self, program: Program, point: Point) -> StartTask:
        """The call that an execution at `point` waits for."""
        return self._task(program.scope.rows[point[0]], point[5], point[2])

    def _task(self, row: Row, payload: JSON, counts: int) -> StartTask:
        return described(payload, (row, counts, self.about, self.deadline))[0]


def described(payload: JSON, site: Site) -> tuple[StartTask, TaskContext]:
    """Return what a direct call would have been by way of `start`."""
    row, counts, about, deadline = site
    task = StartTask(1, row.plan.resource, payload, row.name, step_key(row, counts))
    return task, context_of(about, deadline)


def context_of(about: Identity, deadline: float | None) -> TaskContext:
    """Return what an integration may know of an execution."""
    name, until = about.state_machine_name, deadline or float("inf")
    return TaskContext(about.execution_arn, name, until, about.trace, about.account)


def failed(task: StartTask, error: BaseException) -> TaskFailed:
    """Return what the engine is told of a call that raised."""
    if isinstance(error, StatesError):
        return TaskFailed(task.seq, error.error, error.cause)
    return broken(task, error)


def broken(task: StartTask, bug: BaseException) -> TaskFailed:
    """A call that failed in a way no integration should: the task fails as States.Runtime."""
    log.error("integration of %s failed in state %s", task.resource, task.state, exc_info=bug)
    return TaskFailed(task.seq, RUNTIME, f"{type(bug).__name__}: {bug}")
