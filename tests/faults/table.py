"""The faults: one row each. Numbers are those of the test plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from tests.faults import brokers, engine, hangs, kills, network, payloads, points, refusals, topics, workers
from tests.faults.cluster import Shape
from tests.faults.load import Plan
from tests.faults.rig import Rig
from tests.faults.settings import Settings

OTHER_VERSION = "3.9.2"
THREE = Shape(brokers=3)
FEW = Plan(rate=300)
LONG_RUNNING = Plan(rate=500, slow=0.2, hold=(0.1, 5.0), keys=2_000)
VERY_LONG = Plan(rate=100, slow=1.0, hold=(35.0, 45.0), keys=10_000_000)
WIDE = Plan(partitions=12)
MANY = Plan(partitions=48, rate=480, keys=5_000)
"""Transactions under way at any time: each partition has one every 100 ms."""
SMALL_DISK = Shape(disk_mib=256)
QUICK = Settings(drain=f"{topics.DRAIN_SECONDS}s")
LOOPS = Settings(workflow=engine.WORKFLOW, pipeline={"time_limit": f"{engine.CAP_SECONDS}s"})
BOMBS = Plan(rate=50, bombs=True, slow=0.5, hold=(0.1, 2.0))
BESIDE = Settings(beside=True)
"""Another pipeline in the same workers."""
SLOW_FEED = Plan(rate=340)
"""As many events as kills take time: 100,000 in five minutes."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A row: what happens, on which cluster, under which load, and whether duplicates are allowed at all."""

    row: int
    run: Callable[[Rig], Awaitable[None]]
    doubles: bool = True
    """False: not a single duplicate, in at-least-once either."""
    plan: Plan = Plan()
    shape: Shape = Shape()
    settings: Settings = Settings()
    extra: int = 0
    """Duplicates that the fault itself asks for."""
    dead_letters: bool = True
    """Whether the dead-letter topic is there at the start."""
    outage: float = 0.0
    """Seconds without a commit: what came meanwhile may be done in one flush, whose commit is refused afterwards."""
    isolated: bool = False
    """Whether it needs a network namespace of its own."""

    @property
    def alone(self) -> bool:
        """Whether others would feel it: it breaks brokers or ways to them, or wants to measure the machine."""
        return self.run.__module__ in (brokers.__name__, network.__name__, engine.__name__)


def _codec(name: str) -> Fault:
    """The topic is fed with a compression, and results are written with it."""
    return Fault(row=26, run=topics.smoke, doubles=False, plan=Plan(compression=name, pad=400))


def _exactly_once(fault: Fault) -> Fault:
    """The same fault in the other mode."""
    settings = msgspec.structs.replace(fault.settings, delivery="exactly_once")
    return msgspec.structs.replace(fault, settings=settings, doubles=False)


