"""What a seed decides: the sizes, the settings of the pipeline, and which faults come how often."""

from __future__ import annotations

import random
from typing import Literal

import msgspec

from express.runtime.pipeline import Ordering
from tests.simulation.network import Odds

Mode = Literal["alo", "eos"]

FAULTS = ("crash", "pause", "cut", "outage", "join", "leave", "rebalance", "break")
"""What a storm does: kill a worker, stop one for seconds, part one from the brokers, stop the brokers, add a
worker, stop one as SIGTERM does, have the group rebalance, break a consumer beyond repair."""

GENTLE = ("join", "leave", "rebalance")
"""Faults that may double nothing, however often they come."""

KINDS = ("produce", "commit", "transaction", "group", "ask")

REFUSABLE = ("produce", "transaction")
"""What a broker may refuse for good; the producer is of no use any more then."""

ENDS = ("now", "soon", "error", "flaky", "slow", "hang", "poison", "large")


class Draw(msgspec.Struct, kw_only=True):
    """One seed's decisions. `gentle`: nothing goes wrong, so that nothing may be doubled."""

    seed: int
    mode: Mode
    gentle: bool
    workers: int
    partitions: int
    outputs: int
    events: int
    keys: int
    """Distinct keys; 0: none has a key."""
    holes: float
    ends: dict[str, float]
    """How often each kind of task outcome comes."""
    storm_seconds: float
    fault_seconds: float
    """Mean time between faults."""
    faults: dict[str, float]
    odds: dict[str, Odds]
    marker_seconds: float
    metadata_limit: int
    tick: float
    poll_seconds: float
    poll_records: int
    batch_records: int
    ordering: Ordering
    concurrency: int
    concurrency_per_partition: int
    heap_bytes: int
    output_bytes: int
    commit_seconds: float
    commit_records: int
    transaction_seconds: float
    drain_seconds: float
    rebalance_seconds: float
    """The group's rebalance timeout: who has not drained by then is out."""


def draw(seed: int, mode: Mode | None = None) -> Draw:
    """The decisions of `seed`; the mode changes nothing else."""
    chance = random.Random(f"draw {seed}")
    either: Mode = chance.choice(("alo", "eos"))
    gentle = chance.random() < 0.2
    partitions = chance.choice((1, 1, 2, 3, 4, 6))
    weights = {end: chance.random() * chance.choice((0, 0, 1)) for end in ENDS}
    weights["now"] += 0.2
    weights["soon"] += 0.2
    limit = chance.choice((4_096, 4_096, 4_096, 0))  # exactly once needs the default
    return Draw(
        seed=seed,
        mode=mode or either,
        gentle=gentle,
        workers=chance.choice((1, 2, 2, 3)),
        partitions=partitions,
        outputs=chance.choice((partitions, partitions, 1, partitions + 1)),
        events=chance.choice((10, 20, 40, 80)),
        keys=chance.choice((0, 1, 2, 5, 20)),
        holes=chance.choice((0, 0, 0.1, 0.5)),
        ends=weights,
        storm_seconds=chance.choice((3.0, 6.0, 10.0)),
        fault_seconds=chance.choice((0.5, 1.0, 2.0, 4.0)),
        faults=_weights(chance, GENTLE if gentle else FAULTS),
        odds={} if gentle else {kind: _odds(chance, kind) for kind in KINDS},
        marker_seconds=chance.choice((0.0, 0.05, 1.0)),
        metadata_limit=limit if (mode or either) == "alo" and not gentle else 4_096,
        tick=chance.choice((0.0, 0.0, 0.0001, 0.001)),
        poll_seconds=chance.choice((0.1, 0.5, 1.0)),
        poll_records=chance.choice((1, 3, 500)),
        batch_records=chance.choice((1, 3, 100)),
        ordering=chance.choice(("key", "key", "partition", "none")),
        concurrency=chance.choice((1, 4, 10_000)),
        concurrency_per_partition=chance.choice((1, 2, 8, 1_024)),
        heap_bytes=chance.choice((2_000, 128 << 20)),
        output_bytes=chance.choice((500, 16 << 20)),
        commit_seconds=chance.choice((0.0, 0.3, 1.0)),
        commit_records=chance.choice((1, 5, 500)),
        transaction_seconds=chance.choice((0.02, 0.1)),
        drain_seconds=(drain := 20.0 if gentle else chance.choice((0.5, 2.0, 4.0))),
        rebalance_seconds=drain + chance.choice((6.0, 20.0)),
    )


def _weights(chance: random.Random, names: tuple[str, ...]) -> dict[str, float]:
    """Some of `names`, each with its own weight: rare mixtures are where mistakes hide."""
    found = {name: chance.random() for name in names if chance.random() < 0.6}
    return found or {chance.choice(names): 1.0}


def _odds(chance: random.Random, kind: str) -> Odds:
    bad = chance.random() < 0.5
    return Odds(
        lost=chance.random() * 0.2 if bad else 0.0,
        unanswered=chance.random() * 0.2 if bad else 0.0,
        refused=chance.random() * 0.05 if kind in REFUSABLE and chance.random() < 0.3 else 0.0,
        late=chance.random() * 0.2 if chance.random() < 0.5 else 0.0,
        late_seconds=chance.choice((0.5, 2.0, 12.0)),
        latency=chance.choice((0.001, 0.01, 0.1)),
    )
