"""Whole workers at work: `express run` over topics that were filled beforehand, watched from outside.

Used by `benchmarks.scale` and `benchmarks.latency`. Workers and broker share the machine's processors with nothing
else: whoever fills the topics has ended, and whoever watches only looks at end offsets, ten times a second.

What counts is the middle of a run, when every worker is at work: from when all of them have partitions, and a tenth of
the results is there, until nine tenths are. Before it workers start, and the first one may have all partitions until
the group hears of the others; at its end one has nothing left while another still works.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks import processes, pump

ROOT = Path(__file__).parents[1]
RESULTS = ("bench.results", "bench.dead")
FROM_SHARE, TO_SHARE = 0.1, 0.9
"""The part of the results that counts."""
PATIENCE = 300.0
JOIN_SECONDS = 30.0
LOOK = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")


def fill(bootstrap: str, events: int) -> None:
    """Make the topics, and fill the input."""
    asyncio.run(pump.prepare(bootstrap, events))


@contextmanager
def configured(bootstrap: str, run: str, topic: str = pump.INPUT, compression: str | None = None) -> Iterator[Path]:
    """A configuration of W2 for a group of its own."""
    with tempfile.TemporaryDirectory() as folder:
        workflow, file = Path(folder, "w2.asl.json"), Path(folder, "express.toml")
        content = json.loads((ROOT / "benchmarks/workloads/w2.json").read_text())
        workflow.write_text(json.dumps(content["definition"]))
        values = {"bootstrap": bootstrap, "run": run, "topic": topic, "workflow": workflow}
        client = f'[kafka.client]\n"compression.type" = "{compression}"\n' if compression else ""
        file.write_text(pump.CONFIG.format(**values, delivery="at_least_once") + client)
        yield file


@contextmanager
def running(file: Path, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    """`express run`; drained and ended at the end."""
    command = [
        sys.executable,
        "-m",
        "express",
        "run",
        "-c",
        str(file),
        "--workers",
        str(workers),
        "--set",
        "metrics.port=0",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    if process.returncode:
        raise RuntimeError(f"express run ended with {process.returncode}: {told.decode()[-500:]}")


class Look(NamedTuple):
    """How far things are at a moment; seconds of CPU are None where nobody tells."""

    at: float
    done: int
    workers: float | None
    broker: float | None
    idle: float | None


def drain(bootstrap: str, run: str, workers: int, events: int, compression: str | None = None) -> dict[str, float]:
    """Events per second of wall time; microseconds of CPU per event of the workers and of the broker, as far as known.

    `busy` is the share of the time in which the machine's processors had something to do, `ours` the share in which
    that was workers and broker: where the two are apart, other work has disturbed them.
    """
    broker = processes.listener(bootstrap)
    until = time.monotonic() + PATIENCE
    told = configured(bootstrap, run, compression=compression)
    with Ends(bootstrap) as ends, told as file, running(file, workers) as process:
        first = ends.results()

        def look(share: float) -> Look:
            """At the moment in which so much is done."""
            while (done := ends.results() - first) < share * events:
                if time.monotonic() > until:
                    raise TimeoutError(f"{done:,} of {events:,} results after {PATIENCE:.0f} s")
                time.sleep(LOOK)
            spent = processes.cpu_seconds(processes.family(process.pid))
            theirs = None if broker is None else processes.cpu_seconds([broker])
            return Look(time.monotonic(), done, spent, theirs, processes.idle_seconds())

        ends.wait_for(f"bench-{run}-w2", workers)
        began, ended = look(FROM_SHARE), look(TO_SHARE)
        look(1)
    if (ended.done - began.done) * 2 < events:
        raise RuntimeError(f"{began.done:,} of {events:,} events were done before {workers} workers were at work")
    return _between(began, ended)


def _between(began: Look, ended: Look) -> dict[str, float]:
    """What a run came to from one look to another."""
    seconds, done = ended.at - began.at, ended.done - began.done
    found = {"per_second": done / seconds}
    for name, before, after in (("cpu_us", began.workers, ended.workers), ("broker_us", began.broker, ended.broker)):
        if before is not None and after is not None:
            found[name] = (after - before) / done * 1e6
    processors = os.cpu_count() or 1
    if began.idle is not None and ended.idle is not None:
        found["busy"] = 1 - (ended.idle - began.idle) / seconds / processors
    if "broker_us" in found and "cpu_us" in found:
        found["ours"] = (found["cpu_us"] + found["broker_us"]) * found["per_second"] / 1e6 / processors
    return found


class Ends:
    """How many results there are, by the end offsets of their topics; and who is there to make them."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-ends"})
        self._admin = AdminClient({"bootstrap.servers": bootstrap})

    def __enter__(self) -> Ends:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def results(self) -> int:
        """Records in the output and the dead-letter topic since they were made."""
        return sum(self._end(topic, number) for topic in RESULTS for number in range(pump.PARTITIONS))

    def wait_for(self, group: str, members: int) -> None:
        """Until so many members of a group have partitions."""
        until = time.monotonic() + JOIN_SECONDS
        while (found := self._members(group)) < members:
            if time.monotonic() > until:
                raise TimeoutError(f"{found} of {members} workers have partitions after {JOIN_SECONDS:.0f} s")
            time.sleep(LOOK)

    def _members(self, group: str) -> int:
        try:
            described = self._admin.describe_consumer_groups([group], request_timeout=10)[group].result()
        except KafkaException:
            return 0  # nobody has joined yet
        return sum(bool(member.assignment.topic_partitions) for member in described.members)

    def _end(self, topic: str, number: int) -> int:
        return int(self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1])


