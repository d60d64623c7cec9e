"""The state machines of an API server, for executions that start executions: seen, logged, billed like all others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from express.api.errors import type_not_supported
from express.api.executions import Executions, Request, Started
from express.api.registry import Registry, Target
from express.api.responses import sync_response
from express.api.standard import StandardExecutions
from express.config import Nested
from express.config.validate import nearest
from express.errors import ApiError
from express.integrations.start_execution import machine_name
from express.ports import Child, ChildEnd, ChildRequest
from express.service.child_executions.standard import start


class ApiChild:
    """An execution of the server that another one has started."""

    def __init__(self, started: Started, executions: Executions) -> None:
        self.execution_arn = started.about.execution_arn
        self.machine_arn = started.about.state_machine_arn
        self.started = started.about.started
        self._started = started
        self._executions = executions
        if _runs(started):
            started.done = asyncio.get_running_loop().create_future()

    @property
    def end(self) -> ChildEnd | None:
        """Return how it ended; None while it runs."""
        return None if _runs(self._started) else _end(self._started)

    async def wait(self) -> ChildEnd:
        """Its end. When the caller is cancelled the execution is stopped."""
        if self._started.done is not None:
            try:
                await asyncio.shield(self._started.done)
            except asyncio.CancelledError:
                self._executions.stop(self._started, None, None)
                raise
        return _end(self._started)

    def when_over(self, then: Callable[[], None]) -> None:
        """Call `then` once it has ended; at once if that is so already."""
        if self._started.done is None:
            then()
        else:
            self._started.done.add_done_callback(lambda _: then())


def _runs(started: Started) -> bool:
    return started.run is not None and started.x.finished is None


def _end(started: Started) -> ChildEnd:
    billing = sync_response(started, include_data=False)["billingDetails"]
    return ChildEnd(
        status=started.finish.status,
        stopped=started.stopped,
        output=started.output,
        error=started.finish.error,
        cause=started.finish.cause,
        billed_ms=billing["billedDurationInMilliseconds"],
        billed_mb=billing["billedMemoryUsedInMB"],
    )


class ApiMachines:
    """The `Machines` of a server: those that it has just now, by name. Bound once the server is made."""

    def __init__(self, settings: Nested) -> None:
        self._settings = settings
        self._registry: Registry | None = None
        self._executions: Executions | None = None
        self._standard: StandardExecutions | None = None
        self._running = 0

    def bind(self, registry: Registry, executions: Executions, standard: StandardExecutions) -> None:
        """Find machines there, and run them there."""
        self._registry, self._executions, self._standard = registry, executions, standard

    def knows(self, machine_arn: str) -> bool:
        """Return whether the server has a machine of this name; region and account do not count."""
        return self._registry is not None and self._arn(self._registry, machine_arn) in self._registry.machines

    def nearest(self, machine_arn: str) -> str | None:
        """The name of the machine that was probably meant."""
        names = [] if self._registry is None else [machine.name for machine in self._registry.machines.values()]
        near = nearest(machine_name(machine_arn), names)
        return near.partition("'")[2].partition("'")[0] if near.startswith("did") else None

    async def find(self, machine_arn: str) -> Target:
        """The revision of an ARN, with or without version or alias. Raises ApiError."""
        if self._registry is None or not self.knows(machine_arn):
            raise ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{machine_arn}'")
        qualifier = ":".join(["", *machine_arn.split(":")[7:]])
        return await self._registry.target(self._arn(self._registry, machine_arn) + qualifier)

    def start(self, machine: Target, request: ChildRequest) -> Child | Awaitable[Child]:
        """Start an execution. Raises ApiError."""
        assert self._executions is not None, "bound before anything runs"
        assert self._standard is not None, "bound before anything runs"
        if machine.machine.type != "EXPRESS":
            if request.sync and not request.pattern:
                raise type_not_supported()
            return start(machine, request, self._standard)
        if self._running >= self._settings.concurrency:
            limit = self._settings.concurrency
            raise ApiError("ExecutionLimitExceeded", f"{limit} nested executions are running (nested.concurrency)")
        started = self._executions.start(
            Request(
                target=machine,
                name=request.name,
                text=request.text,
                data=request.data,
                trace_header=request.trace_header,
                sync=request.sync,
            )
        )
        self._running += 1
        child = ApiChild(started, self._executions)
        child.when_over(self._left)
        return child

    def _left(self) -> None:
        self._running -= 1

    @staticmethod
    def _arn(registry: Registry, machine_arn: str) -> str:
        return f"{registry.prefix}:stateMachine:{machine_name(machine_arn)}"
