"""Properties of the engine's contract with its host, over generated machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from express.compiler import compile_definition
from express.engine import History, advance, deliver, start
from express.engine.effects import Cancel, Effect, Finish, StartTask, StartTimer, Yield
from express.engine.events import Event, Heartbeat, Stopped, TaskFailed, TaskSubmitted, TaskSucceeded, TimerFired
from tests.conformance.host import Entropy, Host
from tests.conformance.script import Script
from tests.engine.examples import LANGUAGES, count, examples, seeded
from tests.reference.differential import ABOUT, run_engine
from tests.reference.generate import Example

JSON = Any


@pytest.mark.parametrize("language", LANGUAGES)
def test_late_and_double_events_change_nothing(language: str) -> None:
    """Whatever was answered or cancelled before may be answered again, any way: the engine says []."""
    for seed, example in seeded(language, count(100)):
        past: list[int] = []

        def meddle(x: Any, event: Event, now: float, past: list[int] = past) -> None:
            for seq in (*past[-20:], x.seq + 1, 0, -1):
                for late in _answers(seq):
                    assert deliver(x, late, now) == []
            if not isinstance(event, TaskSubmitted | Stopped):
                past.append(event.seq)

        plain, meddled = run_engine(example), run_engine(example, meddle=meddle)
        for name in ("status", "output", "error", "cause", "transitions", "at"):
            assert (seed, getattr(meddled, name)) == (seed, getattr(plain, name))
        assert deliver(meddled.execution, TimerFired(1), 1e9) == []
        assert advance(meddled.execution, 1e9) == []


@given(example=examples())
@settings(max_examples=count(150), suppress_health_check=list(HealthCheck))
def test_nothing_given_is_changed(example: Example) -> None:
    """Input, task results and the definition are the same after a run, to the byte."""
    before = json.dumps([example.definition, example.input, example.tasks])
    run_engine(example)
    assert json.dumps([example.definition, example.input, example.tasks]) == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_order_of_answers_ends(language: str) -> None:
    """Whatever outstanding effect is answered next, the execution ends, and nothing is left running."""
    for seed, example in seeded(language, count(150)):
        chaos = Chaos(example, Random(seed))
        assert chaos.run().status in ("SUCCEEDED", "FAILED", "TIMED_OUT"), seed
        assert chaos.outstanding == {}, seed


@pytest.mark.parametrize("language", LANGUAGES)
def test_stopping_at_any_point_leaves_nothing_running(language: str) -> None:
    """Stopped before its n-th event, for every n, an execution ends ABORTED and cancels all it waits for."""
    for _, example in seeded(language, count(40)):
        for steps in range(60):
            chaos = Chaos(example, Random(steps))
            if not chaos.drive(steps):
                break
            chaos.perform(deliver(chaos.x, Stopped("Halt", "asked"), chaos.now))
            assert chaos.finished == Finish("ABORTED", error="Halt", cause="asked")
            assert chaos.outstanding == {}
            assert deliver(chaos.x, Stopped(), chaos.now) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_cap_at_any_point_leaves_nothing_running(language: str) -> None:
    """Whenever the deadline's timer fires, the execution ends TIMED_OUT and cancels all else it waits for."""
    for _, example in seeded(language, count(40)):
        for steps in range(40):
            chaos = Chaos(example, Random(steps))
            if not chaos.drive(steps):
                break
            seq = chaos.deadline()
            assert chaos.x.deadline is not None
            chaos.outstanding.pop(seq)
            chaos.perform(deliver(chaos.x, TimerFired(seq), chaos.x.deadline))
            assert chaos.finished == Finish("TIMED_OUT", error="States.Timeout")
            assert chaos.outstanding == {}


