"""State of a broker besides its records: topics, positions, producer ids, transactions, as a list of events.

With `--data` each event is a line of a file, written before it is answered; without, nothing is kept. A file of
events needs no locking and survives SIGKILL: at worst its last line is cut off, and nobody was told of that one.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Event(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Something that happened to the broker's state and outlives it."""


class TopicCreated(Event, frozen=True):
    """A topic with its partitions and its configuration. `uid` names its folder."""

    name: str
    uid: int
    partitions: int
    configs: dict[str, str]


class TopicDeleted(Event, frozen=True):
    """A topic is gone with all its records."""

    name: str


class TopicGrown(Event, frozen=True):
    """A topic has more partitions than before."""

    name: str
    partitions: int


class TopicConfigured(Event, frozen=True):
    """A topic has another configuration."""

    name: str
    configs: dict[str, str]


class LogStartMoved(Event, frozen=True):
    """Records before `offset` were deleted."""

    topic: str
    partition: int
    offset: int


class OffsetCommitted(Event, frozen=True):
    """A group's position."""

    group: str
    topic: str
    partition: int
    offset: int
    leader_epoch: int
    metadata: str | None


class GroupDeleted(Event, frozen=True):
    """A group and its positions are gone."""

    group: str


class ProducerIdUsed(Event, frozen=True):
    """Producer ids up to this one are taken."""

    producer_id: int


class TransactionMoved(Event, frozen=True):
    """A transactional id's state, with what its transaction has touched."""

    transactional_id: str
    producer_id: int
    epoch: int
    timeout_ms: int
    status: str
    partitions: list[tuple[str, int]]
    groups: list[str]
    positions: list[OffsetCommitted]


AnyEvent = (
    TopicCreated
    | TopicDeleted
    | TopicGrown
    | TopicConfigured
    | LogStartMoved
    | OffsetCommitted
    | GroupDeleted
    | ProducerIdUsed
    | TransactionMoved
)


class Journal(Protocol):
    """A journal of events."""

    def write(self, event: AnyEvent) -> None:
        """Keep an event."""


class NoJournal:
    """Keeps nothing: a broker in memory."""

    def write(self, event: AnyEvent) -> None:
        """Forget the event."""
