"""Lambda functions as local Python functions: `def` or `async def handler(event, context)`.

Only what the configuration registers can be called; a definition names functions and can import nothing. Both
forms of a Lambda task are served: the function's ARN as Resource, whose result is what the handler returns, and
`arn:aws:states:::lambda:invoke`, whose result is Lambda's response around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
from collections.abc import Awaitable, Iterator, Mapping
from functools import lru_cache

from express.asl.resources import Resource
from express.config import Function
from express.engine.effects import StartTask
from express.errors import StatesError, Unsendable
from express.integrations.local.context import TaskCall, request_id
from express.integrations.local.functions import Handler, HandlerError, LocalFunction, load_functions, load_handler
from express.integrations.local.threads import HandlerThreads
from express.ports import Describe, Direct, Integration, Tally, TaskContext
from express.values import JSON, text

NOT_FOUND = "Lambda.ResourceNotFoundException"
THROTTLED = "Lambda.TooManyRequestsException"

TEXTS = frozenset({"FunctionName", "InvocationType", "Qualifier", "ClientContext", "LogType", "TenantId"})
"""The members of `lambda:invoke` besides Payload: texts, all of them."""

MOST_EVENTS = 10_000
"""Calls of InvocationType Event that may run at once in a worker; more are throttled, as AWS does."""

LONGEST_EVENT = 900.0
"""Seconds that such a call may run, which no execution waits for: Lambda's longest timeout."""

__all__ = ["Handler", "HandlerError", "LocalFunctions", "load_handler"]


class LocalFunctions(Integration):
    """The registry: an `Integration` for Lambda functions and for names that are no ARN."""

    def __init__(self, table: Mapping[str, Function], *, threads: int = 32) -> None:
        """Import every handler of `table`.

        Raises ConfigError for a handler that is not there, HandlerError for one whose module crashes.
        """
        self.pool = HandlerThreads(threads)
        self._functions = load_functions(table, self.pool)
        self._direct: dict[str, LocalFunction] = {}
        self._events: set[asyncio.Task[None]] = set()

    def add(self, function: LocalFunction) -> None:
        """Register a function that no configuration names."""
        self._functions[function.name] = function

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task as it is; raises Unsendable where its parameters make no request."""
        if task.resource.kind == "optimized":
            check(task.input)
        return task

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Call the function that the task names."""
        resource: Resource = task.resource
        if resource.kind == "optimized":
            return self._invoke(task, context)
        function = self._direct.get(resource.arn)
        if function is None:
            function = self._direct[resource.arn] = self._find(resource.arn, task, context)
        return function.run(task.input, TaskCall(function, task, context))

    def bind(self, resource: Resource, describe: Describe, tally: Tally | None = None) -> Direct | None:
        """The direct way to a function that is named by its ARN and called inline."""
        if resource.kind == "optimized":
            return None
        found = [name for name in candidates(resource.arn) if name in self._functions]
        return self._functions[found[0]].bound(describe, tally) if found else None

    def endpoint(self, task: StartTask) -> str | None:
        """The function, by its registered name; None for one that is called inline, which is no more dead than we."""
        name: object = task.resource.arn
        if task.resource.kind == "optimized":
            name = task.input.get("FunctionName") if isinstance(task.input, dict) else None
        found = [c for c in candidates(name) if c in self._functions] if isinstance(name, str) else []
        return f"lambda:{found[0]}" if found and not self._functions[found[0]].is_inline else None

    def knows(self, name: str) -> bool:
        """Return whether a function is registered for an ARN or a name."""
        return any(candidate in self._functions for candidate in candidates(name))

    def nearest(self, name: str) -> str | None:
        """The registered name that was probably meant."""
        short = candidates(name)[-1]
        known = {candidates(entry)[-1]: entry for entry in self._functions}
        close = difflib.get_close_matches(short, known, n=1)
        return known[close[0]] if close else None

    async def close(self) -> None:
        """Let go of threads and processes; what still runs in a thread is not waited for."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for function in self._functions.values():
            await function.close()

    def _find(self, name: str, task: StartTask, context: TaskContext) -> LocalFunction:
        for candidate in candidates(name):
            if candidate in self._functions:
                return self._functions[candidate]
        raise StatesError(
            NOT_FOUND,
            f"Function not found: {qualified(name, context)} (Service: AWSLambda; Status Code: 404; "
            f"Error Code: ResourceNotFoundException; Request ID: {request_id(task, context)}; Proxy: null)",
        )

    def _invoke(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        check(task.input)
        request = task.input
        function = self._find(request["FunctionName"], task, context)
        about = TaskCall(function, task, context)
        kind = request.get("InvocationType", "RequestResponse")
        if kind == "DryRun":
            return _response(204, "", about.aws_request_id)
        if kind == "Event":
            return self._detached(function, request.get("Payload", {}), about)
        answer = function.run(request.get("Payload", {}), about)
        if isinstance(answer, Awaitable):
            return _later(answer, about.aws_request_id)
        return _response(200, answer, about.aws_request_id)

    def _detached(self, function: LocalFunction, event: JSON, about: TaskCall) -> JSON:
        """InvocationType Event: the function runs on, its result and its errors are nobody's."""
        if len(self._events) >= MOST_EVENTS:
            raise StatesError(THROTTLED, "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Proxy: null)")

        async def run() -> None:
            with contextlib.suppress(StatesError, TimeoutError):
                answer = function.run(event, about)
                if isinstance(answer, Awaitable):
                    async with asyncio.timeout(LONGEST_EVENT):
                        await answer

        detached = asyncio.get_running_loop().create_task(run())
        self._events.add(detached)
        detached.add_done_callback(self._events.discard)
        return _response(202, "", about.aws_request_id)


