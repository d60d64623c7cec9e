"""How cost grows as work grows: executions in flight, payloads, machines, workers, and memory over many events.

    python -m benchmarks.scale [--quick] [--json FILE] [--only parked …] [--kafka HOST:PORT] [--soak EVENTS]

- parked: 10² to 10⁶ executions of W6 wait in one executor: what starting and finishing one costs, its bytes, and what
  an event of W2 costs that runs to its end among them. Each count in a process of its own, in turns.
- payload: W1 from bytes to bytes with inputs of 100 B to 255 KiB (256 KiB is the limit, and W1 adds to its input),
  beside the same by hand.
- states: machines of 5 to 5,000 Pass states: CPU per state, compile time, beside ten states by hand.
- workers: `express run` with one and two workers drains topics of W2 events filled beforehand, through a real Kafka on
  the same machine, which a first run has warmed; events per second of wall time while all workers are at work, CPU per
  event of all workers and of the broker; how busy the processors were, and with these. TMPDIR says where Kafka's logs
  are.
- compressed: the same, with results compressed by lz4, which costs workers nothing and spares the broker most bytes.
- `--soak 10000000`: one worker over so many events, its resident bytes on the way. Takes minutes; not in the others.

CPU time of the process unless it says otherwise; the best of several rounds, and their median.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from benchmarks import drains, engine, hand, pump, waiting
from benchmarks.measure import take_turns
from express.compiler import compile_definition
from express.runtime.executor.executor import Executor
from express.service.worker_metrics import settle_garbage

JSON = Any
Row = dict[str, float]

PARKED = (100, 1_000, 10_000, 100_000, 1_000_000)
PAYLOADS = (100, 1 << 10, 10 << 10, 100 << 10, 255 << 10)
STATES = (5, 50, 500, 5_000)
WORKERS = (1, 2)
AMONG = 10_000
"""Events of W2 that are run while others are parked."""


# Parked ---------------------------------------------------------------------------------------------------


def among(count: int) -> Row:
    """What an event of W2 costs while `count` executions wait; what starting and finishing one of these costs."""
    parked = compile_definition(json.loads((engine.FOLDER / "w6.json").read_text())["definition"])
    work = engine.Workload("w2")
    runs = [waiting.parked(parked, count) for _ in range(max(1, 10_000 // count))]
    found = _medians(runs) | {"bytes": round(runs[0]["bytes"], 1)}  # later ones find memory that is there already

    async def run(loop: Any, clock: waiting.Skewed) -> float:
        executor = Executor(clock, waiting.Tasks(score=_score))
        for event in waiting.inputs(count):
            executor.submit(parked, event, waiting.ABOUT, _ended, size=60)
        settle_garbage()
        times = []
        for _ in range(5):
            before = time.process_time()
            for _ in range(AMONG):
                x, _run = executor.submit(work.program, work.input, waiting.ABOUT, _ended, size=len(work.text))
            times.append(time.process_time() - before)
            assert x.finished is not None
            assert x.finished.output == work.expect
        assert executor.running == count
        return min(times) / AMONG * 1e6

    return {**found, "w2_us": waiting.on_loop(run)}


def _score(payload: JSON) -> JSON:
    return {"level": payload["value"] / 100, "model": "m1"}


def _ended(run: Any, finish: Any) -> None:
    """Nobody waits for it."""


def parked(quick: bool) -> dict[str, Any]:
    """Every count, in turns; medians."""
    counts = PARKED[:4] if quick else PARKED
    rounds: dict[int, list[Row]] = {count: [] for count in counts}
    for number in range(2 if quick else 5):
        for count in counts[: 4 if number > 1 else None]:
            command = [sys.executable, "-m", "benchmarks.scale", "--child", str(count)]
            answer = subprocess.run(command, check=True, capture_output=True).stdout
            rounds[count].append(json.loads(answer))
    rows: dict[str, Any] = {str(count): _medians(found) for count, found in rounds.items()}
    few, many = rows[str(PARKED[0])], rows[str(PARKED[3])]
    growth = {"growth_w2": many["w2_us"] / few["w2_us"]}
    growth["growth_parked"] = (many["start_us"] + many["finish_us"]) / (few["start_us"] + few["finish_us"])
    return rows | {name: round(value, 3) for name, value in growth.items()}


def _medians(rows: list[Row]) -> Row:
    return {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}


# Payloads and machines ------------------------------------------------------------------------------------


def payload(quick: bool) -> dict[str, Row]:
    """W1 from bytes to bytes, by size of the input."""
    work = engine.Workload("w1")
    rows = {}
    for size in PAYLOADS:
        text = orjson.dumps({**work.input, "pad": "x" * (size - len(work.text) - 9)})
        assert len(text) == size
        by_hand, ours = _w1_by_hand(text), _w1(work, text)
        assert ours() == by_hand()
        rows[str(size)] = _beside_hand(_often(by_hand), _often(ours), quick)
    return rows


def _w1(work: engine.Workload, text: bytes) -> Callable[[], bytes]:
    return lambda: orjson.dumps(work.blocks(orjson.loads(text), len(text)))


def _w1_by_hand(text: bytes) -> Callable[[], bytes]:
    return lambda: orjson.dumps(hand.w1(orjson.loads(text)))


def _beside_hand(by_hand: Callable[[int], None], ours: Callable[[int], None], quick: bool) -> Row:
    rounds, seconds = (3, 0.05) if quick else (9, 0.2)
    found = take_turns({"hand": by_hand, "express": ours}, rounds=rounds, seconds=seconds)
    row = {"hand_us": found["hand"].best, "us": found["express"].best, "us_median": found["express"].median}
    return {name: round(value, 3) for name, value in (row | {"x_hand": row["us"] / row["hand_us"]}).items()}


def _often(function: Callable[[], Any]) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            function()

    return run


def chain(states: int) -> JSON:
    """A machine of so many Pass states, each adding a member to what is there, replacing one of ten."""
    made = {}
    for number in range(states):
        path = {"Parameters": {"step": number, "id.$": "$.id"}, "ResultPath": f"$.s{number % 10}"}
        end: JSON = {"Next": f"P{number + 1}"} if number + 1 < states else {"End": True}
        made[f"P{number}"] = {"Type": "Pass", **path, **end}
    return {"StartAt": "P0", "States": made}


def machines(quick: bool) -> dict[str, Row]:
    """By number of states; `us` is per execution, `us_per_state` what one of its states costs."""
    rows = {}
    for count in STATES:
        began = time.process_time()
        program = compile_definition(chain(count))
        assert program.segments is not None
        compiled = (time.process_time() - began) * 1000
        by_hand = _chain_by_hand(count)
        row = _beside_hand(_often(by_hand), _chained(program, by_hand()), quick)
        each = {"us_per_state": row["us"] / count, "compile_ms": compiled, "compile_ms_per_state": compiled / count}
        rows[str(count)] = row | {name: round(value, 4) for name, value in each.items()}
    return rows


def _chained(program: Any, expect: JSON) -> Callable[[int], None]:
    """Executions in the executor, which takes long ones on after others had their turn."""
    event = engine.Workload("w1").input

    def done(run: Any, finish: Any) -> None:
        assert finish.output == expect

    async def loop_(loop: Any, clock: waiting.Skewed, count: int) -> None:
        executor = Executor(clock, waiting.Tasks())
        for _ in range(count):
            x, run = executor.submit(program, event, waiting.ABOUT, done, size=60)
            if run is None:
                done(None, x.finished)
            while executor.running:  # noqa: ASYNC110 - a turn of the loop each
                await asyncio.sleep(0)

    return lambda count: waiting.on_loop(lambda loop, clock: loop_(loop, clock, count))


def _chain_by_hand(count: int) -> Callable[[], JSON]:
    event = engine.Workload("w1").input

    def run() -> JSON:
        data = {**event}
        for number in range(count):
            data[_NAMES[number % 10]] = {"step": number, "id": data["id"]}
        return data

    return run


_NAMES = [f"s{number}" for number in range(10)]


# The command ----------------------------------------------------------------------------------------------


def workers(quick: bool, kafka: str | None, compression: str | None = None) -> dict[str, Any]:
    """One and two workers, in turns; the fastest run of each counts."""
    events, rounds = (200_000, 1) if quick else (1_200_000, 3)
    found: dict[int, list[Row]] = {count: [] for count in WORKERS}
    with pump.broker(kafka) as bootstrap:
        drains.fill(bootstrap, events)
        drains.drain(bootstrap, f"warm-{time.time_ns()}", 1, events)
        for number in range(rounds):
            for count in WORKERS:
                run = f"{count}-{number}-{time.time_ns()}"
                found[count].append(drains.drain(bootstrap, run, count, events, compression))
    rows: dict[str, Any] = {}
    for count, runs in found.items():
        best = max(runs, key=lambda run: run["per_second"])
        rows[str(count)] = {name: round(value, 2) for name, value in best.items()}
        rows[str(count)]["per_second_median"] = round(statistics.median(run["per_second"] for run in runs))
    rows["speed_up"] = round(rows["2"]["per_second"] / rows["1"]["per_second"], 3)
    return rows


def shown(found: dict[str, Any]) -> Iterable[str]:
    """The tables."""
    for part, rows in found.items():
        columns: list[str] = []
        for name, row in rows.items():
            if not isinstance(row, dict):
                yield f"{part:12}{name} {row}"
                continue
            if list(row) != columns:
                columns = list(row)
                yield f"{part:12}{'':>9}" + "".join(f"{column:>21}" for column in columns)
            yield f"{'':12}{int(name):9,}" + "".join(f"{row[column]:21,.3f}" for column in columns)


def main() -> None:
    """The command."""
    parts: dict[str, Callable[[], Any]] = {
        "parked": lambda: parked(options.quick),
        "payload": lambda: payload(options.quick),
        "states": lambda: machines(options.quick),
        "workers": lambda: workers(options.quick, options.kafka),
        "compressed": lambda: workers(options.quick, options.kafka, "lz4"),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, at most 100,000 parked")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a broker that runs already")
    parser.add_argument("--soak", type=int, metavar="EVENTS", help="memory over so many events, and nothing else")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(among(options.child)))
        return
    if options.soak:
        with pump.broker(options.kafka) as bootstrap:
            found: dict[str, Any] = {"soak": drains.soak(bootstrap, options.soak)}
    else:
        found = {name: parts[name]() for name in options.only}
    for line in shown(found):
        print(line)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
