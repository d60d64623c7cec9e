"""Definitions that mean harm: endless loops, retry storms, huge Maps, broad and deep Parallels.

Whatever they do, an execution is bounded in time, in what it has under way, and in memory per turn of its host.
"""

from __future__ import annotations

import gc
import json
import tracemalloc
from typing import Any

import pytest

from express.compiler import compile_definition
from express.engine import advance, deliver, start
from express.engine.effects import Cancel, Finish, StartTask, StartTimer, Yield
from express.engine.events import Stopped, TaskFailed, TaskSucceeded, TimerFired
from express.errors import DefinitionError
from tests.conformance.host import Entropy, Host, Run
from tests.conformance.script import Answer
from tests.engine.scripts import ARN
from tests.reference.differential import ABOUT

JSON = Any

BOOM = {"Type": "Fail", "Error": "Boom"}
STORM = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99_999_999, "IntervalSeconds": 1, "BackoffRate": 1}]


class Always:
    """A world where every task meets with the same."""

    def __init__(self, answer: Answer) -> None:
        self.calls = 0
        self._answer = answer

    def answer(self, state: str, parameters: JSON) -> Answer:
        """The answer."""
        self.calls += 1
        return self._answer


def one(state: dict[str, Any]) -> dict[str, Any]:
    """A machine of one state S."""
    ending = {} if state["Type"] in ("Fail", "Succeed", "Choice") else {"End": True}
    return {"StartAt": "S", "States": {"S": {**state, **ending}}}


