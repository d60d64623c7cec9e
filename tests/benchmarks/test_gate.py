"""The gate against slow-downs: what it lets through, what it stops, and that it asks again before it does."""

from __future__ import annotations

import json

import pytest

from benchmarks import engine, gate

RECORDED = {"W1": 1.0, "W2": 2.0, "W2 history": 3.0}


class Measured:
    """Measurements as they are given, one after the other."""

    def __init__(self, *rounds: dict[str, float]) -> None:
        self.rounds = list(rounds)
        self.asked: list[tuple[tuple[str, ...], bool]] = []

    def __call__(self, names: tuple[str, ...], quick: bool) -> dict[str, float]:
        """The next one, for the workloads that were asked for."""
        self.asked.append((names, quick))
        found = self.rounds.pop(0)
        return {name: ratio for name, ratio in found.items() if gate.workload_of(name) in names}


def test_lets_through_what_is_less_than_half_slower() -> None:
    """Up to 1.5 times the recorded ratio passes, at the first measurement, which is the quick one."""
    measure = Measured({"W1": 1.49, "W2": 2.9, "W2 history": 4.4})

    assert gate.check(RECORDED, measure) == 0
    assert measure.asked == [(engine.NAMES, True)]


def test_stops_a_slow_down_that_stays() -> None:
    """A ratio 1.6 times the recorded one in every measurement fails the gate."""
    slow = {"W1": 1.0, "W2": 3.2, "W2 history": 3.0}

    assert gate.check(RECORDED, Measured(slow, slow, slow)) == 1


def test_measures_again_what_looks_slow(capsys: pytest.CaptureFixture[str]) -> None:
    """A disturbed first measurement fails nothing: only its workload is measured again, longer, and the best counts."""
    quiet = {"W1": 1.0, "W2": 2.1, "W2 history": 3.1}
    measure = Measured({**quiet, "W2 history": 9.0}, quiet)

    assert gate.check(RECORDED, measure) == 0
    assert measure.asked[1:] == [(("W2",), False)]
    assert "measured again: W2 history" in capsys.readouterr().out


def test_wants_every_ratio_recorded() -> None:
    """A workload that is new in the benchmark, or gone from it, can't slip past."""
    assert gate.check({"W1": 1.0}, Measured({"W1": 1.0, "W2": 1.0})) == 1
    assert gate.check(RECORDED, Measured(*[{"W1": 1.0, "W2": 2.0}] * 3)) == 1


def test_every_workload_is_recorded() -> None:
    """The committed file has a positive ratio for each workload of the engine benchmark."""
    recorded = json.loads(gate.RECORDED.read_text())

    assert {gate.workload_of(name) for name in recorded} == set(engine.NAMES)
    assert all(ratio > 0 for ratio in recorded.values())
