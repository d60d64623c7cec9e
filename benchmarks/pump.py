"""Through Kafka and back: what the client alone costs, and what `express` adds to it.

    python -m benchmarks.pump [--quick] [--json FILE] [--kafka HOST:PORT] [--events N]

Each variant drains the same prepared topic (12 partitions, 300-byte IoT events in batches of 400) in a process of its
own, in turns; the process's CPU time counts, from its first record to its last commit. `consume` only reads.
`ceiling` reads, decodes, encodes, writes whole batches through the documented API and commits: a pump without an
engine. `headed` does that with the nine headers that a result has. `hand` calls w2 as written by hand for every event
besides: a worker for this workflow and nothing else. `express` runs the six-state workflow w2, with limits, metering
and metrics on; `exactly_once` the same in transactions. Beside it stands what the broker spent on an event meanwhile,
where it runs on this machine. Without --kafka a real Apache Kafka is started from its jars (Java 17, Maven), with the
options its own script has for Java, its logs in TMPDIR.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks import hand, processes

PARTITIONS = 12
BATCH = 400
SLICE = 500
INPUT = "bench.events"
VARIANTS = ("consume", "ceiling", "headed", "hand", "express", "exactly_once")

ARN = f"arn:aws:states:us-east-1:123456789012:express:w2:{INPUT}".encode()
STATUS = ("express.status", b"SUCCEEDED")
BILLED = (
    ("express.billed-duration-ms", b"100"),
    ("express.billed-memory-mb", b"64"),
    ("express.source-topic", INPUT.encode()),
)

SERVER = {
    "group.initial.rebalance.delay.ms": "1000",  # workers that start together get their partitions together
    "log.retention.check.interval.ms": "5000",
}
"""What the broker of our own has beside what tests want."""

KEPT = {"retention.bytes": str(64 << 20), "file.delete.delay.ms": "1000"}
"""How much of the results stays, a partition."""

CONFIG = """
[kafka]
bootstrap_servers = "{bootstrap}"
group = "bench-{run}"
[functions]
score = {{ handler = "benchmarks.pump:score", mode = "inline" }}
[[pipelines]]
name = "w2"
topics = ["{topic}"]
workflow = "{workflow}"
output = "bench.results"
dead_letter = "bench.dead"
delivery = "{delivery}"
"""


def score(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The workflow's task."""
    return {"level": event["value"] / 100, "model": "m1"}


# The load -----------------------------------------------------------------------------------------------


async def prepare(bootstrap: str, events: int) -> None:
    """Make the topics and fill the input with events that all take the six-state way."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    results = [NewTopic(topic, PARTITIONS, 1, topic_configs=KEPT) for topic in ("bench.results", "bench.dead")]
    await admin.create_topics([NewTopic(INPUT, PARTITIONS, 1), *results])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, max_batch_size=1 << 20)
    await producer.start()
    event = json.loads((Path(__file__).parent / "workloads" / "w2.json").read_text())["input"]
    del event["note"]
    chance = random.Random(7)
    written = 0
    while written < events:
        for partition in range(PARTITIONS):
            batch = producer.create_batch()
            for _ in range(min(BATCH, events - written)):
                device = f"sensor-{chance.randrange(1000):04d}"
                value = orjson.dumps({**event, "id": f"evt-{written:010d}", "deviceId": device})
                batch.append(key=device.encode(), value=value, timestamp=None)
                written += 1
            await (await producer.send_batch(batch, INPUT, partition=partition))
    await producer.stop()


# The variants, each in a process of its own -----------------------------------------------------------------


def _consumer(bootstrap: str, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        INPUT,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=8 << 20,
        max_partition_fetch_bytes=1 << 20,
        fetch_max_wait_ms=100,
    )


class Writer:
    """Results in whole batches, one flush in flight: batches, acknowledgements, then offsets."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, *, headed: bool, works: bool) -> None:
        self._producer = producer
        self._headed = headed
        self._works = works
        self._consumer = consumer
        self._batches: dict[int, Any] = {}
        self._offsets: dict[TopicPartition, int] = {}
        self._flush: asyncio.Future[None] | None = None

    async def take(self, partition: TopicPartition, records: list[Any]) -> None:
        """Decode, encode and append the records of one slice."""
        number = partition.partition
        headers: list[tuple[str, bytes]] = []
        for record in records:
            event = orjson.loads(record.value)
            value = orjson.dumps(await hand.w2(event) if self._works else event)
            if self._headed:
                headers = headers_of(number, record.offset)
            batch = self._batches.get(number)
            if batch is None:
                batch = self._batches[number] = self._producer.create_batch()
            if batch.append(key=record.key, value=value, timestamp=None, headers=headers) is None:
                await self.drain()
                batch = self._batches[number] = self._producer.create_batch()
                batch.append(key=record.key, value=value, timestamp=None, headers=headers)
        self._offsets[partition] = records[-1].offset + 1

    def flush(self) -> None:
        """Begin a flush unless one is under way."""
        if self._batches and (self._flush is None or self._flush.done()):
            self._flush = asyncio.ensure_future(self._write(self._batches, dict(self._offsets)))
            self._batches = {}

    async def drain(self) -> None:
        """Write everything."""
        if self._flush is not None:
            await self._flush
        if self._batches:
            batches, self._batches = self._batches, {}
            await self._write(batches, dict(self._offsets))

    async def _write(self, batches: dict[int, Any], offsets: dict[TopicPartition, int]) -> None:
        sent = [await self._producer.send_batch(batch, "bench.results", partition=p) for p, batch in batches.items()]
        await asyncio.gather(*sent)
        if offsets:
            await self._consumer.commit(offsets)


