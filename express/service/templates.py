"""State machines in the files that deployment tools keep them in, with what stands for other resources filled in.

| file | state machines |
|---|---|
| a definition, as JSON or YAML | itself |
| a template of CloudFormation, SAM or CDK | `AWS::StepFunctions::StateMachine`, `AWS::Serverless::StateMachine` |
| `terraform show -json` of a plan or state, or a state file | `aws_sfn_state_machine` |
| `serverless.yml` | those below `stepFunctions.stateMachines` |

`${NAME}` is then replaced as `DefinitionSubstitutions` and `templatefile` do it: as text. What stays unknown is
told all at once, by the name under which it can be given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from express.errors import ConfigError
from express.service.stacks import Stack, as_text
from express.service.workflows import machine_name
from express.values import JSON

REGION, ACCOUNT = "us-east-1", "123456789012"
PLACEHOLDER = re.compile(r"\$\{([^{}]+)\}")
MACHINES = ("AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine")
TERRAFORM = "aws_sfn_state_machine"
MARKS = frozenset({"Resources", "stepFunctions", "planned_values", "values", "terraform_version"})
"""What no definition has and the files of the tools do."""


class Template(NamedTuple):
    """A state machine as a file has it. `type` and `role` are None where the file does not say."""

    name: str
    definition: str
    type: str | None = None
    role: str | None = None
    logging: dict[str, JSON] | None = None


def read_templates(file: str, given: Mapping[str, str], only: str | None = None) -> list[Template]:
    """The state machines of a file; `only` is the logical id, address or name of the one that is wanted.

    Raises ConfigError for a file that can't be read, one without a state machine, and names everything that is
    neither in the file nor `given`.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} can't be read: {error}") from error
    data = _parsed(text, file)
    missing: set[str] = set()
    if isinstance(data, dict) and not data.keys().isdisjoint(MARKS):
        found = list(_found(data, file, given, only, missing))
    else:
        name = machine_name(re.sub(r"\.ya?ml$", ".json", file))
        found = [Template(name, json.dumps(data, default=str) if _is_yaml(file) else text)]
    if not found:
        raise ConfigError(f"{file} holds no state machine" + (f" named {only}" if only else ""))
    filled = [_filled(template, given, missing) for template in found]
    if missing:
        names = ", ".join(f"${{{name}}}" for name in sorted(missing))
        raise ConfigError(f"{file} has {names}: say what they stand for with -s NAME=VALUE")
    return filled


def _is_yaml(file: str) -> bool:
    return file.endswith((".yml", ".yaml"))


def _filled(template: Template, given: Mapping[str, str], missing: set[str]) -> Template:
    text = substituted(template.definition, given)
    missing |= {match[1] for match in PLACEHOLDER.finditer(text)}
    return template._replace(definition=text)


def substituted(text: str, values: Mapping[str, Any]) -> str:
    """The text with every `${NAME}` of `values` filled in; values go into JSON strings as they are.

    >>> substituted('{"a": "${X}", "b": "${Y}"}', {"X": 1})
    '{"a": "1", "b": "${Y}"}'
    """
    return PLACEHOLDER.sub(lambda match: as_text(values[match[1]]) if match[1] in values else match[0], text)


def _found(
    data: dict[str, Any], file: str, given: Mapping[str, str], only: str | None, missing: set[str]
) -> Iterator[Template]:
    """The state machines of a file of a deployment tool."""
    if isinstance(data.get("Resources"), dict):
        yield from _of_stack(data, file, given, only, missing)
    elif "stepFunctions" in data:
        yield from _of_serverless(data, given, only, missing)
    else:
        yield from _of_terraform(data, only)


# CloudFormation, SAM, CDK ------------------------------------------------------------------------------


def _of_stack(
    data: dict[str, Any], file: str, given: Mapping[str, str], only: str | None, missing: set[str]
) -> Iterator[Template]:
    stack = Stack(data, given, REGION, ACCOUNT)
    for logical_id, resource in data["Resources"].items():
        if resource.get("Type") not in MACHINES:
            continue
        properties = resource.get("Properties") or {}
        name = as_text(stack.resolve(properties.get("StateMachineName") or properties.get("Name") or logical_id))
        if only is not None and only not in (logical_id, name):
            continue
        text = _definition(properties, stack, Path(file).parent)
        values = {**(stack.resolve(properties.get("DefinitionSubstitutions")) or {}), **given}
        role = properties.get("RoleArn") or properties.get("Role")
        logging = properties.get("LoggingConfiguration") or properties.get("Logging")
        yield Template(
            name=name,
            definition=substituted(text, values),
            type=str(properties.get("StateMachineType") or properties.get("Type") or "STANDARD"),
            role=None if role is None else _or_nothing(stack, role),
            logging=None if logging is None else _logging(stack, logging),
        )
    missing |= stack.missing


