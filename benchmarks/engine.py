"""The engine against careful hand-written Python: CPU per execution, in one run, in turns.

    python -m benchmarks.engine [--quick] [--json FILE] [--only W2 …]

`blocks` are the generated segments, `history` those that keep a full history, `table` the transition table alone,
`table+h` the table with a full history.
Objects in, objects out, unless a row says bytes. W2S: the task suspends once, against an asyncio task per event. W6:
executions parked in a Wait (`benchmarks.waiting`). Tasks are local coroutines that do not suspend; they are stepped in
place, as hand-written code awaits them. The figure that counts is the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks import hand, waiting
from benchmarks.measure import Timing, take_turns
from express.compiler import compile_definition
from express.engine import About, History, Program, deliver, start
from express.engine.effects import Finish, StartTask, StartTimer
from express.engine.events import TaskFailed, TaskSucceeded, TimerFired
from express.engine.handover import inflate, start_recorded
from express.engine.program import END, Row
from express.engine.segments import PENDING, Call, again, begin
from express.errors import StatesError
from express.metering import billed_duration_ms, billed_memory_mb, gb_seconds

JSON = Any
FOLDER = Path(__file__).parent / "workloads"


class Workload:
    """One definition with its input, expected output, and the tasks it calls."""

    def __init__(self, name: str) -> None:
        data = json.loads((FOLDER / f"{name}.json").read_text())
        self.input: JSON = data["input"]
        self.expect: JSON = data["expect"]
        self.text = orjson.dumps(data["input"])
        self.program: Program = compile_definition(data["definition"])
        self.tasks: dict[str, Any] = {"score": hand.score, "flaky": hand.Flaky(), "bad": hand.bad}
        self.segments: Any = self.program.segments
        self.recording: Any = self.segments.recording
        called = [row for row in self.program.scope.rows if row.kind == "Task"]
        self.call = _caller({row.name: self.tasks[row.plan.resource.name] for row in called})

    def task(self, resource: Any, payload: JSON) -> JSON:
        """Step the task of a resource to its end; raises StatesError."""
        try:
            self.tasks[resource.name](payload).send(None)
        except StopIteration as done:
            return done.value
        except Exception as error:
            raise StatesError(type(error).__name__, str(error)) from error
        return PENDING

    def blocks(self, data: JSON, size: int) -> JSON:
        """One execution on the segments; the table goes on where they give up."""
        call = self.call
        point = begin(self.program, self.segments, data, size, call)
        while len(point) == 8:  # a retry: its delay is over at once, as by hand
            point = again(self.program, self.segments, point, call)
        if point[0] == END:
            return point[1]
        x, effects = inflate(self.program, point, data, 0.0, _ABOUT, _ENTROPY, 300.0, 0.0)
        return self._perform(x, effects)

    def recorded(self, data: JSON, size: int) -> JSON:
        """One execution on the segments that keep a full history."""
        x, effects = start_recorded(
            self.program,
            self.recording,
            data,
            0.0,
            self.call,
            about=_ABOUT,
            entropy=_ENTROPY,
            history=History(),
            size=size,
        )
        return x.finished.output if x.finished is not None else self._perform(x, effects)

    def table(self, data: JSON, size: int, history: History | None = None) -> JSON:
        """One execution on the table."""
        x, effects = start(self.program, data, 0.0, history=history, size=size)
        return self._perform(x, effects)

    def _perform(self, x: Any, effects: list[Any]) -> JSON:
        """Answer every effect at once; timers of retries come due without waiting."""
        while True:
            event: Any = None
            for effect in effects:
                if type(effect) is Finish:
                    return effect.output
                if type(effect) is StartTask:
                    try:
                        event = TaskSucceeded(effect.seq, self.task(effect.resource, effect.input))
                    except StatesError as error:
                        event = TaskFailed(effect.seq, error.error, error.cause)
                elif type(effect) is StartTimer and event is None and effect.at < 200:
                    event = TimerFired(effect.seq)
            effects = deliver(x, event, x.now)


def _caller(tasks: dict[str, Any]) -> Call:
    """Steps the task of a row to its end, for the segments."""

    def call(row: Row, payload: JSON, counts: int, tries: int) -> JSON:
        try:
            tasks[row.name](payload).send(None)
        except StopIteration as done:
            return done.value
        except Exception as error:
            return TaskFailed(1, type(error).__name__, str(error))
        return PENDING

    return call


class _Entropy:
    """No chance is needed here."""

    def random(self) -> float:
        """Half."""
        return 0.5

    def uuid(self) -> str:
        """Nobody."""
        return ""

    def token(self, key: str) -> str:
        """None."""
        return key

    def spent(self) -> float:
        """No time."""
        return 0.0


_ENTROPY = _Entropy()
_ABOUT = About()


def _many(function: Callable[[], Any]) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            function()

    return run


def _awaited(function: Callable[[], Any]) -> Callable[[int], None]:
    async def loop(count: int) -> None:
        for _ in range(count):
            await function()

    return lambda count: asyncio.run(loop(count))


def variants(name: str) -> dict[str, Callable[[int], None]]:
    """What is timed for a workload, by variant; each is checked first."""
    if name == "W2 bytes":
        return _bytes_variants()
    if name == "W2S":
        work = Workload("w2")
        by_task = waiting.suspended_by_hand(work.input)
        return {"hand": by_task, "blocks": waiting.suspended(work.program, work.input, len(work.text))}
    work = Workload(name.lower())
    by_hand: Any = getattr(hand, name.lower())
    data, size = work.input, len(work.text)
    if name == "W5":
        flaky = hand.Flaky()
        chosen = {"hand": _awaited(lambda: by_hand(data, flaky))}
    elif name in ("W2", "W2J"):
        chosen = {"hand": _awaited(lambda: by_hand(data))}
    else:
        chosen = {"hand": _many(lambda: by_hand(data))}
    for check in (work.blocks(data, size), work.table(data, size)):
        assert check == work.expect, f"{name}: {check}"
    chosen["blocks"] = _many(lambda: work.blocks(data, size))
    chosen["table"] = _many(lambda: work.table(data, size))
    if name == "W2":
        assert work.recorded(data, size) == work.expect
        chosen["history"] = _many(lambda: work.recorded(data, size))
        chosen["table+h"] = _many(lambda: work.table(data, size, History()))
    return chosen


def _bytes_variants() -> dict[str, Callable[[int], None]]:
    """W2 from bytes to bytes, with what a real engine adds: limits, counters, billing."""
    work = Workload("w2")
    text = work.text
    totals = [0, 0.0]

    async def by_hand() -> bytes:
        return orjson.dumps(await hand.w2(orjson.loads(text)))

    def blocks() -> bytes:
        value = orjson.dumps(work.blocks(orjson.loads(text), len(text)))
        totals[0] += 1
        totals[1] += gb_seconds(billed_duration_ms(0.001), billed_memory_mb(50_000_000 + len(text) + len(value)))
        return value

    assert orjson.loads(blocks()) == work.expect
    return {"hand": _awaited(by_hand), "blocks": _many(blocks)}


NAMES = ("W1", "W2", "W3", "W4", "W5", "W1J", "W2J", "W2 bytes", "W2S")


def run(names: tuple[str, ...], *, quick: bool) -> dict[str, dict[str, Timing]]:
    """Every workload's timings."""
    rounds, seconds = (5, 0.05) if quick else (11, 0.25)
    return {name: take_turns(variants(name), rounds=rounds, seconds=seconds) for name in names}


