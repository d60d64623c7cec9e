"""Which tasks of a definition nobody answers: neither a mock nor anything that can be called here."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from express.asl.resources import parse_resource
from express.integrations import Integrations
from express.service.workflows import Callables, unregistered
from express.values import loads


def unanswered(text: bytes, mocked: Collection[str], functions: Callables, integrations: Integrations) -> list[str]:
    """A line for each task state that can't be run, and for each mocked one that is not there."""
    states = dict(task_states(loads(text)))
    lines = [f"the mock file names {name!r}, which is no task state" for name in mocked if name not in states]
    for name, state in states.items():
        if name not in mocked:
            resource = parse_resource(state["Resource"])
            refused = integrations.refusals([resource])
            unknown = [called for called in _called(state) if not functions.knows(called)]
            refused += [unregistered(called, functions.nearest(called)) for called in unknown]
            lines += [f"state {name!r} is not mocked, and {reason}" for reason in refused]
    return lines


def task_states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every Task state, however deep: its name and its fields."""
    for name, state in machine.get("States", {}).items():
        if state.get("Type") == "Task":
            yield name, state
        for inner in (*state.get("Branches", ()), state.get("ItemProcessor", {}), state.get("Iterator", {})):
            yield from task_states(inner)


def _called(state: dict[str, Any]) -> Iterator[str]:
    """The function that a task names, where that is known before it runs."""
    resource = parse_resource(state["Resource"])
    if resource.kind in ("lambda", "other"):
        yield resource.arn
        return
    request = state.get("Parameters") or state.get("Arguments")
    name = request.get("FunctionName") if isinstance(request, dict) else None
    if isinstance(name, str) and not name.startswith("{%"):
        yield name
