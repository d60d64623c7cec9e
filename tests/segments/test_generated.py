"""Generated text: what Python would warn of or not take is never made, and what is large stays in the interpreter."""

from __future__ import annotations

import inspect
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from express.compiler import compile_definition
from express.engine import About, Program
from express.errors import DefinitionError
from express.expr import generated
from express.expr.jsonata import compile as jsonata
from express.expr.jsonata import generated as fast
from express.segments import linker
from tests.conformance.host import Host
from tests.conformance.script import Script
from tests.reference.expressions import JSONATA

TASK: dict[str, Any] = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"}
END: dict[str, Any] = {"Type": "Succeed"}


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Compile all that is generated as it is, with warnings as errors; the texts."""
    texts: list[str] = []

    def code_of(text: str, filename: str) -> Any:
        texts.append(text)
        return compile(text, filename, "exec")

    def at_once(make: Callable[[], fast.Form]) -> Callable[..., Any]:
        function: Any = fast.function_of(make)
        function.__globals__["first"]()
        return function  # type: ignore[no-any-return]  # generated

    monkeypatch.setattr(jsonata, "function_of", at_once)
    monkeypatch.setattr(linker, "code_of", code_of)
    monkeypatch.setattr(fast, "code_of", code_of)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield texts


def state(fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A machine of one state."""
    return {"StartAt": "A", "States": {"A": {**fields, "End": True}}, **more}


def every_segment(program: Program) -> None:
    """Make what is only made when it is asked for: with a history, for large data, after failures."""
    for segments in (program.segments, program.segments and program.segments.recording):
        for enter in () if segments is None else segments.enter:
            if enter is not None:
                enter.__globals__["late"].make()
                assert callable(enter.__globals__["larger"].enter_0)


LITERALS = ('"text"', "5", "1.5", "-1", "true", "null", "[1, 2]", '{"a": 1}', "(5)", '("text")', "/a/", "$uppercase")
USES = ("{}['x']", "{}[0]", "{}[-1]", "{}.a", "{}.a.b", "{}.*", "{}[$ = 1]", "{}[0][1]", "{} = null", "null != {}")
MORE = ("$count({})", "{} and true", "{} ? 1 : 2", "$f({})", "({})[0]", "{}.$string()", "{} ~> $string", "true = {}")


@pytest.mark.parametrize("literal", LITERALS)
def test_constants_that_are_looked_into_called_or_compared(literal: str, strict: list[str]) -> None:
    """None of them makes Python warn (`"text"["x"]`, `5 is None`) or refuse, in any place of a state."""
    for use in (*USES, *MORE):
        text = f"{{% {use.format(literal)} %}}"
        choice = {"Type": "Choice", "Choices": [{"Condition": text, "Next": "B"}], "Default": "B"}
        for states in (
            {"A": {"Type": "Pass", "Output": text, "Assign": {"v": text, "w": {"deep": [text]}}, "End": True}},
            {"A": {**TASK, "Arguments": {"x": text, "y": text}, "Output": {"z": text}, "End": True}},
            {"A": choice, "B": END},
        ):
            try:
                program = compile_definition({"StartAt": "A", "QueryLanguage": "JSONata", "States": states})
            except DefinitionError:
                continue  # by JSONata itself: a literal as a step, say
            every_segment(program)
    assert strict


@pytest.mark.parametrize("literal", ["text", 5, 1.5, -1, True, None, [1], {"a": 1}, {}, ""])
def test_a_literal_result_that_is_looked_into(literal: Any, strict: list[str]) -> None:
    """Assign and the states after it look into a Result that is a constant, in all ways there are."""
    for path in ("$", "$.x", "$.x.y", "$[0]", "$['a','b']", "States.ArrayLength($)", "States.MathAdd($.x, 1)"):
        given = {"Type": "Pass", "Result": literal, "Assign": {"v.$": path}}
        for more in ({}, {"ResultPath": "$.r"}, {"ResultPath": None}, {"OutputPath": "$.x"}):
            rule = {"Variable": "$.x", "IsNull": True, "Next": "C"}
            states = {
                "A": {**given, **more, "Next": "B"},
                "B": {"Type": "Choice", "Choices": [rule, {**rule, "Variable": "$v.x"}], "Default": "C"},
                "C": {"Type": "Pass", "Parameters": {"p.$": "$.r.x", "v.$": "$v"}, "ResultPath": "$.q", "Next": "D"},
                "D": {"Type": "Succeed", "OutputPath": "$.q.p"},
            }  # fmt: skip
            every_segment(compile_definition({"StartAt": "A", "States": states}))
    assert strict


