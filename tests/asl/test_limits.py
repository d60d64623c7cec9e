"""Hostile definitions: any JSON, mutated real ones, and every kind of excess end in bounded time with findings."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from express.asl.lint import lint
from express.asl.lint.fields import FIELDS
from express.asl.lint.report import MOST_FINDINGS
from express.asl.resolve import resolve
from express.asl.scan import LONGEST_TEXT, scan
from express.errors import DefinitionError, Diagnostic
from express.values import JSON

SECONDS = 5.0
"""Nothing takes longer than this, whatever the machine it runs on."""

PASS = {"Type": "Pass", "End": True}

SEED: dict[str, JSON] = {
    "Comment": "a bit of everything",
    "StartAt": "Pass",
    "States": {
        "Pass": {"Type": "Pass", "Parameters": {"a.$": "$.b", "c": [1]}, "Assign": {"v": 1}, "Next": "Choice"},
        "Choice": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.a", "NumericGreaterThan": 1, "Next": "Task"},
                {
                    "And": [{"Variable": "$.a", "IsNull": True}, {"Not": {"Variable": "$v", "IsNull": True}}],
                    "Next": "Wait",
                },
            ],
            "Default": "Map",
        },
        "Task": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "TimeoutSeconds": 9,
            "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 2, "BackoffRate": 1.5}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Fail"}],
            "ResultSelector": {"r.$": "States.Format('{}', $.x)"},
            "End": True,
        },
        "Wait": {"Type": "Wait", "Seconds": 1, "End": True},
        "Map": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                "StartAt": "Inner",
                "States": {
                    "Inner": {
                        "Type": "Pass",
                        "QueryLanguage": "JSONata",
                        "Output": "{% $states.input.x %}",
                        "End": True,
                    }
                },
            },
            "Next": "Parallel",
        },
        "Parallel": {"Type": "Parallel", "Branches": [{"StartAt": "B", "States": {"B": PASS}}], "End": True},
        "Fail": {"Type": "Fail", "ErrorPath": "$.e", "Cause": "because"},
    },
}

WORDS = sorted({name for table in FIELDS.values() for name in table} | FIELDS.keys() | {"StartAt", "States", "x.$"})
strings = st.sampled_from([*WORDS, "$", "$.a", "$$.x", "$v", "States.UUID()", "{% 1 %}", "{% a", "${X}", ""]) | st.text(
    max_size=8
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | strings
documents: st.SearchStrategy[JSON] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=6),
    max_leaves=25,
)


def check(data: JSON, **options: Any) -> list[Diagnostic]:
    """Lint with the real grammars."""
    return lint(data, **options)


@given(documents, st.sampled_from(["STANDARD", "EXPRESS"]), st.booleans())
def test_any_json_is_judged(data: JSON, machine_type: str, placeholders: bool) -> None:
    """Whatever JSON it is given, lint answers with findings and changes nothing."""
    before = copy.deepcopy(data)
    check(data, type=machine_type, placeholders=placeholders)
    assert data == before


def spots(value: JSON) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        here = todo.pop()
        inside = list(here.items() if isinstance(here, dict) else enumerate(here))
        found += [(here, key) for key, _ in inside]
        todo += [item for _, item in inside if isinstance(item, dict | list)]
    return found


def mutate(data: JSON, draw: Callable[..., Any]) -> None:
    """One change: drop, replace, rename or swap something."""
    places = spots(data)
    if not places:
        return
    holder, key = draw(st.sampled_from(places))
    kind = draw(st.sampled_from(["drop", "replace", "rename", "swap"]))
    if kind == "drop":
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict):
        holder[draw(strings)] = holder.pop(key)
    elif kind == "swap":
        other, name = draw(st.sampled_from(places))
        holder[key] = copy.deepcopy(other[name])
    else:
        holder[key] = draw(documents)


@settings(max_examples=300)
@given(st.data())
def test_mutants_of_a_real_definition_are_judged(data: st.DataObject) -> None:
    """Damaged definitions never break lint, and what it accepts can be decoded."""
    definition = copy.deepcopy(SEED)
    for _ in range(data.draw(st.integers(1, 4))):
        mutate(definition, data.draw)
    findings = check(definition)
    if not any(finding.severity == "ERROR" for finding in findings):
        resolve(definition)


def machine(states: dict[str, JSON], **more: JSON) -> dict[str, JSON]:
    """A machine that starts at its first state."""
    return {"StartAt": next(iter(states)), "States": states, **more}


def nested(levels: int) -> JSON:
    """Parallel in Parallel."""
    state: JSON = PASS
    for level in range(levels):
        state = {"Type": "Parallel", "Branches": [machine({f"n{level}": state})], "End": True}
    return machine({"A": state})


def negations(levels: int) -> JSON:
    """Not in Not."""
    test: dict[str, JSON] = {"Variable": "$.a", "IsNull": True}
    for _ in range(levels):
        test = {"Not": test}
    return machine({"C": {"Type": "Choice", "Choices": [{**test, "Next": "D"}]}, "D": PASS})


def lists(levels: int) -> JSON:
    """List in list."""
    value: JSON = []
    for _ in range(levels):
        value = [value]
    return machine({"A": {**PASS, "Result": value}})


def deep_names() -> JSON:
    """Objects 180 levels deep whose names are 2,500 characters long, with mistakes at the bottom."""
    outer: dict[str, JSON] = {}
    inner = outer
    for _ in range(180):
        inner["k" * 2500] = inner = {}
    inner.update({f"a{i}": [{"x.$": "bad"}] for i in range(20_000)})
    return machine({"A": {**PASS, "Parameters": outer}})


def variables() -> JSON:
    """9,000 variables, all assigned in one state and read in the 9,000 rules of another."""
    rules = [{"Variable": f"$v{i}", "IsPresent": True, "Next": "D"} for i in range(9000)]
    return machine(
        {
            "A": {"Type": "Pass", "Assign": {f"v{i}": 1 for i in range(9000)}, "Next": "C"},
            "C": {"Type": "Choice", "Choices": rules, "Default": "D"},
            "D": PASS,
        }
    )


def one(**fields: JSON) -> JSON:
    """A machine of one Pass state."""
    return machine({"A": {**PASS, **fields}})


def chain(count: int, step: str = "s") -> JSON:
    """States one after the other."""
    states: dict[str, JSON] = {f"s{i}": {"Type": "Pass", "Next": f"{step}{i + 1}"} for i in range(count)}
    return machine({**states, f"s{count}": PASS})


EXCESS: dict[str, tuple[Callable[[], JSON], str | None]] = {
    "10,000 states": (lambda: chain(10_000), None),
    "10,000 dangling targets": (lambda: chain(10_000, "t"), "E0201"),
    "26,000 states": (lambda: chain(26_000), "E1101"),
    "nesting 20": (lambda: nested(20), None),
    "nesting 60": (lambda: nested(60), "E0005"),
    "1,000 branches": (
        lambda: machine(
            {"A": {"Type": "Parallel", "Branches": [machine({f"X{i}": PASS}) for i in range(1000)], "End": True}}
        ),
        None,
    ),
    "1,001 branches": (
        lambda: machine({"A": {"Type": "Parallel", "Branches": [machine({"X": PASS})] * 1001, "End": True}}),
        "E1101",
    ),
    "10,000 choice rules": (
        lambda: machine(
            {
                "C": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.x", "StringMatches": "*a*", "Next": "C"}] * 10_000,
                    "Default": "D",
                },
                "D": PASS,
            }
        ),
        None,
    ),
    "300 negations": (lambda: negations(300), "E0004"),
    "400 lists": (lambda: lists(400), "E0004"),
    "60,000 unknown fields": (lambda: one(**{f"Unknwn{i}": 1 for i in range(60_000)}), "E0006"),
    "names of 2,500 characters, 180 deep": (deep_names, "E0006"),
    "a state name of 400,000 characters": (
        lambda: machine({"n" * 400_000: {**PASS, **{f"U{i}": 1 for i in range(9_000)}}}),
        "E0205",
    ),
    "9,000 variables": (variables, None),
    "30,000 undefined variables": (lambda: one(Parameters={f"{i}.$": f"$w{i}" for i in range(30_000)}), "W1003"),
    "5,000 parentheses in JSONata": (
        lambda: one(QueryLanguage="JSONata", Output="{% " + "(" * 5000 + "1" + ")" * 5000 + " %}"),
        "E0501",
    ),
    "800 kB of JSONata": (lambda: one(QueryLanguage="JSONata", Output="{% " + "1+" * 400_000 + "1 %}"), "E1101"),
    "5,120 characters of JSONata": (
        lambda: one(QueryLanguage="JSONata", Output="{% " + "1+" * 2557 + "1 %}"),
        None,
    ),
    "5,000 nested calls": (
        lambda: one(Parameters={"a.$": "States.Array(" * 5000 + ")" * 5000}),
        "E0403",
    ),
    "a path of 500,000 steps": (lambda: one(InputPath="$" + ".a" * 500_000), "E0401"),
    "5,000 nested filters": (lambda: one(InputPath="$" + "[?(" * 5000 + ")]" * 5000), "E0401"),
    "an ARN of a million colons": (
        lambda: machine({"A": {"Type": "Task", "Resource": "arn:aws:states:::" + ":" * 900_000, "End": True}}),
        "W0802",
    ),
    "half a million half placeholders": (
        lambda: machine({"A": {"Type": "Wait", "Seconds": "${" * 500_000, "End": True}}),
        "E0105",
    ),
    "40,000 retriers": (
        lambda: machine(
            {
                "A": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::lambda:invoke",
                    "Retry": [{"ErrorEquals": [f"E{i}"]} for i in range(40_000)],
                    "End": True,
                }
            }
        ),
        None,
    ),
}


@pytest.mark.parametrize("name", EXCESS)
def test_excess_ends_in_bounded_time(name: str) -> None:
    """Each excess is either fine or a clean finding, in far less than five seconds, with or without placeholders."""
    build, expected = EXCESS[name]
    data = build()
    started = time.process_time()
    found = check(data)
    check(data, placeholders=True)

    assert time.process_time() - started < SECONDS
    assert len(found) <= MOST_FINDINGS
    assert expected in {finding.rule for finding in found} if expected else found == []


@pytest.mark.parametrize(
    "text",
    [
        "[" * (LONGEST_TEXT - 1),
        '{"a":' * 200_000,
        '"' + "\\u0041" * 170_000 + '"',
        "[" + "1," * 500_000 + "1]",
        "{" + ",".join(f'"{i}":{{}}' for i in range(70_000)) + "}",
        '"' + "\\" * 1_000_000,
        "9" * 1_000_000,
        " " * 1_000_000 + "x",
        "${" * 500_000,
    ],
)
def test_scanning_is_linear(text: str) -> None:
    """A text of a megabyte is scanned, or refused, in bounded time."""
    started = time.process_time()
    with contextlib.suppress(DefinitionError):
        scan(text[:LONGEST_TEXT], placeholders=True)
    assert time.process_time() - started < SECONDS


def test_findings_are_bounded() -> None:
    """The last finding says that there are more."""
    found = check(one(**{f"U{i}": 1 for i in range(MOST_FINDINGS + 5)}))
    assert len(found) == MOST_FINDINGS
    assert found[-1].message == f"More than {MOST_FINDINGS} findings; the others are not shown"


def test_the_seed_is_clean() -> None:
    """What the mutants are made of is without a finding, so that each change is what is judged."""
    assert check(SEED) == []
    assert json.loads(json.dumps(SEED)) == SEED
