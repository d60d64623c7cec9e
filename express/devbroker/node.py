"""The state of the broker: one node that leads every partition and coordinates every group and transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from express.devbroker.groups import Groups
from express.devbroker.journal import (
    AnyEvent,
    GroupDeleted,
    Journal,
    LogStartMoved,
    NoJournal,
    OffsetCommitted,
    ProducerIdUsed,
    TopicConfigured,
    TopicCreated,
    TopicDeleted,
    TopicGrown,
    TransactionMoved,
)
from express.devbroker.member import Clock
from express.devbroker.topics import UNLIMITED, MakeBlobs, Topics, in_memory
from express.devbroker.transactions import Drop, Transactions, drop_none

NODE_ID = 1
CLUSTER_ID = "express-development"
MAX_REQUEST_BYTES = 104_857_600  # Apache Kafka's socket.request.max.bytes


class Settings(NamedTuple):
    """Settings of a broker."""

    partitions: int = 1  # of a topic whose creator does not say how many
    auto_create: bool = False  # create topics that are asked for and not there
    retention_bytes: int = UNLIMITED  # per partition, unless the topic says otherwise
    max_request_bytes: int = MAX_REQUEST_BYTES
    drop_marker: Drop = drop_none  # for tests


class Node:
    """Topics, groups and transactions, and the address that clients are told."""

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        journal: Journal | None = None,
        make_blobs: MakeBlobs = in_memory,
    ) -> None:
        journal = journal if journal is not None else NoJournal()
        self.clock = clock
        self.settings = settings
        self.trouble = ""
        """The last error of the data folder, empty once a record could be written again."""
        self.host = ""
        self.port = 0
        self.topics = Topics(journal, make_blobs, settings.retention_bytes)
        self.groups = Groups(journal, clock)
        self.transactions = Transactions(journal, clock, self.topics, self.groups, settings.drop_marker)

    def restore(self, event: AnyEvent) -> None:
        """Apply what the journal says."""
        match event:
            case TopicCreated():
                self.topics.restore(event)
            case TopicDeleted(name):
                self.topics.forget(self.topics.find(name))
                self.groups.forget_topic(name)
            case TopicGrown(name, count):
                self.topics.extend(self.topics.find(name), count)
            case TopicConfigured(name, configs):
                self.topics.find(name).configs = configs
            case LogStartMoved(name, index, offset):
                self.topics.partition(name, index).drop_before(offset)
            case OffsetCommitted():
                self.groups.restore(event)
            case GroupDeleted(name):
                self.groups.forget(name)
            case ProducerIdUsed() | TransactionMoved():
                self.transactions.restore(event)

    def events(self) -> Iterator[AnyEvent]:
        """The events that lead to the present state."""
        yield from self.topics.events()
        yield from self.groups.events()
        yield from self.transactions.events()

    def close(self) -> None:
        """Stop timers, release files."""
        self.groups.close()
        self.transactions.close()
        self.topics.close()
