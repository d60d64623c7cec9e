"""PublishStateMachineVersion, ListStateMachineVersions and DeleteStateMachineVersion."""

from __future__ import annotations

import msgspec

from express.api.arns import Arn, parse_arn
from express.api.context import Api, Members
from express.api.errors import conflict, deleting, does_not_exist, invalid_arn
from express.errors import ApiError
from express.stores.records import Machine, Version

MOST_VERSIONS = 1_000


def publish(machine: Machine, description: str | None, now: float) -> tuple[Machine, Version]:
    """The machine with its current revision published. A number is never given out twice. Raises ApiError."""
    if machine.deleting:
        raise deleting(machine.arn)
    if len(machine.versions) >= MOST_VERSIONS:
        raise ApiError("ServiceQuotaExceededException", f"'{machine.arn}' has {MOST_VERSIONS} versions already")
    number = machine.last_version + 1
    version = Version(number=number, revision=machine.revision, description=description, created=now)
    return msgspec.structs.replace(machine, versions=(*machine.versions, version), last_version=number), version


async def publish_state_machine_version(api: Api, request: Members) -> Members:
    """Publish the current revision; one that is published already keeps its version."""
    arn = parse_arn(request["stateMachineArn"], "stateMachine")
    if arn.rest:
        raise does_not_exist("StateMachine", arn.text)
    async with api.registry.changing:
        machine = api.registry.machine(arn)
        wanted = request.get("revisionId")
        if wanted is not None and wanted != machine.revision:
            raise conflict(
                f"Failed to publish the State Machine version for revision {wanted}. "
                f"The current State Machine revision is {machine.revision}."
            )
        version = next((v for v in reversed(machine.versions) if v.revision == machine.revision), None)
        if version is None:
            machine, version = publish(machine, request.get("description"), round(api.clock.wall(), 3))
            await api.registry.put(machine)
    return {"creationDate": version.created, "stateMachineVersionArn": f"{machine.arn}:{version.number}"}


async def list_state_machine_versions(api: Api, request: Members) -> Members:
    """The versions of a machine, highest first; none where there is no such machine."""
    arn = parse_arn(request["stateMachineArn"], "stateMachine")
    machine = api.registry.machines.get(arn.machine)
    versions = () if machine is None else tuple(reversed(machine.versions))
    page, more = api.pages.page("ListStateMachineVersions", request, versions, lambda version: -version.number)
    items = [{"stateMachineVersionArn": f"{arn.machine}:{v.number}", "creationDate": v.created} for v in page]
    return {"stateMachineVersions": items, **more}


async def delete_state_machine_version(api: Api, request: Members) -> Members:
    """Forget a version that no alias uses; one that is not there is gone already."""
    return await delete_version(api, parse_arn(request["stateMachineVersionArn"], "stateMachine"))


async def delete_version(api: Api, arn: Arn) -> Members:
    """Forget the version that an ARN names."""
    if len(arn.rest) != 1 or not arn.rest[0].isdecimal():
        raise invalid_arn(f"Resource type not valid in this context: {arn.kind}")
    number = int(arn.rest[0])
    async with api.registry.changing:
        machine = api.registry.machines.get(arn.machine)
        if machine is None or machine.version(number) is None:
            return {}
        users = [alias.name for alias in machine.aliases.values() if any(r.version == number for r in alias.routes)]
        if users:
            raise conflict(
                "Version to be deleted must not be referenced by an alias. "
                f"Current list of aliases referencing this version: [{', '.join(users)}]"
            )
        kept = tuple(version for version in machine.versions if version.number != number)
        await api.registry.put(msgspec.structs.replace(machine, versions=kept))
    return {}