def ratios(timings: dict[str, dict[str, Timing]]) -> dict[str, dict[str, float]]:
    """What the JSON file holds: per workload `x_hand` and its like, by best time, and the microseconds by hand."""
    out: dict[str, dict[str, float]] = {}
    for name, found in timings.items():
        by_hand = found["hand"].best
        row = {"x_hand": round(found["blocks"].best / by_hand, 3), "hand_us": round(by_hand, 3)}
        row["x_hand_median"] = round(found["blocks"].median / found["hand"].median, 3)
        row |= {f"x_hand_{v}": round(found[v].best / by_hand, 3) for v in ("table", "history") if v in found}
        out[name] = row
    return out


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few seconds instead of a minute")
    parser.add_argument("--json", metavar="FILE", help="write the ratios there")
    names = (*NAMES, "W6")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=names, help=", ".join(names))
    options = parser.parse_args()
    timings = run(tuple(name for name in options.only if name != "W6"), quick=options.quick)
    print(f"{'':10}{'variant':>9}{'best us':>10}{'median':>10}{'worst':>10}{'x hand':>9}")
    for name, found in timings.items():
        for variant, timing in found.items():
            ratio = timing.best / found["hand"].best
            figures = f"{timing.best:10.2f}{timing.median:10.2f}{timing.worst:10.2f}{ratio:9.2f}"
            print(f"{name:10}{variant:>9}{figures}")
    out: dict[str, Any] = ratios(timings)
    if "W6" in options.only:
        out["W6"] = waiting.measured(10_000 if options.quick else 100_000)
        print(waiting.shown(out["W6"]))
    if options.json:
        Path(options.json).write_text(json.dumps(out, indent=1) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
