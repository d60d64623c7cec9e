"""Definition → Program, every problem at once: lint the text, decode it once, names to indexes, fields to callables."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from express.asl import model
from express.asl.lint import MachineType, lint
from express.asl.resolve import resolve
from express.asl.scan import load_definition
from express.engine.program import END, Program, Scope
from express.errors import DefinitionError, Diagnostic
from express.expr.expressions import Expressions
from express.segments.linker import fuse
from express.states import KINDS
from express.states.lowering import Lowering
from express.states.width import machine_width
from express.values import JSON, dumps

MOST_PROGRAMS = 64
"""Programs that are kept for definitions that come again: those of a bench, of tests, of a machine's versions."""

_LATELY: dict[tuple[bytes, str], Program] = {}


def compile_definition(definition: str | bytes | dict[str, JSON], *, type: MachineType = "EXPRESS") -> Program:
    """A definition (JSON text or plain data) as a program; warnings do not keep it from running.

    Raises DefinitionError with every finding. The program of a text that was compiled lately is the same one: it is
    immutable, whoever runs it. Plain data may change in its owner's hands, and is compiled anew.
    """
    if isinstance(definition, dict):
        return compile_data(definition, _text(definition), type=type)
    raw = definition.encode() if isinstance(definition, str) else definition
    key = hashlib.sha256(raw).digest(), type
    program = _LATELY.get(key)
    if program is None:
        program = compile_data(load_definition(definition), raw, type=type)
        if len(_LATELY) >= MOST_PROGRAMS:
            del _LATELY[next(iter(_LATELY))]
        _LATELY[key] = program
    return program


def _text(definition: dict[str, JSON]) -> bytes:
    try:
        return dumps(definition)
    except TypeError as error:
        message = f"The definition can't be written as JSON: {error}"
        raise DefinitionError([Diagnostic(code="INVALID_JSON_DESCRIPTION", message=message, rule="E0001")]) from error


def compile_data(data: JSON, raw: bytes, *, type: MachineType = "EXPRESS") -> Program:
    """A definition as plain data; `raw` is its text, for metering and identity. Raises DefinitionError."""
    expressions = Expressions()
    findings = lint(data, type=type, expressions=expressions)
    if any(finding.severity == "ERROR" for finding in findings):
        raise DefinitionError(findings)
    build = _Build(type)
    machine = resolve(data, expressions, build.findings)
    scope = build.scope(machine)
    if build.findings:
        raise DefinitionError(build.findings)
    digest = hashlib.sha256(raw).hexdigest()
    return Program(
        scope=scope,
        segments=fuse(machine, scope, name=digest[:12]),
        timeout=machine.timeout_seconds,
        type=type,
        size=len(raw),
        digest=digest,
        width=machine_width(machine),
        resources=tuple(build.resources),
    )


class _Build(msgspec.Struct):
    """One compilation: its machine-wide settings and what it has found."""

    type: str
    findings: list[Diagnostic] = []
    resources: list[Any] = []

    def scope(self, machine: model.Machine) -> Scope:
        """One `States` map: names become indexes in the order of the definition."""
        targets = {name: i for i, name in enumerate(machine.states)}
        rows = tuple(self._row(name, state, targets) for name, state in machine.states.items())
        return Scope(rows, targets.get(machine.start_at, END))

    def _row(self, name: str, state: model.State, targets: dict[str, int]) -> Any:
        low = Lowering(
            name=name,
            jsonata=state.jsonata,
            targets=targets,
            scope=self.scope,
            location=state.place,
            findings=self.findings,
            resources=self.resources,
            type=self.type,
        )
        return KINDS[type(state).__name__](state, low)
