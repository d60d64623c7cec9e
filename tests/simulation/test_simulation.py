"""Delivery under every fault, by seeds. More of them: `python -m tests.simulation --seeds 100000`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from express.kafka.patches.fetcher import CheckedRecords
from express.kafka.patches.record_batch import WireBatch
from express.runtime.records.fast_path import FastPath
from tests.simulation import __main__ as simulation
from tests.simulation.__main__ import FAST_SHARE
from tests.simulation.broken import BROKEN
from tests.simulation.paths import Paths
from tests.simulation.seeds import run_seed

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""aiokafka complains of clients that nobody closed, and those of workers that were killed are not closed."""

SEEDS = 120
"""Per mode. `.ci/run` runs 5,000 with the command."""

SEEDS_FOR_A_MISTAKE = 500
"""Until a mistake must have been seen; the rarest shows in one of fifty."""

CASES = [(variant.name, mode) for variant in BROKEN for mode in variant.modes]


@pytest.mark.timeout(600)  # nothing but computing, on a busy machine
@pytest.mark.parametrize("mode", ["alo", "eos"])
def test_every_seed_keeps_every_promise(mode: str) -> None:
    """Nothing is lost, doubled beyond the promise, overtaken, committed too early, stuck or left over."""
    paths = Paths()
    verdicts = [run_seed(seed, mode) for seed in range(SEEDS)]
    for verdict in verdicts:
        paths.add(verdict.paths)

    assert [f"--seed {v.draw.seed} --mode {mode}: {v.violation}" for v in verdicts if v.violation] == []
    assert paths.fast >= FAST_SHARE * paths.total, paths.told()
    assert sum(v.refused for v in verdicts) > 0
    assert sum(v.rebalances for v in verdicts) > 3 * SEEDS
    if mode == "alo":
        assert sum(v.duplicates for v in verdicts) > 0  # the storm is one
    else:
        assert sum(v.duplicates for v in verdicts) == 0
        assert sum(v.dropped for v in verdicts) > 0  # and the brokers forget


def test_the_simulation_runs_what_production_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path runs, fetched batches are decoded whole, and results are written as whole batches."""
    called: Counter[str] = Counter()

    def watch(owner: type, name: str) -> None:
        method = getattr(owner, name)

        def watched(*arguments: Any) -> Any:
            called[f"{owner.__name__}.{name}"] += 1
            return method(*arguments)

        monkeypatch.setattr(owner, name, watched)

    for owner, name in (
        (FastPath, "run"),
        (WireBatch, "extend"),
        (WireBatch, "_build"),
        (CheckedRecords, "_read_batch"),
    ):
        watch(owner, name)
    for mode in ("alo", "eos"):
        called.clear()
        for seed in range(20):
            run_seed(seed, mode)

        assert set(called) == {"FastPath.run", "WireBatch.extend", "WireBatch._build", "CheckedRecords._read_batch"}
        assert min(called.values()) > 100


def test_a_set_of_seeds_that_leaves_the_fast_path_out_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command counts the records of each path, and fails where the fast one carried less than half of them."""
    monkeypatch.setattr(simulation, "SHARED", 1)
    monkeypatch.setattr(sys, "argv", ["simulation", "--from", "200", "--seeds", "30", "--jobs", "1"])
    with pytest.raises(SystemExit) as good:
        simulation.main()
    assert (good.value.code, "on the fast path" in capsys.readouterr().out) == (0, True)

    monkeypatch.setattr(FastPath, "run", lambda self, assigned, until: None)
    with pytest.raises(SystemExit) as bad:
        simulation.main()
    assert (bad.value.code, "proves too little" in capsys.readouterr().out) == (1, True)


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
