"""Effects that the engine asks of its host. Each carries a `seq`, unique within the execution; answers name it."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from express.values import JSON


class StartTask(msgspec.Struct, frozen=True, gc=False):
    """Call a resource; answer with TaskSucceeded or TaskFailed.

    `key` is stable over replays of the same record (execution, state, visit, iteration): the idempotency key.
    `timeout` and `heartbeat` are seconds for information; their timers are effects of their own. `prepared` is what
    the host has made of the parameters, if it was asked to. `submitted` is the response of a `.sync` task's first
    request where a host that is gone has sent it: its job is waited for, and not submitted again.
    """

    seq: int
    resource: Any  # the compiled asl.resources.Resource; the engine never looks inside
    input: JSON
    state: str
    key: str
    attempt: int = 0
    timeout: float | None = None
    heartbeat: float | None = None
    token: str | None = None
    credentials: JSON = None
    prepared: Any = None  # the host's; the engine never looks inside
    submitted: JSON = None


class StartTimer(msgspec.Struct, frozen=True):
    """Answer with TimerFired when the clock that gave `now` reaches `at` (seconds)."""

    seq: int
    at: float


class Cancel(msgspec.Struct, frozen=True):
    """The task or timer `seq` is not wanted any more; an answer that comes late is ignored."""

    seq: int


class Finish(msgspec.Struct, frozen=True):
    """The execution ended: `status` is SUCCEEDED, FAILED, TIMED_OUT or ABORTED. Always the last effect."""

    status: str
    output: JSON = None
    error: str | None = None
    cause: str | None = None


class Yield(msgspec.Struct, frozen=True):
    """The step budget of this turn is used up; call `advance(x, now)` after others had theirs."""


Effect: TypeAlias = StartTask | StartTimer | Cancel | Finish | Yield
