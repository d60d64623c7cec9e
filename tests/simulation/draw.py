"""What a seed decides: the sizes, the settings of the pipeline, and which faults come how often."""

from __future__ import annotations

import random
from typing import Literal

import msgspec

from express.config.model import Ordering
from tests.simulation.broker import Terms
from tests.simulation.network import Odds
from tests.simulation.topic import DEAD, OUT

Mode = Literal["alo", "eos"]

FAULTS = ("crash", "pause", "cut", "outage", "restart", "join", "leave", "rebalance", "break")
"""What a storm does: kill a worker, stop one for seconds, part one from the brokers, stop the brokers, kill them and
let them come back, add a worker, stop one as SIGTERM does, have the group rebalance, break a consumer beyond repair."""

GENTLE = ("join", "leave", "rebalance")
"""Faults that may double nothing, however often they come."""

KINDS = ("produce", "fetch", "commit", "transaction", "group", "ask")

REFUSABLE = ("produce", "transaction")
"""What a broker may refuse for good; the producer is of no use any more then."""

ENDS = ("soon", "error", "flaky", "slow", "hang", "poison", "large", "oversize", "bulky")
"""What comes of a record; `tests.simulation.machine` says what each of them is."""

INLINE = ("pass", "now", "quick")
"""Those that end without waiting, most records of real topics."""


class Draw(msgspec.Struct, kw_only=True):
    """One seed's decisions. `gentle`: nothing goes wrong, so that nothing may be doubled."""

    seed: int
    mode: Mode
    gentle: bool
    workers: int
    partitions: int
    outputs: int
    events: int
    resting: float
    """How many records wait before they end."""
    keys: int
    """Distinct keys; 0: none has a key."""
    holes: float
    spoilt: float
    """How many batches of input can't be read."""
    ends: dict[str, float]
    """How often each kind of task outcome comes."""
    storm_seconds: float
    fault_seconds: float
    """Mean time between faults."""
    faults: dict[str, float]
    odds: dict[str, Odds]
    marker_seconds: float
    brokers: Literal["old", "whole", "forgetful"]
    """Brokers that do not tell what transactions have left open, that do, or that do and forget to end them."""
    metadata_limit: int
    tick: float
    poll_seconds: float
    fetch_bytes: int
    """Most bytes that a fetch gives of a partition, if that is a whole batch."""
    fetch_wait_ms: int
    batch_bytes: int
    """Most bytes of a batch of results, if that is a whole record."""
    compression: str | None
    terms: dict[str, Terms]
    """What the topics of results and of dead letters take, where it is not Kafka's default."""
    tells_configs: bool
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
    trouble = chance.choice((0.0, 0.01, 0.05, 0.5))
    brokers: Literal["old", "whole", "forgetful"] = chance.choice(("old", "whole", "forgetful"))
    forgetful = brokers == "forgetful"
    limit = chance.choice((4_096, 4_096, 4_096, 0))  # exactly once needs the default
    return Draw(
        seed=seed,
        mode=mode or either,
        gentle=gentle,
        workers=chance.choice((1, 2, 2, 3)),
        partitions=partitions,
        outputs=chance.choice((partitions, partitions, 1, partitions + 1)),
        events=chance.choice((10, 20, 40, 80)) if trouble > 0.1 else chance.choice((20, 80, 160, 320)),
        resting=chance.choice((0.0, trouble)),
        keys=chance.choice((0, 1, 2, 5, 20)),
        holes=chance.choice((0, 0, 0.1, 0.5)),
        spoilt=0.0 if gentle else chance.choice((0, 0, 0, 0.1)),
        ends=_ends(chance, trouble),
        storm_seconds=chance.choice((3.0, 6.0, 10.0)),
        fault_seconds=chance.choice((0.5, 1.0, 2.0, 4.0)),
        faults=_weights(chance, GENTLE if gentle else FAULTS) | ({"restart": 2.0} if forgetful and not gentle else {}),
        odds={} if gentle else {kind: _odds(chance, kind) for kind in KINDS},
        marker_seconds=1.0 if forgetful else chance.choice((0.0, 0.05, 1.0)),
        brokers=brokers,
        metadata_limit=limit if (mode or either) == "alo" and not gentle else 4_096,
        tick=chance.choice((0.0, 0.0, 0.0001, 0.001)),
        poll_seconds=chance.choice((0.1, 0.5, 1.0)),
        fetch_bytes=chance.choice((100, 1_000, 1 << 20)),
        fetch_wait_ms=chance.choice((200, 500, 1_000)),
        batch_bytes=chance.choice((100, 2_000, 1 << 20)),
        terms=_terms(chance) if chance.random() < 0.4 else {},
        tells_configs=chance.random() < 0.5,
        compression=chance.choice((None, None, None, "gzip")),
        ordering=chance.choice(("key", "key", "partition", "none")),
        concurrency=chance.choice((1, 4, 10_000, 10_000)),
        concurrency_per_partition=chance.choice((1, 2, 8, *[1_024] * 9)),
        heap_bytes=chance.choice((2_000, 128 << 20)),
        output_bytes=chance.choice((500, 16 << 20)),
        commit_seconds=chance.choice((0.0, 0.3, 1.0)),
        commit_records=chance.choice((1, 5, 500)),
        transaction_seconds=chance.choice((0.02, 0.1)),
        drain_seconds=(drain := 20.0 if gentle else chance.choice((0.5, 2.0, 4.0))),
        rebalance_seconds=drain + chance.choice((6.0, 20.0)),
    )


def _ends(chance: random.Random, trouble: float) -> dict[str, float]:
    """Weights of ends: `trouble` is the share of records that do not end at once."""
    inline = {end: 0.1 + chance.random() for end in INLINE}
    others = {end: chance.random() * chance.choice((0, 0, 1)) for end in ENDS}
    others["soon"] += 0.2
    others["oversize"] *= 0.2  # 256 KiB each
    calm, rough = (1 - trouble) / sum(inline.values()), trouble / sum(others.values())
    found = {end: weight * calm for end, weight in inline.items()}
    return found | {end: weight * rough for end, weight in others.items()}


def _terms(chance: random.Random) -> dict[str, Terms]:
    """Topics that do not take everything. A dead letter of the least form is taken by all of them."""
    results = Terms(chance.choice((1_200, 2_000, 10_000)), keyed=chance.random() < 0.3)
    return {OUT: results, DEAD: Terms(chance.choice((2_500, 100_000, 1_048_588)))}


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
        unforeseen=chance.random() * 0.05 if kind == "produce" and chance.random() < 0.3 else 0.0,
        late=chance.random() * 0.2 if chance.random() < 0.5 else 0.0,
        late_seconds=chance.choice((0.5, 2.0, 12.0)),
        latency=chance.choice((0.001, 0.01, 0.1)),
    )