def parallel(*branches: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A Parallel over machines whose names are made different."""
    return {"Type": "Parallel", "Branches": list(branches), **fields}


def named(state: dict[str, Any], name: str) -> dict[str, Any]:
    """A machine of one state with a name of its own."""
    machine = one(state)
    return {"StartAt": name, "States": {name: machine["States"]["S"]}}


def run(definition: dict[str, Any], data: JSON = None, world: Always | None = None) -> Run:
    """A run to the end on a virtual clock."""
    host = Host(world or Always(Answer("fail", error="Boom", cause="c")))
    return host.run(compile_definition(definition), data, ABOUT, entropy=Entropy())


LOOP = {
    "StartAt": "C",
    "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "P"}], "Default": "Z"},
        "P": {"Type": "Pass", "Next": "C"},
        "Z": {"Type": "Succeed"},
    },
}


def test_an_endless_loop_yields_and_meets_the_cap() -> None:
    """A loop that never blocks gives way after a bounded number of steps, again and again, until its cap."""
    x, effects = start(compile_definition(LOOP), {"n": 1}, 0.0, about=ABOUT, entropy=Entropy())
    turns = 0
    while not isinstance(effects[-1], Finish):
        before = x.transitions
        assert any(isinstance(effect, Yield) for effect in effects)
        effects = advance(x, turns * 10.0)
        turns += 1
        assert x.transitions - before <= 20_000
    assert effects[-1] == Finish("TIMED_OUT", error="States.Timeout")
    assert turns <= 32


def test_an_endless_loop_can_be_stopped_between_turns() -> None:
    """A stop that comes while an execution has yielded ends it; the next turn finds nothing to do."""
    x, effects = start(compile_definition(LOOP), {"n": 1}, 0.0, about=ABOUT, entropy=Entropy())
    running = {effect.seq for effect in effects if isinstance(effect, StartTimer)}
    ended = deliver(x, Stopped(), 1.0)
    assert ended[-1] == Finish("ABORTED")
    assert {effect.seq for effect in ended if isinstance(effect, Cancel)} == running
    assert advance(x, 2.0) == []


def test_a_loop_beside_a_wait_starves_nobody() -> None:
    """While one branch loops without end, the timer of another is served between the turns."""
    branch = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 5, "Next": "F"}, "F": BOOM}}
    ended = run(one(parallel(LOOP, branch)), {"n": 1})
    assert (ended.status, ended.error) == ("FAILED", "Boom")
    assert ended.at <= 7


def test_a_retry_storm_is_cut_by_the_cap() -> None:
    """99,999,999 attempts at one a second end after 300 seconds, with one timer under way at a time."""
    world = Always(Answer("fail", error="Boom", cause="c"))
    ended = run(one({"Type": "Task", "Resource": ARN, "Retry": STORM}), world=world)
    assert (ended.status, ended.at) == ("TIMED_OUT", 300.0)
    assert world.calls in (300, 301)
    assert not ended.leaked


def test_nested_retry_storms_do_not_multiply() -> None:
    """A Parallel that retries without end over a task that does the same is as bounded as either."""
    inner = {"Type": "Task", "Resource": ARN, "Retry": STORM}
    outer = parallel(named(inner, "A"), named(inner, "B"), named(BOOM, "C"), Retry=STORM)
    world = Always(Answer("fail", error="Boom", cause="c"))
    ended = run(one(outer), world=world)
    assert (ended.status, ended.at) == ("TIMED_OUT", 300.0)
    assert world.calls <= 2 * 301
    assert not ended.leaked


def test_backoff_beyond_all_numbers_is_no_error() -> None:
    """A delay too large for any clock just never comes; the cap ends the execution."""
    retry = [
        {"ErrorEquals": ["States.ALL"], "MaxAttempts": 99_999_999, "IntervalSeconds": 99_999_999, "BackoffRate": 1e300}
    ]
    ended = run(one({"Type": "Task", "Resource": ARN, "Retry": retry}))
    assert (ended.status, ended.at) == ("TIMED_OUT", 300.0)


def big_map(state: dict[str, Any]) -> dict[str, Any]:
    """A Map over whatever the first task returns."""
    body = named(state, "Item")
    return {
        "StartAt": "T",
        "States": {
            "T": {"Type": "Task", "Resource": ARN, "Next": "M"},
            "M": {"Type": "Map", "ItemProcessor": body, "End": True},
        },
    }


def test_a_map_of_131000_items_starts_lazily() -> None:
    """As many items as a payload can hold run at most 40 at a time, in bounded memory."""
    items = [0] * 131_000
    program = compile_definition(big_map({"Type": "Wait", "Seconds": 1}))
    x, effects = start(program, None, 0.0, about=ABOUT, entropy=Entropy(), limit=1e9)
    task = next(effect for effect in effects if isinstance(effect, StartTask))
    gc.collect()
    tracemalloc.start()
    try:
        effects = deliver(x, TaskSucceeded(task.seq, items), 0.0)
        waiting = [effect.seq for effect in effects if isinstance(effect, StartTimer)]
        assert len(waiting) == 40
        for _ in range(100):
            waiting = [
                effect.seq
                for seq in waiting
                for effect in deliver(x, TimerFired(seq), 1.0)
                if isinstance(effect, StartTimer)
            ]
            assert len(waiting) == 40
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    ended = deliver(x, Stopped(), 2.0)
    assert sorted(effect.seq for effect in ended if isinstance(effect, Cancel))[-40:] == sorted(waiting)


def test_a_huge_map_that_never_blocks_yields_on_the_way() -> None:
    """50,000 iterations that need no time are done in turns, and their results are all there."""
    ended = run(big_map({"Type": "Pass"}), world=Always(Answer("succeed", output=[1] * 50_000)))
    assert (ended.status, ended.output) == ("SUCCEEDED", [1] * 50_000)
    assert ended.transitions == 50_002
    assert not ended.leaked


def test_a_thousand_branches_are_all_cancelled() -> None:
    """When one of 1,000 branches fails the other 999 are cancelled at once, each exactly once."""
    waits = [named({"Type": "Wait", "Seconds": 100}, f"W{i}") for i in range(999)]
    fails = named({"Type": "Task", "Resource": ARN}, "T")
    x, effects = start(compile_definition(one(parallel(*waits, fails))), {}, 0.0, about=ABOUT, entropy=Entropy())
    while any(isinstance(effect, Yield) for effect in effects):
        effects = [*(effect for effect in effects if not isinstance(effect, Yield)), *advance(x, 0.0)]
    under_way = {effect.seq for effect in effects if isinstance(effect, StartTask | StartTimer)}
    task = next(effect for effect in effects if isinstance(effect, StartTask))
    ended = deliver(x, TaskFailed(task.seq, "Boom", "c"), 1.0)
    cancelled = [effect.seq for effect in ended if isinstance(effect, Cancel)]
    assert ended[-1] == Finish("FAILED", error="Boom", cause="c")
    assert len(cancelled) == len(set(cancelled))
    assert set(cancelled) == under_way - {task.seq}


@pytest.mark.parametrize("depth", [10, 30])
def test_deep_nesting_runs_and_cancels(depth: int) -> None:
    """Parallels within Parallels: the work list carries them, and a failure at the bottom reaches the top."""

    def nest(bottom: dict[str, Any], level: int = 0) -> dict[str, Any]:
        wait = named({"Type": "Wait", "Seconds": 50}, f"W{level}")
        inner = bottom if level == depth else nest(bottom, level + 1)
        return parallel(wait, named(inner, f"N{level}"))

    succeeded = run(one(nest({"Type": "Pass"})), 7)
    assert succeeded.status == "SUCCEEDED"
    output = succeeded.output
    for _ in range(depth + 1):
        assert output[0] == 7
        output = output[1]
    assert output == 7
    failed = run(one(nest(BOOM)), 7)
    assert (failed.status, failed.error, failed.at) == ("FAILED", "Boom", 0.0)
    assert not failed.leaked


@pytest.mark.parametrize("levels", [20, 45, 60, 120, 250, 1_000, 5_000])
def test_a_machine_deeper_than_any_stack_is_refused_or_run(levels: int) -> None:
    """Thousands of nested Parallels end as an answer or as a clean refusal, never as a crash of the process."""
    opened = "".join(
        f'{{"StartAt":"N{i}","States":{{"N{i}":{{"Type":"Parallel","End":true,"Branches":[' for i in range(levels)
    )
    text = opened + json.dumps(named({"Type": "Pass"}, "Bottom")) + "]}}}" * levels
    try:
        program = compile_definition(text)
    except DefinitionError as refusal:
        refused = refusal.diagnostics
    else:
        refused = ()
        assert Host(Always(Answer("silence"))).run(program, 1, ABOUT).status == "SUCCEEDED"
    assert bool(refused) == (levels > 50)


def test_a_deep_definition_as_data_is_refused() -> None:
    """Plain data deeper than JSON text may be is refused like any other definition that can't be run."""
    machine = named({"Type": "Pass"}, "Bottom")
    for level in range(400):
        machine = named(parallel(machine), f"N{level}")
    with pytest.raises(DefinitionError):
        compile_definition(machine)


def test_data_that_doubles_is_stopped_at_the_limit() -> None:
    """A loop that doubles its data fails with States.DataLimitExceeded long before memory is at stake."""
    definition = {
        "StartAt": "D",
        "States": {
            "D": {"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}, "Next": "C"},
            "C": {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": False, "Next": "Z"}], "Default": "D"},
            "Z": {"Type": "Succeed"},
        },
    }
    ended = run(definition, {"x": "y" * 100})
    assert (ended.status, ended.error) == ("FAILED", "States.DataLimitExceeded")
    assert ended.transitions < 60


def test_variables_that_grow_are_stopped_at_the_limit() -> None:
    """A loop that keeps doubling a variable fails with States.DataLimitExceeded."""
    definition = {
        "StartAt": "A",
        "States": {
            "A": {"Type": "Pass", "Assign": {"v": "x" * 100}, "Next": "B"},
            "B": {"Type": "Pass", "Assign": {"v.$": "States.Format('{}{}', $v, $v)"}, "Next": "B2"},
            "B2": {"Type": "Choice", "Choices": [{"Variable": "$v", "IsNull": True, "Next": "Z"}], "Default": "B"},
            "Z": {"Type": "Succeed"},
        },
    }
    ended = run(definition)
    assert (ended.status, ended.error) == ("FAILED", "States.DataLimitExceeded")
    assert ended.transitions < 60