FAULTS: dict[str, Fault] = {
    "kill-worker": Fault(row=1, run=workers.kill_worker),
    "kills": Fault(row=1, run=kills.kills, plan=SLOW_FEED, settings=Settings(restart="500ms")),
    "crash-points": Fault(row=3, run=points.crash_points, plan=Plan(rate=500, poison=0.02)),
    "kill-parent": Fault(row=1, run=workers.kill_parent, doubles=False),
    "sigterm": Fault(row=4, run=workers.sigterm, doubles=False, plan=LONG_RUNNING),
    "sigterm-twice": Fault(row=5, run=workers.sigterm_twice, plan=LONG_RUNNING),
    "zombie": Fault(row=6, run=workers.zombie),
    "rebalance-storm": Fault(row=9, run=workers.storm, doubles=False, plan=WIDE),
    "rebalance-long": Fault(row=10, run=workers.long_running, doubles=False, plan=VERY_LONG),
    "broker-restart": Fault(row=11, run=brokers.broker_restart),
    "broker-kill": Fault(row=11, run=brokers.broker_kill),
    "broker-kills": Fault(row=11, run=brokers.broker_kills, plan=MANY),
    "broker-suspended": Fault(row=13, run=brokers.broker_suspended),
    "cut": Fault(row=15, run=brokers.cut),
    "partition": Fault(row=15, run=network.partition, isolated=True, outage=network.SECONDS),
    "loss": Fault(row=16, run=network.loss, plan=FEW, isolated=True),
    "disk-full": Fault(row=19, run=brokers.disk_full, shape=SMALL_DISK, isolated=True, plan=FEW),
    "output-deleted": Fault(row=20, run=topics.output_deleted),
    "latency": Fault(row=16, run=brokers.latency, plan=FEW),
    "resets": Fault(row=17, run=brokers.resets),
    "dead-letters-missing": Fault(
        row=21, run=topics.dead_letters_missing, doubles=False, plan=Plan(poison=0.05), dead_letters=False
    ),
    "dead-letters-deleted": Fault(row=21, run=topics.dead_letters_deleted),
    "small-output": Fault(row=20, run=refusals.small_output, doubles=False, settings=BESIDE),
    "lowered-output": Fault(row=20, run=refusals.lowered_output, doubles=False, settings=BESIDE),
    "small-dead-letters": Fault(
        row=28, run=refusals.small_dead_letters, doubles=False, plan=Plan(poison=0.1), settings=BESIDE
    ),
    "refused-times": Fault(row=44, run=refusals.refused_times, settings=BESIDE),
    "hanging-threads": Fault(
        row=25,
        run=hangs.hanging_threads,
        doubles=False,
        settings=Settings(beside=True, workflow=hangs.stalling("hang"), workers={"threads": hangs.THREADS}),
    ),
    "blocked-loop": Fault(
        row=25, run=hangs.blocked_loop, settings=Settings(beside=True, workflow=hangs.stalling("block"))
    ),
    "shared-instance": Fault(row=6, run=hangs.shared_instance, settings=BESIDE),
    "input-missing": Fault(row=20, run=topics.input_missing, doubles=False, settings=BESIDE),
    "untouched": Fault(row=23, run=topics.untouched, doubles=False, settings=BESIDE),
    "transactional-input": Fault(row=22, run=topics.transactional_input, doubles=False),
    "truncated": Fault(row=22, run=topics.truncated, doubles=False),
    "foreign-metadata": Fault(
        row=23, run=topics.foreign_metadata, doubles=False, extra=topics.REWIND * Plan().partitions
    ),
    "stuck": Fault(row=25, run=workers.stuck, doubles=False, plan=Plan(keys=2_000, rate=720)),
    "edges": Fault(row=28, run=payloads.edges, doubles=False, settings=Settings(workflow=payloads.ANYTHING)),
    "poison-only": Fault(row=27, run=payloads.poison_only, doubles=False, plan=Plan(poison=1.0, rate=2_000)),
    "heap-bombs": Fault(
        row=31,
        run=payloads.bombs,
        doubles=False,
        plan=BOMBS,
        settings=Settings(pipeline={"memory": f"{payloads.BUDGET_MIB}MiB"}),
    ),
    "unpack-bombs": Fault(row=32, run=payloads.unpack_bombs, doubles=False),
    "starved": Fault(row=54, run=payloads.starved, doubles=False, plan=Plan(rate=4_000)),
    "key-skew": Fault(row=33, run=payloads.skew, doubles=False, plan=Plan(rate=4_000, skewed=True, slow=0.001)),
    "loops": Fault(row=34, run=engine.loops, doubles=False, plan=WIDE, settings=LOOPS),
    "poison": Fault(row=27, run=topics.poison, doubles=False, plan=Plan(poison=0.1)),
    "sigterm-broker-down": Fault(row=56, run=brokers.sigterm_broker_down, settings=QUICK),
    "sigterm-rebalance": Fault(row=56, run=workers.sigterm_rebalance, doubles=False, plan=LONG_RUNNING),
    "sigterm-dead-letters-gone": Fault(row=56, run=topics.sigterm_dead_letters_gone, settings=QUICK),
    "gzip": _codec("gzip"),
    "snappy": _codec("snappy"),
    "lz4": _codec("lz4"),
    "zstd": _codec("zstd"),
    "kill-worker-3.9": Fault(row=26, run=workers.kill_worker, shape=Shape(version=OTHER_VERSION)),
    "broker-kill-3.9": Fault(row=26, run=brokers.broker_kill, shape=Shape(version=OTHER_VERSION)),
    "broker-kills-3.9": Fault(row=26, run=brokers.broker_kills, shape=Shape(version=OTHER_VERSION), plan=MANY),
    "rolling-restart": Fault(row=12, run=brokers.broker_restart, shape=THREE),
    "rolling-kill": Fault(row=12, run=brokers.broker_kill, shape=THREE),
    "one-suspended": Fault(row=13, run=brokers.one_suspended, shape=THREE),
    "rolling-kills": Fault(row=12, run=brokers.broker_kills, shape=THREE, plan=MANY),
    "coordinator-kill": Fault(row=14, run=brokers.coordinator_kill, shape=THREE),
    "too-few-in-sync": Fault(row=20, run=brokers.too_few_in_sync, shape=THREE),
}
"""Name → fault, in at-least-once."""

IN_BOTH_MODES = (
    *("hanging-threads", "blocked-loop", "shared-instance", "input-missing", "untouched"),
    *("small-output", "lowered-output", "small-dead-letters", "refused-times"),
    *("kill-worker", "kills", "crash-points", "sigterm", "zombie", "rebalance-storm", "stuck"),
    *("sigterm-rebalance", "broker-kill", "rolling-kill", "coordinator-kill", "cut", "resets", "partition"),
    *("broker-kills", "broker-kills-3.9", "rolling-kills"),
)
"""Faults that are repeated in exactly-once, where a duplicate is always a failure."""

FAULTS |= {f"{name}-exactly-once": _exactly_once(FAULTS[name]) for name in IN_BOTH_MODES}

FAULTS |= {
    "zombie-transaction": _exactly_once(Fault(row=7, run=points.zombie_points, plan=Plan(rate=500))),
    "late-end": _exactly_once(Fault(row=8, run=brokers.late_end, plan=Plan(rate=500))),
}
"""Faults of transactions."""
