"""The `context` that a handler is called with: the attributes of Lambda's Python runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from express.engine.effects import StartTask
from express.ports import Describe, TaskContext
from express.values import JSON


def request_id(task: StartTask, execution: TaskContext) -> str:
    """A UUID for one attempt of a task, the same on every replay."""
    text = f"{execution.execution_arn}\0{task.key}\0{task.attempt}"
    code = hashlib.sha256(text.encode()).hexdigest()
    return f"{code[:8]}-{code[8:12]}-4{code[13:16]}-{_VARIANT[code[16]]}{code[17:20]}-{code[20:32]}"


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The two bits that say how the rest of a UUID is to be read (RFC 9562, §4.1)."""


class ClientContext:
    """Lambda's `client_context`: only what a caller put into `ClientContext`, which local calls never do."""

    client = None
    custom = None
    env = None


class CognitoIdentity:
    """Lambda's `identity`: nobody, as for every call that no mobile client made."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class Called(Protocol):
    """The function as a context describes it. `memory` is in MB, `timeout` in seconds."""

    name: str
    memory: int
    timeout: float | None
    monotonic: Callable[[], float]


class LambdaContext:
    """One call. What is seldom asked for is made when it is asked for.

    `aws_request_id` is the same whenever the same record is replayed, and so is `idempotency_key`, which
    Lambda does not have: it also stays the same over the retries of the state.
    """

    __slots__ = ()

    function_version = "$LATEST"
    client_context: ClientContext | None = None
    identity = CognitoIdentity()

    _function: Called
    _task: StartTask
    _execution: TaskContext
    _started: float
    """Monotonic time at which the function's timeout began, if it has one."""

    @property
    def memory_limit_in_mb(self) -> str:
        """The function's memory; text, as Lambda's runtime has it."""
        return str(self._function.memory)

    @property
    def aws_request_id(self) -> str:
        """Identifies the call: another for each attempt."""
        return request_id(self._task, self._execution)

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt and every replay of this step of this record."""
        return f"{self._execution.execution_arn}/{self._task.key}"

    @property
    def traceparent(self) -> str | None:
        """W3C trace context of what caused the execution, to be sent on; Lambda does not have it either."""
        trace = self._execution.trace
        return None if trace is None else trace[0]

    @property
    def tracestate(self) -> str | None:
        """The vendors' part of the trace context."""
        trace = self._execution.trace
        return None if trace is None else trace[1] or None

    @property
    def function_name(self) -> str:
        """The function's name without its ARN."""
        return self._function.name.rpartition("function:")[2].partition(":")[0]

    @property
    def invoked_function_arn(self) -> str:
        """The ARN the function was called by; a name alone gets region and account of the execution."""
        name = self._function.name
        if name.startswith("arn:"):
            return name
        parts = self._execution.execution_arn.split(":")
        region, account = (parts[3], parts[4]) if len(parts) > 4 else ("", "")
        return f"arn:aws:lambda:{region}:{account}:function:{name}"

    @property
    def log_group_name(self) -> str:
        """Return where Lambda would log."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """The execution, where Lambda has a container."""
        return self._execution.execution_arn

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function, the task or the execution times out, whichever is first."""
        until = self._execution.deadline
        for seconds in (self._task.timeout, self._function.timeout):
            if seconds is not None:
                until = min(until, self._started + seconds)
        return max(int((until - self._function.monotonic()) * 1000), 0)


class TaskCall(LambdaContext):
    """The context of a call that came as an effect."""

    __slots__ = ("_execution", "_function", "_started", "_task")

    def __init__(self, function: Called, task: StartTask, execution: TaskContext) -> None:
        self._function = function
        self._task = task
        self._execution = execution
        self._started = 0.0 if function.timeout is None and task.timeout is None else function.monotonic()


class DirectCall(LambdaContext, msgspec.Struct, gc=False):
    """The context of a call on the direct way: even task and execution are described only when asked for."""

    _function: Called
    _describe: Describe
    _payload: JSON
    _site: Any
    _started: float = 0.0

    @property
    def _task(self) -> StartTask:  # type: ignore[override]  # made when read
        task, _ = self._describe(self._payload, self._site)
        return task

    @property
    def _execution(self) -> TaskContext:  # type: ignore[override]  # the same
        _, execution = self._describe(self._payload, self._site)
        return execution
