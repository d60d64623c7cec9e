"""Many kills in a row, each held against its own bound of duplicates.

Workers are static members of their group here, so that one that is started again has its partitions at once, and
nobody waits for the session of the dead one: a hundred kills take minutes. `kill-worker` is the same without.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Collection, Mapping

import msgspec
from confluent_kafka.admin import AdminClient

from express.kafka.survey import Survey
from express.ports import Partition, Position
from tests.faults.rig import Rig
from tests.faults.service import Service, until
from tests.faults.tail import Tail

WORKERS = 3
INSTANCE = "faults"
IN_THE_AIR_SECONDS = 0.1
"""What a dead worker sent is with the broker after this time."""

COMMIT_RECORDS = 500
COMMIT_SECONDS = 1.0
FLUSH_SECONDS = 1.0
"""What a commit waits for at the most, and how long the flush before it takes on a busy machine."""

LEAST_SECONDS = 2.0
"""Between two kills."""

ENDED = re.compile(r"worker (\d+) ended with -9")


class Kill(msgspec.Struct):
    """One kill: whose partitions, what of them had to be doubled, and what was doubled of them before."""

    partitions: Collection[Partition]
    bound: int
    before: int


async def kills(rig: Rig) -> None:
    """One of three workers is killed every few seconds, each time with its own bound of duplicates."""
    service = await rig.start(workers=WORKERS, group_instance_id=INSTANCE)
    done: list[Kill] = []
    doubled: list[int] = []
    async with rig.reading() as tail:
        async with rig.feeding():
            while rig.feeding_left > 0 or not done:
                began = time.monotonic()
                kill = await _kill(rig, service, tail)
                ends = await rig.ends()
                rig.outcome.recoveries.append(round(await rig.watch.reached(ends, 60), 1))
                await tail.caught_up()
                done.append(kill)
                doubled.append(_hold(rig, tail, kill, len(done)))
                await asyncio.sleep(LEAST_SECONDS - (time.monotonic() - began) + rig.random.uniform(0, 1))
        await tail.counted(rig.load.sent)
        _judge(rig, tail, done, doubled)


async def _kill(rig: Rig, service: Service, tail: Tail) -> Kill:
    """Kill one worker, and see what it has written without having committed it."""
    owned = await asyncio.to_thread(_owned, rig.cluster.address, rig.group)
    before = len(ENDED.findall(service.text()))
    await until(lambda: len(service.pids) == WORKERS, "all workers run")
    os.kill(rig.random.choice(service.pids), signal.SIGKILL)
    await until(lambda: len(ENDED.findall(service.text())) > before, "the parent sees the end")
    partitions = owned.get(f"{INSTANCE}-{ENDED.findall(service.text())[-1]}", [])
    rig.disrupt()
    await asyncio.sleep(IN_THE_AIR_SECONDS)
    committed = await _committed(rig)
    await tail.caught_up()
    before = sum(tail.doubled[partition] for partition in partitions)
    return Kill(partitions, tail.unsaved(committed, partitions), before)


async def _committed(rig: Rig) -> Mapping[Partition, Position]:
    async with Survey({"bootstrap_servers": rig.cluster.address}) as survey:
        return await survey.committed(rig.group)


def _owned(address: str, group: str) -> dict[str, list[Partition]]:
    """Who of a group has which partitions."""
    client = AdminClient({"bootstrap.servers": address, "log_level": 0})
    (future,) = client.describe_consumer_groups([group], request_timeout=10).values()
    return {
        member.group_instance_id: [Partition(tp.topic, tp.partition) for tp in member.assignment.topic_partitions]
        for member in future.result().members
    }


def _hold(rig: Rig, tail: Tail, kill: Kill, number: int) -> int:
    """What a kill has doubled, which must be within its bound, and the bound within what a commit waits for."""
    doubled = sum(tail.doubled[partition] for partition in kill.partitions) - kill.before
    if doubled > kill.bound:
        rig.problem(f"kill {number} doubled {doubled}, {kill.bound} were written and not committed")
    most = COMMIT_RECORDS + int(rig.plan.rate * (COMMIT_SECONDS + FLUSH_SECONDS))
    if kill.bound > most:
        rig.problem(f"kill {number}: {kill.bound} were written and not committed, at most {most} may be")
    return doubled


def _judge(rig: Rig, tail: Tail, done: list[Kill], doubled: list[int]) -> None:
    """What a reader beside the workers has seen."""
    rig.outcome.notes["kills"] = len(done)
    rig.outcome.notes["written and not committed at a kill, mean"] = round(
        sum(one.bound for one in done) / len(done), 1
    )
    rig.outcome.notes["the same, most"] = max(one.bound for one in done)
    rig.outcome.notes["doubled by a kill, most"] = max(doubled)
    rig.outcome.notes["doubled by kills"] = sum(doubled)
    rig.outcome.notes["seen by the reader beside them"] = tail.records
    rig.expect("doubled otherwise", tail.duplicates - sum(doubled), 0, 0)
    if rig.settings.delivery == "exactly_once" and tail.duplicates:
        rig.problem(f"the reader beside the workers saw {tail.duplicates} twice")
