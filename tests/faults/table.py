"""The faults: one row each. Numbers are those of the test plan (reliability.md §3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import get_args, get_type_hints

import msgspec

from express.config import Pipeline
from tests.faults import brokers, topics, workers
from tests.faults.cluster import Shape
from tests.faults.load import Plan
from tests.faults.rig import Rig

OTHER_VERSION = "3.9.2"
THREE = Shape(brokers=3)
FEW = Plan(rate=300)
LONG_RUNNING = Plan(rate=500, slow=0.2, hold=(0.1, 5.0), keys=2_000)
VERY_LONG = Plan(rate=100, slow=1.0, hold=(35.0, 45.0), keys=10_000_000)
WIDE = Plan(partitions=12)
DELIVERIES = get_args(get_type_hints(Pipeline)["delivery"])
"""What this version can be told to promise."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A row: what happens, on which cluster, under which load, and whether duplicates are allowed at all."""

    row: int
    run: Callable[[Rig], Awaitable[None]]
    doubles: bool = True
    """False: not a single duplicate, in at-least-once either."""
    plan: Plan = Plan()
    shape: Shape = Shape()
    delivery: str = "at_least_once"
    extra: int = 0
    """Duplicates that the fault itself asks for."""
    dead_letters: bool = True
    """Whether the dead-letter topic is there at the start."""


def _codec(name: str) -> Fault:
    """The topic is fed with a compression, and results are written with it."""
    return Fault(row=26, run=topics.smoke, doubles=False, plan=Plan(compression=name, pad=400))


FAULTS: dict[str, Fault] = {
    "kill-worker": Fault(row=1, run=workers.kill_worker),
    "kill-parent": Fault(row=1, run=workers.kill_parent, doubles=False),
    "sigterm": Fault(row=4, run=workers.sigterm, doubles=False, plan=LONG_RUNNING),
    "sigterm-twice": Fault(row=5, run=workers.sigterm_twice, plan=LONG_RUNNING),
    "zombie": Fault(row=6, run=workers.zombie),
    "rebalance-storm": Fault(row=9, run=workers.storm, doubles=False, plan=WIDE),
    "rebalance-long": Fault(row=10, run=workers.long_running, doubles=False, plan=VERY_LONG),
    "broker-restart": Fault(row=11, run=brokers.broker_restart),
    "broker-kill": Fault(row=11, run=brokers.broker_kill),
    "broker-suspended": Fault(row=13, run=brokers.broker_suspended),
    "cut": Fault(row=15, run=brokers.cut),
    "latency": Fault(row=16, run=brokers.latency, plan=FEW),
    "resets": Fault(row=17, run=brokers.resets),
    "dead-letters-missing": Fault(
        row=21, run=topics.dead_letters_missing, doubles=False, plan=Plan(poison=0.05), dead_letters=False
    ),
    "dead-letters-deleted": Fault(row=21, run=topics.dead_letters_deleted),
    "transactional-input": Fault(row=22, run=topics.transactional_input, doubles=False),
    "truncated": Fault(row=22, run=topics.truncated, doubles=False),
    "foreign-metadata": Fault(
        row=23, run=topics.foreign_metadata, doubles=False, extra=topics.REWIND * Plan().partitions
    ),
    "stuck": Fault(row=25, run=workers.stuck, doubles=False, plan=Plan(keys=2_000)),
    "poison": Fault(row=27, run=topics.poison, doubles=False, plan=Plan(poison=0.1)),
    "sigterm-broker-down": Fault(row=56, run=brokers.sigterm_broker_down),
    "sigterm-dead-letters-gone": Fault(row=56, run=topics.sigterm_dead_letters_gone),
    "gzip": _codec("gzip"),
    "snappy": _codec("snappy"),
    "lz4": _codec("lz4"),
    "zstd": _codec("zstd"),
    "kill-worker-3.9": Fault(row=26, run=workers.kill_worker, shape=Shape(version=OTHER_VERSION)),
    "broker-kill-3.9": Fault(row=26, run=brokers.broker_kill, shape=Shape(version=OTHER_VERSION)),
    "rolling-restart": Fault(row=12, run=brokers.broker_restart, shape=THREE),
    "rolling-kill": Fault(row=12, run=brokers.broker_kill, shape=THREE),
}
"""Name → fault, in at-least-once."""

IN_BOTH_MODES = (
    *("kill-worker", "sigterm", "zombie", "rebalance-storm", "stuck"),
    *("broker-kill", "rolling-kill", "cut", "resets"),
)
"""Faults that are repeated in exactly-once, where a duplicate is always a failure."""

if "exactly_once" in DELIVERIES:
    FAULTS |= {
        f"{name}-exactly-once": msgspec.structs.replace(FAULTS[name], delivery="exactly_once", doubles=False)
        for name in IN_BOTH_MODES
    }