def headers_of(partition: int, offset: int) -> list[tuple[str, bytes]]:
    """Headers as results have them, written with care by hand: what does not change is made once."""
    now = b"%d" % int(time.time() * 1000)
    arn = b"%b-%d-%d:01234567-89ab-8cde-8f01-%012x" % (ARN, partition, offset, offset)
    return [
        ("express.execution-arn", arn),
        STATUS,
        ("express.start-time", now),
        ("express.stop-time", now),
        *BILLED,
        ("express.source-partition", b"%d" % partition),
        ("express.source-offset", b"%d" % offset),
    ]


async def pump(
    bootstrap: str, group: str, events: int, *, write: bool, headed: bool = False, works: bool = False
) -> float:
    """Read everything; `write`: decode, encode, write and commit it too. The CPU seconds that took."""
    consumer = _consumer(bootstrap, group)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=1 << 20
    )
    await consumer.start()
    await producer.start()
    writer = Writer(producer, consumer, headed=headed, works=works)
    seen, before = 0, 0.0
    while seen < events:
        for partition, records in (await consumer.getmany(timeout_ms=200, max_records=SLICE)).items():
            before = before or _cpu()
            seen += len(records)
            if write:
                await writer.take(partition, records)
        await asyncio.sleep(0)
        writer.flush()
    await writer.drain()
    spent = _cpu() - before
    await consumer.stop()
    await producer.stop()
    return spent


async def express(bootstrap: str, run: str, events: int, delivery: str) -> float:
    """The same through the real parts of a worker. The CPU seconds from the first record to the last commit."""
    from express.config import load
    from express.service.prepare import prepare as job_of
    from express.service.worker_metrics import settle_garbage
    from express.service.worker_parts import build

    with tempfile.TemporaryDirectory() as folder:
        workflow = Path(folder) / "w2.asl.json"
        definition = json.loads((Path(__file__).parent / "workloads" / "w2.json").read_text())["definition"]
        workflow.write_text(json.dumps(definition))
        file = Path(folder) / "express.toml"
        text = CONFIG.format(bootstrap=bootstrap, run=run, topic=INPUT, workflow=workflow, delivery=delivery)
        file.write_text(text)
        built = build(job_of(load([str(file)]).config))
    settle_garbage()  # as a worker does, once it is built
    processor = built.processors[0]
    counters = processor.counters
    running = asyncio.create_task(processor.run())
    while not counters.records:  # noqa: ASYNC110 - counters are plain integers, nobody waits on the hot path for us
        await asyncio.sleep(0.001)
    before = _cpu()
    while counters.succeeded + counters.failed < events:  # noqa: ASYNC110 - the same
        await asyncio.sleep(0.02)
    processor.stop()
    await running
    spent = _cpu() - before
    assert counters.succeeded == events, (counters.succeeded, counters.failed)
    await built.close()
    return spent


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def child(variant: str, bootstrap: str, run: str, events: int) -> None:
    """One run of one variant; prints its CPU and wall seconds."""
    started = time.perf_counter()
    if variant in ("consume", "ceiling", "headed", "hand"):
        how = {"write": variant != "consume", "headed": variant in ("headed", "hand"), "works": variant == "hand"}
        spent = uvloop.run(pump(bootstrap, run, events, **how))
    else:
        delivery = "exactly_once" if variant == "exactly_once" else "at_least_once"
        spent = uvloop.run(express(bootstrap, run, events, delivery))
    print(json.dumps({"cpu": spent, "wall": time.perf_counter() - started}))


