"""How long an event takes from when it is due to its result, at 10, 50 and 80 % of what one worker can do.

    python -m benchmarks.latency [--quick] [--json FILE] [--dev] [--kafka HOST:PORT] [--capacity RATE]

W2 through Kafka, end to end: producing, waiting, execution, writing the result, committing, and reading it (committed
results only). The machinery is `express bench --pipeline`: an open model, where an event that has to wait for others
counts from its schedule. First the capacity is found (the highest rate whose p99 stays below a second and drops
nothing), unless --capacity says it; then the three shares are run, in turns, and the median round by p99 is shown.

A real Apache Kafka is started (Java 17, Maven), or the development broker with --dev, unless --kafka names one that
runs. Generator, broker, worker and reader share the machine, so the capacity is theirs together.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import drains, pump

SHARES = (0.1, 0.5, 0.8)
CONDITION = "e2e.p99<1s"
FIRST_RATE = 4000
FIGURES = ("p50", "p99", "p99.9", "max")

Row = dict[str, Any]


@contextmanager
def broker(kafka: str | None, dev: bool) -> Iterator[str]:
    """The broker asked for."""
    if kafka or not dev:
        with pump.broker(kafka) as address:
            yield address
        return
    command = [sys.executable, "-m", "express", "broker", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


def bench(file: Path, *options: str) -> Row:
    """One call of `express bench` on the pipeline of a configuration; raises RuntimeError with what it said."""
    command = [sys.executable, "-m", "express", "bench", "--pipeline", str(file), "--json", *options]
    command += ["--partitions", str(pump.PARTITIONS), "--input", str(file.with_name("input.json"))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"express bench ended with {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def capacity(file: Path, quick: bool) -> float:
    """The highest rate that keeps to CONDITION."""
    seconds, precision = ("3s", "0.25") if quick else ("6s", "0.1")
    options = ["--find-max", CONDITION, "--rate", str(FIRST_RATE), "--duration", seconds, "--precision", precision]
    return float(bench(file, *options, *(["--repeat", "1"] if quick else []))["rate"])


def at(file: Path, rate: float, quick: bool) -> Row:
    """One run at a rate."""
    result = bench(file, "--rate", f"{rate:.0f}", "--duration", "5s" if quick else "20s", "--arrivals", "poisson")
    counts, latency = result["counts"], result["latency_ms"]["e2e"]
    row: Row = {"rate": round(rate), "throughput": round(result["throughput"])}
    row |= {figure: round(latency[figure], 2) for figure in FIGURES}
    row["mean"] = round(latency["mean"], 2)
    row["lost"] = counts["dropped"] + counts["unfinished"] + counts["failed"]
    row["worker_cpu"] = result["worker"]["cpu_share"]
    return row


def measure(address: str, known: float | None, quick: bool) -> Row:
    """Capacity and the three shares of it."""
    with drains.configured(address, "latency", "latency.events") as file:
        content = json.loads((drains.ROOT / "benchmarks/workloads/w2.json").read_text())
        file.with_name("input.json").write_text(json.dumps(content["input"]))
        most = known or capacity(file, quick)
        print(f"  capacity {most:,.0f} events/s", file=sys.stderr)
        found: dict[float, list[Row]] = {share: [] for share in SHARES}
        for _ in range(1 if quick else 3):
            for share in SHARES:
                found[share].append(at(file, most * share, quick))
    rows = {share: sorted(runs, key=lambda run: float(run["p99"])) for share, runs in found.items()}
    chosen = {f"{share:.0%}": runs[len(runs) // 2] | {"p99_best": runs[0]["p99"]} for share, runs in rows.items()}
    return {"capacity": round(most), "condition": CONDITION, "shares": chosen}


def shown(found: Row) -> Iterator[str]:
    """The table."""
    yield f"capacity {found['capacity']:,} events/s ({found['condition']})"
    columns = list(next(iter(found["shares"].values())))
    yield f"{'':6}" + "".join(f"{column:>12}" for column in columns)
    for share, row in found["shares"].items():
        yield f"{share:6}" + "".join(f"{row[column]:12,}" for column in columns)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short run each, and a rough capacity")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--dev", action="store_true", help="the development broker instead of Apache Kafka")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a broker that runs already")
    parser.add_argument("--capacity", type=float, metavar="RATE", help="events per second, instead of a search")
    options = parser.parse_args()
    with broker(options.kafka, options.dev) as address:
        found = {"broker": "development" if options.dev else "Apache Kafka"}
        found |= measure(address, options.capacity, options.quick)
    for line in shown(found):
        print(line)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
