"""State machines in the files that deployment tools keep them in, with what stands for other resources filled in.

| file | state machines |
|---|---|
| a definition, as JSON or YAML | itself |
| a template of CloudFormation, SAM or CDK | `AWS::StepFunctions::StateMachine`, `AWS::Serverless::StateMachine` |
| `terraform show -json` of a plan or state, or a state file | `aws_sfn_state_machine` |
| `serverless.yml` | those below `stepFunctions.stateMachines` |

`read_machines` is what both `express deploy` and `express validate` read: each definition with the places of its
parts, what is unknown left as `${NAME}`, or why it can't be seen. `read_templates` is what can be deployed of it:
whatever is unknown is told all at once, by the name under which it can be given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from express.asl.scan import LONGEST_TEXT
from express.asl.scan_yaml import scan_yaml
from express.config.files import read_bytes
from express.deploy.files import Files, is_yaml, parsed
from express.deploy.machines import PLACEHOLDER, Machine, of_stack
from express.deploy.nodes import Budget, Source, TemplateError, as_text, node_of
from express.deploy.serverless import of_serverless
from express.deploy.terraform import TYPE, of_terraform, placed, rows
from express.errors import ConfigError, DefinitionError
from express.values import JSON, loads, text

TERRAFORM = ("planned_values", "values", "terraform_version")
MARKS = ("Resources", "stepFunctions", *TERRAFORM)
"""Members that the files of the tools have and no definition does."""


class Template(NamedTuple):
    """A state machine to deploy. `type` and `role` are None where the file does not say.

    `left`: names of `${NAME}` in it that no substitution has, so that they stay as they are.
    """

    name: str
    definition: str
    type: str | None = None
    role: str | None = None
    logging: dict[str, JSON] | None = None
    left: tuple[str, ...] = ()


class Read(NamedTuple):
    """A file of a deployment tool, read: its state machines, and the files that hold them, its own first."""

    machines: list[Machine]
    sources: list[Source]


def kind_of(data: JSON) -> str:
    """Of which tool data is: `stack`, `serverless`, `terraform`; "" for a definition and anything else."""
    if type(data) is not dict or ("StartAt" in data and "States" in data):
        return ""
    if "Resources" in data:
        return "stack"
    if "stepFunctions" in data:
        return "serverless"
    return "terraform" if any(key in data for key in TERRAFORM) and "StartAt" not in data else ""


def read_machines(
    file: str,
    content: str,
    *,
    given: Mapping[str, str] | None = None,
    only: str | None = None,
    folder: Path | None = None,
    second: bool = False,
) -> Read | None:
    """The state machines in the text of a file; None where it is no file of a deployment tool.

    `folder` is where files that it names are; None: nowhere. `second`: where an Fn::If hangs on what is unknown, its
    second value is looked at. Raises TemplateError for what can't be read.
    """
    source = _source(file, content)
    kind = kind_of(source.scanned.data) if source is not None else ""
    if source is None or not kind:
        return None
    files = Files(folder, Budget())
    machines = list(_machines(kind, source, files, given or {}, only, second=second))
    return Read(machines, [source, *files.sources])


def _machines(
    kind: str, source: Source, files: Files, given: Mapping[str, str], only: str | None, *, second: bool
) -> Iterator[Machine]:
    if kind == "terraform":
        yield from of_terraform(source, files, only)
        return
    root = node_of(source.scanned.data, source.scanned.root, source, files.budget)
    if kind == "serverless":
        yield from of_serverless(root, files, given, only)
    else:
        assets = re.sub(r"\.template\.json\Z", ".assets.json", Path(source.name).name)
        yield from of_stack(root, files, given, only, assets if assets.endswith(".assets.json") else "", second=second)


def _source(file: str, content: str) -> Source | None:
    """A file with its data and places; None for a text that is none, which may still be a definition."""
    if not any(mark in content for mark in MARKS):
        return None
    reduced = _reduced(content) if len(content) > LONGEST_TEXT and not is_yaml(file) else None
    try:
        return Source(file, parsed(file, reduced or content), placed=reduced is None)
    except DefinitionError:
        return None


def _reduced(content: str) -> str | None:
    """The state machines alone of a large plan or state of Terraform."""
    try:
        data = loads(content)
    except ValueError:
        return None
    if kind_of(data) != "terraform":
        return None
    found = [{"type": TYPE, "address": address, "values": values} for address, values in _addresses(data)]
    return text({"values": {"root_module": {"resources": found}}})


def _addresses(data: JSON) -> Iterator[tuple[str, dict[str, Any]]]:
    for address, values, _ in rows(data, placed(data, 0)):
        yield address, values


def read_templates(file: str, given: Mapping[str, str], only: str | None = None) -> list[Template]:
    """The state machines of a file; `only` is the logical id, address or name of the one that is wanted.

    Raises ConfigError for a file that can't be read, one without a state machine, and names everything that is
    neither in the file nor `given`.
    """
    try:
        content = read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} can't be read: it is no text in UTF-8") from error
    read = read_machines(file, content, given=given, only=only, folder=Path(file).parent)
    if read is None:
        return [_plain(file, content, given)]
    if not read.machines:
        raise ConfigError(f"{file} holds no state machine" + (f" named {only}" if only else ""))
    missing: set[str] = set()
    for machine in read.machines:
        if machine.error is not None:
            raise machine.error
        if machine.unseen:
            raise ConfigError(f"{machine.at.shown()}: {machine.name} can't be deployed: {machine.unseen}")
        missing |= machine.unknown
    _refuse(file, missing)
    return [_template(machine) for machine in read.machines]


def _template(machine: Machine) -> Template:
    assert machine.body is not None
    try:
        body = machine.body.text if machine.body.text is not None else text(machine.body.plain())
    except TypeError as error:
        raise TemplateError(f"the definition can't be written as JSON: {error}", machine.body) from error
    if machine.yaml:
        try:
            body = text(scan_yaml(body).data)
        except DefinitionError as error:
            raise TemplateError(f"it is no YAML: {error.diagnostics[0].message}", machine.body) from error
    return Template(machine.name, body, machine.type, machine.role, machine.logging, tuple(machine.left))


def _plain(file: str, content: str, given: Mapping[str, str]) -> Template:
    """A definition that is a file of its own."""
    from express.service.workflows import machine_name  # with the compiler, which `validate` does without

    if is_yaml(file):
        try:
            content = json.dumps(scan_yaml(content).data)
        except DefinitionError as error:
            raise ConfigError(f"{file} is no YAML: {error.diagnostics[0].message}") from error
    _refuse(file, {match[1] for match in PLACEHOLDER.finditer(content)} - given.keys())
    return Template(machine_name(re.sub(r"\.ya?ml$", ".json", file)), substituted(content, given))


def _refuse(file: str, missing: set[str]) -> None:
    if missing:
        names = ", ".join(f"${{{name}}}" for name in sorted(missing))
        raise ConfigError(f"{file} has {names}: say what they stand for with -s NAME=VALUE")


def substituted(content: str, values: Mapping[str, Any]) -> str:
    """The text with every `${NAME}` of `values` filled in; values go into JSON strings as they are.

    >>> substituted('{"a": "${X}", "b": "${Y}"}', {"X": 1})
    '{"a": "1", "b": "${Y}"}'
    """
    return PLACEHOLDER.sub(lambda match: as_text(values[match[1]]) if match[1] in values else match[0], content)
