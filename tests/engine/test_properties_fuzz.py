"""Broken and odd definitions: refused with findings, or compiled and then run to an end. Nothing in between."""

from __future__ import annotations

import json
import time
from random import Random
from typing import Any

import pytest

from express.compiler import compile_definition
from express.engine import History, Program
from express.errors import DefinitionError, Diagnostic
from tests.conformance.host import Entropy, Host
from tests.conformance.script import Script
from tests.engine.examples import LANGUAGES, count, seeded
from tests.reference.differential import ABOUT
from tests.reference.mutate import mutated

JSON = Any


def compiled(definition: JSON) -> Program | None:
    """The program, None where the definition is refused with findings."""
    findings: tuple[Diagnostic, ...] = ()
    try:
        return compile_definition(definition)
    except DefinitionError as refusal:
        findings = refusal.diagnostics
    assert findings
    assert all(finding.message and finding.code for finding in findings)
    return None


@pytest.mark.parametrize("history", [True, False], ids=["rows", "segments"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_changed_definition_is_refused_or_runs(language: str, history: bool) -> None:
    """With a few places changed at random a machine is refused, or it runs to an end without a fault of ours."""
    ran = 0
    for seed, example in seeded(language, count(250)):
        program = compiled(json.dumps(mutated(example.definition, Random(seed))))
        if program is None:
            continue
        ran += 1
        recorder = History() if history else None
        run = Host(Script(example.tasks)).run(program, example.input, ABOUT, history=recorder, entropy=Entropy())
        assert (seed, getattr(run.execution, "bug", None)) == (seed, None)
        assert run.status in ("SUCCEEDED", "FAILED", "TIMED_OUT")
        assert not run.leaked, seed
    assert ran > 20


def test_damaged_text_is_refused_or_runs() -> None:
    """Bytes cut out, doubled or changed never crash the compiler, nor keep it busy."""
    for seed, example in seeded("mixed", count(300)):
        rnd = Random(seed)
        raw = bytearray(json.dumps(example.definition), "utf-8")
        for _ in range(rnd.choice([1, 2, 8])):
            at = rnd.randrange(len(raw))
            raw[at : at + rnd.choice([0, 1, 5])] = rnd.choice(
                [b"", b'"', b"{", b"]", b"\xff", b"\x00", b"\\u", b"9" * 30, b"$"]
            )
        compiled(bytes(raw))


@pytest.mark.parametrize(
    "text", ["", " ", "null", "[]", "1", '"x"', "{}", "{", "\ufeff{}", "{}{}", "NaN", '{"a":1,"a":2}']
)
def test_what_is_no_machine_is_refused(text: str) -> None:
    """Texts that are no machine at all are refused, whatever they are."""
    assert compiled(text) is None


def wide(states: int) -> str:
    """A machine of many states in a row."""
    chain = {
        f"S{i}": {"Type": "Pass", "Result": i, "ResultPath": f"$.r{i}", "Next": f"S{i + 1}"} for i in range(states)
    }
    return json.dumps({"StartAt": "S0", "States": {**chain, f"S{states}": {"Type": "Pass", "End": True}}})


def test_ten_thousand_states_compile_in_seconds() -> None:
    """A definition near AWS's limit of 1 MiB compiles in 5 s of processor time; its size is not squared in it."""
    text = wide(10_000)
    assert 700_000 < len(text) < 1_048_576
    begun = time.process_time()
    program = compiled(text)
    assert time.process_time() - begun < 5
    assert program is not None


def test_a_thousand_rules_over_a_large_input() -> None:
    """1,000 Choice rules over 250 KB are gone through in the order of milliseconds."""
    rules = [{"Variable": f"$.k{i % 50}", "StringMatches": "*x*y*z", "Next": "P"} for i in range(1_000)]
    machine = {
        "StartAt": "C",
        "States": {"C": {"Type": "Choice", "Choices": rules, "Default": "P"}, "P": {"Type": "Succeed"}},
    }
    data = {f"k{i}": "xy" * 2_500 for i in range(50)}
    program = compiled(json.dumps(machine))
    assert program is not None
    begun = time.process_time()
    run = Host(Script([])).run(program, data, ABOUT, entropy=Entropy())
    assert (run.status, run.output) == ("SUCCEEDED", data)
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize("pattern", ["*a" * 50 + "b", "*" * 1_000, "*a*a*a*a*a*a*a*a*a*a*a*a*c", "\\*" * 100 + "*"])
def test_patterns_that_backtrack_elsewhere(pattern: str) -> None:
    """StringMatches takes linear time at most per star, whatever the pattern."""
    machine = {
        "StartAt": "C",
        "States": {
            "C": {
                "Type": "Choice",
                "Choices": [{"Variable": "$", "StringMatches": pattern, "Next": "Y"}],
                "Default": "N",
            },
            "Y": {"Type": "Pass", "Result": True, "End": True},
            "N": {"Type": "Pass", "Result": False, "End": True},
        },
    }
    program = compiled(json.dumps(machine))
    assert program is not None
    begun = time.process_time()
    run = Host(Script([])).run(program, "a" * 200_000, ABOUT, entropy=Entropy())
    assert run.status == "SUCCEEDED"
    assert run.output is (set(pattern) == {"*"})
    assert time.process_time() - begun < 1.0
