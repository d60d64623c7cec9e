"""Generated segments: the happy path of the table, and nothing of a definition in the text but by repr."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.compiler import compile_definition
from express.engine import About, History, deliver, start
from express.engine.effects import Cancel, Finish, StartTask, StartTimer
from express.engine.events import TaskFailed, TaskSucceeded
from express.engine.handover import inflate, start_recorded
from express.engine.program import END, matches
from express.engine.segments import PENDING, again, answered, attempts, begin, transitions
from express.segments.retry_catch import matching
from tests.engine.scripts import Fixed, program, task

ABOUT = About(execution_arn="arn:x", name="x")


def run(machine: Any, data: Any, call: Any = None) -> Any:
    """Where the segments of a machine leave an execution."""
    return begin(machine, machine.segments, data, len(json.dumps(data)), call)


def table(machine: Any, point: Any, data: Any) -> Any:
    """The same execution on the table from there on."""
    return inflate(machine, point, data, 1.0, ABOUT, Fixed(), 300.0, 0.0)


def test_a_machine_that_cannot_block_is_one_call() -> None:
    """Pass states end with the output and the number of states entered."""
    machine = program({"Type": "Pass", "Parameters": {"b.$": "$.a"}, "ResultPath": "$.c"}, {"Type": "Succeed"})
    point = run(machine, {"a": 1})

    assert (point[0], point[1], transitions(point)) == (END, {"a": 1, "c": {"b": 1}}, 2)


def test_the_input_is_never_changed() -> None:
    """What the segment was given stays as it was; only what it made itself is updated in place."""
    step = {"Type": "Pass", "Result": 1, "ResultPath": "$.x"}
    data = {"x": 0, "inner": {}}
    point = run(program(step, {**step, "ResultPath": "$.y"}), data)

    assert point[1] == {"x": 1, "inner": {}, "y": 1}
    assert data == {"x": 0, "inner": {}}


def test_data_that_was_captured_whole_is_not_updated_in_place() -> None:
    """`$` inside a template keeps the data as it was then."""
    captures = {"Type": "Pass", "Parameters": {"before.$": "$"}, "ResultPath": "$.copy"}
    mark = {"Type": "Pass", "Result": 1, "ResultPath": "$.first"}
    point = run(program(mark, captures, {**mark, "ResultPath": "$.last"}), {})

    assert point[1] == {"first": 1, "copy": {"before": {"first": 1}}, "last": 1}


def test_a_failure_runs_once_more_on_the_table() -> None:
    """A missing path gives the table's error, cause and event id."""
    machine = program({"Type": "Pass", "Result": {}}, {"Type": "Pass", "InputPath": "$.missing"})
    point = run(machine, {"a": 1})
    x, effects = table(machine, point, {"a": 1})

    assert point[0] != END
    assert effects == [x.finished]
    assert x.finished is not None
    assert x.finished.error == "States.Runtime"
    assert "'S1' (entered at the event id #4)" in (x.finished.cause or "")


def test_a_task_is_called_once_though_what_follows_fails() -> None:
    """The segment after an answer is given up, not the call."""
    calls = []

    def call(row: Any, payload: Any, counts: int, tries: int) -> Any:
        calls.append(payload)
        return {"ok": True}

    machine = program(task(), {"Type": "Pass", "InputPath": "$.missing"})
    x, _ = table(machine, run(machine, {"v": 1}, call), {"v": 1})

    assert calls == [{"v": 1}]
    assert x.finished is not None
    assert "'S1' (entered at the event id #7)" in (x.finished.cause or "")


def test_a_failed_call_is_the_tables() -> None:
    """Catch is on the table only; it finds the state as it was entered."""

    def call(row: Any, payload: Any, counts: int, tries: int) -> Any:
        return TaskFailed(1, "Boom", "why")

    catch = [{"ErrorEquals": ["Boom"], "Next": "S1", "ResultPath": "$.e"}]
    machine = program(task(Catch=catch, End=True), {"Type": "Pass"})
    x, _ = table(machine, run(machine, {"v": 1}, call), {"v": 1})

    assert x.finished == Finish("SUCCEEDED", {"v": 1, "e": {"Error": "Boom", "Cause": "why"}})


