"""Executions of other state machines in the same process.

`states:startExecution` starts one and goes on; `aws-sdk:sfn:startSyncExecution` waits for its end. No HTTP is spoken:
the child is an execution like any other on the worker's executor. Machines that are not here are AWS's business, if
the configuration allows that.

A chain of executions that starts itself again would never end and costs nothing to write, so two guards stand before
a start: no chain is longer than `nested.depth`, and none holds the same machine with the same input twice.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from express.asl.resources import Resource
from express.config import Nested as Settings
from express.engine.effects import StartTask
from express.errors import RUNTIME, TASK_FAILED, ApiError, StatesError
from express.integrations.aws import shapes
from express.integrations.aws.errors import Naming, optimized_naming, sdk_naming
from express.integrations.aws.jobs import execution
from express.integrations.aws.watching import dates
from express.integrations.idempotency import identifier
from express.ports import Child, ChildEnd, ChildRequest, Integration, Machines, Submitted, TaskContext
from express.values import JSON, loads_exactly, text

STARTS = frozenset({"states:startExecution", "sfn:startExecution", "sfn:startSyncExecution"})
"""The calls that may lead to a machine of this process."""

MEMBERS = ("StateMachineArn", "Input", "Name", "TraceHeader", "IncludedData")

_NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}\Z")
_V1 = optimized_naming("states")
_SDK = sdk_naming("SFN")

Link = tuple[str, str]
"""A machine and the text of its input: one execution of a chain."""


class NestedExecutions(Integration):
    """The `Integration` in front of the one for AWS: takes what leads to a machine of this process."""

    def __init__(self, inner: Integration, machines: Machines, settings: Settings) -> None:
        self._inner = inner
        self._machines = machines
        self._settings = settings
        self._chains: dict[str, tuple[tuple[Link, ...], int]] = {}
        self._starting: tuple[Link, ...] = ()

    def refusal(self, resource: Resource) -> str | None:
        """Return why a resource cannot be called here; None if it can. Machines are looked at by `request_refusal`."""
        if f"{resource.service}:{resource.action}" in STARTS:
            return None
        return self._inner.refusal(resource)

    def request_refusal(self, resource: Resource, request: dict[str, JSON]) -> str | None:
        """Return why this request, as far as it is constant, can't be performed; None if nothing speaks against it."""
        arn = request.get("StateMachineArn")
        if f"{resource.service}:{resource.action}" not in STARTS or type(arn) is not str or arn.startswith("{%"):
            return None
        elsewhere = None if self._machines.knows(arn) else self._inner.refusal(resource)
        if elsewhere is None:
            return None
        near = self._machines.nearest(arn)
        hint = f"; did you mean {near!r}?" if near else ""
        return f"there is no state machine {arn!r} in this process{hint}; one of AWS can't be called: {elsewhere}"

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task with its request. Raises Unsendable where its parameters make none."""
        if self._is_elsewhere(task):
            prepare = getattr(self._inner, "prepare", None)
            return task if prepare is None else prepare(task, context)
        return msgspec.structs.replace(
            task, prepared=_request(task, context, _waits(task.resource), _naming(task.resource))
        )

    def endpoint(self, task: StartTask) -> str | None:
        """The service at AWS; None for what runs here."""
        if self._is_elsewhere(task):
            return cast("str | None", cast(Any, self._inner).endpoint(task))
        return None

    def _is_elsewhere(self, task: StartTask) -> bool:
        resource = task.resource
        if f"{resource.service}:{resource.action}" not in STARTS:
            return True
        arn = task.input.get("StateMachineArn") if type(task.input) is dict else None
        here = type(arn) is str and self._machines.knows(arn)
        return not here and self._inner.refusal(resource) is None

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Start the machine that the task names, here or at AWS."""
        resource = task.resource
        if self._is_elsewhere(task):
            return self._inner.start(task, context)
        return self._begin(task, context, _waits(resource), _naming(resource))

    def _begin(self, task: StartTask, context: TaskContext, sync: bool, naming: Naming) -> JSON | Awaitable[JSON]:
        request = task.prepared or _request(task, context, sync, naming)
        if task.submitted is not None:
            request = msgspec.structs.replace(request, again=True)
        chain = self._guarded(request, context)
        try:
            found = self._machines.find(request.machine_arn)
        except ApiError as error:
            raise _refused(error, naming, request.identity) from error
        if inspect.isawaitable(found):
            return self._later(found, chain, request, naming)
        return self._start(found, chain, request, naming)

    async def _later(
        self, finding: Awaitable[Any], chain: tuple[Link, ...], request: ChildRequest, naming: Naming
    ) -> JSON:
        try:
            found = await finding
        except ApiError as error:
            raise _refused(error, naming, request.identity) from error
        answer = self._start(found, chain, request, naming)
        return await answer if inspect.isawaitable(answer) else answer

    def _start(
        self, machine: Any, chain: tuple[Link, ...], request: ChildRequest, naming: Naming
    ) -> JSON | Awaitable[JSON]:
        before, self._starting = self._starting, chain  # what it calls at once is called in here
        try:
            child = self._machines.start(machine, request)
        except ApiError as error:
            raise _refused(error, naming, request.identity) from error
        finally:
            self._starting = before
        if inspect.isawaitable(child):
            return self._when_started(child, chain, request, naming)
        return self._begun(child, chain, request, naming)

    async def _when_started(
        self, starting: Awaitable[Child], chain: tuple[Link, ...], request: ChildRequest, naming: Naming
    ) -> JSON:
        try:
            child = await starting
        except ApiError as error:
            raise _refused(error, naming, request.identity) from error
        answer = self._begun(child, chain, request, naming)
        return await answer if inspect.isawaitable(answer) else answer

    def _begun(
        self, child: Child, chain: tuple[Link, ...], request: ChildRequest, naming: Naming
    ) -> JSON | Awaitable[JSON]:
        """The answer of a call whose execution was started."""
        end = child.end
        if end is None:
            arn = child.execution_arn
            self._remember(arn, chain)
            child.when_over(lambda: self._forget(arn))
        if request.pattern:
            return _submitted(child, request, naming)
        if not request.sync:
            return _started(child, request, naming)
        return _waited(child, request) if end is None else _ended(child, end, request)

    def _remember(self, arn: str, chain: tuple[Link, ...]) -> None:
        """Note what has led to a child. Events that come twice have children that share an ARN."""
        _, count = self._chains.get(arn, ((), 0))
        self._chains[arn] = chain, count + 1

    def _forget(self, arn: str) -> None:
        chain, count = self._chains.pop(arn)
        if count > 1:
            self._chains[arn] = chain, count - 1

    def _guarded(self, request: ChildRequest, context: TaskContext) -> tuple[Link, ...]:
        """The chain that ends with the new execution. Raises StatesError where it goes round or too deep."""
        known, _ = self._chains.get(context.execution_arn, ((), 0))
        before = known or self._starting or ((context.state_machine_name, ""),)
        link = (machine_name(request.machine_arn), request.text)
        if link in before:
            raise StatesError(
                RUNTIME,
                f"Executions of {link[0]} start each other with the same input: {_path(before)} -> {link[0]}",
            )
        if len(before) > self._settings.depth:
            deep = f"Executions are nested deeper than {self._settings.depth} (nested.depth)"
            raise StatesError(RUNTIME, f"{deep}: {_path(before)} -> {link[0]}")
        return (*before, link)


