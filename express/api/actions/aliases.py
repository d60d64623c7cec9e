"""Aliases of state machines and their routing (Step Functions API Reference, "Actions")."""

from __future__ import annotations

from typing import Any

import msgspec

from express.api.arns import Arn, parse_arn
from express.api.context import Api, Members
from express.api.errors import conflict, deleting, resource_not_found, validation
from express.errors import ApiError
from express.stores.records import Alias, Machine, Route
from express.values import JSON

MOST_ALIASES = 100

_REASON = "INVALID_ROUTING_CONFIGURATION"


async def create_state_machine_alias(api: Api, request: Members) -> Members:
    """Name one version, or two with weights; the same request again gives the same answer."""
    now = round(api.clock.wall(), 3)
    async with api.registry.changing:
        machine, routes = _routes(api, request["routingConfiguration"])
        alias = Alias(
            name=request["name"], description=request.get("description"), routes=routes, created=now, updated=now
        )
        if machine.deleting:
            raise deleting(machine.arn)
        there = machine.aliases.get(alias.name)
        if there is None:
            if len(machine.aliases) >= MOST_ALIASES:
                raise ApiError("ServiceQuotaExceededException", f"'{machine.arn}' has {MOST_ALIASES} aliases already")
            await _put(api, machine, alias)
        elif (there.description, there.routes) != (alias.description, routes):
            raise conflict(
                "Failed to create alias because an alias with the same name and a different routing configuration "
                "already exists."
            )
        else:
            alias = there
    return {"stateMachineAliasArn": f"{machine.arn}:{alias.name}", "creationDate": alias.created}


async def update_state_machine_alias(api: Api, request: Members) -> Members:
    """Change description, routing or both."""
    given, description = request.get("routingConfiguration"), request.get("description")
    if given is None and description is None:
        raise validation("Either the description or the routingConfiguration must be specified")
    now = round(api.clock.wall(), 3)
    async with api.registry.changing:
        machine, alias = _find(api, request)
        if machine.deleting:
            raise deleting(machine.arn)
        routes = alias.routes
        if given is not None:
            other, routes = _routes(api, given)
            if other.arn != machine.arn:
                raise _bad_routing("must contain versions of the alias's own state machine", given)
        changed = msgspec.structs.replace(
            alias,
            description=alias.description if description is None else description,
            routes=routes,
            updated=now,
        )
        await _put(api, machine, changed)
    return {"updateDate": now}


async def describe_state_machine_alias(api: Api, request: Members) -> Members:
    """An alias and where it leads."""
    machine, alias = _find(api, request)
    members: Members = {
        "stateMachineAliasArn": f"{machine.arn}:{alias.name}",
        "name": alias.name,
        "routingConfiguration": [
            {"stateMachineVersionArn": f"{machine.arn}:{route.version}", "weight": route.weight}
            for route in alias.routes
        ],
        "creationDate": alias.created,
        "updateDate": alias.updated,
    }
    return members if alias.description is None else {**members, "description": alias.description}


async def list_state_machine_aliases(api: Api, request: Members) -> Members:
    """The aliases of a machine, newest first; of a version, those that lead to it."""
    arn = parse_arn(request["stateMachineArn"], "stateMachine")
    machine = api.registry.machine(arn)
    aliases = sorted(machine.aliases.values(), key=_newest)
    if arn.rest:
        version = machine.version(int(arn.rest[0])) if arn.rest[0].isdecimal() else None
        if version is None or len(arn.rest) > 1:
            raise resource_not_found(arn.text)
        aliases = [a for a in aliases if any(route.version == version.number for route in a.routes)]
    page, more = api.pages.page("ListStateMachineAliases", request, aliases, _newest)
    items = [{"stateMachineAliasArn": f"{machine.arn}:{a.name}", "creationDate": a.created} for a in page]
    return {"stateMachineAliases": items, **more}


async def delete_state_machine_alias(api: Api, request: Members) -> Members:
    """Forget an alias; executions that it started go on."""
    async with api.registry.changing:
        machine, alias = _find(api, request)
        kept = {name: other for name, other in machine.aliases.items() if name != alias.name}
        await api.registry.put(msgspec.structs.replace(machine, aliases=kept))
    return {}


def _newest(alias: Alias) -> list[object]:
    return [-alias.created, alias.name]


async def _put(api: Api, machine: Machine, alias: Alias) -> None:
    aliases = {**machine.aliases, alias.name: alias}
    await api.registry.put(msgspec.structs.replace(machine, aliases=aliases))


def _find(api: Api, request: Members) -> tuple[Machine, Alias]:
    arn = parse_arn(request["stateMachineAliasArn"], "stateMachine")
    machine = api.registry.machines.get(arn.machine)
    alias = None if machine is None or len(arn.rest) != 1 else machine.aliases.get(arn.rest[0])
    if machine is None or alias is None:
        message = "Request references a resource that does not exist."
        raise ApiError("ResourceNotFound", message, resourceName=arn.text)
    return machine, alias


def _routes(api: Api, given: list[dict[str, Any]]) -> tuple[Machine, tuple[Route, ...]]:
    """The routes of a request and the machine they all belong to. Raises ApiError."""
    arns = [parse_arn(route["stateMachineVersionArn"], "stateMachine") for route in given]
    if any(len(arn.rest) != 1 or not arn.rest[0].isdecimal() for arn in arns):
        raise _bad_routing("must contain state machine version ARNs", given)
    if len({arn.text for arn in arns}) < len(arns):
        raise _bad_routing("must contain distinct state machine version ARNs", given)
    if len({arn.machine for arn in arns}) > 1:
        raise _bad_routing("must contain versions of one state machine", given)
    if sum(route["weight"] for route in given) != 100:
        weights = ", ".join(str(route["weight"]) for route in given)
        raise validation(f"Sum of routing configuration weights must equal 100. Received: [{weights}]", _REASON)
    machine = _machine_of(api, arns)
    return machine, tuple(
        Route(version=int(arn.rest[0]), weight=route["weight"]) for arn, route in zip(arns, given, strict=True)
    )


def _machine_of(api: Api, arns: list[Arn]) -> Machine:
    machine = api.registry.machines.get(arns[0].machine)
    for arn in arns:
        if machine is None or machine.version(int(arn.rest[0])) is None:
            raise resource_not_found(arn.text)
    assert machine is not None, "a route names at least one version"
    return machine


def _bad_routing(rule: str, given: list[dict[str, JSON]]) -> ApiError:
    arns = ", ".join(str(route["stateMachineVersionArn"]) for route in given)
    return validation(f"Routing configuration {rule}. Received: [{arns}]", _REASON)