def check(request: JSON) -> None:
    """Raise Unsendable for the parameters of a `lambda:invoke` that make no request."""
    if type(request) is dict and type(request.get("FunctionName")) is str and len(request) < 3 and "Payload" in request:
        return
    problems = list(_problems(request)) if type(request) is dict else ["The Parameters must be an object"]
    if problems:
        listed = ", ".join(problems)
        raise Unsendable(f"The Parameters '{text(request)}' could not be used to start the Task: [{listed}]")


def _problems(request: dict[str, JSON]) -> Iterator[str]:
    for key, value in request.items():
        if key != "Payload" and key not in TEXTS:
            yield f'The field "{key}" is not supported by Step Functions'
        elif key != "Payload" and value is not None and type(value) is not str:
            yield f"The value for the field '{key}' must be a STRING"
    if request.get("FunctionName") is None:
        yield 'The field "FunctionName" is required but was missing'


@lru_cache(4_096)  # names may come from payloads
def candidates(name: str) -> tuple[str, ...]:
    """The names a function may be registered under, the most exact first.

    >>> candidates("arn:aws:lambda:eu-west-1:123456789012:function:score:PROD")[1:]
    ('arn:aws:lambda:eu-west-1:123456789012:function:score', 'score:PROD', 'score')
    """
    prefix, marker, rest = name.rpartition("function:")
    short, _, qualifier = rest.partition(":")
    found = [name, f"{prefix}{marker}{short}", f"{short}:{qualifier}" if qualifier else short, short]
    return tuple(dict.fromkeys(found))


def qualified(name: str, context: TaskContext) -> str:
    """A function's ARN with its qualifier, as AWS names it in errors."""
    short, _, qualifier = name.rpartition("function:")[2].partition(":")
    parts = (context.execution_arn.split(":") + [""] * 5)[:5]
    prefix = name[: -len(name.rpartition("function:")[2])] if "function:" in name else ""
    return f"{prefix or f'arn:aws:lambda:{parts[3]}:{parts[4]}:function:'}{short}:{qualifier or '$LATEST'}"


async def _later(answer: Awaitable[JSON], request_id: str) -> JSON:
    return _response(200, await answer, request_id)


def _response(status: int, payload: JSON, request_id: str) -> JSON:
    """Lambda's answer; there are no HTTP headers, for no HTTP was spoken."""
    return {
        "ExecutedVersion": "$LATEST",
        "Payload": payload,
        "SdkHttpMetadata": {"HttpStatusCode": status},
        "SdkResponseMetadata": {"RequestId": request_id},
        "StatusCode": status,
    }