def test_a_call_without_an_answer_waits_on_the_table_or_parked() -> None:
    """PENDING: the table expects the answer under seq 1, and so does the segment that follows."""
    machine = program(task(ResultPath="$.r"))
    point = run(machine, {"v": 1}, lambda row, payload, counts, tries: PENDING)
    x, effects = table(machine, point, {"v": 1})

    assert effects == [StartTimer(2, at=300.0)]
    assert deliver(x, TaskSucceeded(1, 5), now=2) == [Cancel(2), Finish("SUCCEEDED", {"v": 1, "r": 5})]
    assert answered(machine.segments, point, 5, None)[:2] == (END, {"v": 1, "r": 5})


def test_a_payload_over_the_limit_is_found() -> None:
    """What may be too large is measured, and fails as on the table."""
    double = {"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}}
    machine = program(*[double] * 12)
    data = {"text": "x" * 100}
    x, _ = table(machine, run(machine, data), data)

    assert x.finished is not None
    assert x.finished.error == "States.DataLimitExceeded"


def test_a_loop_gives_its_turn_back() -> None:
    """Jumps are counted: an endless loop goes on on the table, which yields."""
    rule = {"Variable": "$.never", "IsPresent": True, "Next": "S1"}
    machine = program({"Type": "Choice", "Choices": [rule], "Default": "S0"}, {"Type": "Succeed"})

    assert run(machine, {})[0] != END


def test_map_and_parallel_that_cannot_block_are_fused() -> None:
    """Results in order; states below count as transitions too."""
    inner = {"StartAt": "I", "States": {"I": {"Type": "Pass", "Parameters": {"v.$": "$.v"}, "End": True}}}
    data = [{"v": 1, "w": 0}, {"v": 2}]
    point = run(program({"Type": "Map", "ItemProcessor": inner}), data)
    assert (point[:2], transitions(point)) == ((END, [{"v": 1}, {"v": 2}]), 3)

    other = {"StartAt": "J", "States": {"J": {"Type": "Succeed"}}}
    point = run(program({"Type": "Parallel", "Branches": [inner, other]}), {"v": 3})
    assert (point[:2], transitions(point)) == ((END, [{"v": 3}, {"v": 3}]), 3)


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_hostile_names_and_texts_stay_data(name: str, value: str) -> None:
    """State names, keys and literals reach the text by repr only: it parses, and gives the value back."""
    name = "".join(c for c in name if c.isprintable()) or "s"
    key = "k" + value.replace(".$", "").removesuffix("$")
    state = {"Type": "Pass", "Parameters": {key: value, "x.$": "$.x"}, "End": True}
    machine = compile_definition({"StartAt": name, "States": {name: state}})

    ast.parse(machine.segments.source)
    assert run(machine, {"x": value})[1] == {key: value, "x": value}


@pytest.mark.parametrize("name", ["a\nimport os", "'''", "\\", '"', "#", "{x}", "\u2028x"])
def test_names_that_would_break_out(name: str) -> None:
    """A line break in a name does not end the comment that names it."""
    state = {"Type": "Pass", "Result": name, "End": True}
    try:
        machine = compile_definition({"StartAt": name, "States": {name: state}})
    except Exception as refused:  # a name that AWS refuses is refused here
        assert "name" in str(refused).lower() or "characters" in str(refused)  # noqa: PT017 - either way is right
        return
    assert run(machine, {})[1] == name


def test_rules_inside_an_iteration_look_at_the_item() -> None:
    """IsPresent of an inner Choice is about the item, not about the data around it."""
    rule = {"Variable": "$.flag", "IsPresent": True, "Next": "Yes"}
    states = {
        "C": {"Type": "Choice", "Choices": [rule], "Default": "No"},
        "Yes": {"Type": "Pass", "Result": "yes", "End": True},
        "No": {"Type": "Pass", "Result": "no", "End": True},
    }
    machine = program({"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "C", "States": states}})
    assert run(machine, {"flag": 1, "items": [{}, {"flag": 0}]})[1] == ["no", "yes"]


def test_what_has_no_text_is_called() -> None:
    """A filter, or the presence of an array's element, is the table's own function in the segment."""
    rule = {"Variable": "$.faults[0]", "IsPresent": True, "Next": "S1"}
    choice = {"Type": "Choice", "Choices": [rule], "Default": "S2"}
    hot = {"Type": "Pass", "Parameters": {"hot.$": "$.faults[?(@.t > 1)]"}, "Next": "S2"}
    machine = program(choice, hot, {"Type": "Succeed"})

    assert run(machine, {"faults": [{"t": 2}]})[1] == {"hot": [{"t": 2}]}
    assert run(machine, {"faults": []})[1] == {"faults": []}


# Retry and Catch ------------------------------------------------------------------------------------------


class Calls:
    """Answers in order; remembers what it was asked for as (payload, states entered, tries)."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    def __call__(self, row: Any, payload: Any, counts: int, tries: int) -> Any:
        self.asked.append((payload, tries))
        return self.answers.pop(0)


BOOM = TaskFailed(1, "Boom", "why")
RETRY = [{"ErrorEquals": ["Boom"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 3}]


def test_a_retry_waits_and_asks_again() -> None:
    """A failure that a retrier takes waits for its delay; the next attempt counts as a transition of its own."""
    machine = program(task(Retry=RETRY, ResultPath="$.r"))
    calls = Calls(BOOM, BOOM, 5)
    point = run(machine, {"v": 1}, calls)
    assert (point[0], point[7]) == (0, 2)
    point = again(machine, machine.segments, point, calls)
    assert (point[0], point[7]) == (0, 6)
    point = again(machine, machine.segments, point, calls)

    assert (point[0], point[1], transitions(point)) == (END, {"v": 1, "r": 5}, 3)
    assert calls.asked == [({"v": 1}, 0), ({"v": 1}, 1), ({"v": 1}, 2)]


def test_retriers_count_apart() -> None:
    """Each retrier has its own attempts; the first that lists the error decides."""
    retry = [{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 5}]
    machine = program(task(Retry=retry))
    calls = Calls(TaskFailed(1, "A", ""), TaskFailed(1, "B", ""), TaskFailed(1, "A", ""))
    point = run(machine, {}, calls)
    point = again(machine, machine.segments, point, calls)
    assert (point[7], attempts(point[6])) == (5, [1, 1])
    x, _ = table(machine, again(machine, machine.segments, point, calls), {})

    assert (x.finished.error, x.transitions) == ("A", 3)


def test_jitter_is_left_to_the_host() -> None:
    """A negative delay is to be multiplied with chance, as the table does."""
    machine = program(task(Retry=[{**RETRY[0], "JitterStrategy": "FULL"}]))
    point = run(machine, {}, Calls(BOOM))
    _, effects = table(machine, point, {})

    assert point[7] == -2
    assert effects[0] == StartTimer(1, at=2.0)


def test_a_retry_goes_on_on_the_table() -> None:
    """The table knows how often it was tried, and in which event the state was entered."""
    machine = program(task(Retry=RETRY, ResultSelector={"x.$": "$.missing"}))
    calls = Calls(BOOM, {})
    point = again(machine, machine.segments, run(machine, {}, calls), calls)
    x, _ = table(machine, point, {})

    assert "(entered at the event id #2)" in (x.finished.cause or "")
    assert x.transitions == 2


def test_a_catcher_takes_the_failure() -> None:
    """The error output goes to ResultPath, and the segment goes on at the catcher's Next."""
    catch = [{"ErrorEquals": ["Other"], "Next": "S1"}, {"ErrorEquals": ["Boom"], "Next": "S1", "ResultPath": "$.e"}]
    machine = program(task(Catch=catch, End=True), {"Type": "Pass", "Parameters": {"e.$": "$.e.Cause", "v.$": "$.v"}})
    point = run(machine, {"v": 1}, Calls(BOOM))

    assert (point[0], point[1], transitions(point)) == (END, {"e": "why", "v": 1}, 2)


def test_a_catcher_that_leads_to_a_task_asks_it_once() -> None:
    """The first catcher that matches is the only one, also where the next task follows at once."""
    catch = [{"ErrorEquals": [error], "Next": "S1", "ResultPath": "$.e"} for error in ("Boom", "States.ALL")]
    machine = program(task(Catch=catch, Next="S1"), task(ResultPath="$.r"))
    calls = Calls(BOOM, 5)
    point = run(machine, {}, calls)

    assert (point[0], point[1], transitions(point)) == (END, {"e": {"Error": "Boom", "Cause": "why"}, "r": 5}, 2)
    assert len(calls.asked) == 2


def test_a_runtime_error_is_caught_by_nobody() -> None:
    """States.Runtime ends the execution, whatever the catchers list."""
    machine = program(task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "S1"}], End=True), {"Type": "Pass"})
    x, _ = table(machine, run(machine, {}, Calls(TaskFailed(1, "States.Runtime", "bug"))), {})

    assert x.finished == Finish("FAILED", error="States.Runtime", cause="bug")


