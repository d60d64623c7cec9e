"""Hostile expressions over 256 KiB: processor time of each, in both tiers, and the worst ten.

    python -m benchmarks.hostile [--limit 25] [--worst 10] [--only TEXT]

Every expression of `hostile.json` becomes the one Pass state of a machine that is compiled and run as a worker does
it, on the segments first and on the table alone. Its input has the shapes that the expression names, together 256 KiB
(a little of each where it names none). The figure is processor time of the process, the best of three runs; garbage
collection is on. Exits with 1 where one takes longer than the limit.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from express.compiler import compile_definition
from express.engine import About, Entropy, Program, advance, start
from express.engine.effects import Effect, Finish, Yield
from express.engine.execution import Execution
from express.engine.handover import inflate
from express.engine.program import END
from express.engine.segments import begin
from express.runtime.clock import SystemEntropy

JSON = Any
CORPUS = Path(__file__).with_name("hostile.json")
BYTES = 262_144
RUNS = 3
LIMIT_MS = 25.0


def _numbers(size: int) -> list[int]:
    return list(range(int(size / 6.55)))


def _shuffled(size: int) -> list[int]:
    numbers = _numbers(size)
    random.Random(7).shuffle(numbers)
    return numbers


def _nested(size: int) -> JSON:
    value: JSON = 1
    rows = []
    for _ in range(size // 1_200):
        value = 1
        for _ in range(200):
            value = {"a": value}
        rows.append(value)
    return {"a": rows}


def _deep(size: int) -> JSON:
    value: JSON = []
    for _ in range(min(size // 2, 240)):
        value = [value]
    return value


def _objects(size: int) -> list[JSON]:
    return [{"id": i, "name": f"name{i}", "kind": f"k{i % 7}"} for i in range(size // 42)]


def _picture(size: int) -> str:
    return "[Y0001]-[M01] " * (size // 14)


SHAPES: dict[str, Callable[[int], JSON]] = {
    "as": lambda size: "a" * size,
    "base64": lambda size: "QUJD" * (size // 4),
    "braces": lambda size: "{}" * (size // 2),
    "brackets": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "commas": lambda size: "," * size,
    "deep": _deep,
    "digits": lambda size: "9" * size,
    "escapes": lambda size: "\\{" * (size // 3),
    "floats": lambda size: "[" + "0.5," * (size // 4 - 2) + "1]",
    "floats_list": lambda size: [0.5] * (size // 4),
    "json": lambda size: json.dumps(list(range(size // 8))),
    "mixed": lambda size: [1, "1", True, None, 1.5, [1], {"a": 1}] * (size // 35),
    "nearly": lambda size: [{"a": "x" * 500, "b": [i]} for i in range(size // 520)],
    "nested": _nested,
    "numbers": _numbers,
    "objects": _objects,
    "objects_json": lambda size: json.dumps(_objects(size * 3 // 4))[:-1] + "]",
    "picture": _picture,
    "same": lambda size: ["x" * 50] * (size // 53),
    "short": lambda size: "abcdefghij" * 990,
    "shuffled": _shuffled,
    "text": lambda size: "abcdefghij " * (size // 11),
    "unicode": lambda size: "é" * (size // 2),
    "unlike": lambda size: [{f"k{i}": i} for i in range(size // 15)],
    "wide": lambda size: {f"key{i:05d}": i for i in range(int(size / 17.4))},
    "words": lambda size: [f"word{i}" for i in range(size // 12)],
    "zeros": lambda size: "0" * size,
}
"""Values of about `size` bytes, by the name that expressions give them."""


class Case(NamedTuple):
    """One expression: its language, its text, the machine and its input."""

    language: str
    text: str
    program: Program
    data: JSON


def cases(only: str = "", size: int = BYTES) -> Iterator[Case]:
    """Every expression of the corpus, or those in whose text `only` is."""
    for language, texts in json.loads(CORPUS.read_text()).items():
        for text in texts:
            if only in text:
                yield Case(language, text, compile_definition(definition(language, text)), document(text, size))


def definition(language: str, text: str) -> dict[str, JSON]:
    """A machine of the one expression."""
    if language == "jsonata":
        state = {"Type": "Pass", "Output": f"{{% {text} %}}", "End": True}
        return {"QueryLanguage": "JSONata", "StartAt": "S", "States": {"S": state}}
    state = {"Type": "Pass", "Parameters": {"x.$": text}, "End": True}
    return {"StartAt": "S", "States": {"S": state}}


def document(text: str, size: int) -> JSON:
    """The shapes that a text names, together `size` bytes."""
    words = set(re.findall(r"(?:\$|input|@|\.|\()\.?([a-z_0-9]+)", text))
    names = sorted(words & SHAPES.keys()) or sorted(SHAPES)
    return {name: SHAPES[name]((size - 64) // len(names) - 16) for name in names}


def run(program: Program, data: JSON, size: int, *, segments: bool, entropy: Entropy | None = None) -> Finish:
    """One execution, as a worker runs it: on the segments, and the table goes on; or on the table alone."""
    effects: list[Effect]
    if segments and program.segments is not None:
        point = begin(program, program.segments, data, size, _no_task)
        if point[0] == END:
            return Finish("SUCCEEDED", point[1])
        x, effects = inflate(program, point, data, 0.0, _ABOUT, entropy or _ENTROPY, 300.0, 0.0)
    else:
        x, effects = start(program, data, 0.0, entropy=entropy or _ENTROPY, size=size)
    return finished(x, effects)


def finished(x: Execution, effects: list[Effect]) -> Finish:
    """How an execution ends that waits for nothing: it goes on whenever it has given its turn away."""
    while x.finished is None:
        assert Yield() in effects, effects
        effects = advance(x, x.now)
    return x.finished


def _no_task(*_: object) -> JSON:
    raise AssertionError("no machine here has tasks")


_ABOUT, _ENTROPY = About(), SystemEntropy()


class Figure(NamedTuple):
    """What one expression took, the slower tier of the two, and how it ended."""

    ms: float
    tier: str
    case: Case
    ended: str


def measured(case: Case) -> Figure:
    """The best of a few runs in each tier."""
    text = orjson.dumps(case.data)
    worst = Figure(0.0, "", case, "")
    for tier in ("segments", "table"):
        best, finish = float("inf"), None
        for _ in range(RUNS):
            data = orjson.loads(text)
            started = time.process_time()
            finish = run(case.program, data, len(text), segments=tier == "segments")
            best = min(best, (time.process_time() - started) * 1000)
        assert finish is not None
        ended = finish.status if finish.error is None else f"{finish.error}: {finish.cause}"
        if best > worst.ms:
            worst = Figure(best, tier, case, ended)
    return worst


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=LIMIT_MS, metavar="MS", help="processor time that fails")
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="how many to print")
    parser.add_argument("--only", default="", metavar="TEXT", help="expressions in which this is")
    options = parser.parse_args()
    figures = sorted((measured(case) for case in cases(options.only)), key=lambda figure: -figure.ms)
    print(f"{'CPU ms':>8}  {'tier':9}{'language':11}expression → how it ended")
    for figure in figures[: options.worst]:
        ended = re.sub(r"(The JSONata expression) '.*?' (specified)", r"\1 … \2", figure.ended)[:110]
        print(f"{figure.ms:8.1f}  {figure.tier:9}{figure.case.language:11}{figure.case.text[:90]} → {ended}")
    over = sum(figure.ms > options.limit for figure in figures)
    print(f"{len(figures)} expressions, {over} over {options.limit:g} ms of processor time at {BYTES} bytes")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
