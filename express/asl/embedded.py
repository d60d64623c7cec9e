"""State machines inside templates: CloudFormation, SAM, Serverless. What a tool fills in becomes a placeholder."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from express.asl.lint import MachineType
from express.asl.positions import Scanned
from express.asl.scan import scan
from express.errors import DefinitionError, Diagnostic
from express.values import JSON

STATE_MACHINES = frozenset({"AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine"})
_TYPES: dict[str, MachineType] = {"STANDARD": "STANDARD", "EXPRESS": "EXPRESS"}
_DEEPEST = 200


class Embedded(msgspec.Struct, frozen=True):
    """One definition in a file: the location of its value there, its data, and the type the template gives it.

    `whole`: the file's places are the definition's own (false for a definition inside a string). `problems` say why
    the string is no JSON.
    """

    prefix: str
    data: JSON
    type: MachineType | None = None
    whole: bool = True
    problems: tuple[Diagnostic, ...] = ()


def embedded(scanned: Scanned) -> list[Embedded]:
    """The definitions inside a template; empty where the text is no template."""
    data = scanned.data
    if type(data) is not dict or "StartAt" in data or "States" in data:
        return []
    return [*_cloudformation(data), *_serverless(data)]


def _cloudformation(data: dict[str, JSON]) -> Iterator[Embedded]:
    resources = data.get("Resources")
    for name, resource in resources.items() if type(resources) is dict else ():
        if type(resource) is not dict or not _is_state_machine(resource.get("Type")):
            continue
        properties = resource.get("Properties")
        if type(properties) is not dict:
            continue
        kind = properties.get("StateMachineType", properties.get("Type"))
        for field in ("Definition", "DefinitionString"):
            if field in properties:
                yield from _definition(f"/Resources/{name}/Properties/{field}", properties[field], kind)


def _is_state_machine(kind: JSON) -> bool:
    return type(kind) is str and kind in STATE_MACHINES


def _serverless(data: dict[str, JSON]) -> Iterator[Embedded]:
    section = data.get("stepFunctions")
    machines = section.get("stateMachines") if type(section) is dict else None
    for name, machine in machines.items() if type(machines) is dict else ():
        if type(machine) is dict and "definition" in machine:
            prefix = f"/stepFunctions/stateMachines/{name}/definition"
            yield from _definition(prefix, machine["definition"], machine.get("type"))


def _definition(prefix: str, value: JSON, kind: JSON) -> Iterator[Embedded]:
    machine_type = _TYPES.get(kind) if type(kind) is str else None
    filled = fill(value)
    if type(filled) is dict:
        yield Embedded(prefix, filled, machine_type)
    elif type(filled) is str and "StartAt" in filled:
        try:
            yield Embedded(prefix, scan(filled, placeholders=True).data, machine_type, whole=False)
        except DefinitionError as error:
            yield Embedded(prefix, None, machine_type, whole=False, problems=error.diagnostics)


def fill(value: JSON, depth: int = 0) -> JSON:
    """`value` with CloudFormation's functions turned into placeholder texts.

    >>> fill({"Resource": {"Fn::GetAtt": ["F", "Arn"]}, "Next": "B"})
    {'Resource': '${F.Arn}', 'Next': 'B'}
    """
    if depth > _DEEPEST:
        return value
    if type(value) is list:
        return [fill(item, depth + 1) for item in value]
    if type(value) is not dict:
        return value
    if len(value) == 1:
        ((name, argument),) = value.items()
        if name == "Ref" or name.startswith("Fn::"):
            return _function(name, argument, depth)
    return {name: fill(item, depth + 1) for name, item in value.items()}


def _function(name: str, argument: JSON, depth: int) -> str:
    if name == "Fn::Sub":
        text = argument[0] if type(argument) is list and argument else argument
        return text if type(text) is str else "${Fn::Sub}"
    if name == "Fn::Join" and type(argument) is list and len(argument) == 2 and type(argument[1]) is list:
        parts = [fill(part, depth + 1) for part in argument[1]]
        return str(argument[0]).join(part if type(part) is str else "${Fn::Join}" for part in parts)
    if name == "Fn::GetAtt" and type(argument) is list:
        return "${" + ".".join(map(str, argument)) + "}"
    return "${" + (argument if type(argument) is str else name) + "}"
