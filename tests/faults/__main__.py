"""`python -m tests.faults`: run fault tests and print what came of them."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.faults import network
from tests.faults.brokers import DROPPED
from tests.faults.rig import Outcome
from tests.faults.run import trials
from tests.faults.table import FAULTS
from tests.kafka.jars import Missing, fetch
from tests.sinks import control

HEAD = f"{'fault':<28}{'trials':>7}{'faults':>8}{'records':>9}{'lost':>6}{'doubled':>9}{'recovery s':>18}  verdict"


def main() -> None:
    """Parse the command line, run, and exit with 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=FAULTS, help="only these faults")
    parser.add_argument("--trials", type=int, default=1, help="of each fault (default: 1)")
    parser.add_argument("--seconds", type=float, default=20, help="of load per trial (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the first trial; the next has one more (default: 1)")
    parser.add_argument(
        "--parallel", type=int, default=1, metavar="N", help="trials that leave the brokers alone, at a time"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write every trial as JSON")
    parser.add_argument(
        "--trusting",
        action="store_true",
        help="the negative control: exactly once without looking for open transactions",
    )
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(f"{name:<28} row {fault.row}: {_about(name)}" for name, fault in FAULTS.items()))
        return
    if arguments.trusting:
        os.environ[control.VARIABLE] = "1"  # which services inherit
    names = runnable(arguments.only or list(FAULTS))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own clients, while brokers are away
    sys.exit(asyncio.run(run(names, arguments)))


def runnable(names: Sequence[str]) -> list[str]:
    """Those of the faults that this machine can have, in a namespace if one needs it; the others are told."""
    isolated = [name for name in names if FAULTS[name].isolated]
    if isolated and (why := network.missing()):
        print(f"skipped, {why}: {', '.join(isolated)}", file=sys.stderr)
        return [name for name in names if name not in isolated]
    if isolated:
        for version in {FAULTS[name].shape.version for name in names}:
            fetch(version)  # there is no way to fetch anything from within
        network.enter()
    return list(names)


async def run(names: Sequence[str], arguments: argparse.Namespace) -> int:
    """Run the trials; the exit code."""
    outcomes: list[Outcome] = []
    try:
        async for outcome in trials(names, arguments.trials, arguments.seconds, arguments.seed, arguments.parallel):
            outcomes.append(outcome)
            _tell(outcome)
            if arguments.report:
                arguments.report.write_bytes(msgspec.json.format(msgspec.json.encode(outcomes), indent=2))
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    print("\n".join(table(outcomes)))
    return int(any(outcome.problems for outcome in outcomes))


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """A row per fault, and the sum as the last line."""
    lines = ["", HEAD]
    for name in dict.fromkeys(outcome.fault for outcome in outcomes):
        found = [outcome for outcome in outcomes if outcome.fault == name]
        failed = sum(bool(outcome.problems) for outcome in found)
        counts = [sum(getattr(one, field) for one in found) for field in ("disruptions", "records", "lost")]
        doubled = sum(outcome.duplicated for outcome in found)
        verdict = "passed" if not failed else f"{failed} FAILED"
        numbers = f"{len(found):>7}{counts[0]:>8}{counts[1]:>9}{counts[2]:>6}{doubled:>9}"
        lines.append(f"{name:<28}{numbers}{_recovery(found):>18}  {verdict}")
    names = dict.fromkeys(outcome.fault for outcome in outcomes if DROPPED in outcome.notes)
    dropped = {name: sum(one.notes[DROPPED] for one in outcomes if one.fault == name) for name in names}
    lines += [f"{name}: {count:g} {DROPPED}" for name, count in dropped.items()]
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    return [*lines, "", f"{len(outcomes) - failed} passed, {failed} failed"]


def _recovery(outcomes: Sequence[Outcome]) -> str:
    """Median and maximum of the recovery times."""
    times = sorted(seconds for outcome in outcomes for seconds in outcome.recoveries)
    return f"{times[len(times) // 2]:.1f} (max {times[-1]:.1f})" if times else "-"


def _tell(outcome: Outcome) -> None:
    """One line per trial, on stderr, and what was wrong with it."""
    verdict = "FAILED" if outcome.problems else "passed"
    figures = f"{outcome.records} records, {outcome.lost} lost, {outcome.duplicated} doubled, {outcome.seconds} s"
    notes = "".join(f"; {name}: {value:g}" for name, value in outcome.notes.items())
    print(
        f"{outcome.fault} {outcome.trial} (seed {outcome.seed}): {verdict}: {figures}; "
        f"recovered in {outcome.recoveries} s{notes}",
        file=sys.stderr,
        flush=True,
    )
    for problem in outcome.problems:
        print(f"    {problem}", file=sys.stderr, flush=True)


def _about(name: str) -> str:
    return (FAULTS[name].run.__doc__ or "").strip().partition("\n")[0]


if __name__ == "__main__":
    main()
