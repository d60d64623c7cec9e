"""Produces sample events into Kafka, in a process of its own: `express dev` starts it.

Run as `python -m express.sources.generator`, the plan as one line of JSON on stdin, progress as lines of JSON on
stdout. Ends by itself when the plan is done, or on SIGTERM or the end of stdin.

Events go out as whole batches, at most one of each partition under way: `send()` with its future per record
would cost four times as much, and many senders waiting for one partition wake each other (aiokafka #528).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from express.sources.sample_events import Event, SampleEvents

TICK_SECONDS = 0.01
REPORT_SECONDS = 0.25
MOST_PER_TICK = 1_000
BATCH_BYTES = 256 * 1024
BEHIND_SECONDS = 1.0
"""A generator that can't keep its rate does not try to catch up with more than this."""


class Stream(msgspec.Struct, frozen=True):
    """One topic and its share of all events; `kind` is reading, order or document."""

    topic: str
    kind: str
    share: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to produce. `rate` is per second, None: as fast as can be; without events or seconds it never ends."""

    bootstrap_servers: str
    streams: list[Stream]
    seed: int = 1
    rate: float | None = None
    events: int | None = None
    seconds: float | None = None
    properties: dict[str, Any] = {}


class Progress(msgspec.Struct):
    """How far it is. `acknowledged` by the broker; `done` in the last line."""

    made: int = 0
    acknowledged: int = 0
    done: bool = False


class TopicWriter:
    """Batches for the partitions of one topic."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int, progress: Progress) -> None:
        self._producer = producer
        self._topic = topic
        self._count = partitions
        self._progress = progress
        self._batches: dict[int, Any] = {}
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._partition_of: dict[bytes, int] = {}

    async def add(self, event: Event, now_ms: int) -> None:
        """Put an event into the batch of its partition; waits for the partition when its batch is full."""
        partition = self._partition(event.key)
        while True:
            batch = self._batches.get(partition)
            if batch is None:
                batch = self._batches[partition] = self._producer.create_batch()
            if batch.append(key=event.key, value=event.value, timestamp=now_ms) is not None:
                return
            await self._sent(partition)
            self._send(partition)

    def send(self) -> None:
        """Send every batch whose partition has none under way."""
        for partition in list(self._batches):
            if partition not in self._sending:
                self._send(partition)

    async def finish(self) -> None:
        """Send what is left and wait until all is acknowledged."""
        while self._batches or self._sending:
            self.send()
            await asyncio.gather(*self._sending.values())

    def _partition(self, key: bytes) -> int:
        partition = self._partition_of.get(key)
        if partition is None:
            if len(self._partition_of) > 100_000:
                self._partition_of.clear()
            partition = self._partition_of[key] = (murmur2(key) & 0x7FFFFFFF) % self._count
        return partition

    def _send(self, partition: int) -> None:
        batch = self._batches.pop(partition)
        self._sending[partition] = asyncio.create_task(self._deliver(batch, partition))

    async def _deliver(self, batch: Any, partition: int) -> None:
        count = batch.record_count()
        batch.close()
        try:
            await (await self._producer.send_batch(batch, self._topic, partition=partition))
            self._progress.acknowledged += count
        finally:
            del self._sending[partition]

    async def _sent(self, partition: int) -> None:
        if partition in self._sending:
            await self._sending[partition]


class Generator:
    """Produces one plan."""

    def __init__(self, plan: Plan, report: Callable[[Progress], None]) -> None:
        self._plan = plan
        self._report = report
        self._stopping = False
        self.progress = Progress()

    def stop(self) -> None:
        """Make no more events; what was made is still sent."""
        self._stopping = True

    async def run(self) -> None:
        """Produce to the end of the plan or until stopped; every event made is acknowledged when this returns."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._plan.bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            **self._plan.properties,
        )
        await producer.start()
        try:
            writers = [await self._writer(producer, stream) for stream in self._plan.streams]
            await self._produce(writers)
            await asyncio.gather(*(writer.finish() for writer in writers))
        finally:
            await producer.stop()
        self.progress.done = True
        self._report(self.progress)

    async def _writer(self, producer: AIOKafkaProducer, stream: Stream) -> TopicWriter:
        partitions = await producer.partitions_for(stream.topic)
        return TopicWriter(producer, stream.topic, len(partitions), self.progress)

    async def _produce(self, writers: list[TopicWriter]) -> None:
        samples = SampleEvents(self._plan.seed)
        makers = [getattr(samples, stream.kind) for stream in self._plan.streams]
        turns = _turns([stream.share for stream in self._plan.streams])
        began = reported = time.monotonic()
        while not self._stopping and (due := self._due(began)) is not None:
            now_ms = int(time.time() * 1000)
            for _ in range(due):
                index = turns[self.progress.made % len(turns)]
                await writers[index].add(makers[index](now_ms), now_ms)
                self.progress.made += 1
            for writer in writers:
                writer.send()
            if time.monotonic() - reported > REPORT_SECONDS:
                self._report(self.progress)
                reported = time.monotonic()
            await asyncio.sleep(0 if self._plan.rate is None else TICK_SECONDS)

    def _due(self, began: float) -> int | None:
        """How many events to make now; None when the plan is done."""
        plan, made = self._plan, self.progress.made
        passed = time.monotonic() - began
        if plan.seconds is not None and passed >= plan.seconds:
            return None
        left = MOST_PER_TICK if plan.events is None else plan.events - made
        if left <= 0:
            return None
        wanted = MOST_PER_TICK if plan.rate is None else int(plan.rate * passed) - made
        return max(0, min(left, wanted, MOST_PER_TICK))


def _turns(shares: list[float]) -> list[int]:
    """Which stream gets which of a hundred events, spread evenly: the same for every run.

    >>> _turns([0.5, 0.25, 0.25])[:4]
    [0, 1, 2, 0]
    """
    credit = [0.0] * len(shares)
    total = sum(shares)
    turns = []
    for _ in range(100):
        credit = [have + share / total for have, share in zip(credit, shares, strict=True)]
        index = max(range(len(shares)), key=lambda i: credit[i])
        credit[index] -= 1
        turns.append(index)
    return turns


async def _main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    plan = msgspec.json.decode(await reader.readline(), type=Plan)
    generator = Generator(plan, lambda progress: print(msgspec.json.encode(progress).decode(), flush=True))
    loop.add_signal_handler(signal.SIGTERM, generator.stop)
    orphan = asyncio.create_task(_stop_with(reader, generator))
    await generator.run()
    orphan.cancel()


async def _stop_with(reader: asyncio.StreamReader, generator: Generator) -> None:
    """Stdin ends with whoever wanted the events."""
    with contextlib.suppress(OSError):
        await reader.read()
    generator.stop()


if __name__ == "__main__":
    import uvloop

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        uvloop.run(_main())
    except BrokenPipeError:
        os._exit(1)
