"""What executions that wait cost: W6 (parked in a Wait) in bytes and microseconds, W2s (a task that suspends once).

    python -m benchmarks.waiting COUNT [--hand]

Run by `benchmarks.engine`, W6 in processes of its own. The executor is the product's own, on an asyncio loop whose
clock can be set forward: a Wait of a second takes no second. Garbage is collected as in a worker. Bytes are what the
process grows by (RSS) over the inputs, which exist before.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import hand
from express.compiler import compile_definition
from express.engine import About, Program
from express.engine.effects import StartTask
from express.ports import Describe, Direct, Integration, Tally, TaskContext
from express.runtime.clock import SystemClock
from express.runtime.executor.executor import Executor
from express.service.worker_metrics import resident_bytes, settle_garbage

JSON = Any

ABOUT = About("arn:aws:states:us-east-1:000000000000:express:w6:e", "e", "", "arn:aws:states:w6", "w6", 0.0)
"""One for all: who an execution is, is its host's to say and to keep."""


class Skewed:
    """A clock that is set forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        """Seconds, as far ahead as was said."""
        return time.monotonic() + self.ahead

    def wall(self) -> float:
        """Nobody asks for it."""
        return self.monotonic()


class Tasks(Integration):
    """An integration of coroutine functions, by the name of the resource."""

    def __init__(self, **functions: Callable[[JSON], Awaitable[JSON]]) -> None:
        self._functions = functions

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Call one."""
        return self._functions[task.resource.name](task.input)

    def bind(self, resource: Any, describe: Describe, tally: Tally | None = None) -> Direct:
        """The direct way, as the product's own functions have it."""
        function = self._functions[resource.name]
        return lambda payload, site: function(payload)


def on_loop(function: Callable[[asyncio.AbstractEventLoop, Skewed], Awaitable[Any]]) -> Any:
    """Run on a loop with a clock of its own."""
    clock = Skewed()
    loop = asyncio.SelectorEventLoop()
    loop.time = clock.monotonic  # type: ignore[method-assign]  # asyncio reads it anew each turn
    try:
        return loop.run_until_complete(function(loop, clock))
    finally:
        loop.close()


def inputs(count: int) -> list[JSON]:
    """W6's inputs, each its own."""
    return [{"id": f"e-{i}", "n": i, "meta": {"src": "bench", "v": 1}} for i in range(count)]


def parked(program: Program, count: int) -> dict[str, float]:
    """`count` executions started, left waiting, and finished: bytes each, and microseconds of CPU for either part."""

    async def run(loop: asyncio.AbstractEventLoop, clock: Skewed) -> dict[str, float]:
        executor = Executor(clock, Tasks())
        outputs = 0

        def done(run: Any, finish: Any) -> None:
            nonlocal outputs
            outputs += finish.output["a"]["n"] >= 0

        events = inputs(count)
        settle_garbage()
        before = resident_bytes()
        start = time.process_time()
        for event in events:
            executor.submit(program, event, ABOUT, done, size=60)
        started = time.process_time()
        assert executor.running == count
        bytes_ = resident_bytes() - before
        clock.ahead += 1.1
        while executor.running:  # noqa: ASYNC110 - a turn of the loop each
            await asyncio.sleep(0)
        finished = time.process_time()
        gc.unfreeze()
        assert outputs == count
        each = 1e6 / count
        return {"bytes": bytes_ / count, "start_us": (started - start) * each, "finish_us": (finished - started) * each}

    return on_loop(run)  # type: ignore[no-any-return]


def by_hand(count: int) -> dict[str, float]:
    """The same with an asyncio task each."""

    async def one(event: JSON) -> JSON:
        data = {**event, "a": {"id": event["id"], "n": event["n"]}}
        await asyncio.sleep(1)
        return data

    async def run(loop: asyncio.AbstractEventLoop, clock: Skewed) -> dict[str, float]:
        events = inputs(count)
        settle_garbage()
        before = resident_bytes()
        start = time.process_time()
        tasks = [loop.create_task(one(event)) for event in events]
        await asyncio.sleep(0)
        started = time.process_time()
        bytes_ = resident_bytes() - before
        clock.ahead += 1.1
        await asyncio.gather(*tasks)
        finished = time.process_time()
        gc.unfreeze()
        each = 1e6 / count
        return {"bytes": bytes_ / count, "start_us": (started - start) * each, "finish_us": (finished - started) * each}

    return on_loop(run)  # type: ignore[no-any-return]


BATCH = 200
"""Executions of W2s under way at once."""


async def _score(payload: JSON) -> JSON:
    await asyncio.sleep(0)
    return await hand.score(payload)


def suspended(program: Program, event: JSON, size: int) -> Callable[[int], None]:
    """W2s: executions whose task suspends once."""

    def run(count: int) -> None:
        async def loop_() -> None:
            executor = Executor(SystemClock(), Tasks(score=_score))
            for _ in range(max(1, count // BATCH)):
                for _ in range(BATCH):
                    executor.submit(program, event, ABOUT, _done, size=size)
                while executor.running:  # noqa: ASYNC110 - a turn of the loop each, as `gather` takes
                    await asyncio.sleep(0)

        uvloop.run(loop_())

    return run


def suspended_by_hand(event: JSON) -> Callable[[int], None]:
    """W2s by hand: an asyncio task per event."""

    def run(count: int) -> None:
        async def loop_() -> None:
            loop = asyncio.get_running_loop()
            for _ in range(max(1, count // BATCH)):
                tasks = [loop.create_task(hand.w2(event, _score)) for _ in range(BATCH)]
                await asyncio.gather(*tasks)

        uvloop.run(loop_())

    return run


def _done(run: Any, finish: Any) -> None:
    assert finish.status == "SUCCEEDED"


# W6 in processes of its own --------------------------------------------------------------------------------

ROUNDS = 3
FEW = 100


def measured(count: int) -> dict[str, float]:
    """W6 with `count` executions, medians of several processes, and how much an execution costs beside a few."""
    found = _medians(count)
    few = _medians(FEW)
    each, least = (row["start_us"] + row["finish_us"] for row in (found, few))
    found |= {"count": count, "growth": round(each / least, 2)}
    return found | {f"hand_{name}": value for name, value in _medians(count, "--hand").items()}


def shown(row: dict[str, float]) -> str:
    """The figures in a line."""
    parts = "{bytes:.0f} B, start {start_us:.1f} us, finish {finish_us:.1f} us"
    by_hand = "by hand {hand_bytes:.0f} B, {hand_start_us:.1f} us, {hand_finish_us:.1f} us"
    return f"W6        {row['count']:,} parked: {parts}, x {row['growth']} of {FEW}; {by_hand}".format_map(row)


def _medians(count: int, *options: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.waiting", str(count), *options]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(ROUNDS)]
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}


def main() -> None:
    """One measurement, as JSON. Fewer than 10,000 are repeated until as many have run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--hand", action="store_true", help="an asyncio task each")
    options = parser.parse_args()
    definition = json.loads((Path(__file__).parent / "workloads" / "w6.json").read_text())["definition"]
    program = compile_definition(definition)
    times = max(1, 10_000 // options.count)
    runs = [by_hand(options.count) if options.hand else parked(program, options.count) for _ in range(times)]
    print(json.dumps({name: statistics.median(run[name] for run in runs) for name in runs[0]}))


if __name__ == "__main__":
    main()
