"""Random machines derived from the model: every field of every state, legal or only warned about, in both languages.

What `lint` refuses is taken out again, field by field, so that what is left of a draw is a machine that runs. The
tasks answer at once or late, take their time, fail, stay silent, and answer after they were given up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec

from express.asl import model
from express.asl.lint.fields import AT_MOST_ONE, FIELDS, ONE_OF
from express.compiler import compile_definition
from express.errors import DefinitionError, Diagnostic

from .expressions import CALLS, FUNCTION, JSONATA, PATHS, UNUSUAL
from .fields import STATES, Values, names, values_of
from .generate import DEPTH, ERRORS, Here, Maker, Scope
from .tiers import Case
from .world import Reply

JSON = Any
OPTIONAL = 0.2
"""The share of states that have an optional field."""

MOST_REPAIRS = 12
_STEP = re.compile(r"/([^/\[\]]+)|\[(\d+)\]")
_STRUCTURE = frozenset({"Type", "Next", "End", "QueryLanguage"})


class Derived(Maker):
    """Makes cases. `language`: JSONPath, JSONata or mixed."""

    def __init__(self, rnd: Random, language: str = "mixed") -> None:
        super().__init__(rnd, language)
        self.replies: dict[str, list[Reply]] = {}
        self.room = rnd.choice([4, 8, 24])
        self.odd = rnd.choice([0.0, 0.02, 0.06, 0.2])

    def case(self) -> Case | None:
        """Return a case, None where the draw gives no machine at all."""
        top = "JSONata" if self.language == "JSONata" else "JSONPath"
        definition = {**self.machine(top, 0, {})}
        if top == "JSONata":
            definition["QueryLanguage"] = "JSONata"
        for name in ("Comment", "Version", "TimeoutSeconds"):
            if self.chance(0.1):
                values = values_of(model.Machine, name)
                assert values is not None
                definition[name] = values(self, _NOWHERE)
        found = repaired(definition, "STANDARD" if self.chance(0.1) else "EXPRESS")
        return None if found is None else Case(*found, self.given(), self.replies)

    def given(self) -> JSON:
        """Return an input, now and then one near the limit: what is over it never comes so far."""
        data = self.data()
        if isinstance(data, dict) and self.chance(0.03):
            data["big"] = "x" * self.rnd.choice([60_000, 130_000, 250_000, 261_500])
        return data

    # States -------------------------------------------------------------------------------------------------

    def state(self, scope: Scope, i: int) -> dict[str, JSON]:
        """State number `i` of a scope: of any kind, with any of its fields."""
        last = i == len(scope.names) - 1
        kinds = ["Pass", "Pass", "Task", "Task", "Task", "Wait"]
        if scope.depth < DEPTH and self.room > 2:
            kinds += ["Parallel", "Map"]
        kinds += ["Succeed", "Fail"] if last else ["Choice"]
        kind = self.rnd.choice(kinds)
        jsonata = scope.language == "JSONata" or (self.language == "mixed" and self.chance(0.35))
        if scope.depth and scope.language == "JSONata" and self.chance(0.05):
            jsonata = False  # warned about (W0113)
        here = Here(scope, i, jsonata)
        state = {"Type": kind, **self.filled(here, kind, last)}
        if jsonata != (scope.language == "JSONata"):
            state["QueryLanguage"] = "JSONata" if jsonata else "JSONPath"
        if kind == "Task":
            self.replies[here.name] = [self.reply() for _ in range(self.rnd.choice([1, 1, 2, 3]))]
        return state

    def filled(self, here: Here, kind: str, last: bool) -> dict[str, JSON]:
        """Return a draw of the fields of a kind, in any order."""
        chosen = list(self._chosen(here, kind, last))
        self.rnd.shuffle(chosen)
        fields: dict[str, JSON] = {}
        for name in chosen:
            values = values_of(STATES[kind], name)
            assert values is not None, f"{kind}.{name} has no values: see tests.reference.fields"
            fields[name] = self.usual(values, here)
        return fields

    def usual(self, values: Values, here: Here) -> JSON:
        """Return a value of a field, in most machines such as a state of the usual shape can do with."""
        for _ in range(5):
            value = values(self, here)
            if self.chance(5 * self.odd) or not any(text in str(value) for text in UNUSUAL):
                return value
        return value

    def _chosen(self, here: Here, kind: str, last: bool) -> Iterator[str]:
        groups = [group for group in (*ONE_OF.get(kind, ()), *AT_MOST_ONE.get(kind, ())) if "Next" not in group]
        of_group = {name for group in groups for name in group}
        for group in groups:
            fits = [name for name in group if self._fits(kind, name, here.jsonata)]
            if fits and (group in ONE_OF.get(kind, ()) or self.chance(OPTIONAL)):
                yield self.rnd.choice(fits)
        if "Next" in FIELDS[kind]:
            yield "End" if last else "Next"
        for field in model.fields(STATES[kind]):
            name = field.encode_name
            if name in of_group or name in _STRUCTURE or (name in ("Default", "Catch") and last):
                continue
            share = (0.4 if name in ("Retry", "Catch") else OPTIONAL) if not field.required else 1.0
            if name in ("Default", "Items", "ItemsPath"):
                share = 0.95
            if self._fits(kind, name, here.jsonata) and self.chance(share):
                yield name

    def _fits(self, kind: str, name: str, jsonata: bool) -> bool:
        """Tell whether to take a field: now and then it is one of the other language."""
        row = FIELDS[kind].get(name)
        language = "" if row is None else row.language
        return not language or (language == "JSONata") == jsonata or self.chance(0.04)

    def entry(self, here: Here, kind: type[msgspec.Struct]) -> dict[str, JSON]:
        """Return an entry of Retry or Catch."""
        made: dict[str, JSON] = {}
        for field in model.fields(kind):
            name = field.encode_name
            other = {"Output": not here.jsonata, "ResultPath": here.jsonata}.get(name, False)
            if field.required or (self.chance(0.35) and (not other or self.chance(0.04))):
                values = values_of(kind, name)
                assert values is not None, f"{kind.__name__}.{name} has no values: see tests.reference.fields"
                made[name] = values(self, here)
        return made

    def errors(self) -> list[str]:
        """Return names for ErrorEquals."""
        if self.chance(0.3):
            return ["States.ALL"]
        more = ("States.Timeout", "States.HeartbeatTimeout", "States.Runtime", "States.DataLimitExceeded")
        return self.rnd.sample([*ERRORS, *more], self.rnd.choice([1, 1, 2]))

    def assigned(self, here: Here, *more: str) -> dict[str, JSON]:
        """Return an Assign of one or two variables."""
        return {
            name: value
            for _ in range(self.rnd.choice([1, 1, 2]))
            for name, value in self.assign(here, *more, share=1.0)["Assign"].items()
        }

    # Expressions --------------------------------------------------------------------------------------------

    def path(self, here: Here) -> str:
        """Return a path: the usual ones, and what else can be asked for."""
        return self.rnd.choice(PATHS) if self.chance(self.odd) else super().path(here)

    def intrinsic(self, here: Here) -> str:
        """Return an intrinsic call."""
        return self.rnd.choice(CALLS) if self.chance(2 * self.odd) else super().intrinsic(here)

    def expression(self, here: Here, *more: str) -> str:
        """Return a JSONata expression as `{% … %}`."""
        if self.chance(2 * self.odd):
            return "{% " + self.rnd.choice(JSONATA) + " %}"
        return super().expression(here, *more)

    def rule(self, here: Here) -> dict[str, JSON]:
        """Return a rule of a Choice, now and then with a comment or a condition out of the ordinary."""
        rule = super().rule(here)
        if here.jsonata and self.chance(self.odd):
            rule["Condition"] = "{% " + self.rnd.choice(JSONATA) + " %}"
        if not here.jsonata and "Variable" in rule and self.chance(self.odd):
            rule["Variable"] = self.path(here)
        return {**rule, "Comment": "why"} if self.chance(0.05) else rule

    # Tasks --------------------------------------------------------------------------------------------------

    def reply(self) -> Reply:
        """Return what one call meets with."""
        output = self.data() if self.chance(0.95) else self.value()
        if isinstance(output, dict) and self.chance(0.03):
            output["big"] = "x" * self.rnd.choice([60_000, 130_000, 250_000, 262_200])
        error = self.rnd.choice([*ERRORS, "States.Runtime", "States.Timeout"]) if self.chance(0.2) else None
        cause = self.rnd.choice(["why", "", None]) if error else None
        fate = self.rnd.random()
        busy = self.rnd.choice([0.0, 0.0, 0.0, 0.5, 5.0])
        if fate < 0.4:
            return Reply(output, error, cause, busy=busy)
        if fate < 0.97:
            return Reply(
                output,
                error,
                cause,
                busy=busy,
                after=self.rnd.choice([0.0, 0.5, 2.5, 5.0]) + self.tick(),
                task=self.chance(0.3),
                stubborn=self.chance(0.15),
                beats=self.rnd.choice([(), (), (0.7,), (1.5, 3.0, 4.5)]),
            )
        return Reply(silent=True)


_NOWHERE = Here(Scope(["S"], {}, "JSONPath", 0), 0, False)


def repaired(definition: dict[str, JSON], kind: str) -> tuple[dict[str, JSON], str] | None:
    """Return a definition without what is refused in it, and its type; None where nothing is left of it."""
    for _ in range(MOST_REPAIRS):
        errors = refusals(definition, kind)
        if not errors:
            return definition, kind
        if not _taken_out(definition, errors[0]):
            return None
    return None


def refusals(definition: dict[str, JSON], kind: str) -> list[Diagnostic]:
    """Return why a definition is no machine."""
    try:
        compile_definition(definition, type=kind)  # type: ignore[arg-type]  # one of the two
    except DefinitionError as refused:
        return [finding for finding in refused.diagnostics if finding.severity == "ERROR"]
    return []


def _taken_out(definition: dict[str, JSON], error: Diagnostic) -> bool:
    """Take out the field of a state that a finding is about."""
    place: Any = definition
    found: tuple[Any, str] | None = None
    for name, index in _STEP.findall(error.at or error.location):
        if isinstance(place, dict) and name in place:
            if place.get("Type") in STATES and name not in ("Type", "Next", "End"):
                found = (place, name)
            elif name == "States":
                found = None
            place = place[name]
        elif isinstance(place, list) and index and int(index) < len(place):
            place = place[int(index)]
        else:
            break
    if found is None:
        return False
    state, name = found
    if name == "Resource" and state[name] != FUNCTION:
        state[name] = FUNCTION
    else:
        del state[name]
    return True


def derived(seed: int, language: str) -> Case | None:
    """Return the case of a seed."""
    return Derived(Random(seed), language).case()


def every_field(seed: int = 0) -> Iterator[tuple[str, Case | None]]:
    """Yield every field of every kind of state in every language, several times; None in place of what is refused.

    The name of a place is `Kind.Field Language`.
    """
    for kind, struct in STATES.items():
        for name in names(struct):
            for language in ("JSONPath", "JSONata"):
                place = f"{kind}.{name} {language}"
                for attempt in range(6):
                    yield (
                        place,
                        _with_field(kind, name, language, Random(f"{seed} {place} {attempt}"), attempt % 2 == 0),
                    )


def _with_field(kind: str, name: str, language: str, rnd: Random, last: bool) -> Case | None:
    """Return a machine around one state that has the field, as far as possible nothing else; None if it is refused."""
    maker = Derived(rnd, language)
    maker.room = 3
    scope = Scope(["S1", "S2"], {}, language, 0)
    maker.names = 2
    here = Here(scope, 0, language == "JSONata")
    last = (last or name == "End" or kind in ("Succeed", "Fail")) and name not in ("Next", "Catch") and kind != "Choice"
    state: dict[str, JSON] = {"Type": kind}
    for wanted in sorted(_least(kind, name, language)):
        values = values_of(STATES[kind], wanted)
        assert values is not None, f"{kind}.{wanted} has no values: see tests.reference.fields"
        state[wanted] = values(maker, here)
    if "Next" in FIELDS[kind]:
        state.update({"End": True} if last else {"Next": "S2"})
    if kind == "Task":
        maker.replies["S1"] = [maker.reply(), maker.reply()]
        state["Resource"] = state["Resource"] if name == "Resource" else FUNCTION
    if name == "QueryLanguage":
        state["QueryLanguage"] = language
    return _around(state, name, last, language, maker)


def _least(kind: str, name: str, language: str) -> set[str]:
    """Return a field, and those without which its state is none."""
    wanted = {name} - _STRUCTURE
    wanted.update(field.encode_name for field in model.fields(STATES[kind]) if field.required)
    for group in ONE_OF.get(kind, ()):
        if name not in group and "Next" not in group:
            wanted.add(next(one for one in group if FIELDS[kind][one].language in ("", language)))
    return wanted | {"Default"} if kind == "Choice" else wanted


def _around(state: dict[str, JSON], field: str, last: bool, language: str, maker: Derived) -> Case | None:
    states = {"S1": state} if last else {"S1": state, "S2": {"Type": "Succeed"}}
    definition = {"StartAt": "S1", "States": states, "QueryLanguage": language}
    found = repaired(definition, "EXPRESS")
    if found is None or field not in state:
        return None
    return Case(*found, maker.given(), maker.replies)
