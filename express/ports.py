"""The seams between the runtime and the world: small Protocols that adapters implement.

An adapter is one file below `integrations`, `sources`, `sinks` or `stores`; the runtime knows only these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from express.engine.effects import StartTask
from express.values import JSON

Headers: TypeAlias = Sequence[tuple[str, bytes]]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One event as the broker holds it. `timestamp` is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Clock(Protocol):
    """The time of a host. Engine time (`now`) is `monotonic`; `wall` is for what people read."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def wall(self) -> float:
        """Seconds since 1970."""


class TaskContext(msgspec.Struct, frozen=True):
    """What an integration may know of the execution that calls it, besides the StartTask effect."""

    execution_arn: str
    state_machine_name: str
    deadline: float  # monotonic seconds: when nobody waits for the answer any more


class Integration(Protocol):
    """Performs the calls of one kind of resource."""

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Perform the call: the raw task result, at once or awaited.

        Raises StatesError with the error name and cause that Retry and Catch are to see. Any other
        exception is a bug of the integration and fails the task as States.Runtime. Cancelling the
        awaitable means nobody wants the answer.
        """