NAMES = ("A", "B", "States.ALL", "States.TaskFailed", "States.Timeout", "States.Runtime", "States.DataLimitExceeded")


@given(st.frozensets(st.sampled_from(NAMES), min_size=1), st.sampled_from([*NAMES, None, "x'y"]))
def test_errors_match_as_on_the_table(errors: frozenset[str], error: str | None) -> None:
    """The generated comparison says what `matches` says."""
    assert bool(eval(matching(errors), {"n": error})) == matches(errors, error)  # noqa: S307 - the text under test


def test_a_chain_of_tasks_does_not_nest() -> None:
    """However many tasks follow each other, the stack stays flat, and the turn's budget ends it on the table."""
    machine = program(*[task(ResultPath="$.r")] * 400)
    calls = Calls(*[1] * 400)
    x, effects = table(machine, run(machine, {}, calls), {})

    assert x.finished is None
    assert 40 < len(calls.asked) < 400
    assert isinstance(effects[-2], StartTask)


# History --------------------------------------------------------------------------------------------------


def kept(machine: Any, data: Any, call: Any = None) -> Any:
    """The history of an execution on the segments that keep one, and how it goes on."""
    history = History()
    x, effects = start_recorded(
        machine, machine.segments.recording, data, 0.0, call, about=ABOUT, entropy=Fixed(), history=history, size=100
    )
    return x, effects, history


