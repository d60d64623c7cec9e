"""The same workloads on other people's engines: CPU per execution, in one run, in turns.

    python -m benchmarks.peers [--install] [--quick] [--json FILE] [--only moto …]

`--install` puts the peers into a cache outside the repository (EXPRESS_BENCHMARKS_CACHE, else the user's cache
folder): Python packages into an environment of their own, and the npm package, which wants Node. Each peer runs in a
process of its own. In each round the workload runs by
hand, in `express` (both in this process) and on every peer; the best round counts, all threads' CPU included. Outputs
are compared with what is expected; a peer that gets one wrong, or can't run it, has no figure there.

`moto cached` is moto with its definition parsed once, which moto doesn't do. Retries of W5 come at once; moto
waits the second that it insists on, which is no CPU time. A peer's process has what it imported and compiled already.
bytewax and quixstreams run no state machines: W2 is written for them by hand, with a synchronous function.
asl-workflow-engine is in no package registry and wants RabbitMQ, so it is not among them.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import engine
from benchmarks.measure import take_turns

ROOT = Path(__file__).parents[1]
PYTHON_PACKAGES = ("moto[stepfunctions]==5.2.5", "bytewax==0.21.1", "quixstreams==3.28.1")
NODE_PACKAGE = "aws-local-stepfunctions"
NODE_VERSION = "3.0.0"
WORKLOADS = ("W1", "W2", "W3", "W4", "W5", "W1J", "W2J")
ASKED_SECONDS = 120
"""A peer that has not answered by then is given up for this workload."""


class Program(NamedTuple):
    """A peer: the module under `benchmarks.peer` with its arguments, and whether it runs state machines."""

    arguments: tuple[str, ...]
    asl: bool = True


PEERS = {
    NODE_PACKAGE: Program(("local_stepfunctions",)),
    "moto": Program(("moto_interpreter",)),
    "moto cached": Program(("moto_interpreter", "cached")),
    "bytewax": Program(("streams", "bytewax"), asl=False),
    "quixstreams": Program(("streams", "quixstreams"), asl=False),
}

Found = dict[str, Any]
"""Of a peer and a workload: microseconds of each round, or `wrong`."""


def cache() -> Path:
    """Where peers are installed."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("EXPRESS_BENCHMARKS_CACHE") or Path(home) / "express-benchmarks")


