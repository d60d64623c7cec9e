"""Records that executions write to Kafka."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from express.ports.records import Headers, Partition


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A record that a task produces. `partition` None: chosen by the key, as Kafka's clients do.

    `origin`: the input partition that it comes from, where that decides.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    origin: Partition | None = None


class Placed(NamedTuple):
    """The place of a record, and the time that the broker gave it, in wall-clock seconds."""

    partition: Partition
    offset: int
    timestamp: float


class Outbox(Protocol):
    """Records that are written together with the result of the execution that produced them, or not at all."""

    def takes(self, account: int) -> bool:
        """Return whether the results of an account are written in transactions, so that its records must be, too."""

    def add(self, account: int, record: Outgoing) -> Partition:
        """Write `record` with the execution's result; where it will lie. Raises SinkError for what can't be written."""


class Topics(Protocol):
    """Kafka topics that records can be put into."""

    async def produce(self, record: Outgoing) -> Placed:
        """Put a record in; returns once it can't be lost. Raises SinkError where that is not known."""
