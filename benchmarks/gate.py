"""No slow-down unseen: today's ratios to hand-written Python beside the recorded ones.

    python -m benchmarks.gate [--record] [--json FILE]

Runs the quick engine benchmark and fails where a ratio is more than 1.5 times the one in `benchmarks/recorded.json`.
Ratios only: both sides of each are measured in turns in one process, so that a slow machine changes neither. What
looks slow is measured again, longer, before it fails. `--record` writes today's ratios, by the longer measurement and
as they are: the margin is the factor 1.5 alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import engine

RECORDED = Path(__file__).parent / "recorded.json"
WORST = 1.5
AGAIN = 2
"""How often what looks slow is measured again."""

Ratios = dict[str, float]
Measure = Callable[[tuple[str, ...], bool], Ratios]
"""Given the names of workloads, and whether to be quick."""


def measured(names: tuple[str, ...], quick: bool) -> Ratios:
    """The ratio to hand-written Python of each workload and variant that is guarded, by best time."""
    found: Ratios = {}
    for name, row in engine.ratios(engine.run(names, quick=quick)).items():
        found[name] = row["x_hand"]
        found |= {f"{name} {kind}": row[f"x_hand_{kind}"] for kind in ("table", "history") if f"x_hand_{kind}" in row}
    return found


def workload_of(name: str) -> str:
    """The workload of a guarded name.

    >>> workload_of("W2 history"), workload_of("W2 bytes")
    ('W2', 'W2 bytes')
    """
    return name.removesuffix(" history").removesuffix(" table")


def slower(ratios: Mapping[str, float], recorded: Mapping[str, float]) -> list[str]:
    """The guarded names whose ratio is too far above the recorded one, or is not there at all.

    >>> slower({"W1": 1.6, "W2": 1.4}, {"W1": 1.0, "W2": 1.0, "W3": 1.0})
    ['W1', 'W3']
    """
    return [name for name, limit in recorded.items() if not ratios.get(name, float("inf")) <= limit * WORST]


def settled(recorded: Mapping[str, float], measure: Measure) -> Ratios:
    """Today's ratios; those that looked slow are the best of up to three measurements."""
    ratios = measure(engine.NAMES, True)
    for _ in range(AGAIN):
        slow = slower(ratios, recorded)
        workloads = tuple(name for name in engine.NAMES if name in {workload_of(each) for each in slow})
        if not workloads:
            break
        print(f"measured again: {', '.join(slow)}", flush=True)
        for name, ratio in measure(workloads, False).items():
            ratios[name] = min(ratios.get(name, ratio), ratio)
    return ratios


def verdict(ratios: Mapping[str, float], recorded: Mapping[str, float]) -> int:
    """Print a line for each ratio; 1 if one is too high or was never recorded."""
    slow = slower(ratios, recorded)
    for name, limit in recorded.items():
        said = "TOO SLOW" if name in slow else "ok"
        print(f"{name:12}{ratios.get(name, float('nan')):8.2f} x hand, recorded {limit:6.2f}  {said}")
    missing = [name for name in ratios if name not in recorded]
    if missing:
        print(f"not recorded: {', '.join(missing)} (python -m benchmarks.gate --record)")
    return 1 if slow or missing else 0


def check(recorded: Mapping[str, float], measure: Measure = measured, file: str | None = None) -> int:
    """Measure, judge and tell: 0 if nothing is much slower than recorded, else 1."""
    ratios = settled(recorded, measure)
    if file:
        Path(file).write_text(json.dumps(ratios, indent=1) + "\n")
    return verdict(ratios, recorded)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write today's ratios")
    parser.add_argument("--json", metavar="FILE", help="write what was measured there")
    options = parser.parse_args()
    if options.record:
        RECORDED.write_text(json.dumps(measured(engine.NAMES, False), indent=1) + "\n")
        return
    sys.exit(check(json.loads(RECORDED.read_text()), file=options.json))


if __name__ == "__main__":
    main()
