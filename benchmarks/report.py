"""One page of all figures, which opens offline, and its main pictures as a PNG.

    python -m benchmarks.report FOLDER [--run] [--quick] [--html FILE] [--png FILE]

FOLDER holds NAME.json of each benchmark (`python -m benchmarks.NAME --json FOLDER/NAME.json`); what is not there is
left out. `--run` makes those that are missing first. The PNG is drawn by a headless Chromium.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.charts import Bar, bars, figure, lines

JSON = Any
Found = Mapping[str, JSON]
"""The content of the files, by the name of the benchmark."""

NAMES = ("engine", "peers", "pump", "latency", "scale", "startup", "api")
GOALS = {"W1": 1.7, "W2": 2.0, "W2 history": 3.0, "W2 bytes": 1.8, "W2S": 1.2}
GOALS |= {"W3": 1.5, "W4": 2.0, "W5": 2.0, "W1J": 2.5, "W2J": 2.5}


class Goal(NamedTuple):
    """A figure and what was wanted: at most so much, or (`least`) at least."""

    what: str
    found: float
    goal: float
    least: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it was."""
        return self.found >= self.goal if self.least else self.found <= self.goal


def ratios(engine: JSON) -> dict[str, float]:
    """Times the CPU of hand-written Python, by workload."""
    found = {name: row["x_hand"] for name, row in engine.items() if "x_hand" in row}
    return found | {f"{name} history": row["x_hand_history"] for name, row in engine.items() if "x_hand_history" in row}


def goals(found: Found) -> list[Goal]:
    """Every goal whose figure was measured."""
    rows: list[Goal] = []
    engine, pump, scale = found.get("engine", {}), found.get("pump", {}), found.get("scale", {})
    rows += [Goal(f"{n}, times hand-written Python", r, GOALS[n]) for n, r in ratios(engine).items() if n in GOALS]
    if "W6" in engine:
        waits = engine["W6"]
        rows.append(Goal("a parked execution, over its input", waits["bytes"], 600, unit=" B"))
        rows.append(Goal("start and finish of each of 100,000", waits["start_us"] + waits["finish_us"], 5, unit=" µs"))
    if "parked" in scale:
        rows.append(Goal("an event among 100,000 parked, times among 100", scale["parked"]["growth_w2"], 1.3))
        rows.append(Goal("one of 100,000 parked, times one of 100", scale["parked"]["growth_parked"], 1.3))
    if "workers" in scale:
        rows.append(Goal("two workers, times one", scale["workers"]["speed_up"], 1.7, least=True))
    if "share_of_ceiling" in pump:
        rows.append(Goal("share of the pump's ceiling", pump["share_of_ceiling"], 0.6, least=True))
        rows.append(Goal("events per CPU second through Kafka", pump["events_per_cpu_second"], 50_000, least=True))
    if "exactly_once_share" in pump:
        rows.append(Goal("exactly once against at least once", pump["exactly_once_share"], 0.85, least=True))
    for name, row in found.get("peers", {}).items():
        if name in ("W1", "W2", "W3", "W4") and "best_asl_peer" in row:
            best = row["best_asl_peer"]
            rows.append(Goal(f"{name}, times less CPU than {best['name']}", best["x_express"], 100, least=True))
    return rows


# Pictures -------------------------------------------------------------------------------------------------


def pictures(found: Found) -> Iterator[str]:
    """Those of everything that was measured, the main ones first."""
    drawn: dict[str, Callable[[JSON], Iterator[str]]] = {
        "engine": _engine,
        "peers": _peers,
        "pump": _pump,
        "scale": _scale,
        "latency": _latency,
        "startup": _startup,
        "api": _api,
    }
    for name, draw in drawn.items():
        if found.get(name):
            yield from draw(found[name])


def _engine(engine: JSON) -> Iterator[str]:
    rows = [Bar(name, ratio, goal=GOALS.get(name)) for name, ratio in ratios(engine).items()]
    if rows:
        yield bars("CPU, times the same work written by hand in Python (mark: goal)", rows, unit=" ×")


def _peers(peers: JSON) -> Iterator[str]:
    names = ("express", "aws-local-stepfunctions", "moto")
    chosen = [
        Bar(f"{work} {name}", row[name]["us"], ours=name == "express")
        for work, row in peers.items()
        if work in ("W1", "W2", "W3", "W4", "W5")
        for name in names
        if "us" in row.get(name, {})
    ]
    if chosen:
        yield bars("CPU per execution, µs, logarithmic", chosen, log=True)
    streams = [
        Bar(name, peers["W2"][name]["us"], ours=name == "express")
        for name in ("hand", "express", "quixstreams", "bytewax")
        if "us" in peers.get("W2", {}).get(name, {})
    ]
    if streams:
        yield bars("W2 beside stream libraries that run a plain function, µs", streams)


def _pump(pump: JSON) -> Iterator[str]:
    named = {"consume": "read only", "ceiling": "no engine", "headed": "no engine, result headers"}
    named |= {"hand": "W2 by hand, result headers", "express": "express", "exactly_once": "express, exactly once"}
    us = pump.get("us_per_event", {})
    rows = [Bar(label, us[name], ours="express" in label) for name, label in named.items() if name in us]
    if rows:
        yield bars("Through Kafka: CPU per event, µs", rows)