def test_every_expression_of_the_generator(strict: list[str]) -> None:
    """Those that the derived machines are made of compile without a warning, too."""
    for text in JSONATA:
        for fields in ({"Output": f"{{% {text} %}}"}, {"Output": {"a": f"{{% {text} %}}", "b": 1}, "Assign": {"v": 1}}):
            with suppress(DefinitionError):  # by JSONata itself: a literal as a step, say
                every_segment(compile_definition(state({"Type": "Pass", **fields}, QueryLanguage="JSONata")))
    assert len(strict) > len(JSONATA)


@pytest.mark.parametrize(
    "name", ["'", '"', "\\", "\\d", "{", "}", "\n", "\x00", "\x01", "\x02", "Ω", "%s", "{0}", '"""', "#"]
)
def test_names_and_texts_of_any_kind(name: str, strict: list[str]) -> None:
    """A state's name, a key, a literal: nothing in them ends a string or is an escape in the text."""
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    fields = {"k.$": f"States.Format('{quoted}-{{}}'.$.x)".replace("'.$", "', $"), name: name}
    states: dict[str, Any] = {name: {"Type": "Pass", "Parameters": {name: name, "x.$": "$.x"}, "Next": "B"}}
    states["B"] = {"Type": "Pass", "Parameters": fields if name not in "{}\\d%s{0}" else {name: name}, "End": True}
    every_segment(compile_definition({"StartAt": name, "States": states}))
    assert strict


def rules(number: int) -> list[dict[str, Any]]:
    """So many rules of a Choice."""
    return [{"Variable": "$.x", "NumericEquals": i, "Next": "Z"} for i in range(number)]


def choice(*given: dict[str, Any]) -> dict[str, Any]:
    """A machine of one Choice."""
    states = {"A": {"Type": "Choice", "Choices": [*given], "Default": "Z"}, "Z": END}
    return {"StartAt": "A", "States": states}


def chain(number: int, fields: dict[str, Any]) -> dict[str, Any]:
    """So many states one after the other."""
    on = [{"Next": f"S{i + 1}"} if i < number - 1 else {"End": True} for i in range(number)]
    return {"StartAt": "S0", "States": {f"S{i}": {**fields, **on[i]} for i in range(number)}}


def ways(number: int) -> dict[str, Any]:
    """States with two ways to each of them: as many ways to the last as two to the power of `number`."""
    states: dict[str, Any] = {f"E{number}": {"Type": "Pass", "End": True}}
    for i in range(number):
        rule = {"Variable": "$.x", "NumericEquals": i, "Next": f"P{i}"}
        states[f"E{i}"] = {"Type": "Choice", "Choices": [rule], "Default": f"E{i + 1}"}
        states[f"P{i}"] = {"Type": "Pass", "Next": f"E{i + 1}"}
    return {"StartAt": "E0", "States": states}


def nested(number: int) -> dict[str, Any]:
    """Parallel states in one another, each behind a Choice."""
    machine: dict[str, Any] = {"StartAt": "L", "States": {"L": {"Type": "Pass", "End": True}}}
    for i in range(number):
        rule = {"Variable": "$.x", "IsNull": True, "Next": f"Q{i}"}
        states: dict[str, Any] = {
            f"C{i}": {"Type": "Choice", "Choices": [rule], "Default": f"R{i}"},
            f"Q{i}": {"Type": "Pass", "Next": f"R{i}"},
            f"R{i}": {"Type": "Parallel", "Branches": [machine], "End": True},
        }
        machine = {"StartAt": f"C{i}", "States": states}
    return machine