def machine_name(arn: str) -> str:
    """The name in a state machine's ARN, which may be qualified; anything else is its own name.

    >>> machine_name("arn:aws:states:us-east-1:123456789012:stateMachine:orders:PROD"), machine_name("orders")
    ('orders', 'orders')
    """
    parts = arn.split(":")
    return parts[6] if len(parts) > 6 and parts[5] == "stateMachine" else arn


def _path(chain: tuple[Link, ...]) -> str:
    return " -> ".join(name for name, _ in chain)


def _waits(resource: Resource) -> bool:
    """Return whether the task waits for the end of what it starts."""
    return resource.action == "startSyncExecution" or resource.pattern != ""


def _naming(resource: Resource) -> Naming:
    return _V1 if resource.kind == "optimized" else _SDK


def _request(task: StartTask, context: TaskContext, sync: bool, naming: Naming) -> ChildRequest:
    """Return what is wanted. Raises StatesError in Step Functions' words for a request that no call can be made of."""
    given, identity = task.input, identifier(task, context)
    problems = list(_problems(given)) if type(given) is dict else ["The Parameters must be an object"]
    if problems:
        raise shapes.refused(given, problems)
    name = given.get("Name")
    if name is not None and not _NAME.match(name):
        raise _refused(ApiError("InvalidName", f"Invalid Name: '{name}'"), naming, identity)
    data, written = _input(given.get("Input", "{}"), naming, identity)
    return ChildRequest(
        machine_arn=given["StateMachineArn"],
        name=identity if name is None else name,
        identity=identity,
        text=written,
        data=data,
        sync=sync,
        account=context.account,
        pattern=task.resource.pattern,
        trace_header=given.get("TraceHeader"),
        trace=context.trace,
    )


