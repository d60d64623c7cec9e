"""Whole runs, with their processes: a stall shows, counts hold, faults are told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from express.bench.in_process import Bench
from express.bench.plan import HandlerCrash, Plan
from express.bench.result import Load, Result
from express.bench.schedule import Stage
from express.config import Config, Function
from express.errors import ConfigError
from express.service.prepare import prices

PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
TASK = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "score", "End": True}}}
LOAD = Load(
    input="iot",
    rate="500",
    arrivals="constant",
    closed=None,
    seconds=2.0,
    warmup_seconds=0.0,
    concurrency=1000,
    backlog=100_000,
    seed=1,
)


def plan(definition: dict[str, Any] = PASS, *, functions: dict[str, str] | None = None, **load: Any) -> Plan:
    config = Config(functions={name: Function(handler=handler) for name, handler in (functions or {}).items()})
    changed = msgspec.structs.replace(LOAD, **load)
    rate = float(changed.rate or 1)
    return Plan(
        name="machine",
        definition=json.dumps(definition),
        config=config,
        prices=prices(config),
        path=[],
        load=changed,
        stages=[Stage(rate, rate, changed.warmup_seconds + changed.seconds)],
        traced=10,
    )


async def stalled(bench: Bench, after: float, seconds: float) -> Result:
    """Run, and stop the worker's process for `seconds`, `after` seconds into the load."""
    running = asyncio.create_task(bench.run())
    await bench.loaded.wait()
    await asyncio.sleep(max(0.0, bench.begin + after - time.monotonic()))
    os.kill(bench.worker_pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(bench.worker_pid, signal.SIGCONT)
    return await running


async def test_a_stall_of_the_worker_shows() -> None:
    """A worker that is stopped for 1 s has a p99.9 near 1 s, though hardly an execution took long (goal B1)."""
    result = await stalled(Bench(plan(seconds=4.0)), after=1.0, seconds=1.0)
    e2e, execution, counts = result.latency_ms.e2e, result.latency_ms.execution, result.counts

    assert e2e.p99_9 > 900
    assert e2e.p99 > 800
    assert execution.p99 < e2e.p99 / 2
    assert counts.behind > 300
    assert (counts.scheduled, counts.dropped, counts.unfinished) == (2000, 0, 0)
    assert any("behind schedule" in warning for warning in result.warnings)


async def test_a_full_backlog_drops_and_counts() -> None:
    """Events for which there is no room are dropped, none is lost from the counts, and a warning says so."""
    slow = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}}
    result = await Bench(plan(slow, seconds=1.0, concurrency=50, backlog=100)).run()
    counts = result.counts

    assert counts.scheduled == 500
    assert counts.dropped > 250
    assert counts.scheduled == counts.started + counts.dropped
    assert any("dropped" in warning for warning in result.warnings)


async def test_far_too_much_is_told_and_ends() -> None:
    """At ten times what can be done, figures keep coming, all that was scheduled is accounted for, and it ends in time.

    What still waits in a pipe or a buffer when the drain is over counts as unfinished.
    """
    slow = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}}
    load = {"seconds": 2.0, "rate": "20000", "concurrency": 200, "backlog": 20_000}
    result = await Bench(msgspec.structs.replace(plan(slow, **load), drain_seconds=1.0)).run()
    counts = result.counts

    assert counts.scheduled == 40_000
    assert counts.dropped > 10_000
    assert counts.unfinished > 15_000
    assert counts.started == counts.succeeded + counts.rejected + counts.unfinished
    assert max(second.waiting for second in result.series) > 15_000


async def test_the_same_seed_gives_the_same_events() -> None:
    """Two runs with one seed see as many rejected events; figures of processes and states are there."""
    first, second = [await Bench(plan(seconds=1.0, rate="1000")).run() for _ in range(2)]

    assert first.counts.scheduled == second.counts.scheduled == 1000
    assert first.counts.rejected == second.counts.rejected > 0
    assert first.worker.cpu_seconds > 0
    assert first.generator.cpu_seconds > 0
    assert first.generator.made == 1000
    assert [state.name for state in first.states] == ["P"]
    assert first.cost.requests == first.counts.succeeded


async def test_closed_lanes_wait_for_their_end() -> None:
    """Ten lanes over a Wait of a second end ten executions a second, and the result warns of the model."""
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}}
    result = await Bench(plan(wait, closed=10, rate=None, arrivals="closed", seconds=2.5)).run()

    assert 20 <= result.counts.started <= 35
    assert 950 < result.latency_ms.e2e.p50 < 2500
    assert "closed model" in result.warnings[-1]


async def test_what_cannot_run_is_told(tmp_path: Path) -> None:
    """A task that nobody performs and a handler that crashes at import end the run with their own errors."""
    with pytest.raises(ConfigError, match="no function is registered for 'score'"):
        await Bench(plan(TASK)).run()
    (tmp_path / "crashing.py").write_text("raise RuntimeError('crash at import')")
    broken = plan(TASK, functions={"score": "crashing:handler"})
    with pytest.raises(HandlerCrash, match="crash"):
        await Bench(msgspec.structs.replace(broken, path=[str(tmp_path)])).run()


async def test_an_interrupted_run_tells_of_what_there_was() -> None:
    """An interrupt ends the run early; the result says so and its counts still add up."""
    bench = Bench(plan(seconds=20.0))
    running = asyncio.create_task(bench.run())
    await bench.loaded.wait()
    bench.interrupt()
    result = await running

    assert result.interrupted
    assert 0 < result.counts.scheduled < 5000
    assert result.counts.scheduled == result.counts.started + result.counts.dropped


async def test_an_interrupt_before_the_load_ends_it_too() -> None:
    """Interrupted while its processes still start, a run ends at once, with a result of nothing."""
    bench = Bench(plan(seconds=20.0))
    running = asyncio.create_task(bench.run())
    await bench.spawned.wait()
    bench.interrupt()
    result = await running

    assert result.interrupted
    assert result.counts.scheduled == 0


async def test_what_ends_after_the_drain_is_unfinished() -> None:
    """Executions that outlast the drain count once, as unfinished, and as long as they had taken."""
    slow = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3, "End": True}}}
    result = await Bench(msgspec.structs.replace(plan(slow, seconds=1.0, rate="50"), drain_seconds=1.0)).run()
    counts = result.counts

    assert counts.scheduled == counts.started == 50
    assert counts.unfinished + counts.rejected == 50
    assert result.latency_ms.e2e.max > 1000
    assert result.latency_ms.execution.count == 0
