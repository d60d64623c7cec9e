"""Produces sample events into Kafka, in a process of its own: `express dev` starts it.

Run as `python -m express.load.generator`, the plan as one line of JSON on stdin, progress as lines of JSON on
stdout. Ends by itself when the plan is done, or on SIGTERM or the end of stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable

import msgspec
from aiokafka import AIOKafkaProducer

from express.config import Kafka
from express.kafka.properties import client_properties
from express.load.batch_producer import BatchProducer, feeding_producer, fit_batches
from express.load.sample_events import SampleEvents

TICK_SECONDS = 0.01
REPORT_SECONDS = 0.25
MOST_PER_TICK = 1_000
MOST_WAITING = 20_000
"""Events of one topic that the broker has not acknowledged yet: then no more are made for a while."""

BEHIND_SECONDS = 1.0
"""A generator that can't keep its rate does not try to catch up with more than this."""


class Stream(msgspec.Struct, frozen=True):
    """One topic and its share of all events; `kind` is reading, order or document."""

    topic: str
    kind: str
    share: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Plan of a generator. `rate` is per second, None: as fast as can be; without events or seconds it never ends."""

    kafka: Kafka
    streams: list[Stream]
    seed: int = 1
    rate: float | None = None
    events: int | None = None
    seconds: float | None = None


class Progress(msgspec.Struct):
    """Progress of a generator. `acknowledged` by the broker; `done` in the last line."""

    made: int = 0
    acknowledged: int = 0
    done: bool = False


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
        producer = await feeding_producer(client_properties(self._plan.kafka).producer)
        try:
            await fit_batches(producer, [stream.topic for stream in self._plan.streams])
            feeds = [await self._feed(producer, stream) for stream in self._plan.streams]
            await self._produce(feeds)
            for feed in feeds:
                await feed.room(0)
        finally:
            await producer.stop()
        self._count(feeds)
        self.progress.done = True
        self._report(self.progress)

    async def _feed(self, producer: AIOKafkaProducer, stream: Stream) -> BatchProducer:
        partitions = await producer.partitions_for(stream.topic)
        return BatchProducer(producer, stream.topic, len(partitions))

    async def _produce(self, feeds: list[BatchProducer]) -> None:
        samples = SampleEvents(self._plan.seed)
        makers = [getattr(samples, stream.kind) for stream in self._plan.streams]
        turns = _turns([stream.share for stream in self._plan.streams])
        began = reported = time.monotonic()
        while not self._stopping and (due := self._due(began)) is not None:
            now_ms = int(time.time() * 1000)
            for _ in range(due):
                index = turns[self.progress.made % len(turns)]
                event = makers[index](now_ms)
                feeds[index].add(event.key, event.value, now_ms)
                self.progress.made += 1
            for feed in feeds:
                feed.send()
                await feed.room(MOST_WAITING)
            if time.monotonic() - reported > REPORT_SECONDS:
                self._count(feeds)
                self._report(self.progress)
                reported = time.monotonic()
            await asyncio.sleep(0 if self._plan.rate is None else TICK_SECONDS)

    def _count(self, feeds: list[BatchProducer]) -> None:
        self.progress.acknowledged = sum(feed.acknowledged for feed in feeds)

    def _due(self, began: float) -> int | None:
        """Return how many events to make now; None when the plan is done."""
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
