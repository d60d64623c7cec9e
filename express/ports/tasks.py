"""Calls of tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import msgspec

from express.engine.effects import StartTask
from express.errors import StatesError
from express.values import JSON


class Identity(Protocol):
    """The execution that calls a task, as far as the task may know."""

    @property
    def execution_arn(self) -> str:
        """The execution's ARN."""

    @property
    def state_machine_name(self) -> str:
        """The machine's name."""

    @property
    def trace(self) -> tuple[str, str] | None:
        """W3C traceparent and tracestate of what caused the execution."""

    @property
    def account(self) -> int:
        """Return what `Outbox` and `Machines` of its host know its record by; 0: none."""


class TaskContext(msgspec.Struct, frozen=True, gc=False):
    """The execution that calls an integration, as far as it may know, besides the StartTask effect."""

    execution_arn: str
    state_machine_name: str
    deadline: float  # monotonic seconds: when nobody waits for the answer any more
    trace: tuple[str, str] | None = None  # W3C traceparent and tracestate of what caused the execution
    account: int = 0  # what `Outbox` and `Machines` of its host know the record by that it runs for; 0: none


Describe: TypeAlias = Callable[[JSON, Any], tuple[StartTask, TaskContext]]
"""(payload, site) → the effect and the context of a call, for whoever wants to know more than its payload."""


Direct: TypeAlias = Callable[[JSON, Any], JSON | Awaitable[JSON]]
"""(payload, site) → what `Integration.start` would answer or raise. `site` is only there for `Describe`."""


LEAVE = "leave it running"
"""The message of a cancellation by a host that ends while its executions go on: the next one takes their jobs up."""


class Submitted(msgspec.Struct, frozen=True):
    """Answer of an integration for a task that goes on after its first request, whose response is `output`.

    `then` waits for the outcome (`.sync`); None: it will come by the task's token (`.waitForTaskToken`). Cancelled, it
    tries to stop what was submitted, unless the cancellation's message is `LEAVE`.
    """

    output: JSON
    then: Callable[[], Awaitable[JSON]] | None = None


class Tally(Protocol):
    """Counts the calls of the direct way to a resource. `clock` gives seconds, `began` is what it gave first."""

    at_once: list[float]
    """[calls, seconds] of those that were answered at once, within QUICK_SECONDS; whoever calls adds to it."""

    @property
    def clock(self) -> Callable[[], float]:
        """The clock."""

    def succeeded(self, began: float) -> None:
        """A call was answered at once that took longer."""

    def failed(self, error: StatesError, began: float) -> None:
        """A call has raised."""

    def awaited(self, answer: Awaitable[JSON], began: float) -> Awaitable[JSON]:
        """A call has answered with something to await: to be awaited instead."""


QUICK_SECONDS = 0.001
"""Seconds up to which a duration is in the first bucket of every histogram."""


class Integration(Protocol):
    """Performs the calls of one kind of resource. An adapter names this class as its base and has `start` at least."""

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Perform the call: the raw task result, at once or awaited.

        Raises StatesError with the error name and cause that Retry and Catch are to see. Any other
        exception is a bug of the integration and fails the task as States.Runtime. Cancelling the
        awaitable means nobody wants the answer.
        """

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """Return the task with what its parameters make, if that is anything. Nothing is sent or opened.

        Raises Unsendable where no request can be made of the parameters; any other error is for the call itself.
        """
        return task

    def bind(self, resource: Any, describe: Describe, tally: Tally | None = None) -> Direct | None:
        """Return what calls a compiled resource directly: what can be found out once per resource has been.

        None where every call has to go through `start`. Its calls are counted in `tally`.
        """
        return None

    def refusal(self, resource: Any) -> str | None:
        """Return why a resource of this kind can not be called here; None if it can."""
        return None

    def request_refusal(self, resource: Any, request: dict[str, JSON]) -> str | None:
        """Return why the constant part of a request can not be performed; None if nothing speaks against it."""
        return None
