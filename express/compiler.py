"""Definition → Program, every problem at once: decode once, names to indexes, fields to callables."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from express.asl import model
from express.asl.decode import decode
from express.engine.program import END, Program, Scope
from express.errors import DefinitionError, Diagnostic
from express.states import KINDS
from express.states.lowering import Lowering
from express.values import JSON, dumps, loads


def compile_definition(definition: str | bytes | dict[str, JSON], *, type: str = "EXPRESS") -> Program:
    """A definition (JSON text or plain data) as a program.

    Raises DefinitionError with every finding.
    """
    text = definition.encode() if isinstance(definition, str) else definition
    raw = text if isinstance(text, bytes) else dumps(text)
    try:
        data = loads(raw)
    except ValueError as error:
        raise DefinitionError([Diagnostic(code="INVALID_JSON_DESCRIPTION", message=str(error))]) from error
    return compile_machine(decode(data), raw, type=type)


def compile_machine(machine: model.Machine, raw: bytes, *, type: str = "EXPRESS") -> Program:
    """A decoded machine as a program; `raw` is its text, for metering and identity."""
    build = _Build(machine.query_language == "JSONata", type)
    scope = build.scope(machine, "")
    if build.findings:
        raise DefinitionError(build.findings)
    return Program(
        scope=scope,
        timeout=machine.timeout_seconds,
        type=type,
        size=len(raw),
        digest=hashlib.sha256(raw).hexdigest(),
        resources=tuple(build.resources),
    )


class _Build(msgspec.Struct):
    jsonata: bool
    type: str
    findings: list[Diagnostic] = []
    resources: list[Any] = []

    def scope(self, machine: model.Machine, location: str) -> Scope:
        """One `States` map: names become indexes in the order of the definition."""
        targets = {name: i for i, name in enumerate(machine.states)}
        targets[""] = END
        rows = tuple(self._row(name, state, targets, location) for name, state in machine.states.items())
        return Scope(rows, targets[machine.start_at])

    def _row(self, name: str, state: model.State, targets: dict[str, int], location: str) -> Any:
        language = state.query_language
        low = Lowering(
            name=name,
            jsonata=language == "JSONata" if isinstance(language, str) else self.jsonata,
            targets=targets,
            scope=self.scope,
            location=f"{location}/States/{name}",
            findings=self.findings,
            resources=self.resources,
            type=self.type,
        )
        return KINDS[type(state).__struct_config__.tag](state, low)  # type: ignore[index]  # tagged, every one
