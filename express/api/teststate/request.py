"""Requests of TestState: read, and judged by AWS's rules, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from express.api import jsontext
from express.api.definitions import read_input
from express.api.errors import invalid_definition, validation
from express.api.teststate.contexts import check_context
from express.api.teststate.mocks import Mock, read_mock
from express.asl import model
from express.asl.lint import lint
from express.asl.resolve import resolve_state
from express.asl.resources import Resource
from express.asl.scan import scan
from express.errors import ApiError, DefinitionError, Diagnostic
from express.integrations.parameters import unknown_members
from express.values import JSON

STATE = "StateName"
"""Name that AWS gives the state under test, whatever its name in the definition."""

_MOCKABLE = ("Task", "Map", "Parallel")
_TRANSITIONS = frozenset({"E0201", "E0202", "E0203"})  # findings about neighbours that a lone state has not


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """`stateConfiguration`: what is to be pretended about the state."""

    retrier_retry_count: int | None = None
    error_caused_by_state: str | None = None
    map_iteration_failure_count: int | None = None
    map_item_reader_data: str | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One TestState call, understood. `machine_jsonata` is the language of the definition around the state."""

    state: model.State
    kind: str
    jsonata: bool
    data: JSON
    level: str
    role_arn: str | None
    variables: dict[str, JSON]
    context: dict[str, JSON] | None
    mock: Mock | None
    settings: Settings

    @property
    def resource(self) -> Resource | None:
        """Return what a Task calls."""
        return self.state.resource if isinstance(self.state, model.Task) else None


def read_question(request: dict[str, Any]) -> Question:
    """Understand a request whose shape is right. Raises ApiError."""
    data, machine_jsonata = _find(request)
    kind = data.get("Type", "")
    settings = msgspec.convert(request.get("stateConfiguration") or {}, Settings)
    given = request.get("mock")
    _check_settings(settings, request, data)
    if given is None and kind in ("Map", "Parallel"):
        raise ApiError(
            "InvalidDefinition",
            "TestState API does not support Map or Parallel states. "
            "Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]",
        )
    if given is not None and kind not in _MOCKABLE:
        raise validation(f"State type '{kind}' is not supported when a mock is specified")
    if given is not None and request.get("revealSecrets"):
        raise validation("TestState does not support RevealSecrets when a mock is specified.")
    state = _model(data, machine_jsonata)
    question = Question(
        state=state,
        kind=kind,
        jsonata=state.jsonata,
        data=read_input(request.get("input")),
        level=request.get("inspectionLevel") or "INFO",
        role_arn=request.get("roleArn"),
        variables=_object(request, "variables") or {},
        context=_object(request, "context"),
        mock=None if given is None else read_mock(given, data),
        settings=settings,
    )
    _check_task(question)
    if question.context is not None:
        resource = question.resource
        check_context(question.context, token=resource is not None and resource.pattern != "")
    return question


def _find(request: dict[str, Any]) -> tuple[dict[str, JSON], bool]:
    """The state under test, as plain data without errors, and whether the machine around it is JSONata."""
    try:
        definition = scan(request["definition"]).data
    except DefinitionError as error:
        raise invalid_definition(error.diagnostics) from error
    if type(definition) is not dict:
        raise invalid_definition(lint(definition))
    name = request.get("stateName")
    if name is None:
        _refuse(lint(_alone(definition, None), members=unknown_members, strict=True))
        return definition, False
    _refuse(lint(definition, members=unknown_members, strict=True), alone=False)
    state = next((found for key, found in _states(definition) if key == name), None)
    if state is None:
        raise validation("State not found in definition")
    return state, definition.get("QueryLanguage") == "JSONata"


def _alone(state: dict[str, JSON], language: str | None) -> dict[str, JSON]:
    machine: dict[str, JSON] = {"StartAt": STATE, "States": {STATE: state}}
    return machine if language is None else {**machine, "QueryLanguage": language}


def _refuse(findings: list[Diagnostic], *, alone: bool = True) -> None:
    errors = [f for f in findings if f.severity == "ERROR" and not (alone and f.rule in _TRANSITIONS)]
    if errors:
        raise invalid_definition(errors)


def _states(machine: JSON) -> Iterator[tuple[str, dict[str, JSON]]]:
    """Every state of a definition that lint has accepted, with those of inner machines."""
    pending = [machine]
    while pending:
        for name, state in pending.pop()["States"].items():
            yield name, state
            pending.extend(state.get("Branches", ()))
            pending.extend(state[field] for field in ("ItemProcessor", "Iterator") if field in state)


def _model(data: dict[str, JSON], jsonata: bool) -> model.State:
    findings: list[Diagnostic] = []
    try:
        state = resolve_state(data, f"/States/{STATE}", jsonata=jsonata, findings=findings)
    except DefinitionError as error:
        raise invalid_definition(error.diagnostics) from error
    if findings:
        raise invalid_definition(findings)
    return state


def _object(request: dict[str, Any], field: str) -> dict[str, JSON] | None:
    """A member that holds the text of a JSON object."""
    text = request.get(field)
    if text is None:
        return None
    try:
        value = jsontext.parse(text)
    except jsontext.NotJson:
        value = None
    if type(value) is not dict:
        raise validation(f"{field[0].upper()}{field[1:]} must be a JSON object")
    return value


_NEEDS_MOCK = {
    "retrierRetryCount": "RetrierRetryCount",
    "errorCausedByState": "ErrorCausedByState",
    "mapIterationFailureCount": "MapIterationFailureCount",
    "mapItemReaderData": "MapItemReaderData",
}


def _check_settings(settings: Settings, request: dict[str, Any], state: dict[str, JSON]) -> None:
    """Check what only makes sense with a mock, and the inner state that is said to have failed."""
    if request.get("mock") is None:
        for member, words in _NEEDS_MOCK.items():
            if (request.get("stateConfiguration") or {}).get(member) is not None:
                raise validation(f"TestState does not support {words} when a mock is not specified.")
        if request.get("context") is not None:
            raise validation("TestState does not support Context when a mock is not specified.")
    name = settings.error_caused_by_state
    if name is not None and not any(key == name for key, _ in _states({"States": {STATE: state}})):
        raise validation("State not found in definition")


def _check_task(question: Question) -> None:
    """A Task without a mock is really called: that needs a role and a pattern that ends with the answer."""
    resource = question.resource
    if resource is None or question.mock is not None:
        return
    if resource.kind == "activity" or resource.pattern:
        what = "Activity tasks" if resource.kind == "activity" else f"the '.{resource.pattern}' integration pattern"
        raise ApiError("InvalidDefinition", f"TestState API does not support {what} when a mock is not specified.")
    if not question.role_arn:
        raise validation("RoleArn must be specified when testing a Task state")