@pytest.mark.parametrize("event", [Stopped("Halt", "asked"), Stopped()], ids=["told", "untold"])
def test_a_stop_closes_the_history(event: Stopped) -> None:
    """The history of a stopped execution ends with ExecutionAborted, linked to nothing (observed on AWS)."""
    for _, example in seeded("mixed", count(60)):
        history = History()
        x, effects = start(
            compile_definition(example.definition), example.input, 0.0, about=ABOUT, entropy=Entropy(), history=history
        )
        if isinstance(effects[-1], Finish):
            continue
        deliver(x, event, 1.0)
        last = history.events()[-1]
        told = {"error": "Halt", "cause": "asked"} if event.error else {}
        assert last == {"type": "ExecutionAborted", "id": last["id"], "prev": 0, "time": 1.0, **told}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_events_give_the_same_effects(language: str) -> None:
    """Two runs over the same events ask for the same things in the same order, byte for byte."""
    for seed, example in seeded(language, count(60)):
        runs = [Chaos(example, Random(seed)) for _ in range(2)]
        for chaos in runs:
            chaos.run()
        assert repr(runs[0].log) == repr(runs[1].log)


@pytest.mark.parametrize("language", LANGUAGES)
def test_history_ids_are_dense_and_link_backwards(language: str) -> None:
    """Event ids are 1, 2, 3, …; every event points at an earlier one; the last one closes the execution."""
    for _, example in seeded(language, count(100)):
        run = Host(Script(example.tasks)).run(
            compile_definition(example.definition), example.input, ABOUT, history=History(), entropy=Entropy()
        )
        assert run.history is not None
        events = run.history.events()
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        assert all(0 <= event["prev"] < event["id"] for event in events)
        assert events[-1]["type"] in ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut")
        assert [event["time"] for event in events] == sorted(event["time"] for event in events)


def _answers(seq: int) -> Iterator[Event]:
    """Every way to answer an effect."""
    yield TaskSucceeded(seq, {"late": True})
    yield TaskFailed(seq, "Late", "late")
    yield TaskSubmitted(seq, None)
    yield Heartbeat(seq)
    yield TimerFired(seq)


class Chaos:
    """A host that answers outstanding effects in random order, whatever their time."""

    def __init__(self, example: Example, rnd: Random) -> None:
        self.rnd = rnd
        self.world = Script(example.tasks)
        self.now = 0.0
        self.finished: Finish | None = None
        self.outstanding: dict[int, Effect] = {}
        self.log: list[Effect] = []
        program = compile_definition(example.definition)
        self.x, effects = start(program, example.input, 0.0, about=ABOUT, entropy=Entropy(7))
        self.perform(effects)

    def deadline(self) -> int:
        """The seq of the timer that ends the execution: the latest one."""
        return next(seq for seq, timer in self.outstanding.items() if getattr(timer, "at", None) == self.x.deadline)

    def run(self) -> Finish:
        """Answer until the end."""
        while self.drive(1):
            pass
        assert self.finished is not None
        return self.finished

    def drive(self, steps: int) -> bool:
        """Answer that many effects; False if the execution ended before."""
        for _ in range(steps):
            if self.finished is not None:
                return False
            seq = self.rnd.choice(list(self.outstanding))
            self.now += self.rnd.choice([0.0, 0.5, 3.0])
            self.perform(deliver(self.x, self._event(self.outstanding.pop(seq)), self.now))
        return self.finished is None

    def perform(self, effects: list[Effect]) -> None:
        """Note what is outstanding now."""
        for effect in effects:
            self.log.append(effect)
            if isinstance(effect, Cancel):
                assert self.outstanding.pop(effect.seq, None) is not None, "cancelled what does not run"
            elif isinstance(effect, Finish):
                assert effect is effects[-1], "Finish is the last effect"
                self.finished = effect
            elif isinstance(effect, Yield):
                self.perform(advance(self.x, self.now))
            else:
                assert effect.seq not in self.outstanding
                self.outstanding[effect.seq] = effect

    def _event(self, effect: Effect) -> Event:
        if not isinstance(effect, StartTask):
            assert isinstance(effect, StartTimer)
            return TimerFired(effect.seq)
        answer = self.world.answer(effect.state, effect.input)
        if answer.kind == "fail":
            return TaskFailed(effect.seq, answer.error, answer.cause)
        return TaskSucceeded(effect.seq, answer.output)
