"""A history is bounded in events and in memory; the execution that it is of is not."""

from __future__ import annotations

from typing import Any

import pytest

from express.compiler import compile_definition
from express.engine import Execution, History, advance, start
from express.engine.events import Stopped
from express.engine.execution import About
from express.engine.handover import start_recorded
from express.engine.history import MOST_BYTES, MOST_EVENTS, TRUNCATED
from express.engine.interpreter import deliver
from express.telemetry.spans import tree
from express.values import dumps
from tests.engine.scripts import Fixed

LOOP = {
    "StartAt": "Set",
    "States": {
        "Set": {"Type": "Pass", "Result": {"n": 1}, "ResultPath": "$.x", "Next": "Again"},
        "Again": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.x.n", "NumericEquals": 1, "Next": "Set"}],
            "Default": "End",
        },
        "End": {"Type": "Succeed"},
    },
}
GROWING = {
    "StartAt": "Read",
    "States": {
        "Read": {
            "Type": "Pass",
            "Parameters": {"x.$": "States.StringToJson($.text)", "text.$": "$.text"},
            "Next": "Again",
        },
        "Again": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.text", "IsString": True, "Next": "Read"}],
            "Default": "End",
        },
        "End": {"Type": "Succeed"},
    },
}


def looping(definition: dict[str, Any], data: Any, history: History) -> Execution:
    """An execution on the segments that keep a history, as far as they go; then on the table."""
    program = compile_definition(dumps(definition))
    assert program.segments is not None
    segments = program.segments.recording
    assert segments is not None
    x, _ = start_recorded(
        program,
        segments,
        data,
        0.0,
        lambda *_: None,
        about=About(),
        entropy=Fixed(),
        history=history,
        size=len(dumps(data)),
    )
    return x


def run_on(x: Execution, transitions: int) -> None:
    """Go on until so many states were entered."""
    while x.transitions < transitions:
        advance(x, 1.0)


def test_an_endless_loop_has_a_bounded_history() -> None:
    """The first events and the last one, each with its own id, and between them one that counts the others."""
    history = History()
    x = looping(LOOP, {}, history)
    run_on(x, 100_000)
    deliver(x, Stopped(None, None), 2.0)

    log = history.log
    assert len(log) == MOST_EVENTS
    assert [event[0] for event in log[:-1]] == list(range(1, MOST_EVENTS))
    assert log[-2][:3] == (MOST_EVENTS - 1, MOST_EVENTS - 2, TRUNCATED)
    assert log[-1][:3] == (x.events, 0, "ExecutionAborted")
    assert log[-2][4] == {"eventsLeftOut": x.events - 1 - (MOST_EVENTS - 2)}
    assert tree("m", log).note == "ABORTED"


def test_a_running_execution_says_so_far() -> None:
    """While it runs, the event that counts is the last one."""
    history = History()
    x = looping(LOOP, {}, history)
    run_on(x, 20_000)
    before = history.log[-1]
    run_on(x, 30_000)

    assert before[2] == history.log[-1][2] == TRUNCATED
    assert before[4]["eventsLeftOut"] < history.log[-1][4]["eventsLeftOut"] == x.events - (MOST_EVENTS - 2)


@pytest.mark.parametrize("optimized", [True, False])
def test_large_values_end_a_history_early(optimized: bool) -> None:
    """Both linkings: what a history refers to is measured, and takes no more than a few values too many."""
    history, data = History(), {"text": "[" + '"abcdefgh",' * 8_000 + "1]"}
    if optimized:
        x = looping(GROWING, data, history)
    else:
        x, _ = start(compile_definition(dumps(GROWING)), data, 0.0, history=history, size=100_000)
    run_on(x, 3_000)

    assert len(history.log) < 500
    assert history.measure() < 1.5 * MOST_BYTES
    assert history.log[-1][2] == TRUNCATED


def test_a_value_that_many_events_refer_to_counts_once() -> None:
    """The output of a state is the input of the next one."""
    chain = {f"S{i}": {"Type": "Pass", "Next": f"S{i + 1}"} for i in range(200)} | {"S200": {"Type": "Succeed"}}
    history = History()
    looping({"StartAt": "S0", "States": chain}, {"text": "x" * 200_000}, history)

    assert len(history.log) == 404
    assert history.measure() < 1_000_000


def test_growth_is_told_and_given_back() -> None:
    """Who counts memory is told of it, may forbid more of it, and has it back once the execution is over."""
    held: list[int] = []

    def grown(growth: int) -> bool:
        held.append(growth)
        return sum(held) < 1_000_000

    history = History(grown)
    x = looping(LOOP, {}, history)
    run_on(x, 50_000)

    assert 1_000_000 <= sum(held) < 1_200_000
    assert history.log[-1][2] == TRUNCATED
    history.release()
    assert sum(held) == 0


def test_the_end_alone_needs_nothing_in_its_place() -> None:
    """A history that was full when the execution ended, with nothing left out, has no gap."""
    history = History(lambda _: False)
    for id_ in range(1, 33):
        history.add((id_, id_ - 1, "PassStateEntered", 0.0, {"name": "P", "input": None}))
    history.add((33, 32, "ExecutionSucceeded", 1.0, {"output": None}))

    assert [event[0] for event in history.log] == list(range(1, 34))
    assert history.log[-1][1:3] == (32, "ExecutionSucceeded")


@pytest.mark.parametrize("full", [30, 31, 32, 33])
def test_events_are_taken_back_wherever_the_history_ends(full: int) -> None:
    """Those that are kept, those that were left out, and two of which the history had room for one."""
    history = History(lambda _: False)
    for id_ in range(1, full + 1):
        history.add((id_, id_ - 1, "TaskScheduled", 0.0, {"parameters": {}}))
    history.take_back(2)
    for id_ in range(full - 1, 41):
        history.add((id_, id_ - 1, "TaskScheduled", 0.0, {"parameters": {}}))
    history.add((41, 40, "ExecutionSucceeded", 1.0, {"output": None}))
    *kept, gap, last = history.log

    assert [event[0] for event in kept] == list(range(1, len(kept) + 1))
    assert (gap[:3], gap[4]) == ((len(kept) + 1, len(kept), TRUNCATED), {"eventsLeftOut": 40 - len(kept)})
    assert last[:2] == (41, len(kept) + 1)
