"""The engine's contract: given these events, exactly these effects. No loop, no clock, no mock."""

from __future__ import annotations

from express.compiler import compile_definition
from express.engine import History, advance, deliver, start
from express.engine.effects import Cancel, Finish, StartTask, StartTimer, Yield
from express.engine.events import Heartbeat, Stopped, TaskFailed, TaskSubmitted, TaskSucceeded, TimerFired
from tests.engine.scripts import Fixed, program, task


def seqs(effects: list[object]) -> list[object]:
    """Effects by type and seq, for scripts where the rest is not the point."""
    return [(type(e).__name__, getattr(e, "seq", None)) for e in effects]


def test_a_machine_that_cannot_block_ends_in_start() -> None:
    """No effect but Finish, and no deadline timer for what is over already."""
    x, effects = start(program({"Type": "Pass", "Result": {"a": 1}}), {}, now=0)

    assert effects == [Finish("SUCCEEDED", {"a": 1})]
    assert x.finished == effects[0]
    assert x.transitions == 1


def test_a_task_is_asked_for_and_its_answer_ends_the_execution() -> None:
    """StartTask carries the payload; the deadline of the execution is a timer like any other."""
    x, effects = start(program(task()), {"v": 1}, now=10)

    asked = effects[0]
    assert isinstance(asked, StartTask)
    assert (asked.seq, asked.input, asked.state, asked.key, asked.attempt) == (1, {"v": 1}, "S0", "S0#1", 0)
    assert effects[1:] == [StartTimer(2, at=310)]
    assert deliver(x, TaskSucceeded(1, "done"), now=11) == [Cancel(2), Finish("SUCCEEDED", "done")]


def test_a_timeout_wins_over_the_task_and_a_late_answer_is_ignored() -> None:
    """The first of answer and timeout wins; the other one is cancelled."""
    x, effects = start(program(task(TimeoutSeconds=5)), {}, now=10)

    assert effects[1:] == [StartTimer(2, at=15), StartTimer(3, at=310)]
    assert deliver(x, TimerFired(2), now=15) == [Cancel(1), Cancel(3), Finish("FAILED", error="States.Timeout")]
    assert deliver(x, TaskSucceeded(1, "late"), now=16) == []


def test_an_answer_cancels_the_timeout() -> None:
    """Timers of a task that answered are given up, and firing late they change nothing."""
    x, _ = start(program(task(TimeoutSeconds=5), task()), {}, now=0)

    effects = deliver(x, TaskSucceeded(1, {}), now=1)
    assert seqs(effects) == [("Cancel", 2), ("StartTask", 4)]
    assert deliver(x, TimerFired(2), now=5) == []


def test_a_retry_waits_and_asks_again() -> None:
    """Interval, then backoff; the state is not entered anew, the attempt number counts."""
    retry = [{"ErrorEquals": ["Boom"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 2}]
    x, _ = start(program(task(Retry=retry)), {}, now=0)

    assert deliver(x, TaskFailed(1, "Boom"), now=1) == [StartTimer(3, at=3)]
    again = deliver(x, TimerFired(3), now=3)
    assert seqs(again) == [("StartTask", 4)]
    assert again[0].attempt == 1
    assert deliver(x, TaskFailed(4, "Boom"), now=4) == [StartTimer(5, at=10)]
    assert seqs(deliver(x, TimerFired(5), now=10)) == [("StartTask", 6)]
    assert deliver(x, TaskFailed(6, "Boom", "why"), now=11)[-1] == Finish("FAILED", error="Boom", cause="why")
    assert x.transitions == 3


def test_the_worked_trace_of_the_specification() -> None:
    """Retriers A,B (2) and C (5): failures A, B, C, B — the last B finds its retrier used up (spec §15)."""
    retry = [{"ErrorEquals": ["A", "B"], "MaxAttempts": 2}, {"ErrorEquals": ["C"], "MaxAttempts": 5}]
    x, effects = start(program(task(Retry=retry)), {}, now=0)

    for error in "ABC":
        asked = next(e for e in effects if isinstance(e, StartTask))
        timer = deliver(x, TaskFailed(asked.seq, error), now=1)[0]
        effects = deliver(x, TimerFired(timer.seq), now=100)
    assert deliver(x, TaskFailed(effects[0].seq, "B"), now=101)[-1] == Finish("FAILED", error="B")


def test_full_jitter_draws_the_delay_between_zero_and_its_full_length() -> None:
    """JitterStrategy FULL multiplies the delay with the host's chance."""
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 8, "JitterStrategy": "FULL"}]
    x, _ = start(program(task(Retry=retry)), {}, now=0, entropy=Fixed())

    assert deliver(x, TaskFailed(1, "Boom"), now=1) == [StartTimer(3, at=5)]