def _problems(given: dict[str, JSON]) -> Any:
    for key, value in given.items():
        if key not in MEMBERS:
            yield f'The field "{key}" is not supported by Step Functions'
        elif key == "Input" and type(value) in (dict, list):
            continue
        elif type(value) is not str and value is not None:
            yield f"The value for the field '{key}' must be a STRING"
    if given.get("StateMachineArn") is None:
        yield 'The field "StateMachineArn" is required but was missing'


def _input(given: JSON, naming: Naming, identity: str) -> tuple[JSON, str]:
    """The input parsed, and as text. An object stands for its text."""
    if given is None:
        return {}, "{}"
    if type(given) is not str:
        return given, text(given)
    try:
        return loads_exactly(given), given
    except ValueError as error:
        problem = ApiError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'")
        raise _refused(problem, naming, identity) from error


def _refused(error: ApiError, naming: Naming, request_id: str) -> StatesError:
    """An answer that StartExecution would refuse with, as the task's error."""
    status = error.status
    if naming.v1:
        about = f"Service: {naming.service}; Status Code: {status}; Error Code: {error.code}; Request ID: {request_id}"
        about += "; Proxy: null"
    else:
        about = f"Service: {naming.service}, Status Code: {status}, Request ID: {request_id}"
    name = error.code if error.code.endswith("Exception") else f"{error.code}Exception"
    return StatesError(f"{naming.prefix}.{name}", f"{error.message} ({about})")


def _at(seconds: float) -> str:
    return shapes.timestamp(datetime.fromtimestamp(round(seconds, 3), UTC))


def _started(child: Child, request: ChildRequest, naming: Naming) -> JSON:
    """StartExecution's response: the optimized form has Java's milliseconds and the SDK's metadata."""
    if not naming.v1:
        return {"ExecutionArn": child.execution_arn, "StartDate": _at(child.started)}
    return {
        "ExecutionArn": child.execution_arn,
        "SdkHttpMetadata": {"HttpStatusCode": 200},
        "SdkResponseMetadata": {"RequestId": request.identity},
        "StartDate": round(child.started * 1000),
    }


async def _submitted(child: Child, request: ChildRequest, naming: Naming) -> JSON:
    """The child runs: what waits for its end is the second half of the answer."""

    async def ended() -> JSON:
        end = child.end or await child.wait()
        description = execution(dates(_ended(child, end, request)), request.pattern)
        if end.status != "SUCCEEDED":
            raise StatesError(TASK_FAILED, text(description))
        return description

    return Submitted(_started(child, request, naming), ended)


async def _waited(child: Child, request: ChildRequest) -> JSON:
    return _ended(child, await child.wait(), request)


def _ended(child: Child, end: ChildEnd, request: ChildRequest) -> JSON:
    """StartSyncExecution's response; that of a failed execution is a result, too."""
    response: dict[str, JSON] = {
        "BillingDetails": {
            "BilledDurationInMilliseconds": end.billed_ms,
            "BilledMemoryUsedInMB": end.billed_mb,
        },
        "ExecutionArn": child.execution_arn,
        "Input": request.text,
        "InputDetails": {"Included": True},
        "Name": request.name,
        "StartDate": _at(child.started),
        "StateMachineArn": child.machine_arn,
        "Status": end.status,
        "StopDate": _at(end.stopped),
    }
    if end.output is not None:
        response |= {"Output": end.output, "OutputDetails": {"Included": True}}
    optional = {"Error": end.error, "Cause": end.cause, "TraceHeader": request.trace_header}
    return response | {name: value for name, value in optional.items() if value is not None}
