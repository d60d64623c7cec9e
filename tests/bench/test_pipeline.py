"""Load through Kafka, end to end: on the development broker and on a real one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from express.bench.pipeline import PipelineBench
from express.bench.plan import HandlerCrash, Plan
from express.bench.result import Result
from express.bench.schedule import Stage
from express.errors import ConfigError
from express.service.prepare import prices
from tests.bench.test_run import LOAD
from tests.service.kit import DOUBLE, Lab


def plan(lab: Lab, *settings: str, partitions: int | None = 3, **load: Any) -> Plan:
    config = lab.config(*settings)
    given = {"seconds": 3.0, "rate": "300", "pipeline": "express.toml", **load}
    changed = msgspec.structs.replace(LOAD, **given)
    rate = float(changed.rate or 1)
    return Plan(
        name="machine",
        definition=(lab.file.parent / "machine.asl.json").read_text(),
        config=config,
        prices=prices(config),
        path=[str(Path(__file__).parents[3])],
        load=changed,
        stages=[Stage(rate, rate, changed.seconds)],
        traced=10,
        partitions=partitions,
    )


@pytest.fixture
def lab(address: str, tmp_path: Path) -> Lab:
    """Topics of one's own on a broker, and a workflow that doubles a number."""
    lab = Lab(address, tmp_path, DOUBLE)
    (tmp_path / "numbers.template.json").write_text('{"n": {"$int": [0, 9]}}')
    return lab


async def test_end_to_end(lab: Lab, tmp_path: Path) -> None:
    """Every event has its result; queue wait, execution and end to end are apart; lag, states and costs are there."""
    load = {"input": str(tmp_path / "numbers.template.json"), "keys": 20, "key_skew": "zipf:1.1"}
    result = await PipelineBench(plan(lab, **load)).run()
    counts, latencies, reader = result.counts, result.latency_ms, result.reader

    assert (counts.scheduled, counts.succeeded) == (900, 900), result
    assert latencies.e2e.count == latencies.queue.count == 900
    assert 0 < latencies.e2e.p50 < latencies.e2e.max
    assert latencies.queue.p50 <= latencies.e2e.p50
    assert sum(second.ended for second in result.series) == 900
    assert [state.name for state in result.states] == ["Double"]
    assert result.cost.requests == 900
    assert result.cost.transitions == 900
    assert result.worker.cpu_seconds > 0
    assert result.generator.made == 900
    assert reader is not None
    assert (reader.strangers, reader.duplicates) == (0, 0)


async def test_a_stall_of_the_worker_shows(devbroker_process: str, tmp_path: Path) -> None:
    """A worker that is stopped for 1 s has a p99.9 near 1 s end to end, and the lag of its group grows meanwhile."""
    lab = Lab(devbroker_process, tmp_path, DOUBLE)
    (tmp_path / "n.json").write_text('{"n": 1}')
    bench = PipelineBench(plan(lab, input=str(tmp_path / "n.json"), seconds=4.0))
    result = await stalled(bench, after=1.0, seconds=1.0)
    e2e = result.latency_ms.e2e

    assert e2e.p99_9 > 900
    assert result.latency_ms.execution.p99 < e2e.p99 / 2
    assert result.counts.behind > 150
    assert max(second.lag for second in result.series) > 100
    assert (result.counts.succeeded, result.counts.dropped) == (1200, 0)


async def stalled(bench: PipelineBench, after: float, seconds: float) -> Result:
    running = asyncio.create_task(bench.run())
    await asyncio.wait([running, asyncio.ensure_future(bench.loaded.wait())], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(max(0.0, bench.begin + after - time.monotonic()))
    (worker,) = bench.crew.pids
    os.kill(worker, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(worker, signal.SIGCONT)
    return await running


async def test_workers_elsewhere(devbroker_process: str, tmp_path: Path) -> None:
    """With no worker of its own the bench measures those that run; what nobody tells stays unknown."""
    lab = Lab(devbroker_process, tmp_path, DOUBLE)
    (tmp_path / "n.json").write_text('{"n": 1}')
    await lab.prepare()
    async with lab.service():
        result = await PipelineBench(plan(lab, input=str(tmp_path / "n.json"), seconds=2.0, workers=0)).run()

    assert result.counts.succeeded == 600
    assert result.cost.transitions == 0
    assert (result.worker.cpu_seconds, result.states) == (0.0, [])


async def test_an_interrupt_ends_it(devbroker_process: str, tmp_path: Path) -> None:
    """Interrupted, it tells of what there was; everything it started has ended."""
    lab = Lab(devbroker_process, tmp_path, DOUBLE)
    (tmp_path / "n.json").write_text('{"n": 1}')
    bench = PipelineBench(plan(lab, input=str(tmp_path / "n.json"), seconds=600.0))
    running = asyncio.create_task(bench.run())
    await bench.loaded.wait()
    bench.interrupt()
    result = await running

    assert result.interrupted
    assert 0 < result.counts.scheduled < 100_000
    assert bench.crew.pids == []


async def test_what_cannot_run_is_told(devbroker_process: str, tmp_path: Path) -> None:
    """Topics that are not there and handlers that crash at import end the run with their own errors."""
    lab = Lab(devbroker_process, tmp_path, DOUBLE)
    with pytest.raises(ConfigError, match=r"there is no topic .*--partitions"):
        await PipelineBench(plan(lab, partitions=None)).run()
    (tmp_path / "crashing.py").write_text("raise RuntimeError('crash at import')")
    broken = plan(lab, "functions.double.handler=crashing:handler")
    with pytest.raises(HandlerCrash, match="crash"):
        await PipelineBench(msgspec.structs.replace(broken, path=[str(tmp_path)])).run()
