"""Answers for tasks, as tests write them: values, functions, failures, or one of them per attempt.

A mock stands for the task's raw result, before ResultSelector; so do those of Step Functions Local's mock file. For
`lambda:invoke` that is Lambda's response around the payload: a handler given as `functions` is wrapped in one.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from express.config import choose
from express.engine.effects import StartTask
from express.errors import RUNTIME, StatesError
from express.integrations.local.marshal import copied, failure, marshalled
from express.integrations.mocks import Invocations, TestCase
from express.ports import Integration, TaskContext
from express.values import JSON, dumps, parsed_bytes


class Fail(StatesError):
    """A task's failure: a mock may be one, or raise one."""

    def __init__(self, error: str, cause: str | None = "") -> None:
        super().__init__(error, cause)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was asked for. `key` is the idempotency key of the step, the same for each attempt."""

    state: str
    resource: str
    input: JSON
    attempt: int = 0
    key: str = ""
    token: str | None = None
    timeout: float | None = None
    heartbeat: float | None = None
    credentials: JSON = None

    @property
    def aws_request_id(self) -> str:
        """The key: what a mock that is written like a handler asks its context for."""
        return self.key


class Attempts(msgspec.Struct, frozen=True):
    """One answer per attempt; the last one stands for all that follow."""

    answers: tuple[Any, ...]


def attempts(*answers: Any) -> Attempts:
    """The first call of a visit is answered with the first of `answers`, its first retry with the second ….

    The last one answers all further attempts.
    """
    if not answers:
        raise ValueError("attempts() needs at least one answer")
    return Attempts(answers)


MOST_CALLS = 25_000
"""Calls that a test sees, the first ones; a loop that never ends makes more."""

MOST_BYTES = 64 << 20
"""Bytes that the inputs of these calls may take, about."""

Mock: TypeAlias = Any
"""JSON, a `Fail`, a function of (input) or (input, Call), `attempts(…)`."""

Prepare: TypeAlias = Callable[[StartTask, TaskContext], StartTask]
Real: TypeAlias = Callable[[StartTask, TaskContext], JSON | Awaitable[JSON]]


class Mocks(Integration):
    """The `Integration` of a test: what is mocked, by state name or by resource, and what is called for real."""

    def __init__(
        self,
        table: Mapping[str, Mock],
        case: TestCase,
        real: Real,
        prepare: Prepare,
        waited: Callable[[Awaitable[object]], Awaitable[object]],
    ) -> None:
        """`real` performs what nothing is written for, after `prepare`; `waited` is put around later answers."""
        self._table = table
        self._case = case
        self._invocations = Invocations()
        self._real = real
        self._waited = waited
        self._prepare = prepare
        self.calls: list[Call] = []
        self._held = 0

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """The answer of the mock; the real call where there is none."""
        call = _call(task, context)
        if len(self.calls) < MOST_CALLS and self._held < MOST_BYTES:
            self._held += parsed_bytes(dumps(call.input))
            self.calls.append(call)
        if task.state in self._case:
            return self._case[task.state].start(self._invocations.next(context.execution_arn, task.state))
        for name in (task.state, task.resource.arn):
            if name in self._table:
                return self._answer(self._table[name], call)
        return self._real(task, context)

    def _answer(self, mock: Mock, call: Call) -> JSON | Awaitable[JSON]:
        result = _result(mock, call)
        return _later(self._waited(result), call) if inspect.isawaitable(result) else _json(result, call)

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """A task that is called for real, with what its parameters make; raises Unsendable."""
        mocked = task.state in self._case or task.state in self._table or task.resource.arn in self._table
        return task if mocked else self._prepare(task, context)


def check(table: Mapping[str, Mock], case: TestCase, states: list[str], resources: list[str]) -> None:
    """Raise ConfigError for a mock of what is not in the definition, with the name that was probably meant."""
    for name in (*table, *case):
        choose(name, [*states, *resources], "mocked state:")


def _call(task: StartTask, context: TaskContext) -> Call:
    return Call(
        state=task.state,
        resource=task.resource.arn,
        input=copied(task.input),
        attempt=task.attempt,
        key=f"{context.execution_arn}/{task.key}",
        token=task.token,
        timeout=task.timeout,
        heartbeat=task.heartbeat,
        credentials=task.credentials,
    )


def _result(mock: Mock, call: Call) -> object:
    if isinstance(mock, Attempts):
        mock = mock.answers[min(call.attempt, len(mock.answers) - 1)]
    if isinstance(mock, StatesError):
        raise StatesError(mock.error, mock.cause)
    if not callable(mock):
        return mock
    arguments = (copied(call.input), call) if _takes_two(mock) else (copied(call.input),)
    try:
        return mock(*arguments)
    except (Exception, SystemExit) as error:
        raise failure(error, call.aws_request_id) from error


async def _later(result: Awaitable[object], call: Call) -> JSON:
    try:
        return _json(await result, call)
    except (Exception, SystemExit) as error:
        raise failure(error, call.aws_request_id) from error


def _json(value: object, call: Call) -> JSON:
    try:
        return marshalled(value, call)
    except StatesError as error:
        raise StatesError(RUNTIME, f"The mock of {call.state!r} answers with what is no JSON: {value!r}") from error


def _takes_two(function: Callable[..., object]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a builtin that does not tell
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = sum(1 for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty)
    return needed >= 2 or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
