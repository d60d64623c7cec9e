"""Running one seed and telling what came of it."""

from __future__ import annotations

from typing import cast

import msgspec

from tests.simulation.broken import VARIANTS
from tests.simulation.checks import Violation
from tests.simulation.draw import Draw, Mode, draw
from tests.simulation.paths import Paths
from tests.simulation.world import World


class Verdict(msgspec.Struct, frozen=True):
    """What a seed showed. `trace` is the same for every run of the same code with the same seed."""

    draw: Draw
    violation: str
    trace: int
    turns: int
    duplicates: int
    recovery_seconds: float
    rebalances: int
    refused: int
    """Batches that their topics did not take."""
    dropped: int
    """Transactions whose markers the brokers have forgotten."""
    paths: Paths


def run_seed(seed: int, mode: str | None = None, variant: str = "product") -> Verdict:
    """Run one seed to its end; never raises for what the product does wrong."""
    drawn = draw(seed, cast("Mode | None", mode))
    world = World(drawn, VARIANTS[variant]())
    violation = ""
    try:
        world.run()
    except Violation as error:
        violation = str(error)
    loop = world.loop
    return Verdict(
        drawn,
        violation,
        world.trace,
        loop.turns,
        world.checks.duplicates,
        world.recovery_seconds,
        world.broker.group.rebalances,
        world.broker.refused,
        world.broker.dropped,
        world.paths,
    )