def test_a_history_holds_every_version_of_the_data() -> None:
    """Segments that keep a history never change data in place: each event shows what was there then."""
    step = {"Type": "Pass", "Result": 1, "ResultPath": "$.x"}
    machine = program(step, {**step, "Result": 2}, {**step, "ResultPath": "$.y"})
    x, _, history = kept(machine, {})

    assert x.finished == Finish("SUCCEEDED", {"x": 2, "y": 1})
    outputs = [event["output"] for event in history.events() if event["type"] == "PassStateExited"]
    assert outputs == [{"x": 1}, {"x": 2}, {"x": 2, "y": 1}]
    assert history.log == start(machine, {}, 0.0, about=ABOUT, history=(rows := History()))[0].history.log == rows.log


def test_a_history_goes_on_on_the_table() -> None:
    """What a segment has told and what the table tells after it is one list, without gaps."""
    machine = program({"Type": "Pass", "Result": {}}, task(), {"Type": "Pass", "InputPath": "$.missing"})
    x, _, history = kept(machine, {}, Calls({"ok": True}))

    assert x.finished.status == "FAILED"
    assert [event[0] for event in history.log] == list(range(1, 11))
    assert [event[1] for event in history.log] == [0, 0, *range(2, 10)]
    assert history.log[-1][2] == "ExecutionFailed"


