"""The walk: machines, their `States` maps, and each state against the field table."""

from __future__ import annotations

from express.asl.lint.fieldcheck import Field, at_most_one, check_fields, one_of_fields, required
from express.asl.lint.fields import AT_MOST_ONE, FIELDS, ONE_OF, REQUIRED, TYPES
from express.asl.lint.report import Nested, Report, View, below
from express.asl.lint.scopes import Scope
from express.asl.lint.tasks import members
from express.asl.lint.transitions import check_transitions
from express.asl.lint.values import anything, comment, expect, integer, one_of, text
from express.values import JSON

LONGEST_STATE_NAME = 80
DEEPEST_MACHINE = 50
MOST_STATES = 25_000

_NESTED: dict[str, Field] = {
    "StartAt": Field(text),
    "States": Field(anything),
    "Comment": Field(comment),
}
MACHINE: dict[str, dict[str, Field]] = {
    "machine": {
        **_NESTED,
        "Version": Field(one_of("1.0")),
        "TimeoutSeconds": Field(integer(1)),
        "QueryLanguage": Field(one_of("JSONPath", "JSONata")),
    },
    "branch": _NESTED,
    "processor": {**_NESTED, "ProcessorConfig": Field(anything)},
}
"""Fields of the outermost machine, of a branch, and of a Map's processor."""


class Walk:
    """One run over a definition: machines are taken from a list, so nesting costs no stack."""

    def __init__(self, report: Report, *, jsonata: bool) -> None:
        self.report = report
        self.jsonata = jsonata
        self.scopes: list[Scope] = []
        self._states = 0

    def run(self, outermost: Nested) -> None:
        """Walk the outermost machine and every machine inside it."""
        pending = self.report.pending
        pending.append(outermost)
        position = 0
        while position < len(pending):
            self._machine(pending[position])
            position += 1

    def _machine(self, machine: Nested) -> None:
        report, data = self.report, machine.data
        location = machine.location or "/"
        if machine.depth > DEEPEST_MACHINE:
            report.add("E0005", location, f"States are nested deeper than {DEEPEST_MACHINE} levels")
            return
        scope = Scope(machine.parent, machine.state)
        self.scopes.append(scope)
        view = View(report, scope, "", data, machine.location)
        _check_machine_fields(view, data, machine)
        required(view, data, location, ("States", "StartAt"))
        states = data.get("States")
        if type(states) is dict and states:
            self._check_states(machine, states, scope)
            check_transitions(report, machine, scope)
        elif "States" in data:
            _no_states(view, states, f"{machine.location}/States")

    def _check_states(self, machine: Nested, states: dict[str, JSON], scope: Scope) -> None:
        self._states += len(states)
        if self._states > MOST_STATES:
            self.report.add(
                "E1101", f"{machine.location}/States", f"A definition may have at most {MOST_STATES} states"
            )
            return
        for name, data in states.items():
            location = below(machine.location, f"/States/{name}")
            _check_name(self.report, name, location)
            view = View(self.report, scope, name, {}, location)
            if type(data) is not dict:
                expect(view, data, location, "Object")
                continue
            view.data = data
            view.depth = machine.depth
            view.jsonata = self._language(view, data)
            view.machine_type = machine.machine_type
            check_state(view)

    def _language(self, view: View, state: dict[str, JSON]) -> bool:
        """Return whether a state is JSONata: its own word, else the machine's."""
        own = state.get("QueryLanguage")
        if own is None and "QueryLanguage" not in state:
            return self.jsonata
        if own == "JSONPath" and self.jsonata:
            view.add(
                "W0113" if view.depth else "E0111",
                view.location,
                "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
            )
            return False
        return bool(own != "JSONPath")


def _check_machine_fields(view: View, data: dict[str, JSON], machine: Nested) -> None:
    table = MACHINE[machine.kind]
    if not data.keys() <= table.keys():
        where = machine.location or "/"
        check_fields(view, {k: v for k, v in data.items() if k not in table}, where, table)
        data = {k: v for k, v in data.items() if k in table}
    check_fields(view, data, machine.location, table)


def _no_states(view: View, states: JSON, location: str) -> None:
    if type(states) is dict:
        view.add("E0108", location, "Value cannot be empty")
    else:
        expect(view, states, location, "Object")


def _check_name(report: Report, name: str, location: str) -> None:
    if len(name) > LONGEST_STATE_NAME:
        report.add("E0205", location, f"State name exceeds the allowed length of {LONGEST_STATE_NAME} characters")
    elif not name:
        report.add("E0205", location, "State name cannot be empty")
    elif name in report.names:
        report.add("E0204", location, f"Duplicate State name: {name}", hint=f"also at {report.names[name]}")
    else:
        report.names[name] = location


def check_state(view: View) -> None:
    """One state against the tables of its type."""
    data, location = view.data, view.location
    kind = data.get("Type")
    if type(kind) is not str or kind not in FIELDS:
        _no_type(view, kind)
        return
    view.kind = kind
    check_fields(view, data, location, FIELDS[kind])
    required(view, data, location, REQUIRED.get(kind, ()))
    for group in ONE_OF.get(kind, ()):
        one_of_fields(view, data, location, group)
    for group in AT_MOST_ONE.get(kind, ()):
        at_most_one(view, data, location, group)
    if kind == "Task":
        _check_heartbeat(view)
        members(view)


def _no_type(view: View, kind: JSON) -> None:
    if "Type" not in view.data:
        view.add("E0101", view.location, "These fields are required: [Type]")
        return
    view.refuse(
        "E0106",
        kind,
        f"{view.location}/Type",
        f"The field 'Type' should have one of these values: [{', '.join(TYPES)}]",
        hint=view.report.nearest(kind, TYPES) if type(kind) is str else None,
    )


def _check_heartbeat(view: View) -> None:
    heartbeat, timeout = view.data.get("HeartbeatSeconds"), view.data.get("TimeoutSeconds")
    if type(heartbeat) is int and type(timeout) is int and heartbeat >= timeout:
        view.add("E0112", f"{view.location}/HeartbeatSeconds", "HeartbeatSeconds must be smaller than TimeoutSeconds")
