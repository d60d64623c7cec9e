"""Standard executions that an execution of the same server starts: once, whatever becomes of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from express.api.executions import Request
from express.api.registry import Target
from express.api.standard import StandardExecutions
from express.errors import ApiError
from express.ports import LEAVE, ChildEnd, ChildRequest
from express.ports.journal import Stored


class StandardChild:
    """A Standard execution that another one has started."""

    end = None
    """It is never known without asking the journal."""

    def __init__(self, stored: Stored, arn: str, executions: StandardExecutions) -> None:
        self.execution_arn = arn
        self.machine_arn = stored.begun.machine
        self.started = stored.begun.started
        self._id = stored.id
        self._executions = executions

    async def wait(self) -> ChildEnd:
        """Its end. When the caller is cancelled the execution is stopped, unless it is to be left running."""
        host = self._executions.host
        try:
            end = await host.ends.wait(self._id)
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (LEAVE,):
                host.give_up(self._id)
            raise
        return ChildEnd(status=end.status, stopped=end.stopped, output=end.output, error=end.error, cause=end.cause)

    def when_over(self, then: Callable[[], None]) -> None:
        """Call `then` at once: what has led to it is in the journal, and not remembered here."""
        then()


async def start(target: Target, request: ChildRequest, executions: StandardExecutions) -> StandardChild:
    """Start an execution. Raises ApiError.

    Its name is made of the call that starts it, so a call that is made again finds what the first one has started.
    """
    wanted = Request(
        target=target,
        name=request.name,
        text=request.text,
        data=request.data,
        trace_header=request.trace_header,
    )
    arn = executions.arn(target.machine.name, request.name)
    try:
        await executions.start(wanted)
    except ApiError as error:
        ours = request.again or request.name == request.identity
        if error.code != "ExecutionAlreadyExists" or not ours:
            raise
    return StandardChild(await executions.find(arn), arn, executions)
