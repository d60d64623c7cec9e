"""Whole workers at work: `express run` over topics that were filled beforehand, watched from outside.

Used by `benchmarks.scale` and `benchmarks.latency`. Workers and broker share the machine's processors with nothing
else: whoever fills the topics has ended, and whoever watches only looks at end offsets, ten times a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks import pump

ROOT = Path(__file__).parents[1]
RESULTS = ("bench.results", "bench.dead")
FROM_SHARE = 0.1
"""The rate counts from this share of the results on: before that workers start and join their group."""
PATIENCE = 300.0
LOOK = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")


def fill(bootstrap: str, events: int) -> None:
    """Make the topics, and fill the input."""
    asyncio.run(pump.prepare(bootstrap, events))


@contextmanager
def configured(bootstrap: str, run: str, topic: str = pump.INPUT) -> Iterator[Path]:
    """A configuration of W2 for a group of its own."""
    with tempfile.TemporaryDirectory() as folder:
        workflow, file = Path(folder, "w2.asl.json"), Path(folder, "express.toml")
        content = json.loads((ROOT / "benchmarks/workloads/w2.json").read_text())
        workflow.write_text(json.dumps(content["definition"]))
        values = {"bootstrap": bootstrap, "run": run, "topic": topic, "workflow": workflow}
        file.write_text(pump.CONFIG.format(**values, delivery="at_least_once"))
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


def drain(bootstrap: str, run: str, workers: int, events: int) -> dict[str, float]:
    """Events per second of wall time, and microseconds of CPU per event of the processes that `express run` is."""
    before = _children()
    with Ends(bootstrap) as ends, configured(bootstrap, run) as file, running(file, workers):
        first, until = ends.results(), time.monotonic() + PATIENCE
        began: tuple[float, int] | None = None
        while (done := ends.results() - first) < events:
            now = time.monotonic()
            if began is None and done >= events * FROM_SHARE:
                began = (now, done)
            if now > until:
                raise TimeoutError(f"{done:,} of {events:,} results after {PATIENCE:.0f} s")
            time.sleep(LOOK)
        ended = time.monotonic()
        assert began is not None
    return {"per_second": (events - began[1]) / (ended - began[0]), "cpu_us": (_children() - before) / events * 1e6}


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Ends:
    """How many results there are, by the end offsets of their topics."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-ends"})

    def __enter__(self) -> Ends:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def results(self) -> int:
        """Records in the output and the dead-letter topic since they were made."""
        return sum(self._end(topic, number) for topic in RESULTS for number in range(pump.PARTITIONS))

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
