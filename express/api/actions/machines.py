"""The API actions about state machines: create, update, describe, list, delete, and validate a definition."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import orjson

from express.api.actions.versions import delete_version, publish
from express.api.arns import check_name, parse_arn
from express.api.context import Api, Members
from express.api.definitions import check_definition, validation_result
from express.api.errors import already_exists, deleting, does_not_exist, validation
from express.api.machine_settings import check_settings, read_tags, shown_settings
from express.api.registry import Target
from express.api.variables import variable_references
from express.errors import ApiError
from express.stores.records import INITIAL, Machine, Revision

MOST_MACHINES = 100_000


async def create_state_machine(api: Api, request: Members) -> Members:
    """Create a machine; the same request again gives the same answer."""
    name, kind, definition = request["name"], request.get("type", "STANDARD"), request["definition"]
    check_name(name)
    check_settings(request)
    arn = f"{api.registry.prefix}:stateMachine:{name}"
    tags = read_tags(request.get("tags") or [], arn)
    await api.judge(definition, lambda: check_definition(definition, kind))
    async with api.registry.changing:
        machine = api.registry.machines.get(arn)
        if machine is None:
            if len(api.registry.machines) >= MOST_MACHINES:
                raise ApiError("StateMachineLimitExceeded", f"There are {MOST_MACHINES} state machines already")
            machine = await _create(api, arn, request, tags)
        elif machine.deleting:
            raise deleting(arn)
        elif not await _is_same(api, machine, request):
            raise already_exists("StateMachine", arn)
    answer: Members = {"stateMachineArn": arn, "creationDate": machine.created}
    return {**answer, "stateMachineVersionArn": f"{arn}:1"} if request.get("publish") else answer


async def _create(api: Api, arn: str, request: Members, tags: dict[str, str]) -> Machine:
    now = round(api.clock.wall(), 3)
    revision = _revision(INITIAL, request, now)
    machine = Machine(
        arn=arn,
        name=request["name"],
        type=request.get("type", "STANDARD"),
        created=now,
        tags=tags,
        published=(bool(request.get("publish")), request.get("versionDescription")),
    )
    if request.get("publish"):
        machine, _ = publish(machine, request.get("versionDescription"), now)
    await api.registry.put(machine, revision)
    return machine


def _revision(id_: str, request: Members, now: float, before: Revision | None = None) -> Revision:
    """A revision of what a request gives; what it leaves open stays as before."""
    given: dict[str, Any] = {
        "definition": request.get("definition"),
        "role_arn": request.get("roleArn"),
        "logging": request.get("loggingConfiguration"),
        "tracing": request.get("tracingConfiguration"),
        "encryption": request.get("encryptionConfiguration"),
    }
    given = {name: value for name, value in given.items() if value is not None}
    if before is None:
        return Revision(id=id_, created=now, **given)
    return msgspec.structs.replace(before, id=id_, created=now, **given)


async def _is_same(api: Api, machine: Machine, request: Members) -> bool:
    """Return whether a machine is what a request asks for: its role and tags are not compared."""
    revision = await api.registry.revision(machine, machine.revision)
    asked = _revision(machine.revision, request, revision.created)
    same = msgspec.structs.replace(asked, role_arn=revision.role_arn)
    published = (bool(request.get("publish")), request.get("versionDescription"))
    return (
        machine.type == request.get("type", "STANDARD")
        and machine.published == published
        and same.definition == revision.definition
        and shown_settings(same) == shown_settings(revision)
    )


_UPDATABLE = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")


async def update_state_machine(api: Api, request: Members) -> Members:
    """Give a machine a new revision; what runs goes on with its own."""
    arn = parse_arn(request["stateMachineArn"], "stateMachine")
    if all(request.get(name) is None for name in _UPDATABLE):
        raise ApiError(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be "
            "specified",
        )
    check_settings(request)
    if arn.rest:
        raise does_not_exist("StateMachine", arn.text)
    kind = api.registry.machine(arn).type
    definition = request.get("definition")
    if definition is not None:
        await api.judge(definition, lambda: check_definition(definition, kind))
    now = round(api.clock.wall(), 3)
    async with api.registry.changing:
        machine = api.registry.machine(arn)
        if machine.deleting:
            raise deleting(machine.arn)
        before = await api.registry.revision(machine, machine.revision)
        revision = _revision(str(uuid.uuid4()), request, now, before)
        machine = msgspec.structs.replace(machine, revision=revision.id, updated=now)
        answer: Members = {"updateDate": now, "revisionId": revision.id}
        if request.get("publish"):
            machine, version = publish(machine, request.get("versionDescription"), now)
            answer["stateMachineVersionArn"] = f"{machine.arn}:{version.number}"
        await api.registry.put(machine, revision)
    return answer


async def describe_state_machine(api: Api, request: Members) -> Members:
    """A machine, one of its versions, or what an alias of it leads to."""
    target = await api.registry.target(request["stateMachineArn"])
    machine, version = target.machine, target.version
    answer = {
        **shown_machine(target, metadata_only=request.get("includedData") == "METADATA_ONLY"),
        "stateMachineArn": machine.arn if version is None else f"{machine.arn}:{version.number}",
        "status": "DELETING" if machine.deleting else "ACTIVE",
        "type": machine.type,
        "creationDate": machine.created if version is None else version.created,
    }
    if version is not None and version.description is not None:
        answer["description"] = version.description
    return answer


def shown_machine(target: Target, *, metadata_only: bool) -> Members:
    """Return what both Describe* actions tell of a machine's revision."""
    revision = target.revision
    members: Members = {
        "name": target.machine.name,
        "definition": "{}" if metadata_only else revision.definition,
        "roleArn": revision.role_arn,
        **shown_settings(revision),
    }
    if revision.id != INITIAL:
        members["revisionId"] = revision.id
    if not metadata_only:
        references = variable_references(orjson.loads(revision.definition))
        if references:
            members["variableReferences"] = references
    return members


async def list_state_machines(api: Api, request: Members) -> Members:
    """Every machine, newest first."""
    machines = sorted(api.registry.machines.values(), key=_newest)
    page, more = api.pages.page("ListStateMachines", request, machines, _newest)
    items = [{"stateMachineArn": m.arn, "name": m.name, "type": m.type, "creationDate": m.created} for m in page]
    return {"stateMachines": items, **more}


def _newest(machine: Machine) -> list[object]:
    return [-machine.created, machine.arn]


async def delete_state_machine(api: Api, request: Members) -> Members:
    """Forget a machine with versions and aliases; one that is not there is gone already."""
    arn = parse_arn(request["stateMachineArn"], "stateMachine")
    if arn.label is not None:
        raise validation("This operation does not support labelled ARNs", "API_DOES_NOT_SUPPORT_LABELED_ARNS")
    if arn.rest:
        return await delete_version(api, arn)
    machine = api.registry.machines.get(arn.text)
    if machine is not None:
        await api.standard.delete(machine)
    return {}


async def validate_state_machine_definition(api: Api, request: Members) -> Members:
    """Every finding about a definition, without creating anything."""
    definition = request["definition"]
    return await api.judge(
        definition,
        lambda: validation_result(
            definition,
            request.get("type", "STANDARD"),
            request.get("severity", "ERROR"),
            request.get("maxResults", 0),
        ),
    )
