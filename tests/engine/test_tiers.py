"""The segments come to what the rows come to, as the runtime runs them: time moves, answers are late, come twice."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from express.compiler import compile_definition
from tests.reference import differential
from tests.reference.generate import Maker
from tests.reference.tiers import Case, compare, run
from tests.reference.world import Reply

TASK: dict[str, Any] = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"}
WAIT: dict[str, Any] = {"Type": "Wait", "Seconds": 5}
ENTERED = "2027-01-15T08:00:00.000Z"
CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "S1"}]


def machine(*states: dict[str, Any], **more: Any) -> dict[str, Any]:
    """States S0, S1 … one after the other."""
    last = len(states) - 1
    on = [{"Next": f"S{i + 1}"} if i < last else {"End": True} for i in range(len(states))]
    return {"StartAt": "S0", "States": {f"S{i}": {**state, **on[i]} for i, state in enumerate(states)}, **more}


def case_of(definition: dict[str, Any], data: Any, replies: dict[str, list[Reply]] | None = None) -> Case:
    """An EXPRESS machine with its input."""
    return Case(definition, "EXPRESS", data, replies or {})


def output(case: Case) -> Any:
    """What a case gives on the segments; the rows must agree."""
    assert compare(case).wrong is None
    return run(compile_definition(case.definition), case).output


LATE = [Reply(output={"r": 1}, after=5.0)]
BUSY = [Reply(output={"r": 1}, busy=5.0)]


@pytest.mark.parametrize("replies", [LATE, BUSY], ids=["late", "busy"])
@pytest.mark.parametrize(
    ("state", "path"),
    [
        ({**TASK, "ResultSelector": {"t.$": "$$.State.EnteredTime"}}, ("t",)),
        ({**TASK, "OutputPath": "$$.State.EnteredTime"}, ()),
        ({**TASK, "Assign": {"t.$": "$$.State.EnteredTime"}}, ("v", "t")),
        ({**TASK, "ResultSelector": {"c.$": "$$"}}, ("c", "State", "EnteredTime")),
        ({**TASK, "QueryLanguage": "JSONata", "Output": "{% $states.context.State.EnteredTime %}"}, ()),
        ({**TASK, "QueryLanguage": "JSONata", "Output": "{% $states %}"}, ("context", "State", "EnteredTime")),
        ({**TASK, "QueryLanguage": "JSONata", "Output": {"n": ["{% $now() %}"]}}, ("n", 0)),
        ({**TASK, "QueryLanguage": "JSONata", "Output": "{% ($f := $now; $f()) %}"}, ()),
        ({**TASK, "QueryLanguage": "JSONata", "Output": "{% $fromMillis($millis()) %}"}, ()),
        ({**TASK, "QueryLanguage": "JSONata", "Assign": {"t": "{% $now() %}"}}, ("v", "t")),
        ({**WAIT, "OutputPath": "$$.State.EnteredTime"}, ()),
        ({**WAIT, "Assign": {"t.$": "$$.State.EnteredTime"}}, ("v", "t")),
        ({**WAIT, "QueryLanguage": "JSONata", "Output": "{% $now() %}"}, ()),
        ({**WAIT, "QueryLanguage": "JSONata", "Output": "{% $states.context.State.EnteredTime %}"}, ()),
    ],
)  # fmt: skip
def test_the_time_of_entry_after_an_answer(state: dict[str, Any], path: tuple[Any, ...], replies: list[Reply]) -> None:
    """The Context object's EnteredTime, and the time in JSONata, are those of the state's entry, not its answer's."""
    show = {"Type": "Pass", "Parameters": {"v": {"t.$": "$t"}}} if "Assign" in state else {"Type": "Pass"}
    found = output(case_of(machine(state, show), {"a": 1}, {"S0": replies}))
    for step in path:
        found = found[step]
    assert found == ENTERED


@pytest.mark.parametrize("place", ["Catch", "Retry"])
def test_the_time_of_entry_after_a_failure(place: str) -> None:
    """Neither a failure nor an attempt once more changes when a state was entered."""
    handler = {"ErrorEquals": ["States.ALL"], "Next": "S1", "Assign": {"t.$": "$$.State.EnteredTime"}}
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}] if place == "Retry" else []
    state = {**TASK, "Catch": [handler], "Retry": retry}
    case = case_of(
        machine(state, {"Type": "Pass", "Parameters": {"t.$": "$t"}}),
        {},
        {"S0": [Reply(error="Boom", cause="why", after=2.0)]},
    )
    assert output(case) == {"t": ENTERED}


def test_the_time_of_entry_of_a_later_state() -> None:
    """Each state has its own, also where the tasks before it were answered at once and took their time."""
    look = {**TASK, "QueryLanguage": "JSONata", "Output": "{% $append($states.input, $now()) %}"}
    replies = {name: [Reply(output=0, busy=3.0)] for name in ("S0", "S1", "S2")}
    found = output(case_of(machine(look, look, look), [], replies))
    assert [text[17:19] for text in found] == ["00", "03", "06"]


@pytest.mark.parametrize("resource", ["custom:thing", TASK["Resource"], "arn:aws:states:::sqs:sendMessage"])
def test_a_heartbeat_of_any_resource(resource: str) -> None:
    """HeartbeatSeconds is told to what performs the task, and missed or kept alike, whatever the resource is."""
    state = {"Type": "Task", "Resource": resource, "HeartbeatSeconds": 2}
    case = case_of(machine(state), {}, {"S0": [Reply(silent=True)]})
    assert compare(case).wrong is None
    ran = run(compile_definition(case.definition), case)
    assert (ran.status, ran.error, ran.calls[0].heartbeat) == ("FAILED", "States.Timeout", 2)
    kept = case_of(machine(state), {}, {"S0": [Reply(output="done", after=5.0, beats=(1.5, 3.0, 4.5))]})
    assert output(kept) == "done"


