"""`python -m tests.simulation`: run seeds; print those that violate an invariant, and how to see them again."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

import msgspec

from tests.simulation.broken import VARIANTS
from tests.simulation.paths import Paths
from tests.simulation.seeds import Verdict, run_seed

CHUNK = 10

SLICE = 500
"""Seeds after which processes begin anew: some worlds are held by tasks that were killed, a megabyte each."""

SHARED = 100
"""Seeds of which so many must give the fast path its share; few may be drawn otherwise."""

FAST_SHARE = 0.5
"""Of all records: what most of those in production take, the proof has to take."""


def main() -> None:
    """Parse the command line and do as it says."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5_000, help="how many (default: %(default)s)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first one (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="only this one, with what it drew and its trace")
    parser.add_argument("--mode", choices=("alo", "eos"), help="at least once or exactly once (default: both by seed)")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="product", help="what to run instead")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        sys.exit(_one(arguments.seed, arguments.mode, arguments.variant))
    sys.exit(_many(arguments))


def _one(seed: int, mode: str | None, variant: str) -> int:
    verdict = run_seed(seed, mode, variant)
    print(msgspec.json.format(msgspec.json.encode(verdict.draw)).decode())
    print(verdict.paths.told())
    print(_line(verdict), f"trace {verdict.trace & 0xFFFF_FFFF_FFFF_FFFF:016x}, {verdict.turns} turns")
    return 1 if verdict.violation else 0


def _many(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    failed = count = duplicates = 0
    paths = Paths()
    for verdict in _verdicts(seeds, arguments):
        count += 1
        duplicates += verdict.duplicates
        paths.add(verdict.paths)
        if verdict.violation:
            failed += 1
            print(_line(verdict), flush=True)
    took = time.monotonic() - began
    print(f"{count - failed} passed, {failed} failed ({duplicates} duplicates at least once) in {took:.1f} s")
    print(paths.told())
    if count >= SHARED and paths.fast < FAST_SHARE * paths.total:
        print(f"the fast path carried less than {FAST_SHARE:.0%} of the records: this proves too little of it")
        return 1
    return 1 if failed else 0


def _verdicts(seeds: range, arguments: argparse.Namespace) -> Iterator[Verdict]:
    if arguments.jobs == 1:
        yield from _chunk((seeds, arguments.mode, arguments.variant))
        return
    for first in range(0, len(seeds), SLICE):
        part = seeds[first : first + SLICE]
        chunks = [(part[i : i + CHUNK], arguments.mode, arguments.variant) for i in range(0, len(part), CHUNK)]
        with ProcessPoolExecutor(arguments.jobs) as pool:
            yield from chain.from_iterable(pool.map(_chunk, chunks))


def _chunk(chunk: tuple[Iterable[int], str | None, str]) -> list[Verdict]:
    seeds, mode, variant = chunk
    return [run_seed(seed, mode, variant) for seed in seeds]


def _line(verdict: Verdict) -> str:
    draw = verdict.draw
    again = f"--seed {draw.seed} --mode {draw.mode}"
    return f"seed {draw.seed} {draw.mode}: {verdict.violation or 'ok'} [{again}]"


if __name__ == "__main__":
    main()
