"""State machines of a plan or state of Terraform: definitions are texts that are whole already."""

from __future__ import annotations

from collections.abc import Iterator

from express.asl.positions import Place
from express.deploy.cloudformation import Stack
from express.deploy.files import Files
from express.deploy.machines import Machine, guarded, logging_of
from express.deploy.nodes import Node, Source, TemplateError, Unseen, node_of
from express.values import JSON

TYPE = "aws_sfn_state_machine"
KEYS = ("name", "type", "definition", "role_arn", "logging_configuration")
DEEPEST_MODULE = 50


def of_terraform(source: Source, files: Files, only: str | None) -> Iterator[Machine]:
    """The state machines of a plan, of a state that was shown, or of a state file."""
    for address, values, place in rows(source.scanned.data, source.scanned.root):
        node = Node(source, place.start, place.end, place.key)
        inner = place.members if type(place.members) is dict else {}
        node.members = {
            key: node_of(values[key], inner[key], source, files.budget)
            for key in KEYS
            if key in values and key in inner
        }
        machine = guarded(address, node, lambda: _machine(address, node, files))  # noqa: B023 # called at once
        if only in (None, address, machine.name):
            yield machine


def _machine(address: str, node: Node, files: Files) -> Machine:
    fields = {key: item for key, item in node.fields.items() if item.members is not None or item.value is not None}
    for key in KEYS[:4]:
        if key in fields and fields[key].text is None:
            fields[key].fail(f"{key} of {address} wants a text, and this is {fields[key].kind}")
    if "definition" not in fields:
        raise Unseen(
            f"the definition of {address} is known after `terraform apply` only: use `terraform show -json` then"
        )
    texts = {key: fields[key].text for key in KEYS if key in fields}
    logging = next(iter(fields["logging_configuration"].items), None) if "logging_configuration" in fields else None
    return Machine(
        name=texts.get("name") or address.rpartition(".")[2],
        at=fields["definition"],
        body=fields["definition"],
        type=texts.get("type") or "STANDARD",
        role=texts.get("role_arn"),
        logging=None if logging is None else _logging(logging, files),
    )


def _logging(logging: Node, files: Files) -> dict[str, JSON]:
    named = {key.replace("_", ""): item for key, item in logging.fields.items()}
    return logging_of(logging.holding(named), Stack(logging, {}, files.budget))


def rows(data: JSON, place: Place) -> Iterator[tuple[str, dict[str, JSON], Place]]:
    """Address, values and place of every state machine."""
    for key in ("planned_values", "values"):
        root, where = _member(*_member(data, place, key), "root_module")
        yield from _of_module(root, where, 0)
    if type(data) is dict and "terraform_version" in data:
        for resource, where in _items(*_member(data, place, "resources")):
            if type(resource) is dict and resource.get("type") == TYPE:
                for instance, inner in _items(*_member(resource, where, "instances")):
                    values, spot = _member(instance, inner, "attributes")
                    if type(values) is dict:
                        yield f"{TYPE}.{resource.get('name')}", values, spot


def _of_module(module: JSON, place: Place, depth: int) -> Iterator[tuple[str, dict[str, JSON], Place]]:
    if depth > DEEPEST_MODULE:
        raise TemplateError(f"modules are nested over more than {DEEPEST_MODULE} levels")
    for resource, where in _items(*_member(module, place, "resources")):
        values, spot = _member(resource, where, "values")
        if type(values) is dict and resource.get("type") == TYPE:
            yield str(resource.get("address") or TYPE), values, spot
    for inner, where in _items(*_member(module, place, "child_modules")):
        yield from _of_module(inner, where, depth + 1)


def _member(data: JSON, place: Place, name: str) -> tuple[JSON, Place]:
    inner = place.members
    if type(data) is dict and type(inner) is dict and name in data and name in inner:
        return data[name], inner[name]
    return None, place


def _items(data: JSON, place: Place) -> list[tuple[JSON, Place]]:
    inner = place.members
    return list(zip(data, inner, strict=True)) if type(data) is list and type(inner) is list else []


def placed(data: JSON, depth: int) -> Place:
    """Places of data that was read without any: all at the beginning."""
    place = Place(0)
    if type(data) is dict and depth < DEEPEST_MODULE * 4:
        place.members = {name: placed(item, depth + 1) for name, item in data.items()}
    elif type(data) is list and depth < DEEPEST_MODULE * 4:
        place.members = [placed(item, depth + 1) for item in data]
    return place
