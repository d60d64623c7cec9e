"""What happens to topics, commits and records."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from tests.faults.rig import Rig
from tests.faults.service import until
from tests.kafka.clients import admin

FOREIGN = ["\x01garbage", "x1", "x1!!!!", "x1gICAgICAgIA=", "l" + "A" * 4_000, "ünïcode", "x1BQM=" + "=" * 3]
REWIND = 100
COMMITTED_SECONDS = 30
DRAIN_SECONDS = 8
"""What a service gets that can't write."""


async def smoke(rig: Rig) -> None:
    """Nothing happens. For versions and codecs."""
    codec: dict[str, Any] = {"compression_type": rig.plan.compression} if rig.plan.compression else {}
    await rig.start(workers=2, **codec)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 2)
        await rig.recovered()


async def dead_letters_missing(rig: Rig) -> None:
    """The dead-letter topic is not there at the start, and created later: it waits, and skips nothing."""
    rig.service(workers=2)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 2)
        if sum(rig.watch.committed.values()):
            rig.problem("something was committed without a dead-letter topic")
        await rig.create(f"{rig.topic}.dead-letters")
        await rig.recovered()


async def dead_letters_deleted(rig: Rig) -> None:
    """The dead-letter topic goes while it runs; poison comes, then the topic is there again."""
    await rig.start(workers=2)
    async with rig.feeding(2):
        await asyncio.sleep(1)
    await rig.recovered()
    topic = f"{rig.topic}.dead-letters"
    await rig.delete(topic)
    rig.disrupt(2)
    rig.load.plan = msgspec.structs.replace(rig.plan, poison=0.05)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds - 2)
        await rig.create(topic)
        await rig.recovered()


async def input_missing(rig: Rig) -> None:
    """The input topic is not there at the start: it is named, and drained once it is there; the other one goes on."""
    await rig.delete(rig.topic)
    service = rig.service(workers=2)
    await until(lambda: "there is no topic" in service.text() and rig.topic in service.text(), "it names the topic")
    await rig.passes_beside()
    if await service._get("/readyz") is not None:
        rig.problem("it is ready without its input")
    await rig.create(rig.topic)
    await service.ready()
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 2)
        await rig.recovered()


async def untouched(rig: Rig) -> None:
    """Nothing has ever come: every partition has a commit all the same, so that whoever scales by lag sees none."""
    await rig.start(workers=2)
    async with asyncio.timeout(COMMITTED_SECONDS):
        while len(rig.watch.committed) < rig.plan.partitions:  # noqa: ASYNC110 - brokers do not tell
            await asyncio.sleep(0.1)
    if any(rig.watch.committed.values()):
        rig.problem(f"committed without a record: {rig.watch.committed}")
    async with rig.feeding(1):
        await asyncio.sleep(0.5)
        await rig.recovered()
    await rig.passes_beside()


async def output_deleted(rig: Rig) -> None:
    """The output topic goes before the first record comes, and is there again later: it waits, and loses nothing."""
    await rig.start(workers=2)
    topic = f"{rig.topic}.results"
    await rig.delete(topic)
    rig.disrupt(2)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 2)
        if sum(rig.watch.committed.values()):
            rig.problem("something was committed without an output topic")
        await rig.create(topic)
        await rig.recovered()


async def sigterm_dead_letters_gone(rig: Rig) -> None:
    """SIGTERM while the dead-letter topic is gone and poison waits for it: it ends in time, and skips nothing."""
    service = await rig.start(workers=2)
    async with rig.feeding(2):
        await asyncio.sleep(1)
    await rig.recovered()
    topic = f"{rig.topic}.dead-letters"
    await rig.delete(topic)
    rig.disrupt(2)
    rig.load.plan = msgspec.structs.replace(rig.plan, poison=0.05)
    async with rig.feeding(3):
        await asyncio.sleep(2)
    began = time.monotonic()
    rig.outcome.notes["exit code"] = await service.drain(60)
    rig.expect("seconds to end", time.monotonic() - began, 0, DRAIN_SECONDS + 5)
    await rig.create(topic)
    await rig.start(workers=2)
    await rig.recovered()


async def foreign_metadata(rig: Rig) -> None:
    """Another program's metadata, or broken one, stands at the commits: replayed from there, and said so."""
    service = await rig.start()
    async with rig.feeding():
        await asyncio.sleep(1)
    await rig.recovered()
    await service.drain()
    await rig.watch.stop()
    await _commit_foreign(rig)
    service = await rig.start()
    rig.begin_watch()
    await rig.recovered()
    rig.outcome.notes["replayed on purpose"] = REWIND * rig.plan.partitions
    rig.expect("told in the log", service.text().count("with metadata that is not ours"), rig.plan.partitions, 1_000)


async def _commit_foreign(rig: Rig) -> None:
    """Put each partition's commit back by REWIND offsets, with metadata that is not ours."""
    client = AIOKafkaConsumer(bootstrap_servers=rig.cluster.address, group_id=rig.group, enable_auto_commit=False)
    await client.start()
    try:
        positions = {
            TopicPartition(*at): OffsetAndMetadata(end - REWIND, FOREIGN[at.number % len(FOREIGN)])
            for at, end in (await rig.ends()).items()
        }
        client.assign(list(positions))
        await client.commit(positions)
    finally:
        await client.stop()


async def poison(rig: Rig) -> None:
    """Twenty kinds of what can't be run among good records: as many dead letters, byte for byte, and no stop."""
    await rig.start(workers=2)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 2)
        await rig.recovered()


async def transactional_input(rig: Rig) -> None:
    """The input is written in transactions, a third of them aborted, the last one too: nothing stalls at a marker."""
    await rig.start(workers=2)
    await rig.load.feed_transactions(rig.cluster.address, rig.seconds)
    await rig.covered()


async def truncated(rig: Rig) -> None:
    """Retention deletes records that were not read yet: counted as missing, and passed."""
    service = await rig.start()
    async with rig.feeding(2):
        await asyncio.sleep(1)
    await rig.recovered()
    await service.drain()
    async with rig.feeding(2):
        await asyncio.sleep(1)
    at = dict(rig.watch.committed)
    ends = await rig.ends()
    cuts = {where: (at.get(where, 0) + end) // 2 for where, end in ends.items()}
    async with admin(rig.cluster.address) as client:
        await client.delete_records({TopicPartition(*where): RecordsToDelete(cut) for where, cut in cuts.items()})
    service = await rig.start()
    async with rig.feeding(2):
        await asyncio.sleep(1)
    await rig.recovered()
    unread = sum(cut - at.get(where, 0) for where, cut in cuts.items())
    rig.load.sent -= sum(cuts.values())
    found = await service.metric("express_kafka_offsets_missing_total")
    rig.expect("offsets missing", found, unread, unread)