def _scale(scale: JSON) -> Iterator[str]:
    waits = {int(name): row for name, row in scale.get("parked", {}).items() if isinstance(row, dict)}
    if waits:
        series = {
            "start + finish": [(n, row["start_us"] + row["finish_us"]) for n, row in waits.items()],
            "an event of W2": [(n, row["w2_us"]) for n, row in waits.items()],
        }
        yield lines("Cost while executions are parked", series, unit="µs", across="parked")
    named = {"payload": ("W1 by size of the input, times by hand", "x_hand", "bytes")}
    named |= {"states": ("A state, by states of the machine", "us_per_state", "states")}
    for part, (title, key, across) in named.items():
        points = [(float(name), row[key]) for name, row in scale.get(part, {}).items()]
        if points:
            yield lines(title, {"express": points}, unit="×" if key == "x_hand" else "µs", across=across)


def _latency(latency: JSON) -> Iterator[str]:
    rows = [
        Bar(f"{share} ({row['rate']:,}/s) {name}", row[name], ours=name == "p50")
        for share, row in latency["shares"].items()
        for name in ("p50", "p99", "p99.9")
    ]
    yield bars(f"End to end through {latency.get('broker', 'Kafka')}, ms, by share of {latency['capacity']:,}/s", rows)


def _startup(startup: JSON) -> Iterator[str]:
    yield bars("Start-up, wall time in ms", [Bar(name, row["wall"], name != "python") for name, row in startup.items()])


def _api(api: JSON) -> Iterator[str]:
    rows = [Bar(name, row["per_second"], ours="express" in name) for name, row in api["rows"].items()]
    yield bars("The API: executions per second, logarithmic", rows, log=True)


# The page -------------------------------------------------------------------------------------------------

STYLE = """body{font:15px/1.5 system-ui,sans-serif;color:#1f2933;background:#fff;max-width:1180px;
margin:24px auto;padding:0 16px}
h1{font-size:22px;margin:0}h2{font-size:16px;margin:28px 0 8px}.grid{display:flex;flex-wrap:wrap;gap:18px 36px}
table{border-collapse:collapse}td,th{padding:2px 14px 2px 0;text-align:left}td.n{text-align:right;
font-variant-numeric:tabular-nums}.no{color:#c2410c}.yes{color:#2f6b1f}pre{font-size:12px;overflow:auto}small{color:#7b8794}"""


def page(found: Found, *, main_only: bool = False) -> str:
    """The whole page; `main_only`: its first pictures."""
    drawn = list(
        pictures({n: found[n] for n in ("engine", "peers", "pump", "scale") if n in found} if main_only else found)
    )
    grid = f'<div class="grid">{"".join(f"<div>{each}</div>" for each in drawn)}</div>'
    body = grid if main_only else "".join([_head(), _table(goals(found)), "<h2>Pictures</h2>", grid, _all(found)])
    head = f'<meta charset="utf-8"><title>express: figures</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en">{head}{body}</html>'


def _head() -> str:
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    where = f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}"
    note = "CPU time of variants that took turns in one run; ratios hold between machines, microseconds don't."
    return f"<h1>express: figures</h1><small>{made}, {escape(where)}. {note}</small>"


def _table(rows: list[Goal]) -> str:
    lines_ = []
    for row in rows:
        said = '<td class="yes">reached</td>' if row.reached else '<td class="no">not reached</td>'
        goal = f"{'≥' if row.least else '≤'} {figure(row.goal)}{row.unit}"
        lines_.append(
            f'<tr><td>{escape(row.what)}<td class="n">{figure(row.found)}{row.unit}<td class="n">{goal}{said}</tr>'
        )
    return f"<h2>Goals</h2><table><tr><th>what<th>found<th>goal<th></tr>{''.join(lines_)}</table>"


def _all(found: Found) -> str:
    parts = [
        f"<details><summary>{escape(n)}</summary><pre>{escape(json.dumps(c, indent=1))}</pre></details>"
        for n, c in found.items()
    ]
    return f"<h2>All figures</h2>{''.join(parts)}"


def picture(html: str, file: Path) -> None:
    """Have Chromium draw a page; raises OSError where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise OSError("a PNG needs Chromium")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "page.html")
        source.write_text(html)
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
        command = [chromium, "--headless", *quiet, "--disable-sync", f"--user-data-dir={folder}/profile"]
        command += ["--window-size=1240,1020", "--hide-scrollbars", f"--screenshot={file.resolve()}", source.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def read(folder: Path) -> dict[str, JSON]:
    """Every figure that is there, ours first."""
    files = {file.stem: file for file in folder.glob("*.json")}
    return {
        name: json.loads(files[name].read_text())
        for name in (*NAMES, *sorted(files.keys() - {*NAMES}))
        if name in files
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", action="store_true", help="make what is missing first")
    parser.add_argument("--quick", action="store_true", help="with --run: quickly")
    parser.add_argument("--html", type=Path, help="default: FOLDER/report.html")
    parser.add_argument("--png", type=Path, help="the main pictures")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES if options.run else ():
        file = options.folder / f"{name}.json"
        if not file.exists():
            quick = ["--quick"] if options.quick else []
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--json", str(file), *quick], check=True)
    found = read(options.folder)
    html = options.html or options.folder / "report.html"
    html.write_text(page(found))
    print(html)
    if options.png:
        picture(page(found, main_only=True), options.png)
        print(options.png)


if __name__ == "__main__":
    main()