@pytest.mark.parametrize(
    ("fields", "wanted"), [({"Result": "end"}, {"a": 1}), ({"Result": "end", "Output": "{% 1 + 1 %}"}, 2)]
)
def test_result_of_a_jsonata_state_is_ignored(fields: dict[str, Any], wanted: Any) -> None:
    """A JSONata Pass has no Result: where it is only warned about (W0114) the output is Output, or the input."""
    assert output(case_of(machine({"Type": "Pass", **fields}, QueryLanguage="JSONata"), {"a": 1})) == wanted


def test_an_answer_that_comes_after_its_timeout() -> None:
    """It changes nothing: neither the retry that runs meanwhile nor the state after it takes it for its own."""
    retry = [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1, "IntervalSeconds": 1}]
    late, second = Reply(output="late", after=5.0, stubborn=True), Reply(output="second", after=1.5)
    states = machine({**TASK, "TimeoutSeconds": 2, "Retry": retry}, {**TASK, "ResultPath": "$.x"})
    case = case_of(states, {}, {"S0": [late, Reply(output={"of": "retry"}, after=1.0)], "S1": [second]})
    assert output(case) == {"of": "retry", "x": "second"}


@pytest.mark.parametrize(
    "reply", [Reply(output=1, busy=5.0), Reply(output=1, busy=2.0, after=3.0)], ids=["at once", "late"]
)
@pytest.mark.parametrize("states", [1, 2])
def test_an_answer_that_comes_after_the_deadline(states: int, reply: Reply) -> None:
    """TimeoutSeconds of the machine holds also where a task has held up the loop, and the timers with it."""
    case = case_of(machine(*[TASK] * states, TimeoutSeconds=3), {}, {"S0": [reply]})
    assert compare(case).wrong is None
    assert run(compile_definition(case.definition), case).status == "TIMED_OUT"


@pytest.mark.parametrize("field", ["TimeoutSeconds", "HeartbeatSeconds"])
def test_the_timers_of_a_task_count_from_its_call(field: str) -> None:
    """What a call takes before it gives way is part of its time, on segments as on the rows."""
    case = case_of(machine({**TASK, field: 3}), {}, {"S0": [Reply(output=1, busy=2.0, after=2.0)]})
    assert compare(case).wrong is None
    ran = run(compile_definition(case.definition), case)
    assert (ran.status, ran.error, round(ran.at)) == ("FAILED", "States.Timeout", 3)


def test_a_task_that_is_void_when_it_is_asked_for_is_not_called() -> None:
    """Where a branch fails in the turn in which another has come to its task, that is never called, on any tier."""
    ends = {"Type": "Fail", "Error": "Boom"}
    branches = [{"StartAt": "T", "States": {"T": {**TASK, "End": True}}}, {"StartAt": "F", "States": {"F": ends}}]
    states = machine({"Type": "Pass"}, TASK, {"Type": "Parallel", "Branches": branches})
    for replies in ({}, {"S1": LATE}):
        case = case_of(states, {}, replies)
        assert compare(case).wrong is None
        assert [call.state for call in run(compile_definition(states), case).calls] == ["S1"]


def test_credentials_that_are_no_object() -> None:
    """An expression for all of Credentials has to give an object: the state fails, not the engine."""
    case = case_of(machine({**TASK, "Credentials": "{% 'r' %}"}, QueryLanguage="JSONata"), {})
    assert compare(case).wrong is None
    ran = run(compile_definition(case.definition), case, history=True)
    assert (ran.error, "Expected 'object', but was 'string'" in str(ran.cause)) == ("States.QueryEvaluationError", True)


@pytest.mark.parametrize("seed", [22_579, 41_152])
@pytest.mark.parametrize("language", ["JSONata", "JSONPath"])
def test_machines_that_were_found_to_differ(seed: int, language: str) -> None:
    """Of `python -m tests.reference`: the budgets of a turn differ, and a Pass with Assign was not measured."""
    assert differential.compare(Maker(Random(seed), language).example()).wrong is None


def test_a_pass_with_assign_is_measured() -> None:
    """What ResultPath adds to the data counts, whether the state assigns a variable or not."""
    double = {"Type": "Pass", "ResultPath": "$.again", "Assign": {"v": 1}}
    case = case_of(machine(double, double, double, {"Type": "Pass", "Result": 1}), {"big": "x" * 100_000})
    assert compare(case).wrong is None
    ran = run(compile_definition(case.definition), case)
    assert (ran.error, "'S1'" in str(ran.cause)) == ("States.DataLimitExceeded", True)


def test_a_later_task_that_holds_up_the_loop_past_the_deadline() -> None:
    """The end of a handler that was waited for leads on to a task that takes too long: TIMED_OUT, too."""
    replies = {"S0": [Reply(output=1, after=0.25)], "S1": [Reply(output=1, busy=5.0)]}
    case = case_of(machine(TASK, TASK, TimeoutSeconds=3), {}, replies)
    assert compare(case).wrong is None
    assert run(compile_definition(case.definition), case).status == "TIMED_OUT"