JSONATA_MACHINE = {"QueryLanguage": "JSONata"}
CATCH = [{"ErrorEquals": [f"E{i}"], "Next": "Z"} for i in range(2_000)]
RETRY = [{"ErrorEquals": [f"E{i}"]} for i in range(2_000)]
LARGE: dict[str, dict[str, Any]] = {
    "rules": choice(*rules(3_000)),
    "conditions": {
        **choice(*[{"Condition": f"{{% $states.input.x = {i} %}}", "Next": "Z"} for i in range(1_000)]),
        **JSONATA_MACHINE,
    },
    "or": choice({"Or": [{"Variable": "$.x", "NumericEquals": i} for i in range(5_000)], "Next": "Z"}),
    "members": state({"Type": "Pass", "Parameters": {f"k{i}.$": "$.x" for i in range(10_000)}}),
    "constants": state({"Type": "Pass", "Parameters": {"x.$": "$.x", **{f"k{i}": i for i in range(10_000)}}}),
    "variables": state({"Type": "Pass", "Assign": {f"v{i}.$": "$.x" for i in range(2_000)}}),
    "outputs": state(
        {"Type": "Pass", "Output": dict.fromkeys(map(str, range(3_000)), "{% $states.input.x %}")}, **JSONATA_MACHINE
    ),
    "object": state(
        {"Type": "Pass", "Output": "{% {" + ", ".join(f'"k{i}": $states.input.x' for i in range(3_000)) + "} %}"},
        **JSONATA_MACHINE,
    ),
    "block": state(
        {"Type": "Pass", "Output": "{% (" + "; ".join(f"$v{i} := $states.input.x" for i in range(1_500)) + "; $v1) %}"},
        **JSONATA_MACHINE,
    ),
    "predicates": state({"Type": "Pass", "Output": "{% $states.input.x" + "[0]" * 500 + " %}"}, **JSONATA_MACHINE),
    "literal": state({"Type": "Pass", "Output": f"{{% '{'x' * 100_000}' & $states.input.x %}}"}, **JSONATA_MACHINE),
    "format": state({"Type": "Pass", "Parameters": {"a.$": f"States.Format('{'{}' * 2_000}'{', $.x' * 2_000})"}}),
    "catchers": {"StartAt": "A", "States": {"A": {**TASK, "Catch": CATCH, "Next": "Z"}, "Z": END}},
    "retriers": state({**TASK, "Retry": RETRY}),
    "errors": state({**TASK, "Retry": [{"ErrorEquals": [f"E{i}" for i in range(5_000)]}]}),
    "branches": state(
        {"Type": "Parallel", "Branches": [chain_of for i in range(900) for chain_of in [
            {"StartAt": f"B{i}", "States": {f"B{i}": {"Type": "Pass", "End": True}}}]]}
    ),
    "passes": chain(4_000, {"Type": "Pass"}),
    "tasks": chain(2_000, TASK),
    "ways": ways(400),
    "ways in a branch": state({"Type": "Parallel", "Branches": [ways(100)]}),
    "nested": nested(24),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_what_is_large_runs_in_the_interpreter(name: str) -> None:
    """It compiles within a small stack and a bounded text, whatever it is that is large, and then it runs."""
    definition = LARGE[name]
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 700)
    try:
        program = compile_definition(definition)
        if program.segments is not None:
            every_segment(program)
            assert len(program.segments.source) < generated.LONGEST_TEXT
    finally:
        sys.setrecursionlimit(before)
    world = Script([{"state": None, "responds": [{"output": {"x": 1}}]}])
    for linking in ("table", "segments"):
        run = Host(world).run(program, {"x": 1}, About(), linking=linking)
        assert run.status == "SUCCEEDED", run.cause


@pytest.mark.parametrize("name", ["rules", "members", "tasks", "catchers"])
def test_compiling_takes_bounded_memory(name: str) -> None:
    """A definition of some hundred kilobytes takes some ten megabytes while it is compiled, not hundreds."""
    tracemalloc.start()
    try:
        compile_definition(LARGE[name])
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_a_large_state_does_not_keep_the_others_from_the_segments() -> None:
    """Only the state that is too large is left to the table; what comes before it has its text."""
    large = LARGE["rules"]["States"]
    states = {"A": {"Type": "Pass", "Next": "B"}, "B": large["A"], "Z": large["Z"]}
    program = compile_definition({"StartAt": "A", "States": states})
    assert program.segments is not None
    assert "'A'" in program.segments.source
    assert len(program.segments.source) < 2_000


@pytest.mark.parametrize("text", ["x = (", "x = 5 is None", "def f(:", "x = " + "9" * 5_000, "(" * 300 + ")" * 300])
def test_text_that_python_does_not_take(text: str) -> None:
    """Has no code, without an error and without a warning."""
    assert generated.code_of(text, "<test>") is None
    assert generated.code_of("x = 1\n" * 100_000, "<test>") is None
    assert generated.code_of("x = 1", "<test>") is not None
