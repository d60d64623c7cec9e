"""Which states of a definition tests have entered, and which of the ways out of them they have taken.

A branch is one of several ways: each rule of a Choice and its Default, each retrier, each catcher, and the Next of
whatever has a retrier or a catcher. A program is instrumented by wrapping its rows, so that what is counted is what
the engine does; the rule of a Choice that two rules with the same Next hide in the history is told all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from express.engine.program import END, WAIT, CatchRow, Program, RetryRow, Row, Scope, Step
from express.values import JSON

Hits = Counter[str]


class Covered(msgspec.Struct):
    """One definition: its states and branches, and how often each was come to."""

    states: list[str]
    branches: list[str]
    hits: Hits = msgspec.field(default_factory=Counter)

    def missing(self, names: list[str]) -> list[str]:
        """Return those of `names` that no test has come to."""
        return [name for name in names if not self.hits[name]]


class Coverage:
    """Coverage by all tests of a session, by definition."""

    def __init__(self) -> None:
        self.definitions: dict[str, Covered] = {}

    def add(self, name: str, covered: Covered) -> None:
        """Take what one execution, or another process, has covered."""
        known = self.definitions.setdefault(name, Covered(covered.states, covered.branches))
        for field in ("states", "branches"):  # a definition of the same name that is another one
            names = getattr(known, field)
            setattr(known, field, names + [name for name in getattr(covered, field) if name not in set(names)])
        known.hits.update(covered.hits)

    def data(self) -> dict[str, JSON]:
        """For a JSON file: percentages, covered and missing names, by definition and in total."""
        tables = {name: _table(covered) for name, covered in sorted(self.definitions.items())}
        return {"version": 1, "percent": self.percent, "definitions": tables}

    @property
    def percent(self) -> float:
        """States and branches together, over all definitions."""
        found = [(covered, covered.states + covered.branches) for covered in self.definitions.values()]
        every = sum(len(names) for _, names in found)
        return percent(every - sum(len(covered.missing(names)) for covered, names in found), every)

    def lines(self) -> Iterator[str]:
        """The table of the terminal."""
        rows = [("definition", "states", "branches", "missing")]
        rows += [_row(name, covered) for name, covered in sorted(self.definitions.items())]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        for row in rows:
            cells = (f"{row[0]:<{widths[0]}}", f"{row[1]:>{widths[1]}}", f"{row[2]:>{widths[2]}}", row[3])
            yield "   ".join(cells).rstrip()
        yield f"covered: {self.percent:.1f} % of states and branches"


ACTIVE: list[Coverage] = []
"""The coverage of this session, if it wants that."""


def percent(part: int, whole: int) -> float:
    """Of nothing, everything is covered.

    >>> percent(1, 4), percent(0, 0)
    (25.0, 100.0)
    """
    return round(100 * part / whole, 2) if whole else 100.0


def _table(covered: Covered) -> JSON:
    return {field: _part(covered, getattr(covered, field)) for field in ("states", "branches")}


def _part(covered: Covered, names: list[str]) -> JSON:
    missing = covered.missing(names)
    done = {name: covered.hits[name] for name in names if covered.hits[name]}
    return {"percent": percent(len(done), len(names)), "covered": done, "missing": missing}


def _row(name: str, covered: Covered) -> tuple[str, str, str, str]:
    states, branches = (covered.missing(names) for names in (covered.states, covered.branches))
    unseen = set(states)
    branches = [branch for branch in branches if branch.partition(": ")[0] not in unseen]
    return (
        name,
        _share(covered, covered.states),
        _share(covered, covered.branches),
        "; ".join(states + branches),
    )


def _share(covered: Covered, names: list[str]) -> str:
    done = len(names) - len(covered.missing(names))
    return f"{done}/{len(names)} {percent(done, len(names)):.0f}%"


def instrument(program: Program) -> tuple[Program, Covered]:
    """A program that counts what it comes to, and where it does. It has no segments: the table tells all."""
    covered = Covered([], [])
    scope = _scope(program.scope, "", covered)
    return msgspec.structs.replace(program, scope=scope, segments=None), covered


def _scope(scope: Scope, prefix: str, covered: Covered) -> Scope:
    return Scope(tuple(_row_of(scope, row, prefix, covered) for row in scope.rows), scope.start)


def _row_of(scope: Scope, row: Row, prefix: str, covered: Covered) -> Row:
    place = f"{prefix}{row.name}"
    covered.states.append(place)

    def way(what: str, following: Step) -> str:
        target = "End" if following == END else scope.rows[following].name
        covered.branches.append(f"{place}: {what} -> {target}")
        return covered.branches[-1]

    hits = covered.hits
    catch = tuple(_catcher(c, way(f"Catch[{i}]", c.next), hits) for i, c in enumerate(row.catch))
    retry = tuple(_retrier(r, way(f"Retry[{i}]", scope.rows.index(row)), hits) for i, r in enumerate(row.retry))
    resume = row.resume
    if (catch or retry) and resume is not None:
        resume = _resume(resume, way("Next", row.next), hits)
    plan = _plan(row, place, way, covered)
    enter = _enter(row.enter, place, hits)
    return msgspec.structs.replace(row, enter=enter, resume=resume, plan=plan, retry=retry, catch=catch)


Way = Callable[[str, Step], str]


def _plan(row: Row, place: str, way: Way, covered: Covered) -> Any:
    plan = row.plan
    if row.kind == "Choice":
        hits = covered.hits
        rules = tuple(
            (t, _leave(leave, way(f"Choices[{i}]", n), hits), n) for i, (t, leave, n) in enumerate(plan.rules)
        )
        leave = plan.leave if plan.default is None else _leave(plan.leave, way("Default", plan.default), hits)
        return msgspec.structs.replace(plan, rules=rules, leave=leave)
    if row.kind == "Parallel":
        branches = tuple(_scope(s, f"{place}[{i}]/", covered) for i, s in enumerate(plan.branches))
        return msgspec.structs.replace(plan, branches=branches)
    if row.kind == "Map":
        return msgspec.structs.replace(plan, scope=_scope(plan.scope, f"{place}/", covered))
    return plan


def _enter(enter: Callable[..., Step], place: str, hits: Hits) -> Callable[..., Step]:
    def counted(x: Any, frame: Any, row: Row) -> Step:
        hits[place] += 1
        return enter(x, frame, row)

    return counted


def _resume(resume: Callable[..., Step], way: str, hits: Hits) -> Callable[..., Step]:
    def counted(x: Any, frame: Any, row: Row, event: Any) -> Step:
        following = resume(x, frame, row, event)
        if following != WAIT:
            hits[way] += 1
        return following

    return counted


def _leave(leave: Callable[..., None], way: str, hits: Hits) -> Callable[..., None]:
    def counted(frame: Any, data: JSON) -> None:
        leave(frame, data)
        hits[way] += 1

    return counted


def _catcher(catcher: CatchRow, way: str, hits: Hits) -> CatchRow:
    return msgspec.structs.replace(catcher, leave=_leave(catcher.leave, way, hits))


class _Retrier(RetryRow, frozen=True):
    """A retrier that tells when it is used."""

    taken: Callable[[], None] = lambda: None

    def delay(self, attempt: int) -> float:
        """Seconds before retry `attempt`, which is about to come."""
        self.taken()
        return RetryRow.delay(self, attempt)


def _retrier(retrier: RetryRow, way: str, hits: Hits) -> RetryRow:
    def taken() -> None:
        hits[way] += 1

    return _Retrier(**msgspec.structs.asdict(retrier), taken=taken)