# The parent ---------------------------------------------------------------------------------------------


@contextmanager
def broker(address: str | None) -> Iterator[str]:
    """The broker asked for, or a real one of our own."""
    if address is not None:
        yield address
        return
    from tests.kafka.real import RealKafka

    kafka = RealKafka(configs=SERVER, as_server=True)
    kafka.start()
    try:
        yield kafka.address
    finally:
        kafka.stop()


Figures = dict[str, list[float]]
"""Microseconds per event, by variant and round."""


def measure(bootstrap: str, events: int, rounds: int, variants: list[str]) -> tuple[Figures, Figures]:
    """CPU per event of the variants, and of the broker meanwhile, as far as that can be seen."""
    found: Figures = {variant: [] for variant in variants}
    brokers: Figures = {variant: [] for variant in variants}
    broker = processes.listener(bootstrap)
    for number in range(rounds):
        for variant in variants:
            run = f"{variant}-{number}-{time.time_ns()}"
            command = [sys.executable, "-m", "benchmarks.pump", "--child", variant, run]
            command += ["--kafka", bootstrap, "--events", str(events)]
            before = broker and processes.cpu_seconds([broker])
            answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=300).stdout)
            after = broker and processes.cpu_seconds([broker])
            found[variant].append(answer["cpu"] / events * 1e6)
            if before is not None and after is not None:
                brokers[variant].append((after - before) / events * 1e6)
            print(f"  {variant:13}{answer['cpu'] / events * 1e6:8.2f} us/event", file=sys.stderr)
    return found, brokers


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer events and rounds")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a broker that runs already")
    parser.add_argument("--events", type=int, help="events in the topic")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--child", nargs=2, metavar=("VARIANT", "RUN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    events = options.events or (60_000 if options.quick else 600_000)
    if options.child:
        child(options.child[0], options.kafka, options.child[1], events)
        return
    with broker(options.kafka) as bootstrap:
        asyncio.run(prepare(bootstrap, events))
        found, brokers = measure(bootstrap, events, 2 if options.quick else 5, options.only)
    report(found, brokers, options.json)


def report(found: Figures, brokers: Figures, file: str | None) -> None:
    """Print the table, write the file."""
    best = {variant: min(times) for variant, times in found.items()}
    theirs = {variant: min(times) for variant, times in brokers.items() if times}
    ceiling = best.get("ceiling")
    print(f"{'':13}{'best us':>10}{'median':>10}{'events/CPU s':>14}{'of ceiling':>12}{'broker us':>12}")
    for variant, times in found.items():
        share = f"{ceiling / best[variant]:12.2f}" if ceiling else f"{'':12}"
        broker = f"{theirs[variant]:12.2f}" if variant in theirs else ""
        median = statistics.median(times)
        print(f"{variant:13}{best[variant]:10.2f}{median:10.2f}{1e6 / best[variant]:14,.0f}{share}{broker}")
    if file:
        row = {"us_per_event": {variant: round(value, 2) for variant, value in best.items()}}
        row["broker_us_per_event"] = {variant: round(value, 2) for variant, value in theirs.items()}
        if ceiling and "express" in best:
            row["share_of_ceiling"] = round(ceiling / best["express"], 3)
            if "headed" in best:
                row["share_of_headed_ceiling"] = round(best["headed"] / best["express"], 3)
            if "hand" in best:
                row["x_hand"] = round(best["express"] / best["hand"], 3)
            row["events_per_cpu_second"] = round(1e6 / best["express"])
        if "express" in best and "exactly_once" in best:
            row["exactly_once_share"] = round(best["express"] / best["exactly_once"], 3)
        Path(file).write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
