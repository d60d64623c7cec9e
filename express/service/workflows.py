"""Workflows from files: read, compiled, and checked against what can be called here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from express.asl.resources import Resource, parse_resource
from express.asl.scan_yaml import json_text
from express.compiler import compile_definition
from express.config import Config, Pipeline
from express.config.files import read_bytes
from express.engine import Program
from express.errors import ConfigError
from express.integrations import Integrations
from express.values import JSON, loads


class Callables(Protocol):
    """Knows which functions can be called, and which one a misspelt name was meant to be."""

    def knows(self, name: str) -> bool:
        """Return whether a function can be called by this ARN or name."""

    def nearest(self, name: str) -> str | None:
        """The registered name that was probably meant."""


ENDINGS = (".asl.json", ".asl.yaml", ".asl.yml", ".json", ".yaml", ".yml")


def machine_name(file: str | Path) -> str:
    """A state machine's name: its file's without the ending.

    >>> machine_name("config/workflows/iot-routing.asl.json")
    'iot-routing'
    """
    name = Path(file).name
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)


def definition_keys(pipeline: Pipeline) -> dict[str, str]:
    """The workflows of a pipeline: the key of each in `Job.definitions`, and its file; the pipeline's own first.

    Raises ConfigError where two of them have the same name, by which a header could mean either.
    """
    found = {pipeline.name: pipeline.workflow}
    names = {machine_name(pipeline.workflow)}
    for file in pipeline.workflows:
        name = machine_name(file)
        if name in names:
            raise ConfigError(f"pipelines.{pipeline.name}.workflows: there are two workflows named {name!r}")
        names.add(name)
        found[f"{pipeline.name}/{name}"] = file
    return found


def workflow_files(config: Config) -> list[str]:
    """The workflow files of all pipelines. Raises ConfigError as `definition_keys`."""
    return [file for pipeline in config.pipelines for file in definition_keys(pipeline).values()]


def read_definition(file: str | Path) -> bytes:
    """Return the JSON text of a definition in a file, which may be YAML and begin with a byte-order mark.

    Raises ConfigError where it can't be read, DefinitionError where it is no text or no YAML.
    """
    return json_text(read_bytes(file, "the workflow"), str(file))


def compile_callable(text: bytes, functions: Callables, integrations: Integrations, source: str = "") -> Program:
    """A program whose every task can be called here.

    Raises DefinitionError with every finding, ConfigError that names each resource nobody performs and each
    function that is not registered, with the registered name that was probably meant.
    """
    program = compile_definition(text)
    missing = unperformed(program, text, functions, integrations) or refused_requests(text, integrations)
    if missing:
        raise ConfigError("\n".join(f"{source}: {line}" if source else line for line in missing))
    return program


def unperformed(program: Program, text: bytes, functions: Callables, integrations: Integrations) -> list[str]:
    """A line for each resource that nobody performs here, and for each function that is not registered."""
    missing = integrations.refusals(program.resources)
    names = called_functions(program, text)
    return missing + [_unregistered(name, functions) for name in names if not functions.knows(name)]


def _unregistered(name: str, functions: Callables) -> str:
    return unregistered(name, functions.nearest(name))


def unregistered(name: str, near: str | None) -> str:
    """Return the sentence about a function that a definition calls and nobody has registered."""
    if near:
        return f"no function is registered for {name!r}; did you mean {near!r}?"
    short = name.rpartition(":function:")[2].partition(":")[0]
    return (
        f"no function is registered for {name!r}: register one in the configuration, [functions.{short}] with "
        f'handler = "module:function", or on the command line, --function {short}=module:function'
    )


def called_functions(program: Program, text: bytes) -> list[str]:
    """Every function that a definition names: Lambda ARNs, and names in `lambda:invoke` that are no expression."""
    found = [_callable_name(resource) for resource in program.resources]
    found += [name for name in _invoked(loads(text)) if not name.startswith("{%")]
    return sorted({name for name in found if name})


def _callable_name(resource: Resource) -> str:
    return resource.arn if resource.kind in ("lambda", "other") else ""


def refused_requests(text: bytes, integrations: Integrations) -> list[str]:
    """A line for each request whose constant part names what can't be had here: a machine, a topic."""
    asked = (integrations.request_refusal(parse_resource(arn), request) for arn, request in _requests(loads(text)))
    return sorted({line for line in asked if line is not None})


def _invoked(machine: JSON) -> Iterator[str]:
    """FunctionName of every state that calls `lambda:invoke`, however deep."""
    for arn, request in _requests(machine):
        name = request.get("FunctionName")
        if ":lambda:invoke" in arn and isinstance(name, str):
            yield name


def _requests(machine: JSON) -> Iterator[tuple[str, dict[str, JSON]]]:
    """Resource and written request of every Task, however deep."""
    for state in machine.get("States", {}).values():
        for field in ("Parameters", "Arguments"):
            request = state.get(field)
            if "Resource" in state and isinstance(request, dict):
                yield state["Resource"], request
        for inner in (*state.get("Branches", ()), state.get("ItemProcessor", {}), state.get("Iterator", {})):
            yield from _requests(inner)
