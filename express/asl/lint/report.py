"""Collects findings, and tells checks about the state they look at."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Any, Literal

import msgspec

from express.asl.lint.members import Members, any_member
from express.asl.lint.rules import RULES
from express.asl.lint.scopes import Scope
from express.errors import Diagnostic
from express.expr.expressions import Expressions
from express.values import JSON

MachineType = Literal["STANDARD", "EXPRESS"]

MOST_FINDINGS = 10_000
"""Beyond this many a definition is not worth more time."""

MOST_JSONATA = 262_144
"""Most characters of all expressions together: parsing them is what takes time."""

LONGEST_LOCATION = 4_096
"""Locations do not grow beyond this: names may be long, and nested, and there may be many findings."""

_MOST_COMPARISONS = 20_000
_SLIP = 0.85
_SHORTEST_SLIP = 3
_LONGEST_NAME = 80
_PLACEHOLDER = re.compile(r"\$\{[^{}]*\}|^_+\w+_+$|^%\w+%$|^<[^<>]+>$|^\{\{.*\}\}$|^#\{.*\}$")


class TooManyFindings(Exception):
    """Ends a walk that has found `MOST_FINDINGS`."""


class Report:
    """The findings of one definition, and the settings of this run."""

    def __init__(
        self,
        type_: MachineType,
        expressions: Expressions,
        members: Members = any_member,
        *,
        placeholders: bool,
        strict: bool,
    ) -> None:
        self.type = type_
        self.expressions = expressions
        self.members = members
        self.placeholders = placeholders
        self.strict = strict
        self.findings: list[Diagnostic] = []
        self.names: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.slips: set[str] = set()
        """Fields that are there under a misspelt name."""
        self.pending: list[Nested] = []
        self._comparisons = 0
        self._jsonata = 0

    def add(
        self,
        rule: str,
        location: str,
        message: str,
        *,
        hint: str | None = None,
        follows: str | None = None,
        at: str = "",
    ) -> None:
        """Note one finding; code and severity are the rule's."""
        if len(self.findings) >= MOST_FINDINGS:
            raise TooManyFindings
        row = RULES[rule]
        self.findings.append(
            Diagnostic(
                code=row.code,
                message=message,
                location=location,
                severity="ERROR" if row.disputed and self.strict else row.severity,
                rule=rule,
                hint=hint,
                follows=follows,
                at=at,
            )
        )

    def nearest(self, name: str, valid: Collection[str]) -> str | None:
        """Return the "did you mean" of a name. Comparing names is dear: a run does so much of it only."""
        return did_you_mean(name, valid) if self._may_compare(name, valid) else None

    def slip_of(self, name: str, valid: Collection[str]) -> str | None:
        """The valid name that `name` must have been meant to be, None if there may be doubt."""
        if not self._may_compare(name, valid):
            return None
        close = difflib.get_close_matches(name, valid, n=1, cutoff=_SLIP)
        return close[0] if close else next((other for other in valid if is_slip(name, other)), None)

    def findings_in_order(self) -> list[Diagnostic]:
        """The findings, of which those that a misspelt field has led to say so."""
        follow = {rule for rule, fields in _CONSEQUENCES.items() if self.slips & fields}
        return [
            msgspec.structs.replace(finding, follows="E0102")
            if finding.rule in follow and finding.follows is None
            else finding
            for finding in self.findings
        ]

    def _may_compare(self, name: str, valid: Collection[str]) -> bool:
        self._comparisons += len(valid)
        return self._comparisons <= _MOST_COMPARISONS and len(name) <= _LONGEST_NAME

    def may_parse(self, characters: int) -> bool:
        """Return whether one more expression of this length is within the bounds of a run."""
        self._jsonata += characters
        return self._jsonata <= MOST_JSONATA

    def is_placeholder(self, value: JSON) -> bool:
        """Return whether `value` is a text that a deployment tool replaces, and this run lets such texts stand."""
        return self.placeholders and type(value) is str and _PLACEHOLDER.search(value) is not None


def below(location: str, step: str) -> str:
    """The location of a part: `/name` or `[index]` behind the location of the whole."""
    location = "" if location == "/" else location
    return location + step if len(location) + len(step) < LONGEST_LOCATION else location


class Nested:
    """A machine inside a Parallel or Map state, waiting to be walked."""

    __slots__ = ("data", "depth", "kind", "location", "machine_type", "parent", "state")

    def __init__(
        self,
        data: dict[str, JSON],
        location: str,
        kind: Literal["machine", "branch", "processor"],
        depth: int,
        parent: Scope | None = None,
        state: str = "",
        machine_type: MachineType = "STANDARD",
    ) -> None:
        self.data = data
        self.location = location
        self.kind = kind
        self.depth = depth
        self.parent = parent
        self.state = state
        self.machine_type = machine_type


class View:
    """One state under examination."""

    __slots__ = ("data", "depth", "jsonata", "kind", "location", "machine_type", "name", "report", "scope")

    def __init__(
        self,
        report: Report,
        scope: Scope,
        name: str,
        data: dict[str, JSON],
        location: str,
        *,
        kind: str = "",
        jsonata: bool = False,
        depth: int = 0,
        machine_type: MachineType = "STANDARD",
    ) -> None:
        self.report = report
        self.scope = scope
        self.name = name
        self.data = data
        self.location = location
        self.kind = kind
        self.jsonata = jsonata
        self.depth = depth
        self.machine_type = machine_type

    def add(self, rule: str, location: str, message: str, **more: Any) -> None:
        """Note one finding."""
        self.report.add(rule, location, message, **more)

    def refuse(self, rule: str, value: JSON, location: str, message: str, **more: Any) -> None:
        """Note a finding about `value`, unless a deployment tool will put another value there."""
        if not self.report.is_placeholder(value):
            self.report.add(rule, location, message, **more)


_LANGUAGE = frozenset({"QueryLanguage"})
_WAYS = frozenset({"Next", "Default", "Choices", "Catch", "End", "StartAt"})
_CONSEQUENCES = {
    "E0103": _LANGUAGE,
    "W0114": _LANGUAGE,
    "W0410": _LANGUAGE,
    "W0506": _LANGUAGE,
    "E0202": _WAYS,
    "E0203": _WAYS,
    "W1003": _WAYS | {"Assign"},
}
"""Rule → the fields that lead to its finding where they are misspelt."""


def is_slip(name: str, meant: str) -> bool:
    """Return whether a name differs by one letter, or by two that have changed places.

    >>> is_slip("Netx", "Next"), is_slip("Nest", "Next"), is_slip("Text", "Next"), is_slip("Catch", "Retry")
    (True, True, True, False)
    """
    if len(name) != len(meant) or len(name) < _SHORTEST_SLIP:
        return False
    differ = [place for place in range(len(name)) if name[place] != meant[place]]
    if len(differ) == 2 and differ[1] == differ[0] + 1:
        return name[differ[0]] == meant[differ[1]] and name[differ[1]] == meant[differ[0]]
    return len(differ) == 1


def did_you_mean(name: str, valid: Iterable[str]) -> str | None:
    """The valid name nearest to `name`, as a question.

    >>> did_you_mean("Retrry", ["Retry", "Catch"])
    "did you mean 'Retry'?"
    """
    by_lower = {v.lower(): v for v in valid}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[close[0]]!r}?" if close else None
