"""Outlets of a generator: a pipe to the worker beside it, or a Kafka topic."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from typing import Protocol

from express.bench.events import Supply
from express.bench.protocol import pack_acknowledged, pack_events, write_to
from express.config import Kafka
from express.kafka.properties import client_properties
from express.load.batch_producer import BatchProducer


class Outlet(Protocol):
    """Takes events. What it could not pass on yet is `waiting` in it."""

    def send(self, due: list[float], supply: Supply) -> None:
        """Take one event of `supply` for each of these times."""

    @property
    def waiting(self) -> int:
        """Events not passed on, or not acknowledged, yet."""

    @property
    def waiting_bytes(self) -> int:
        """The same in bytes, where that is known."""

    def push(self) -> None:
        """Look after what waits. Raises SinkError where it will wait for ever."""

    async def close(self) -> None:
        """Let go."""


class PipeOutlet:
    """The pipe to the worker. A worker that does not read is not waited for: what it leaves stays in a buffer."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._made = self._bytes = 0

    @classmethod
    async def open(cls, fd: int) -> PipeOutlet:
        """Over an open descriptor."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(fd, "wb", 0))
        return cls(transport)

    def send(self, due: list[float], supply: Supply) -> None:
        """Write a batch."""
        batch = pack_events(due, [value for _, value in itertools.islice(supply, len(due))])
        self._made += len(due)
        self._bytes += len(batch)
        write_to(self._transport, batch)

    @property
    def waiting(self) -> int:
        """About how many events the buffer holds."""
        size = self._transport.get_write_buffer_size()
        return int(size * self._made / self._bytes) if size else 0

    @property
    def waiting_bytes(self) -> int:
        """Return what the buffer holds."""
        return self._transport.get_write_buffer_size()

    def push(self) -> None:
        """Nothing: the transport writes by itself."""

    async def close(self) -> None:
        """Close the pipe: that tells the worker that no more comes."""
        self._transport.close()


class KafkaOutlet:
    """A topic. For each batch that the broker has, offsets and due times go to `told`, a pipe to the parent."""

    def __init__(self, told: asyncio.WriteTransport) -> None:
        self._told = told
        self._feed: BatchProducer
        self._ahead = time.time() - time.monotonic()

    @classmethod
    async def open(cls, kafka: Kafka, topic: str, fd: int) -> KafkaOutlet:
        """Connect. Raises SinkError and ConfigError."""
        told, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.Protocol, os.fdopen(fd, "wb", 0))
        outlet = cls(told)
        outlet._feed = await BatchProducer.open(client_properties(kafka).producer, topic, outlet._acknowledged)
        return outlet

    def send(self, due: list[float], supply: Supply) -> None:
        """Add to batches; the timestamp of a record is when it was due."""
        add, ahead = self._feed.add, self._ahead
        for when in due:
            key, value = next(supply)
            add(key, value, int((when + ahead) * 1000), when)
        self._feed.send()

    @property
    def waiting(self) -> int:
        """Return what the broker has not acknowledged."""
        return self._feed.waiting

    @property
    def waiting_bytes(self) -> int:
        """Not known, and not to be left behind."""
        return 0

    def push(self) -> None:
        """Raise what broke a batch; a client gives one up when the broker has not answered for its request timeout."""
        self._feed.send()

    async def close(self) -> None:
        """Disconnect."""
        await self._feed.close()
        self._told.close()

    def _acknowledged(self, partition: int, offset: int, due: list[float]) -> None:
        if not self._told.is_closing():
            self._told.write(pack_acknowledged(partition, offset, due))