def test_a_catcher_puts_the_error_where_result_path_says() -> None:
    """Catch gives Error and Cause to the next state."""
    catch = [{"ErrorEquals": ["Boom"], "Next": "S1", "ResultPath": "$.error"}]
    x, _ = start(program(task(Catch=catch, End=True), {"Type": "Pass"}), {"v": 1}, now=0)

    done = deliver(x, TaskFailed(1, "Boom", "why"), now=1)
    assert done[-1] == Finish("SUCCEEDED", {"v": 1, "error": {"Error": "Boom", "Cause": "why"}})


def test_a_wait_owns_a_timer_and_nothing_else() -> None:
    """Wait is one StartTimer; its firing ends it."""
    x, effects = start(program({"Type": "Wait", "Seconds": 7}), {"v": 1}, now=100)

    assert effects == [StartTimer(1, at=107), StartTimer(2, at=400)]
    assert deliver(x, TimerFired(1), now=107) == [Cancel(2), Finish("SUCCEEDED", {"v": 1})]


def test_the_cap_times_an_execution_out() -> None:
    """TIMED_OUT, States.Timeout, no cause; what runs is cancelled."""
    x, effects = start(program(task()), {}, now=0)

    assert deliver(x, TimerFired(effects[-1].seq), now=300) == [
        Cancel(1),
        Finish("TIMED_OUT", error="States.Timeout"),
    ]


def test_a_smaller_top_level_timeout_wins() -> None:
    """TimeoutSeconds below the cap is the cap."""
    _, effects = start(program(task(), TimeoutSeconds=9), {}, now=1)
    assert effects[-1] == StartTimer(2, at=10)

    _, effects = start(program(task(), TimeoutSeconds=900), {}, now=1)
    assert effects[-1] == StartTimer(2, at=301)


def test_an_endless_loop_yields_and_is_stopped_at_the_cap() -> None:
    """A definition that never blocks gives the turn back and ends TIMED_OUT once its time is over."""
    rule = {"Variable": "$.never", "IsPresent": True, "Next": "S1"}
    loop = {"Type": "Choice", "Choices": [rule], "Default": "S0"}
    x, effects = start(program(loop, {"Type": "Succeed"}), {}, now=0)

    assert seqs(effects) == [("Yield", None), ("StartTimer", 1)]
    assert advance(x, now=299) == [Yield()]
    assert advance(x, now=300) == [Cancel(1), Finish("TIMED_OUT", error="States.Timeout")]
    assert advance(x, now=301) == []


def test_parallel_gives_results_in_order_whatever_the_order_of_answers() -> None:
    """Branches run at once; the result is an array in declaration order."""
    branch = {"StartAt": "A", "States": {"A": task(End=True)}}
    other = {"StartAt": "B", "States": {"B": task(End=True)}}
    x, effects = start(program({"Type": "Parallel", "Branches": [branch, other]}), {}, now=0)

    assert [e.key for e in effects[:2]] == ["S0[0]/A#1", "S0[1]/B#1"]
    assert deliver(x, TaskSucceeded(2, "b"), now=1) == []
    assert deliver(x, TaskSucceeded(1, "a"), now=2)[-1] == Finish("SUCCEEDED", ["a", "b"])


