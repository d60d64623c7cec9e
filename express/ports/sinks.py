"""Destinations of terminal records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from express.ports.produced import Outgoing
from express.ports.records import Headers, Partition, Position


class Block(Protocol):
    """A record batch that has a record already and takes more of them encoded (message format 2)."""

    @property
    def records(self) -> int:
        """Return how many there are."""

    @property
    def room(self) -> int:
        """Bytes that may be added; below 0 where the first record is larger than the limit."""

    @property
    def since(self) -> int:
        """Return what the timestamps of records count from (milliseconds)."""

    def extend(self, encoded: bytes, records: int, latest: int) -> None:
        """Append so many records, numbered from `records` on; `latest` is the highest of their timestamps."""


class Refused(NamedTuple):
    """A terminal record that its topic does not take: `error` is Kafka's name for the reason, `advice` says more."""

    topic: str
    number: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    error: str
    advice: str
    size: int


class Sink(Protocol):
    """A destination of terminal records. `flush` writes what was appended, in order per output partition.

    SinkError from any method means that it is unknown what was written: `start` again, and replay.
    """

    transactional: bool
    """True if `flush` stores the positions itself, in one transaction with the records."""

    @property
    def doubtful(self) -> Collection[Partition]:
        """Input partitions whose last transaction may be open still: their positions are to be flushed once more."""

    replace: Callable[[Refused], Outgoing]
    """Asked what is written instead of a record that its topic does not take. Raises PipelineStopped for nothing."""

    def limit_of(self, topic: str) -> int:
        """Most bytes of key, value and headers that one record of a topic may have, as far as known."""

    @property
    def waits_for(self) -> str:
        """Return what a flush that is under way waits for, as far as known."""

    async def start(self) -> None:
        """Connect and make sure that every topic is there. A sink that was started before begins anew."""

    async def stop(self) -> None:
        """Close; what was not flushed is lost."""

    async def open(self, partitions: Collection[Partition]) -> None:
        """Records that come from these input partitions will be appended; earlier writers of theirs are fenced."""

    async def close(self, partitions: Collection[Partition]) -> None:
        """No more records from these; what was appended and not flushed may be dropped."""

    def append(
        self,
        topic: str,
        origin: Partition,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        """Add a record that comes from `origin` to what the next flush writes."""

    @property
    def pending(self) -> int:
        """Bytes appended since the last flush began."""

    async def flush(self, positions: Mapping[Partition, Position]) -> None:
        """Write what was appended before this call. When it returns, all is acknowledged by the broker.

        What is to be written is taken before the first turn of the loop: `positions` cover that and no more.
        Not called while another flush runs; `append` may be.
        """
