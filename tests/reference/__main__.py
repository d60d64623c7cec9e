"""`python -m tests.reference --examples N`: compare engine and reference on N generated machines.

`--tiers` compares the rows with the segments instead, on machines that are derived from the model, and prints which
share of their states the segments ran. A difference is printed with its seed; `--seed S --examples 1` runs that
machine again and prints it. Warnings are errors: generated code must compile without any.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from random import Random

import msgspec

from . import tiers
from .derive import derived
from .differential import compare
from .generate import Maker

LANGUAGES = ("JSONPath", "JSONata", "mixed")

CHUNK = 50

SHARED = 1_000
"""Examples of which so many must give the segments their share; few may be drawn otherwise."""

FAST_SHARE = 0.15
"""Of all states: where segments run fewer, the comparison is one of the rows with themselves."""

Draw = tuple[int, str, tiers.Verdict | None]
"""A seed, its language, and what the comparison found; None for a draw that made no machine."""


def main(arguments: list[str] | None = None) -> int:
    """Compare, print what differs, and return 1 if anything did."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=__doc__)
    parser.add_argument("--examples", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--language", choices=LANGUAGES, help="only this one")
    parser.add_argument("--tiers", action="store_true", help="compare the rows with the segments")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes for the tiers (default: all)")
    parser.add_argument("--show", type=int, default=5, metavar="N", help="print the first N differences")
    options = parser.parse_args(arguments)
    _prepare()
    return _tiers(options) if options.tiers else _reference(options)


def _reference(options: argparse.Namespace) -> int:
    begun = time.perf_counter()
    different = contested = 0
    for seed in range(options.seed, options.seed + options.examples):
        example = Maker(Random(seed), options.language or LANGUAGES[seed % 3]).example()
        verdict = compare(example)
        contested += verdict.racy
        if verdict.wrong is not None:
            different += 1
            if different <= options.show:
                print(f"seed {seed}: {verdict.wrong}")
                if options.examples == 1:
                    print(
                        json.dumps({"definition": example.definition, "input": example.input, "tasks": example.tasks})
                    )
    seconds = time.perf_counter() - begun
    print(f"{options.examples} examples in {seconds:.1f} s, {contested} differ only in a race")
    print(f"{options.examples - different} passed, {different} failed")
    return 1 if different else 0


def _tiers(options: argparse.Namespace) -> int:
    begun, counts, statuses = time.perf_counter(), Counter[str](), Counter[str]()
    for seed, language, verdict in _draws(options):
        if verdict is None or verdict.endless:
            counts["none"] += 1
            continue
        _count(verdict, counts, statuses)
        if verdict.wrong is not None:
            counts["failed"] += 1
            if counts["failed"] <= options.show:
                print(f"--seed {seed} --language {language}: {verdict.wrong}", flush=True)
                if options.examples == 1:
                    print(json.dumps(msgspec.to_builtins(derived(seed, language))))
    _tell(counts, statuses, time.perf_counter() - begun)
    if counts["machines"] >= SHARED and counts["fast"] < FAST_SHARE * counts["states"]:
        print(f"segments ran less than {FAST_SHARE:.0%} of the states: this proves too little of them")
        return 1
    return 1 if counts["failed"] else 0


def _draws(options: argparse.Namespace) -> Iterator[Draw]:
    seeds = range(options.seed, options.seed + options.examples)
    chunks = [(seeds[i : i + CHUNK], options.language) for i in range(0, len(seeds), CHUNK)]
    if options.jobs == 1 or len(chunks) == 1:
        yield from chain.from_iterable(map(_chunk, chunks))
        return
    with ProcessPoolExecutor(options.jobs, initializer=_prepare) as pool:
        yield from chain.from_iterable(pool.map(_chunk, chunks))


def _chunk(chunk: tuple[Iterable[int], str | None]) -> list[Draw]:
    seeds, wanted = chunk
    draws: list[Draw] = []
    for seed in seeds:
        language = wanted or LANGUAGES[seed % 3]
        case = derived(seed, language)
        draws.append((seed, language, None if case is None else tiers.compare(case)))
    return draws


def _prepare() -> None:
    """Take warnings for errors, and what is loaded for no garbage."""
    warnings.simplefilter("error")
    gc.freeze()


def _count(verdict: tiers.Verdict, counts: Counter[str], statuses: Counter[str]) -> None:
    counts["machines"] += 1
    counts["states"] += verdict.states
    counts["fast"] += verdict.fast
    counts["wholly"] += verdict.fast == verdict.states
    counts["never"] += not verdict.fast
    statuses[verdict.status] += 1


def _tell(counts: Counter[str], statuses: Counter[str], seconds: float) -> None:
    share = 100 * counts["fast"] / max(1, counts["states"])
    print(f"{counts['machines']} machines in {seconds:.1f} s, {counts['none']} draws were none: {dict(statuses)}")
    print(f"{counts['fast']} of {counts['states']} states ({share:.1f} %) ran on segments:")
    print(f"{counts['wholly']} machines wholly, {counts['never']} not at all")
    print(f"{counts['machines'] - counts['failed']} passed, {counts['failed']} failed")


if __name__ == "__main__":
    sys.exit(main())
