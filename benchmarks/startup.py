"""What it takes to begin: importing, compiling, the first execution, and the commands people type.

    python -m benchmarks.startup [--quick] [--json FILE]

Each row is a process of its own, wall time and CPU time from its start to its end, in turns. `python` is an
interpreter that does nothing; every other row contains it. Compiling is measured in this process as well: a definition
it has not seen before, to the table and to generated segments.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from express.compiler import compile_definition

FOLDER = Path(__file__).parent / "workloads"

_COMPILE = """
import json, sys
from express.compiler import compile_definition
program = compile_definition(json.load(open(sys.argv[1])))
assert program.segments is not None
"""

_EXECUTE = """
from benchmarks.engine import Workload
work = Workload("w1")
assert work.blocks(work.input, len(work.text)) == work.expect
"""


class Start(NamedTuple):
    """Milliseconds: wall time and CPU time, the best and the median."""

    wall: float
    wall_median: float
    cpu: float
    cpu_median: float


def cases(definition: str, data: str) -> dict[str, list[str]]:
    """Arguments of the interpreter, by row; `definition` and `data` are files."""
    return {
        "python": ["-c", "pass"],
        "import the compiler": ["-c", "import express.compiler"],
        "import and compile": ["-c", _COMPILE, definition],
        "first execution": ["-c", _EXECUTE],
        "express --help": ["-m", "express", "--help"],
        "express validate": ["-m", "express", "validate", definition],
        "express exec": ["-m", "express", "exec", definition, "-i", f"@{data}"],
    }


def once(arguments: list[str]) -> tuple[float, float]:
    """Wall and CPU milliseconds of one process; raises CalledProcessError."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, cpu * 1000


def processes(rows: Mapping[str, list[str]], rounds: int) -> dict[str, Start]:
    """Every row, in turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, arguments in rows.items():
            times[name].append(once(arguments))
    return {name: _start(found) for name, found in times.items()}


def _start(found: list[tuple[float, float]]) -> Start:
    wall, cpu = zip(*found, strict=True)
    return Start(min(wall), statistics.median(wall), min(cpu), statistics.median(cpu))


def compiling(rounds: int) -> dict[str, Start]:
    """Table and segments of definitions that are new each time: w2's six states, and ten Pass states."""
    found = {}
    for name in ("w1", "w1j", "w2", "w2j"):
        definition = json.loads((FOLDER / f"{name}.json").read_text())["definition"]
        times = []
        for turn in range(rounds * 4):
            began, cpu = time.perf_counter(), time.process_time()
            program = compile_definition({**definition, "Comment": str(turn)})
            assert program.segments is not None
            times.append(((time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000))
        found[f"compile {name}"] = _start(times)
    return found


def measure(rounds: int) -> dict[str, Start]:
    """Every figure."""
    workload: dict[str, Any] = json.loads((FOLDER / "w1.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        definition, data = Path(folder, "w1.asl.json"), Path(folder, "input.json")
        definition.write_text(json.dumps(workload["definition"]))
        data.write_text(json.dumps(workload["input"]))
        return processes(cases(str(definition), str(data)), rounds) | compiling(rounds)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three rounds instead of eleven")
    parser.add_argument("--json", metavar="FILE", help="write the milliseconds there")
    options = parser.parse_args()
    found = measure(3 if options.quick else 11)
    print(f"{'ms':24}{'wall':>9}{'median':>9}{'CPU':>9}{'median':>9}")
    for name, start in found.items():
        print(f"{name:24}" + "".join(f"{figure:9.1f}" for figure in start))
    if options.json:
        rows = {name: {k: round(v, 2) for k, v in start._asdict().items()} for name, start in found.items()}
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
