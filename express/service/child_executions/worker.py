"""The state machines of a worker, for executions that start executions: run on its executor, metered on their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from express.config import Nested
from express.config.validate import nearest
from express.engine import About, Program
from express.engine.effects import Finish
from express.engine.execution import Execution
from express.engine.program import EXECUTION_SECONDS, lasted
from express.engine.segments import Ended
from express.errors import ApiError
from express.integrations import Integrations
from express.integrations.start_execution import STARTS, machine_name
from express.ports import ChildEnd, ChildRequest, Clock
from express.runtime.counters import Counters
from express.runtime.dependents import Attachments
from express.runtime.drain.pipeline import Workflow
from express.runtime.executor.executor import Executor, Run
from express.runtime.meter import Meter
from express.runtime.records.terminal_writer import result_of
from express.service.workflows import Callables, compile_callable, read_definition
from express.service.workflows import machine_name as workflow_name
from express.values import PAYLOAD_LIMIT


def attaches(program: Program) -> bool:
    """Return whether a workflow may start executions or produce records, which belong to the record it runs for."""
    return any(
        (resource.kind, resource.service) == ("express", "kafka") or f"{resource.service}:{resource.action}" in STARTS
        for resource in program.resources
    )


class LocalChild:
    """An execution on the executor of this process."""

    def __init__(self, about: About) -> None:
        self.execution_arn = about.execution_arn
        self.machine_arn = about.state_machine_arn
        self.started = about.started
        self.end: ChildEnd | None = None
        self.stop: Callable[[], None] = lambda: None
        self._over: list[Callable[[], None]] = []
        self._waiting: asyncio.Future[ChildEnd] | None = None

    async def wait(self) -> ChildEnd:
        """Its end. When the caller is cancelled the execution is given up."""
        if self.end is not None:
            return self.end
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            return await self._waiting
        except asyncio.CancelledError:
            self.stop()
            raise

    def when_over(self, then: Callable[[], None]) -> None:
        """Call `then` once it has ended or was given up; at once if that is so already."""
        if self.end is not None:
            then()
        else:
            self._over.append(then)

    def over(self, end: ChildEnd | None) -> None:
        """It has ended; None: it was given up."""
        self.end = end
        if end is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(end)
        over, self._over = self._over, []
        for then in over:
            then()


class WorkerMachines:
    """The `Machines` of a worker: every workflow that its pipelines run, by name."""

    def __init__(self, clock: Clock, settings: Nested, attachments: Attachments | None = None) -> None:
        """`attachments`: what hangs on the records of the worker's pipelines, if it has any."""
        self.counters: dict[str, Counters] = {}
        self._clock = clock
        self._settings = settings
        self._attached = attachments
        self._names: set[str] = set()
        self._workflows: dict[str, Workflow] = {}
        self._executor: Executor | None = None
        self._running = 0
        self._idle: asyncio.Future[None] | None = None

    def name(self, names: set[str]) -> None:
        """The machines that there will be: definitions may name each other before they are compiled."""
        self._names |= names

    def bind(self, executor: Executor) -> None:
        """Run children there."""
        self._executor = executor

    def add(self, workflow: Workflow) -> None:
        """A machine is compiled."""
        self._names.add(workflow.name)
        self._workflows[workflow.name] = workflow

    def has(self, name: str) -> bool:
        """Return whether the machine of this name is compiled."""
        return name in self._workflows

    async def idle(self) -> None:
        """Wait until no nested execution runs."""
        if self._running:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    def knows(self, machine_arn: str) -> bool:
        """Return whether there is a machine of this name; region, account, version and alias do not count."""
        return machine_name(machine_arn) in self._names

    def nearest(self, machine_arn: str) -> str | None:
        """The name of the machine that was probably meant."""
        near = nearest(machine_name(machine_arn), self._names)
        return near.partition("'")[2].partition("'")[0] if near.startswith("did") else None

    def find(self, machine_arn: str) -> Workflow:
        """The machine of an ARN. Raises ApiError as StartExecution would answer."""
        workflow = self._workflows.get(machine_name(machine_arn))
        if workflow is None:
            raise ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{machine_arn}'")
        return workflow

    def start(self, machine: Workflow, request: ChildRequest) -> LocalChild:
        """Start an execution. Raises ApiError where there are too many already."""
        if self._running >= self._settings.concurrency:
            limit = self._settings.concurrency
            raise ApiError("ExecutionLimitExceeded", f"{limit} nested executions are running (nested.concurrency)")
        assert self._executor is not None, "bound before anything runs"
        about = About(
            execution_arn=f"{machine.execution_prefix}{request.name}:{request.identity}",
            name=request.name,
            role_arn=machine.role_arn,
            state_machine_arn=machine.arn,
            state_machine_name=machine.name,
            started=self._clock.wall(),
            redrive_count=None if request.sync else 0,
            trace=request.trace,
            account=request.account,
        )
        return self._submit(machine, request, about, self._executor)

    def _submit(self, workflow: Workflow, request: ChildRequest, about: About, executor: Executor) -> LocalChild:
        counters = self._counters(workflow)
        counters.started += 1
        child = LocalChild(about)
        size = len(request.text.encode())

        def ended(run: Run, finish: Finish) -> None:
            self._left(run, lambda: child.over(self._end(workflow, counters, run.x, size)))

        def dropped(run: Run) -> None:
            counters.aborted += 1
            counters.abandoned += 1
            self._left(run, lambda: child.over(None))

        x, run = executor.submit(workflow.program, request.data, about, ended, size=size)
        if run is None:
            child.over(self._end(workflow, counters, x, size))
            return child
        self._running += 1
        run.item = lambda: dropped(run)
        child.stop = lambda: self._stop(executor, run)
        if self._attached is not None:
            self._attached.hold(about.account, run)
        return child

    def _stop(self, executor: Executor, run: Run) -> None:
        if run.x.finished is None:
            executor.drop(run)
            run.item()

    def _left(self, run: Run, then: Callable[[], None]) -> None:
        self._running -= 1
        then()
        if self._attached is not None:
            self._attached.leave(run.x.about.account, run)
        if not self._running and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _counters(self, workflow: Workflow) -> Counters:
        return self.counters.setdefault(workflow.name, Counters())

    def _end(self, workflow: Workflow, counters: Counters, x: object, size: int) -> ChildEnd:
        """Count and bill an execution that has ended."""
        assert isinstance(x, Execution | Ended)
        finish, value = result_of(x, PAYLOAD_LIMIT)
        elapsed = lasted(workflow.program, EXECUTION_SECONDS, finish.status, self._clock.monotonic() - x.started)
        ms, mb = Meter(workflow, counters).ended(finish.status, size + len(value), elapsed, x.transitions)
        return ChildEnd(
            status=finish.status,
            stopped=x.about.started + elapsed,
            output=value.decode() if finish.status == "SUCCEEDED" else None,
            error=finish.error,
            cause=finish.cause,
            billed_ms=ms,
            billed_mb=mb,
        )


def add_others(
    machines: WorkerMachines, files: Iterable[str], functions: Callables, integrations: Integrations
) -> None:
    """Further workflows, for executions that start theirs."""
    for file in files:
        name = workflow_name(file)
        if not machines.has(name):
            program = compile_callable(read_definition(file), functions, integrations, file)
            machines.add(Workflow(name=name, program=program))
