"""Variables over a whole definition: names, scopes, shadowing, and reads that nothing can have assigned.

While states are walked each `States` map fills a `Scope`; `check_variables` judges all of them at the end,
because an inner scope may be walked before a later state of the outer one assigns.
"""

from __future__ import annotations

import unicodedata

from express.asl.lint.report import Report, View
from express.asl.lint.scopes import Scope
from express.values import JSON

_LONGEST = 80
_MOST_FLOW = 2_000_000


def assign(view: View, value: JSON, location: str) -> None:
    """The names of an `Assign` object; its values are a template's or a JSONata value's matter."""
    for key in value:
        name = key[:-2] if key.endswith(".$") and not view.jsonata else key
        problem = _name_problem(name)
        if problem is not None:
            hyphened = "-" in name and _name_problem(name.replace("-", "_")) is None
            rule = "W1004" if hyphened else "E1001"
            view.add(rule, f"{location}/{key}", problem)
        view.scope.assign(name, view.name, f"{location}/{key}")


def _name_problem(name: str) -> str | None:
    if name == "states":
        return "The variable name 'states' is reserved"
    if len(name) > _LONGEST:
        return f"A variable name must not be longer than {_LONGEST} characters"
    if not is_identifier(name):
        return f"'{name}' is not a valid variable name"
    return None


def is_identifier(name: str) -> bool:
    """Return whether `name` is an identifier by Unicode's rules (ID_Start, ID_Continue, underscore).

    >>> is_identifier("zähler_1"), is_identifier("1x"), is_identifier("a.b")
    (True, False, False)
    """
    return unicodedata.normalize("NFKC", name).isidentifier()


def check_variables(report: Report, scopes: list[Scope]) -> None:
    """Shadowing is an error, a read that nothing can have assigned before a warning (it fails at run time)."""
    for scope in scopes:
        _check_shadowing(report, scope)
    budget = _MOST_FLOW
    before: dict[tuple[int, str], set[str]] = {}
    for scope in scopes:
        for name, state, location in scope.reads:
            if budget > 0:
                budget -= _check_read(report, scope, name, state, location, before)


def _check_shadowing(report: Report, scope: Scope) -> None:
    """Check shadowing. What the enclosing state assigns, when the branches are over, is no outer variable to them."""
    for name, places in scope.assigned.items():
        outer = next((w for here, at in scope.ancestors() for s, w in here.assigned.get(name, ()) if s != at), None)
        if outer is None:
            continue
        for _, location in places:
            report.add(
                "E1002",
                location,
                f"The variable '{name}' is assigned in an outer scope and can't be assigned here",
                hint=f"the outer one is at {outer}",
            )


def _check_read(
    report: Report,
    scope: Scope,
    name: str,
    state: str,
    location: str,
    before: dict[tuple[int, str], set[str]],
) -> int:
    """Judge one read; the answer is the work it took."""
    work = 1
    known = False
    for here, at in [(scope, state), *scope.ancestors()]:
        if name not in here.assigned:
            continue
        known = True
        key = (id(here), name)
        if key not in before:
            before[key] = _after(here, name)
            work += here.transitions
        if at in before[key] or at not in here.edges:
            return work
    seen = sorted({n for here, _ in [(scope, state), *scope.ancestors()] for n in here.assigned} - {name})
    message = (
        f"The variable '${name}' is not assigned before this state"
        if known
        else f"The variable '${name}' is not assigned anywhere that can be seen from here"
    )
    report.add("W1003", location, message, hint=report.nearest(name, seen))
    return work + len(seen)


def _after(scope: Scope, name: str) -> set[str]:
    """Every state that can run after one that assigns `name`."""
    reached: set[str] = set()
    frontier = [target for state, _ in scope.assigned[name] for target in scope.edges.get(state, ())]
    while frontier:
        state = frontier.pop()
        if state not in reached:
            reached.add(state)
            frontier.extend(scope.edges.get(state, ()))
    return reached
