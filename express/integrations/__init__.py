"""Integrations that tasks can call: one adapter per file, one row per kind of resource in the table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec

from express.asl.resources import Resource
from express.engine.effects import StartTask
from express.errors import RUNTIME, StatesError, Unsendable
from express.integrations.circuit_breaker import CircuitBreakers
from express.integrations.local import LocalFunctions
from express.integrations.registry import ExternalIntegrations, InProcess
from express.integrations.task_token import TOKEN, by_token, plain
from express.ports import Describe, Direct, Integration, Tally, TaskContext
from express.values import JSON


def resource_key(resource: Resource) -> str:
    """The row of the table that a resource belongs to: its kind, for optimized ones and our own with the service.

    >>> from express.asl.resources import parse_resource
    >>> resource_key(parse_resource("arn:aws:states:::lambda:invoke"))
    'optimized:lambda'
    """
    kind = resource.kind
    return f"{kind}:{resource.service}" if kind in ("optimized", "express") else kind


def table(functions: LocalFunctions, outside: ExternalIntegrations | None = None) -> dict[str, Integration]:
    """Every kind of resource that can be called, and who performs it; without `outside` nothing beyond the process."""
    rows: dict[str, Integration] = {"lambda": functions, "optimized:lambda": functions, "other": functions}
    return rows if outside is None else {**rows, **outside.rows()}


Prepare = Callable[[StartTask, TaskContext], StartTask]
"""A task → the same with what its parameters make.

Raises Unsendable where no request can be made of them; any other error is for the call itself.
"""


class Integrations(Integration):
    """The `Integration` a runtime is given: hands each task to the one that its resource needs."""

    def __init__(self, rows: Mapping[str, Integration], gates: CircuitBreakers | None = None) -> None:
        """`gates` stand before endpoints that may be dead or slow."""
        self._rows = rows
        self._gates = gates
        self._known: dict[str, Callable[[StartTask, TaskContext], JSON | Awaitable[JSON]]] = {}
        self._preparing: dict[str, Prepare | None] = {}

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Perform the call, at once or awaited."""
        arn = task.resource.arn
        start = self._known.get(arn)
        if start is None:
            performer = self._find(task.resource)
            start = performer.start if self._gates is None else self._gates.around(performer, task)
            if task.resource.pattern == TOKEN:
                start = by_token(start)
            self._known[arn] = start
        return start(task, context)

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task with what its parameters make, if that is anything. Nothing is sent or opened.

        Raises Unsendable where no request can be made of them.
        """
        resource = task.resource
        if resource.arn not in self._preparing:
            performer = self._rows.get(resource_key(resource))
            self._preparing[resource.arn] = None if performer is None else performer.prepare
        prepare = self._preparing[resource.arn]
        if prepare is None:
            return task
        try:
            if resource.pattern != TOKEN:
                return prepare(task, context)
            prepared = prepare(msgspec.structs.replace(task, resource=plain(resource)), context)
            return msgspec.structs.replace(prepared, resource=resource)
        except Unsendable:
            raise
        except StatesError:
            return task  # the call will say so

    def bind(self, resource: Resource, describe: Describe, tally: Tally | None = None) -> Direct | None:
        """The direct way to a resource, where its row of the table has one."""
        if resource.pattern:
            return None
        performer = self._rows.get(resource_key(resource))
        if performer is None:
            return None
        if self._gates is not None:
            return self._gates.bound(performer, resource, describe, tally)
        return performer.bind(resource, describe, tally)

    def refusals(self, resources: Iterable[Resource]) -> list[str]:
        """A line for each resource that cannot be called here: its ARN, and what would have to change."""
        found = set()
        for resource in resources:
            why = self._refusal(resource)
            if why is not None:
                found.add(f"nothing here performs {resource.arn}{why and f': {why}'}")
        return sorted(found)

    def request_refusal(self, resource: Resource, request: dict[str, JSON]) -> str | None:
        """A line that says why the constant part of a request can't be performed; None if nothing speaks against it."""
        performer = self._rows.get(resource_key(resource))
        why = None if performer is None else performer.request_refusal(resource, request)
        return None if why is None else f"nothing here performs {resource.arn}: {why}"

    def _refusal(self, resource: Resource) -> str | None:
        performer = self._rows.get(resource_key(resource))
        if performer is None:
            return ""
        resource = plain(resource) if resource.pattern == TOKEN else resource
        return performer.refusal(resource)

    def _find(self, resource: Resource) -> Integration:
        key = resource_key(resource)
        if key not in self._rows:
            raise StatesError(RUNTIME, f"The resource {resource.arn} is not supported here")
        return self._rows[key]


__all__ = [
    "CircuitBreakers",
    "ExternalIntegrations",
    "InProcess",
    "Integrations",
    "LocalFunctions",
    "resource_key",
    "table",
]