def test_a_failed_branch_stops_its_siblings() -> None:
    """The error of the branch is the Parallel's; what the others wait for is cancelled."""
    branches = [{"StartAt": n, "States": {n: task(End=True)}} for n in "AB"]
    x, _ = start(program({"Type": "Parallel", "Branches": branches}), {}, now=0)

    assert deliver(x, TaskFailed(1, "Boom"), now=1) == [Cancel(2), Cancel(3), Finish("FAILED", error="Boom")]


def test_map_starts_no_more_than_its_concurrency() -> None:
    """MaxConcurrency 2 over three items: the third starts when one is done."""
    processor = {"StartAt": "T", "States": {"T": task(End=True)}}
    x, effects = start(program({"Type": "Map", "ItemProcessor": processor, "MaxConcurrency": 2}), [1, 2, 3], now=0)

    assert [e.input for e in effects[:2]] == [1, 2]
    third = deliver(x, TaskSucceeded(2, "b"), now=1)
    assert [e.input for e in third] == [3]
    assert deliver(x, TaskSucceeded(1, "a"), now=2) == []
    assert deliver(x, TaskSucceeded(third[0].seq, "c"), now=3)[-1] == Finish("SUCCEEDED", ["a", "b", "c"])


def test_a_map_of_nothing_ends_at_once() -> None:
    """No item, no iteration, an empty array."""
    processor = {"StartAt": "T", "States": {"T": task(End=True)}}
    _, effects = start(program({"Type": "Map", "ItemProcessor": processor}), [], now=0)
    assert effects == [Finish("SUCCEEDED", [])]


def test_stop_aborts() -> None:
    """Stopped ends ABORTED with what the caller said, and cancels what runs."""
    x, _ = start(program(task()), {}, now=0)

    assert deliver(x, Stopped("E", "why"), now=1) == [Cancel(1), Cancel(2), Finish("ABORTED", error="E", cause="why")]
    assert deliver(x, Stopped(), now=2) == []


def test_heartbeats_keep_a_callback_alive() -> None:
    """The heartbeat timer starts with the submission and anew with each heartbeat; a missed one times out."""
    resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    parameters = {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"}
    state = task(Resource=resource, Parameters=parameters, HeartbeatSeconds=5)
    definition = {"StartAt": "S0", "States": {"S0": {**state, "End": True}}}
    x, effects = start(compile_definition(definition, type="STANDARD"), {}, now=0, entropy=Fixed(), limit=None)
    assert effects[0].input == {"QueueUrl": "q", "MessageBody": effects[0].token}
    assert effects[1:] == []
    assert deliver(x, TaskSubmitted(1, {}), now=1) == [StartTimer(2, at=6)]
    assert deliver(x, Heartbeat(1), now=4) == [Cancel(2), StartTimer(3, at=9)]
    assert deliver(x, TimerFired(3), now=9) == [Cancel(1), Finish("FAILED", error="States.Timeout")]


def test_history_numbers_events_as_a_failure_names_them() -> None:
    """`entered at the event id #N` counts the same with and without a history."""
    states = ({"Type": "Pass"}, task(), {"Type": "Pass", "InputPath": "$.missing"})
    for history in (None, History()):
        x, _ = start(program(*states), {}, now=0, history=history)
        end = deliver(x, TaskSucceeded(1, {}), now=1)[-1]
        assert "(entered at the event id #9)" in end.cause
    assert [e["type"] for e in history.events()][-2:] == ["PassStateEntered", "ExecutionFailed"]
    assert [e["id"] for e in history.events()] == list(range(1, 11))


def test_a_bug_ends_the_execution_and_not_the_process() -> None:
    """What no rule foresees fails the execution with States.Runtime and keeps the exception for the log."""
    x, _ = start(program(task()), {}, now=0)
    end = deliver(x, TaskSucceeded(1, object()), now=1)[-1]
    assert (end.status, end.error) == ("FAILED", "States.Runtime")