def install() -> None:
    """Install every peer; raises CalledProcessError, or OSError where there is no npm."""
    folder = cache()
    venv.create(folder / "py", with_pip=True)
    pip = [str(folder / "py/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PYTHON_PACKAGES], check=True)
    (folder / "node").mkdir(exist_ok=True)
    npm = ["npm", "install", "--silent", "--prefix", str(folder / "node"), f"{NODE_PACKAGE}@{NODE_VERSION}"]
    subprocess.run(npm, check=True)


def command(name: str) -> list[str] | None:
    """How a peer is started; None: it is not installed."""
    module, *more = PEERS[name].arguments
    if name == NODE_PACKAGE:
        package = cache() / "node/node_modules" / NODE_PACKAGE
        return ["node", str(ROOT / f"benchmarks/peer/{module}.mjs"), str(package)] if package.is_dir() else None
    python = cache() / "py/bin/python"
    return [str(python), "-m", f"benchmarks.peer.{module}", *more] if python.exists() else None


class Asked:
    """A peer's process."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process
        self.gone = ""

    def ask(self, work: str, workload: Any, seconds: float) -> Found:
        """One round of one workload."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self.gone:
            return {"error": self.gone}
        question = {"work": work, "workload": workload, "seconds": seconds}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], ASKED_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.gone = "ended" if ready else f"no answer within {ASKED_SECONDS} s"
            self._process.kill()
        return json.loads(line) if line else {"error": self.gone}


@contextmanager
def started(name: str, arguments: list[str]) -> Iterator[Asked]:
    """Run a peer's process."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(arguments, text=True, cwd=ROOT, **pipes)
    try:
        yield Asked(name, process)
    finally:
        process.kill()
        process.wait()


def wrong(answer: Mapping[str, Any], expect: Any) -> str:
    """What a peer got wrong, in a few words; nothing where its output is as expected.

    >>> wrong({"output": {"n": 7}}, {"n": 8})
    'WRONG: gave {"n": 7}'
    """
    if "error" in answer:
        return f"FAILS: {answer['error']}"
    if answer["output"] == expect:
        return ""
    return f"WRONG: gave {json.dumps(answer['output'])[:80]}"


def measure(names: list[str], *, quick: bool) -> dict[str, dict[str, Found]]:
    """Every workload on every peer: the microseconds of the rounds, or what is wrong."""
    rounds, seconds = (2, 0.2) if quick else (5, 0.5)
    found: dict[str, dict[str, Found]] = {}
    with ExitStack() as stack:
        peers = [stack.enter_context(started(name, asked)) for name in names if (asked := command(name))]
        for work in WORKLOADS:
            content = json.loads((engine.FOLDER / f"{work.lower()}.json").read_text())
            rows: dict[str, Found] = {name: {"us": []} for name in ("hand", "express", *(p.name for p in peers))}
            for _ in range(rounds):
                own = {name: run for name, run in engine.variants(work).items() if name in ("hand", "blocks")}
                timings = take_turns(own, rounds=3, seconds=seconds / 5)
                rows["hand"]["us"].append(timings["hand"].best)
                rows["express"]["us"].append(timings["blocks"].best)
                for peer in peers:
                    _round(peer, work.lower(), content, seconds, rows[peer.name])
            found[work] = rows
            print(f"  {work} measured", file=sys.stderr)
    return found


def _round(peer: Asked, work: str, content: Any, seconds: float, row: Found) -> None:
    if "wrong" in row or (work != "w2" and not PEERS[peer.name].asl):
        return
    answer = peer.ask(work, content, seconds)
    trouble = wrong(answer, content["expect"])
    if trouble:
        row["wrong"] = trouble
    else:
        row["us"].append(answer["us"])


def summary(found: Mapping[str, Mapping[str, Found]]) -> dict[str, Any]:
    """Per workload and peer: best and median microseconds, and times the CPU of hand-written Python and of express."""
    out: dict[str, Any] = {}
    for work, rows in found.items():
        hand, own = min(rows["hand"]["us"]), min(rows["express"]["us"])
        out[work] = {}
        for name, row in rows.items():
            if "wrong" in row:
                out[work][name] = {"wrong": row["wrong"]}
            elif row["us"]:
                best = min(row["us"])
                figures = {"us": best, "us_median": statistics.median(row["us"]), "us_worst": max(row["us"])}
                figures |= {"x_hand": best / hand, "x_express": best / own}
                out[work][name] = {key: float(f"{value:.4g}") for key, value in figures.items()}
        ours = [
            (row["x_express"], name)
            for name, row in out[work].items()
            if name in PEERS and PEERS[name].asl and "us" in row
        ]
        if ours:
            times, name = min(ours)
            out[work]["best_asl_peer"] = {"name": name, "x_express": times}
    return out


def shown(rows: Mapping[str, Any]) -> Iterator[str]:
    """The table, and below it what peers get wrong."""
    names = ("hand", "express", *PEERS)
    notes = []
    yield f"{'':9}{'':26}{'best us':>12}{'median':>12}{'worst':>12}{'x hand':>10}{'x express':>11}"
    for work, row in rows.items():
        for name in (name for name in names if name in row):
            figures = row[name]
            if "wrong" in figures:
                notes.append(f"{work} on {name}: {figures['wrong']}")
                continue
            times = "".join(f"{figures[key]:12,.2f}" for key in ("us", "us_median", "us_worst"))
            yield f"{work:9}{name:26}{times}{figures['x_hand']:10,.1f}{figures['x_express']:11,.1f}"
    yield from notes


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install the peers first")
    parser.add_argument("--quick", action="store_true", help="two short rounds instead of five")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), metavar="NAME", help=", ".join(PEERS))
    options = parser.parse_args()
    if options.install:
        install()
    missing = [name for name in options.only if command(name) is None]
    if missing:
        print(f"not installed: {', '.join(missing)} (--install)", file=sys.stderr)
    rows = summary(measure(options.only, quick=options.quick))
    for line in shown(rows):
        print(line)
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
