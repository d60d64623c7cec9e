"""Names in a Task's Parameters or Arguments, held against what the resource takes, before anything runs.

What a name may be comes from botocore's models (the `aws` extra; without it names of AWS services are not checked) and
from the members of the integrations that AWS documents apart. Values are not looked at: they are mostly not known yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from express.asl.lint.members import UnknownMember, plain
from express.asl.resources import KINDS_WITH_MEMBERS, Resource
from express.integrations import apigateway, kafka_produce, start_execution
from express.integrations.aws.calls import available
from express.integrations.aws.model_files import input_shape
from express.integrations.aws.names import Spelling, folder, optimized_member, sdk_member
from express.integrations.aws.optimized import FORMS
from express.integrations.aws.shapes import members
from express.values import JSON

DOCUMENTED: dict[str, Collection[str]] = {
    "apigateway:invoke": apigateway.MEMBERS,
    "states:startExecution": start_execution.MEMBERS,
    "kafka:produce": kafka_produce.MEMBERS,
}
"""Integrations whose members no model of a service has; `http:invoke`, which needs an HTTP client, is apart."""

_STRUCTURES = ("structure", "list", "map")


def unknown_members(resource: Resource, parameters: JSON) -> Iterator[UnknownMember]:
    """Yield each name in a template of parameters that the resource has no member for."""
    if type(parameters) is not dict or resource.kind not in KINDS_WITH_MEMBERS:
        return
    valid = _documented(f"{resource.service}:{resource.action}") if resource.kind != "sdk" else None
    if valid is not None:
        yield from (("", key, valid) for key in parameters if plain(key) not in valid)
        return
    found = _input(resource) if available() else None
    if found is not None:
        yield from _walk(*found, parameters, "")


def _documented(integration: str) -> Collection[str] | None:
    if integration == "http:invoke":
        from express.integrations.http.requests import MEMBERS

        return MEMBERS
    return DOCUMENTED.get(integration)


def _input(resource: Resource) -> tuple[Any, Spelling, Collection[str]] | None:
    """Return the input shape of a resource, how its members are named, and what is taken besides."""
    besides: Collection[str] = ()
    if resource.kind == "sdk":
        service, operation, spelling = folder(resource.service), resource.action, sdk_member
    else:
        form = FORMS.get(f"{resource.service}:{resource.action}")
        if form is None:
            return None
        service, operation, spelling = form.folder, form.operation or resource.action, optimized_member
        besides = form.besides
    if service is None:
        return None
    shape = input_shape(service, operation[:1].upper() + operation[1:])
    return None if shape is None else (shape, spelling, besides)


def _walk(shape: Any, spelling: Spelling, besides: Collection[str], value: JSON, at: str) -> Iterator[UnknownMember]:
    if type(value) is dict:
        yield from _object(shape, spelling, besides, value, at)
    elif type(value) is list and shape.type_name == "list" and shape.member.type_name in _STRUCTURES:
        for index, item in enumerate(value):
            yield from _walk(shape.member, spelling, (), item, f"{at}[{index}]")


def _object(
    shape: Any, spelling: Spelling, besides: Collection[str], value: dict[str, JSON], at: str
) -> Iterator[UnknownMember]:
    if shape.type_name == "map":
        inner = dict.fromkeys(map(plain, value), shape.value)
    elif shape.type_name == "structure" and not shape.is_document_type:
        inner = {name: member for name, (_, member) in members(shape, spelling).items()}
    else:
        return
    for key, item in value.items():
        name = plain(key)
        if name in inner:
            yield from _walk(inner[name], spelling, (), item, f"{at}/{key}")
        elif name not in besides:
            yield at, key, [*inner, *besides]
