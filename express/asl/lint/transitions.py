"""Transitions: targets that exist, an end, and states that can be reached.

Order and texts are AWS's: dangling targets first; then a missing end, which hides the search for unreachable
states; the word is always `Next`, whatever the field.
"""

from __future__ import annotations

from collections.abc import Iterator

from express.asl.lint.report import Nested, Report, below
from express.asl.lint.scopes import Scope
from express.values import JSON

_TERMINAL = ("Succeed", "Fail")


def check_transitions(report: Report, machine: Nested, scope: Scope) -> None:
    """Judge the transitions of one `States` map and note its edges in `scope`."""
    states = machine.data["States"]
    start = machine.data.get("StartAt")
    sound = True
    if type(start) is str:
        start = _target(report, states, f"{machine.location}/StartAt", start)
    for name, state in states.items():
        if type(state) is dict:
            sound &= _edges(report, states, below(machine.location, f"/States/{name}"), name, state, scope)
    if not any(_may_end(state) for state in states.values()):
        report.add(
            "E0203",
            "",
            "Workflow has no terminal state",
            follows=None if sound else "E0201",
            at=f"{machine.location}/States",
        )
    elif type(start) is str and start in states:
        _unreachable(report, machine, start, scope, sound)


def _edges(
    report: Report, states: dict[str, JSON], location: str, name: str, state: dict[str, JSON], scope: Scope
) -> bool:
    sound = True
    targets = scope.edges.setdefault(name, [])
    for where, target in exits(state):
        meant = _target(report, states, location + where, target)
        targets.append(meant or target)
        sound &= meant is not None
    return sound


def exits(state: dict[str, JSON]) -> Iterator[tuple[str, str]]:
    """Every transition of a state: (where it stands, its target)."""
    for field in ("Next", "Default"):
        if type(state.get(field)) is str:
            yield f"/{field}", state[field]
    for field in ("Choices", "Catch"):
        entries = state.get(field)
        if type(entries) is list:
            for index, entry in enumerate(entries):
                if type(entry) is dict and type(entry.get("Next")) is str:
                    yield f"/{field}[{index}]/Next", entry["Next"]


def _target(report: Report, states: dict[str, JSON], location: str, target: str) -> str | None:
    """The state that a target means, also where it is a slip of the pen, so that no other finding follows from it."""
    if target in states:
        return target
    if report.is_placeholder(target):
        return None
    report.add("E0201", location, f"Missing 'Next' target: {target}", hint=report.nearest(target, states))
    return report.slip_of(target, states)


def _may_end(state: JSON) -> bool:
    """Return whether a state ends its map, or is so broken that nothing can be said."""
    if type(state) is not dict:
        return True
    if state.get("End") is True or state.get("Type") in _TERMINAL:
        return True
    return state.get("Type") != "Choice" and "Next" not in state


def _unreachable(report: Report, machine: Nested, start: str, scope: Scope, sound: bool) -> None:
    reached: set[str] = set()
    frontier = [start]
    while frontier:
        name = frontier.pop()
        if name not in reached and name in scope.edges:
            reached.add(name)
            frontier.extend(scope.edges[name])
    states = machine.data["States"]
    broken = next((s for s in states.values() if type(s) is dict and _is_open(s)), None)
    follows = "E0201" if not sound else "E0101" if broken is not None else None
    for name in states:
        if name not in reached:
            report.add(
                "E0202",
                below(machine.location, f"/States/{name}"),
                f'State "{name}" is not reachable.',
                follows=follows,
            )


def _is_open(state: dict[str, JSON]) -> bool:
    """A state that lacks the transition it should have."""
    return _may_end(state) and state.get("End") is not True and state.get("Type") not in _TERMINAL