# Memory over many events ----------------------------------------------------------------------------------

SOAK_TOPICS = ("soak.events", *RESULTS)
AHEAD = 200_000
"""How far whoever fills the topic may be ahead of the results."""


def soak(bootstrap: str, events: int) -> dict[str, Any]:
    """Megabytes that the worker's process holds after each tenth of the events."""
    small = {"segment.bytes": str(16 << 20), "retention.bytes": str(32 << 20), "file.delete.delay.ms": "1000"}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    there = admin.list_topics(timeout=10).topics
    missing = [NewTopic(topic, pump.PARTITIONS, 1, config=small) for topic in SOAK_TOPICS if topic not in there]
    for topic in admin.create_topics(missing).values() if missing else ():
        topic.result()
    with (
        Ends(bootstrap) as ends,
        configured(bootstrap, f"soak-{time.time_ns()}", SOAK_TOPICS[0]) as file,
        running(file, 1) as process,
    ):
        return asyncio.run(_feed(bootstrap, ends, process.pid, events))


async def _feed(bootstrap: str, ends: Ends, pid: int, events: int) -> dict[str, Any]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks=1, max_batch_size=1 << 20)
    await producer.start()
    event = json.loads((ROOT / "benchmarks/workloads/w2.json").read_text())["input"]
    value = orjson.dumps(event)
    sent, before = 0, ends.results()
    rows: dict[str, Any] = {}
    try:
        while (done := ends.results() - before) < events:
            if done >= events * (len(rows) + 1) // 10:
                rows[str(done)] = {"megabytes": resident(pid) / 1e6}
            while sent < min(events, done + AHEAD):
                for number in range(pump.PARTITIONS):
                    batch = producer.create_batch()
                    for _ in range(pump.BATCH):
                        batch.append(key=b"sensor", value=value, timestamp=None)
                    await (await producer.send_batch(batch, SOAK_TOPICS[0], partition=number))
                    sent += pump.BATCH
            await asyncio.sleep(LOOK)
    finally:
        await producer.stop()
    return rows | {str(done): {"megabytes": resident(pid) / 1e6}}


def resident(pid: int) -> int:
    """Bytes of the largest process below `pid`: the worker, not its parent."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return max(int(Path(f"/proc/{each}/statm").read_text().split()[1]) * _PAGE for each in (*children, str(pid)))
