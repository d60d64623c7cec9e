"""Executions that a state starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from express.values import JSON


class ChildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A nested execution that is wanted. `text` is the input as JSON text, `data` the same parsed.

    `identity` is a UUID that is the same for every replay of the step that starts it. `account` is that of the
    execution whose task this is: a child runs for the same record. `sync`: somebody waits for its end. `pattern`: as
    in the resource, "sync" or "sync:2". `again`: it was started for this call already, by a process that is gone.
    """

    machine_arn: str
    name: str
    identity: str
    text: str
    data: JSON
    sync: bool
    account: int = 0
    pattern: str = ""
    trace_header: str | None = None
    trace: tuple[str, str] | None = None
    again: bool = False


class ChildEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a nested execution. `output` is JSON text; `stopped` is wall-clock seconds."""

    status: str
    stopped: float
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    billed_ms: int = 0
    billed_mb: int = 0


class Child(Protocol):
    """A nested execution."""

    @property
    def execution_arn(self) -> str:
        """Its ARN."""

    @property
    def machine_arn(self) -> str:
        """Its state machine."""

    @property
    def started(self) -> float:
        """Wall-clock seconds."""

    @property
    def end(self) -> ChildEnd | None:
        """Return how it ended; None while it runs."""

    async def wait(self) -> ChildEnd:
        """Its end. When the caller is cancelled the execution is stopped."""

    def when_over(self, then: Callable[[], None]) -> None:
        """Call `then` once it has ended or was given up; at once if that is so already."""


class Machines(Protocol):
    """State machines whose executions can be started in this process."""

    def knows(self, machine_arn: str) -> bool:
        """Return whether there is a machine for this ARN."""

    def nearest(self, machine_arn: str) -> str | None:
        """The name of the machine that was probably meant."""

    def find(self, machine_arn: str) -> Any | Awaitable[Any]:
        """The machine of an ARN, for `start`. Raises ApiError with the code that StartExecution would answer with."""

    def start(self, machine: Any, request: ChildRequest) -> Child | Awaitable[Child]:
        """Start an execution, which may run to its end at once. Raises ApiError as `find`."""