# Members that are still in locals ---------------------------------------------------------------------------


def test_members_in_locals_are_there_when_all_of_the_data_is_wanted() -> None:
    """Data that is put together late is what it would have been at once: for a task, a capture, a jump, the end."""
    put = {"Type": "Pass", "Result": 1, "ResultPath": "$.a"}
    shown = {"Type": "Pass", "Parameters": {"a.$": "$.a", "all.$": "$"}, "ResultPath": "$.b"}
    machine = program(put, shown, task(ResultPath="$.c"), {**put, "ResultPath": "$.d"})
    calls = Calls(5)
    data = {"x": 0}
    point = run(machine, data, calls)

    before = {"x": 0, "a": 1, "b": {"a": 1, "all": {"x": 0, "a": 1}}}
    assert calls.asked == [(before, 0)]
    assert point[1] == {**before, "c": 5, "d": 1}
    assert data == {"x": 0}


@pytest.mark.parametrize("path", ["$.a", "$.a.b", "$.x", "$.a.c"])
def test_presence_of_members_in_locals(path: str) -> None:
    """IsPresent finds what is not in the data yet, and below it."""
    rule = {"Variable": path, "IsPresent": True, "Next": "S2"}
    other = {"Type": "Pass", "Result": "absent", "End": True}
    machine = program(
        {"Type": "Pass", "Result": {"b": 1}, "ResultPath": "$.a"},
        {"Type": "Choice", "Choices": [rule], "Default": "S3"},
        {"Type": "Pass", "Result": "present", "End": True},
        other,
    )
    assert run(machine, {})[1] == ("present" if path in ("$.a", "$.a.b") else "absent")


def test_what_a_pending_call_leaves_has_all_members() -> None:
    """Where the answer comes later, and where what follows it fails, the data is whole."""
    put = {"Type": "Pass", "Result": 1, "ResultPath": "$.a"}
    machine = program(put, task(Parameters={}, ResultPath="$.r"), {"Type": "Pass", "InputPath": "$.missing"})
    pending = run(machine, {}, lambda row, payload, counts, tries: PENDING)
    assert pending[1] == {"a": 1}

    failed = run(machine, {}, lambda row, payload, counts, tries: 5)
    assert (failed[0], failed[1], failed[5]) == (-3, {"a": 1}, 5)


def test_a_member_of_what_is_no_object_is_the_tables() -> None:
    """ResultPath into a text fails as on the table, though nobody looks at it."""
    machine = program({"Type": "Pass", "Result": 1, "ResultPath": "$.a"}, {"Type": "Pass", "Result": 2})
    x, _ = table(machine, run(machine, "text"), "text")
    assert x.finished.error == "States.ResultPathMatchFailure"


def test_answers_in_locals_do_not_take_each_others_place() -> None:
    """Two tasks whose answers are put aside, one after the other in one function."""
    machine = program(task(Parameters={}, ResultPath="$.a"), task(Parameters={}, ResultPath="$.b"), {"Type": "Succeed"})
    assert run(machine, {}, Calls(1, 2))[1] == {"a": 1, "b": 2}


def test_a_text_is_compiled_once() -> None:
    """The same text is the same program; data in its owner's hands is compiled anew."""
    definition = {"StartAt": "S", "States": {"S": {"Type": "Pass", "Result": {"a": 1}, "End": True}}}
    text = json.dumps(definition)
    assert compile_definition(text) is compile_definition(text.encode())

    before = compile_definition(definition)
    definition["States"]["S"]["Result"]["a"] = 2  # type: ignore[index]  # a dict of dicts
    assert run(compile_definition(definition), {})[1] == {"a": 2}
    assert compile_definition(text) is not before


