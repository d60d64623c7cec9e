"""`python -m tests.reference --examples N`: compare engine and reference on N generated machines.

A difference is printed with its seed; `--seed S --examples 1` runs that machine again and prints it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from random import Random

from .differential import compare
from .generate import Maker

LANGUAGES = ("JSONPath", "JSONata", "mixed")


def main(arguments: list[str] | None = None) -> int:
    """Compare, print what differs, and return 1 if anything did."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=__doc__)
    parser.add_argument("--examples", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--language", choices=LANGUAGES, help="only this one")
    parser.add_argument("--show", type=int, default=5, metavar="N", help="print the first N differences")
    options = parser.parse_args(arguments)
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


if __name__ == "__main__":
    sys.exit(main())
