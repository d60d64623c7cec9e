"""Delivery under every fault, by seeds. More of them: `python -m tests.simulation --seeds 100000`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.broken import BROKEN
from tests.simulation.seeds import run_seed

SEEDS = 120
"""Per mode. `.ci/run` runs 5,000 with the command."""

SEEDS_FOR_A_MISTAKE = 500
"""Until a mistake must have been seen; the rarest shows in one of fifty."""

CASES = [(variant.name, mode) for variant in BROKEN for mode in variant.modes]


@pytest.mark.timeout(90)  # nothing but computing
@pytest.mark.parametrize("mode", ["alo", "eos"])
def test_every_seed_keeps_every_promise(mode: str) -> None:
    """Nothing is lost, doubled beyond the promise, overtaken, committed too early, stuck or left over."""
    verdicts = [run_seed(seed, mode) for seed in range(SEEDS)]

    assert [f"--seed {v.draw.seed} --mode {mode}: {v.violation}" for v in verdicts if v.violation] == []
    assert sum(v.rebalances for v in verdicts) > 3 * SEEDS
    if mode == "alo":
        assert sum(v.duplicates for v in verdicts) > 0  # the storm is one
    else:
        assert sum(v.duplicates for v in verdicts) == 0


def test_a_seed_runs_again_exactly() -> None:
    """The same seed takes the same turns at the same times, also in a process with other hashes."""
    seeds = (0, 3, 8, 24)
    code = f"from tests.simulation.seeds import run_seed; print([run_seed(s).trace for s in {seeds}])"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": str(root)}
    other = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)

    traces = [run_seed(seed).trace for seed in seeds]
    assert len(set(traces)) == len(seeds)
    assert traces == [run_seed(seed).trace for seed in seeds]
    assert other.stdout.strip() == str(traces), other.stderr


@pytest.mark.parametrize(("variant", "mode"), CASES)
def test_a_mistake_is_seen(variant: str, mode: str) -> None:
    """Each known mistake violates an invariant within so many seeds, and one run again violates the same."""
    for seed in range(SEEDS_FOR_A_MISTAKE):
        found = run_seed(seed, mode, variant).violation
        if found:
            assert run_seed(seed, mode, variant).violation == found
            return
    pytest.fail(f"{variant} was not seen in {SEEDS_FOR_A_MISTAKE} seeds")