def test_an_object_that_nobody_wanted_is_never_made() -> None:
    """Parameters whose members are read one by one stay in locals, and so do variables that nobody asks for."""
    made = {"Type": "Pass", "Parameters": {"a.$": "$.x", "b": {"c.$": "$.y", "d": None}}}
    again = {"Type": "Pass", "Parameters": {"c.$": "$.b.c", "a.$": "$.a", "none.$": "$.b.d"}}
    machine = program(made, again)
    text = machine.segments.source

    assert run(machine, {"x": 1, "y": [2]})[1] == {"c": [2], "a": 1, "none": None}
    assert text.count("'a':") == 1
    assert "'b'" not in text


def test_what_an_object_in_locals_lacks_is_the_tables() -> None:
    """Members of the data before it are gone."""
    machine = program({"Type": "Pass", "Parameters": {"a.$": "$.x"}}, {"Type": "Pass", "InputPath": "$.x"})
    x, _ = table(machine, run(machine, {"x": 1}), {"x": 1})

    assert x.finished is not None
    assert x.finished.error == "States.Runtime"


def test_a_member_is_put_into_an_object_in_locals() -> None:
    """ResultPath after Parameters, in either order of reading."""
    made = {"Type": "Pass", "Parameters": {"a.$": "$.a"}}
    put = {"Type": "Pass", "Parameters": {"n": 1, "was.$": "$.a"}, "ResultPath": "$.a"}
    machine = program(made, put, {"Type": "Pass", "Parameters": {"all.$": "$", "a.$": "$.a.was"}})

    assert run(machine, {"a": 0})[1] == {"all": {"a": {"n": 1, "was": 0}}, "a": 0}


def test_what_a_rule_has_read_is_not_read_where_it_was_not() -> None:
    """A value that only one way out of a rule has read is read again on the others."""
    small = {"Variable": "$.n", "NumericLessThan": 5}
    rules = [
        {"And": [{"Variable": "$.kind", "StringEquals": "a"}, small], "Next": "S1"},
        {"Or": [{"Variable": "$.kind", "StringEquals": "b"}, {"Not": small}], "Next": "S1"},
    ]
    take = {"Type": "Pass", "Parameters": {"n.$": "$.n", "kind.$": "$.kind"}}
    machine = program({"Type": "Choice", "Choices": rules, "Default": "S2"}, {**take, "Next": "S3"}, take, take)

    for kind, n in (("a", 1), ("a", 7), ("b", 1), ("c", 7), ("c", 1)):
        assert run(machine, {"kind": kind, "n": n})[:2] == (END, {"n": n, "kind": kind})
    assert run(machine, {"kind": "b", "n": "text"})[:2] == (END, {"n": "text", "kind": "b"})


def test_variables_in_locals_are_there_for_a_task_that_waits() -> None:
    """A call that is pending leaves all variables, and so does one whose answer the segment can't go on with."""
    assigned = {"Type": "Pass", "Assign": {"x": "{% $states.input.a %}"}, "Output": {"b": "{% $states.input.a %}"}}
    use = {"Type": "Pass", "Output": {"x": "{% $x %}", "r": "{% $states.input.missing.deep %}"}}
    machine = program(assigned, task(), use, QueryLanguage="JSONata")
    point = run(machine, {"a": 1}, lambda *_: PENDING)
    assert (point[1], point[3]) == ({"b": 1}, {"x": 1})

    point = run(machine, {"a": 1}, lambda *_: {"ok": 1})
    assert point[3] == {"x": 1}
    assert point[0] < END


def test_a_long_text_is_not_estimated() -> None:
    """A text that is put together has the table's limit, however long its parts are."""
    text = {"Type": "Pass", "Output": {"t": "{% $states.input.a & '-' & $states.input.a %}"}}
    machine = program(text, QueryLanguage="JSONata")

    for length in (10, 400, 100_000):
        point = run(machine, {"a": "é" * length})
        x = None if point[0] == END else table(machine, point, {"a": "é" * length})[0]
        output = point[1] if x is None else x.finished.output
        assert (output or {}).get("t") == ("é" * length + "-" + "é" * length if length < 100_000 else None)
