"""Events that the host hands to the engine: answers to the effects it performed. `seq` names the effect."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from express.values import JSON

UNSENT = "unsent"


class TaskSucceeded(msgspec.Struct, frozen=True, gc=False):
    """The task answered; `output` is the raw task result, before ResultSelector."""

    seq: int
    output: JSON


class TaskFailed(msgspec.Struct, frozen=True, gc=False):
    """The task failed with an error name and cause (None: AWS reports no such field).

    `stage` tells what failed, as the history tells it: `run` (TaskFailed), `start` (TaskStartFailed),
    `submit` (TaskSubmitFailed), `schedule` (LambdaFunctionScheduleFailed). `UNSENT`: the call was never made, as no
    request could be made of its parameters; the history tells neither its start nor its failure.
    """

    seq: int
    error: str | None
    cause: str | None = None
    stage: str = "run"


class TaskSubmitted(msgspec.Struct, frozen=True, gc=False):
    """The first request of a `.sync` or `.waitForTaskToken` task was accepted; its outcome comes later."""

    seq: int
    output: JSON


class TaskStarted(msgspec.Struct, frozen=True):
    """A worker has taken the task of an activity: its TimeoutSeconds and HeartbeatSeconds count from now on."""

    seq: int
    worker: str | None = None


class Heartbeat(msgspec.Struct, frozen=True):
    """SendTaskHeartbeat: the task lives; its heartbeat timer starts anew."""

    seq: int


class TimerFired(msgspec.Struct, frozen=True):
    """A timer that was asked for has come due."""

    seq: int


class Stopped(msgspec.Struct, frozen=True):
    """StopExecution, or the host gives the execution up: it ends ABORTED."""

    error: str | None = None
    cause: str | None = None


Event: TypeAlias = TaskSucceeded | TaskFailed | TaskSubmitted | TaskStarted | Heartbeat | TimerFired | Stopped
