"""Task: calls a resource and waits for its answer (States Language, "Task State").

The engine only asks (`StartTask`) and keeps the clocks: TimeoutSeconds and HeartbeatSeconds are timers of their
own, and the first of answer, timeout and heartbeat wins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

from msgspec import UNSET, UnsetType

from express.asl import model
from express.asl.resources import Resource
from express.engine.effects import StartTask
from express.engine.events import Event, Heartbeat, TaskFailed, TaskStarted, TaskSubmitted, TaskSucceeded
from express.engine.execution import HEARTBEAT, SCHEDULED, TASK, TIMEOUT, Execution, Frame
from express.engine.program import WAIT, Row, Step
from express.engine.recovery import Failed
from express.errors import DATA_LIMIT_EXCEEDED, ExpressionError, StatesError
from express.errors import TIMEOUT as STATES_TIMEOUT
from express.expr.jsonata import Expression, compile_expression, compile_value
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.typed_fields import compile_integer_path
from express.expr.templates import compile_template
from express.expr.tree import Literal
from express.states.lowering import (
    Given,
    Leave,
    Lowering,
    Payload,
    compile_leave,
    compile_parameters,
    lower_catch,
    lower_retry,
    measure,
)
from express.values import JSON

Seconds: TypeAlias = Callable[[Frame], float | None]

_NO_FRAME: Any = None


class TaskPlan:
    """A compiled Task: what to send, how long to wait, and how the history tells it."""

    __slots__ = (
        "arn",
        "credentials",
        "heartbeat",
        "labels",
        "leave",
        "merged",
        "payload",
        "prefix",
        "resource",
        "timed",
        "timeout",
    )

    def __init__(
        self,
        resource: Resource,
        payload: Payload,
        leave: Leave,
        timeout: Seconds | None,
        heartbeat: Seconds | None,
        credentials: Payload | None,
        merged: bool,
    ) -> None:
        self.resource = resource
        self.arn = resource.arn
        self.payload = payload
        self.leave = leave
        self.timeout = timeout
        self.heartbeat = heartbeat
        self.timed = timeout is not None or heartbeat is not None
        self.credentials = credentials
        self.merged = merged
        self.prefix = {"lambda": "LambdaFunction", "activity": "Activity"}.get(resource.kind, "Task")
        self.labels: dict[str, JSON] = (
            {} if self.prefix != "Task" else {"resourceType": resource.resource_type, "resource": resource.resource}
        )

    def seconds(self) -> tuple[float | None, float | None]:
        """TimeoutSeconds and HeartbeatSeconds of a task that segments call: literals, which look at no frame."""
        timeout, heartbeat = self.timeout, self.heartbeat
        return timeout and timeout(_NO_FRAME), heartbeat and heartbeat(_NO_FRAME)

    # What the engine's loop calls ---------------------------------------------------------------------

    def started(self, x: Execution, frame: Frame, event: Event) -> None:
        """A worker has taken the task of an activity, or has answered it: the clocks run from now on."""
        worker = event.worker if type(event) is TaskStarted else None
        frame.record("ActivityStarted", {} if worker is None else {"workerName": worker})
        seq = frame.waits[-1]
        x.pending[seq] = (frame, TASK)
        timeout, heartbeat = self.timeout, self.heartbeat
        self.time(x, frame, timeout and timeout(frame), heartbeat and heartbeat(frame))

    def time(self, x: Execution, frame: Frame, timeout: float | None, heartbeat: float | None) -> None:
        """Start the clocks of a task that runs."""
        if timeout is not None:
            x.timer(frame, TIMEOUT, x.now + timeout)
        if heartbeat is not None and not self.resource.pattern and (timeout is None or heartbeat < timeout):
            x.timer(frame, HEARTBEAT, x.now + heartbeat)

    def timed_out(self, frame: Frame) -> None:
        """A timer of the task came due: AWS tells the error and no cause."""
        frame.record(f"{self.prefix}TimedOut", {**self.labels, "error": STATES_TIMEOUT})

    def scheduled(self, payload: JSON, timeout: float | None, heartbeat: float | None) -> dict[str, JSON]:
        """The details of TaskScheduled, or of its Lambda and activity forms."""
        details: dict[str, JSON]
        if self.prefix == "Task":
            details = {**self.labels, "region": self.resource.region or "us-east-1", "parameters": payload}
        else:
            details = {"resource": self.arn, "input": payload}
        if timeout is not None:
            details["timeoutInSeconds"] = timeout
        if heartbeat is not None:
            details["heartbeatInSeconds"] = heartbeat
        return details

    def failed(self, frame: Frame, event: TaskFailed) -> None:
        """The task answered with an error."""
        details = dict(self.labels)
        if event.error is not None:
            details["error"] = event.error
        if event.cause is not None:
            details["cause"] = event.cause
        stage = {"run": "", "start": "Start", "submit": "Submit", "schedule": "Schedule"}[event.stage]
        frame.record(f"{self.prefix}{stage}Failed", details)

    def still_running(self, x: Execution, frame: Frame, event: Event) -> None:
        """The first request was accepted, or a heartbeat came: the heartbeat timer starts anew."""
        if type(event) is TaskSubmitted:
            frame.record(f"{self.prefix}Submitted", {**self.labels, "output": event.output})
        seconds = self.heartbeat(frame) if self.heartbeat is not None else None
        if seconds is None or type(event) not in (Heartbeat, TaskSubmitted):
            return
        for seq in [s for s in frame.waits if x.pending.get(s, (None, -1))[1] == HEARTBEAT]:
            x.cancel(seq)
            frame.waits.remove(seq)
        x.timer(frame, HEARTBEAT, x.now + seconds)


def lower(state: model.Task, low: Lowering) -> Row:
    """A row that asks for a task."""
    resource = state.resource
    low.resources.append(resource)
    plan = TaskPlan(
        resource,
        compile_parameters(low, state.input_path, state.parameters, state.arguments),
        compile_leave(low, state, result=True),
        _seconds("TimeoutSeconds", state.timeout_seconds, state.timeout_seconds_path),
        _seconds("HeartbeatSeconds", state.heartbeat_seconds, state.heartbeat_seconds_path),
        _credentials(low, state.credentials),
        state.result_path is not None and not state.result_path.whole,
    )
    return Row(
        name=low.name,
        kind="Task",
        enter=_enter,
        resume=_resume,
        plan=plan,
        next=low.following(state),
        retry=lower_retry(state.retry),
        catch=lower_catch(low, state.catch),
    )


def _seconds(field: str, literal: Any, path: Any) -> Seconds | None:
    if isinstance(path, Path):
        read = compile_integer_path(path, f"{field}Path")
        return lambda frame: read(frame.data, frame)
    if isinstance(literal, Expression):
        evaluate = compile_expression(literal, field, "integer")
        return lambda frame: evaluate({"input": frame.data}, frame)
    return None if literal is UNSET else (lambda frame: literal)


def _credentials(low: Lowering, credentials: Given) -> Payload | None:
    if isinstance(credentials, UnsetType):
        return None
    with low.field("Credentials"):
        if isinstance(credentials, Literal) and type(credentials.value) is not dict:
            raise ExpressionError("Expected value of type Object or a JSONata expression")
        if low.jsonata:
            evaluate = (
                compile_expression(credentials, "Credentials", "object")
                if isinstance(credentials, Expression)
                else compile_value(credentials, "Credentials")
            )
            return lambda frame: evaluate({"input": frame.data}, frame)
        shape = compile_template(credentials, "Credentials")
        return lambda frame: shape(frame.data, frame)
    return None


def _enter(x: Execution, frame: Frame, row: Row) -> Step:
    plan: TaskPlan = row.plan
    key = f"{frame.path()}{row.name}#{frame.steps}"
    if x.about.redrive_count:
        key += f"~{x.about.redrive_count}"  # another call than the one that has failed
    activity = plan.prefix == "Activity"
    if plan.resource.pattern or activity:
        frame.token = x.entropy.token(f"{x.about.execution_arn}/{key}/{frame.retry_count}")
    payload = plan.payload(frame)
    timeout = plan.timeout(frame) if plan.timeout is not None else None
    heartbeat = plan.heartbeat(frame) if plan.heartbeat is not None else None
    credentials = plan.credentials(frame) if plan.credentials is not None else None
    seq = x.seq + 1
    task = StartTask(
        seq,
        plan.resource,
        payload,
        row.name,
        key,
        frame.retry_count,
        timeout,
        heartbeat,
        frame.token,
        credentials,
    )
    if x.prepare is not None:
        task = x.prepare(task, x.about, x.deadline)
    if x.history is None:
        x.events += 1 if activity else 2
    else:
        _record(frame, plan, payload, timeout, heartbeat, credentials)
    x.seq = seq
    x.pending[seq] = (frame, SCHEDULED if activity else TASK)
    frame.waits.append(seq)
    x.effects.append(task)
    if (timeout is not None or heartbeat is not None) and not activity:
        plan.time(x, frame, timeout, heartbeat)
    return WAIT


def _record(
    frame: Frame,
    plan: TaskPlan,
    payload: JSON,
    timeout: float | None,
    heartbeat: float | None,
    credentials: JSON,
) -> None:
    """TaskScheduled and TaskStarted, or their Lambda forms; of an activity the first alone."""
    details = plan.scheduled(payload, timeout, heartbeat)
    if credentials is not None:
        details["taskCredentials"] = {"roleArn": credentials.get("RoleArn")}
    frame.record(f"{plan.prefix}Scheduled", details)
    if plan.prefix != "Activity":
        frame.record(f"{plan.prefix}Started", dict(plan.labels))


def _resume(x: Execution, frame: Frame, row: Row, event: Event | None) -> Step:
    plan: TaskPlan = row.plan
    output = cast(TaskSucceeded, event).output
    frame.token = None
    try:
        bytes_ = measure(output, plan.arn if plan.prefix != "Task" else plan.resource.resource_type)
    except StatesError as failure:
        if failure.error == DATA_LIMIT_EXCEEDED:
            plan.failed(frame, TaskFailed(0, failure.error, failure.cause))
            raise Failed(failure.error, failure.cause) from None
        raise
    if x.history is None:
        x.events += 1
    else:
        frame.record(f"{plan.prefix}Succeeded", {**plan.labels, "output": output})
    frame.bound = frame.bound + bytes_ + 1024 if plan.merged else bytes_
    plan.leave(frame, output)
    return row.next
