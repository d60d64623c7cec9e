"""Workers that die, or are suspended, exactly where it hurts."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.faults import crash
from tests.faults.kills import INSTANCE, WORKERS
from tests.faults.rig import Rig
from tests.faults.service import Service, until
from tests.faults.tail import Tail

ENDED = re.compile(r"worker \d+ ended with -9")

BY_REBALANCE = frozenset({"assigned", "revoked", "settled", "InitProducerId-sent", "InitProducerId-answered"})
"""Points that are come to only when partitions move."""

MID_TRANSACTION = ("Produce-answered", "TxnOffsetCommit-answered", "EndTxn-before", "EndTxn-sent")


def _arm(rig: Rig) -> Path:
    folder = rig.folder / "tickets"
    folder.mkdir()
    rig.environment[crash.VARIABLE] = str(folder)
    return folder


async def crash_points(rig: Rig) -> None:
    """A worker dies at each of a dozen chosen points, one after the other."""
    folder = _arm(rig)
    exactly_once = rig.settings.delivery == "exactly_once"
    points = list(crash.EXACTLY_ONCE if exactly_once else crash.AT_LEAST_ONCE)
    rig.random.shuffle(points)
    service = await rig.start(workers=WORKERS, group_instance_id=INSTANCE)
    async with rig.reading() as tail, asyncio.TaskGroup() as group:
        feed = group.create_task(rig.load.feed(rig.cluster.address, 3_600))
        for point in points:
            crash.put(folder, point, times=0 if point in BY_REBALANCE or point == "drain" else rig.random.randrange(20))
            await _crash(rig, service, point)
            rig.disrupt()
            await _recovered(rig, tail)
        rig.load.stop()
        await feed
        await tail.counted(rig.load.sent)
    rig.outcome.notes["points"] = len(points)
    if exactly_once:
        rig.expect("seen twice by the reader beside them", tail.duplicates, 0, 0)


async def _crash(rig: Rig, service: Service, point: str) -> None:
    """Let a worker come to `point` and die."""
    crashes = len(_ends(rig))
    guest = None
    if point in BY_REBALANCE:
        guest = rig.service()
    elif point == "drain":
        os.kill(service.pids[0], signal.SIGTERM)
    await until(lambda: len(_ends(rig)) > crashes, f"a worker dies at {point}")
    if guest is not None:
        await guest.ready()
        await guest.drain()


def _ends(rig: Rig) -> list[str]:
    return [end for service in rig.services for end in ENDED.findall(service.text())]


async def _recovered(rig: Rig, tail: Tail) -> None:
    rig.outcome.recoveries.append(round(await rig.watch.reached(await rig.ends(), 60), 1))
    await tail.caught_up()


async def zombie_points(rig: Rig) -> None:
    """A worker is suspended in the middle of a transaction, beyond its session, and goes on afterwards."""
    folder = _arm(rig)
    services = [await rig.start() for _ in range(2)]
    async with rig.reading() as tail, asyncio.TaskGroup() as group:
        feed = group.create_task(rig.load.feed(rig.cluster.address, 3_600))
        for point in rig.random.sample(MID_TRANSACTION, len(MID_TRANSACTION)):
            crash.put(folder, point, rig.random.randrange(100), signal.SIGSTOP)
            pids = [service.pids[0] for service in services]
            zombie = await _suspended(pids, point)
            rig.disrupt()
            try:
                await _recovered(rig, tail)  # the other one has everything by now
                await asyncio.sleep(rig.random.uniform(0, 2))
            finally:
                os.kill(zombie, signal.SIGCONT)
            await _recovered(rig, tail)
        rig.load.stop()
        await feed
        await tail.counted(rig.load.sent)
    rig.expect("seen twice by the reader beside them", tail.duplicates, 0, 0)
    rig.outcome.notes["points"] = len(MID_TRANSACTION)


async def _suspended(pids: Sequence[int], point: str) -> int:
    """Wait until one of the processes is suspended; which."""
    await until(lambda: any(map(_is_suspended, pids)), f"a worker is suspended at {point}")
    return next(filter(_is_suspended, pids))


def _is_suspended(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