def _definition(properties: dict[str, Any], stack: Stack, folder: Path) -> str:
    """The text of a definition, which is given in one of four ways."""
    if "DefinitionString" in properties:
        return as_text(stack.resolve(properties["DefinitionString"]))
    if "Definition" in properties:
        return json.dumps(stack.resolve(properties["Definition"]), default=str)
    place = properties.get("DefinitionUri") or properties.get("DefinitionS3Location")
    if not isinstance(place, str) or place.startswith("s3://"):
        raise ConfigError("a definition in S3 can't be read: deploy the file itself")
    try:
        text = (folder / place).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the definition {place} can't be read: {error.strerror}") from error
    return json.dumps(_yaml(text), default=str) if _is_yaml(place) else text


def _or_nothing(stack: Stack, value: JSON) -> str | None:
    """A value that does without: what is unknown in it is no reason to refuse the file."""
    before = set(stack.missing)
    text = as_text(stack.resolve(value))
    unknown = stack.missing - before
    stack.missing -= unknown
    return None if unknown else text


def _logging(stack: Stack, logging: dict[str, Any]) -> dict[str, JSON]:
    """The level and what goes with it; the log group is one of ours, since logs are written elsewhere here."""
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:express:*"
    found: dict[str, JSON] = {
        key[0].lower() + key[1:]: stack.resolve(value)
        for key, value in logging.items()
        if key.lower() != "destinations"
    }
    return {
        "level": found.get("level", "OFF"),
        "includeExecutionData": as_text(found.get("includeExecutionData", False)) == "true",
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
    }


# Serverless Framework ----------------------------------------------------------------------------------


def _of_serverless(
    data: dict[str, Any], given: Mapping[str, str], only: str | None, missing: set[str]
) -> Iterator[Template]:
    functions = {
        name: {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": (row or {}).get("name") or name}}
        for name, row in (data.get("functions") or {}).items()
    }
    resources = ((data.get("resources") or {}).get("Resources")) or {}
    stack = Stack({"Resources": {**resources, **functions}}, given, REGION, ACCOUNT)
    for key, row in (data["stepFunctions"].get("stateMachines") or {}).items():
        name = as_text(row.get("name") or row.get("id") or key)
        if only in (None, key, name):
            definition = json.dumps(stack.resolve(row.get("definition")), default=str)
            yield Template(name, definition, str(row.get("type") or "STANDARD").upper())
    missing |= stack.missing


# Terraform ---------------------------------------------------------------------------------------------


def _of_terraform(data: dict[str, Any], only: str | None) -> Iterator[Template]:
    for address, values in _terraform_resources(data):
        if only is not None and only not in (address, values.get("name")):
            continue
        text = values.get("definition")
        if text is None:
            raise ConfigError(
                f"the definition of {address} is known after `terraform apply` only: use `terraform show -json` then"
            )
        logging = next(iter(values.get("logging_configuration") or ()), None)
        yield Template(
            name=values.get("name") or address.rpartition(".")[2],
            definition=text,
            type=values.get("type") or "STANDARD",
            role=values.get("role_arn"),
            logging=None if logging is None else _terraform_logging(logging),
        )


def _terraform_resources(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Addresses and values, of a plan, of a state that was shown, or of a state file."""
    values = data.get("planned_values") or data.get("values") or {}
    modules = [values.get("root_module") or {}] if isinstance(values, dict) else []
    while modules:
        module = modules.pop()
        modules += module.get("child_modules") or []
        for resource in module.get("resources") or ():
            if resource.get("type") == TERRAFORM:
                yield resource["address"], resource["values"]
    for resource in (data.get("resources") or ()) if "terraform_version" in data else ():
        if resource.get("type") == TERRAFORM:
            for instance in resource["instances"]:
                yield f"{TERRAFORM}.{resource['name']}", instance["attributes"]


def _terraform_logging(logging: dict[str, Any]) -> dict[str, JSON]:
    level, data = logging.get("level") or "OFF", bool(logging.get("include_execution_data"))
    return _logging(Stack({}, {}, REGION, ACCOUNT), {"level": level, "includeExecutionData": data})


# Files -------------------------------------------------------------------------------------------------


def _parsed(text: str, file: str) -> JSON:
    """The data of a file; None for a text that is no JSON before its placeholders are filled in."""
    if _is_yaml(file):
        return _yaml(text)
    try:
        return json.loads(text)
    except ValueError:
        return None


def _yaml(text: str) -> JSON:
    """YAML with CloudFormation's short forms: `!Sub x` is `{"Fn::Sub": x}`."""
    try:
        import yaml
    except ImportError as missing:
        raise ConfigError("templates in YAML need PyYAML: pip install 'express[yaml]'") from missing

    class Loader(yaml.SafeLoader):
        """Knows the short forms. A class of its own, since constructors are registered on it."""

    def short_form(loader: Any, suffix: str, node: Any) -> JSON:
        if isinstance(node, yaml.ScalarNode):
            value = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", short_form)
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {error}") from error
