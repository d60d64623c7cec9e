"""Generated machines for the property tests, and how many of them.

`EXPRESS_EXAMPLES=N` asks for N machines per test instead of the default; `EXPRESS_SEED=S` begins elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.reference.generate import Example, Maker

LANGUAGES = ("JSONPath", "JSONata", "mixed")
FIRST_SEED = int(os.environ.get("EXPRESS_SEED", "0"))


def count(default: int) -> int:
    """How many examples a test looks at."""
    return int(os.environ.get("EXPRESS_EXAMPLES", default))


def seeded(language: str, number: int) -> Iterator[tuple[int, Example]]:
    """`number` examples of a language, each with the seed that makes it again."""
    for seed in range(FIRST_SEED, FIRST_SEED + number):
        yield seed, Maker(Random(seed), language).example()


def examples(*languages: str) -> st.SearchStrategy[Example]:
    """Examples that hypothesis draws and shrinks choice by choice."""
    return st.builds(
        lambda rnd, language: Maker(rnd, language).example(),
        st.randoms(use_true_random=False),
        st.sampled_from(languages or LANGUAGES),
    )


def states_of(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every state of a machine, those of branches and iterations too."""
    for state in machine["States"].values():
        yield state
        for branch in state.get("Branches", ()):
            yield from states_of(branch)
        for processor in ("ItemProcessor", "Iterator"):
            if processor in state:
                yield from states_of(state[processor])
