"""The topics of a broker: created, grown, configured, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from express.devbroker.codes import Code, RefusedError
from express.devbroker.journal import (
    Journal,
    LogStartMoved,
    TopicConfigured,
    TopicCreated,
    TopicDeleted,
    TopicGrown,
)
from express.devbroker.log import Blobs, MemoryBlobs
from express.devbroker.partition import Partition

NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
MAX_PARTITIONS = 10_000
MAX_MESSAGE_BYTES = 1_048_588
UNLIMITED = -1

# What can be set per topic, with Apache Kafka's defaults. Only the first two, the bounds of timestamps and, for records
# without a key, `cleanup.policy` do something here; the others are taken so that set-up scripts run, and README.md says
# what they do not do.
CONFIGS = {
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
    "retention.bytes": str(UNLIMITED),
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "min.insync.replicas": "1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "segment.ms": "604800000",
}
NUMBERS = frozenset(name for name, value in CONFIGS.items() if value.lstrip("-").isdigit())

MakeBlobs = Callable[[int, int], Blobs]
"""(uid of the topic, partition) → where its records lie."""


def in_memory(uid: int, partition: int) -> Blobs:
    """Records in memory."""
    return MemoryBlobs()


class Topic:
    """A topic: its partitions and what was configured for it."""

    def __init__(self, name: str, uid: int, configs: dict[str, str]) -> None:
        self.name = name
        self.uid = uid
        self.configs = configs
        self.partitions: list[Partition] = []

    @property
    def compacted(self) -> bool:
        """Return whether records need a key."""
        return "compact" in self.configs.get("cleanup.policy", "")

    def limit(self, name: str, default: int) -> int:
        """A number from the topic's configuration."""
        return int(self.configs.get(name, default))


class Topics:
    """All topics, by name."""

    def __init__(self, journal: Journal, make_blobs: MakeBlobs = in_memory, retention_bytes: int = UNLIMITED) -> None:
        self._journal = journal
        self._make_blobs = make_blobs
        self._retention_bytes = retention_bytes
        self._topics: dict[str, Topic] = {}
        self._next_uid = 1

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._topics.values())

    def find(self, name: str) -> Topic:
        """The topic `name`, or RefusedError."""
        topic = self._topics.get(name)
        if topic is None:
            code = Code.UNKNOWN_TOPIC_OR_PARTITION if is_legal(name) else Code.INVALID_TOPIC_EXCEPTION
            raise RefusedError(code, f"no topic {name!r}")
        return topic

    def partition(self, name: str, index: int) -> Partition:
        """A partition, or RefusedError."""
        topic = self._topics.get(name)
        if topic is None or not 0 <= index < len(topic.partitions):
            raise RefusedError(Code.UNKNOWN_TOPIC_OR_PARTITION, f"no partition {index} of topic {name!r}")
        return topic.partitions[index]

    def has(self, name: str, index: int) -> bool:
        """Return whether there is such a partition."""
        topic = self._topics.get(name)
        return topic is not None and 0 <= index < len(topic.partitions)

    def create(self, name: str, partitions: int, configs: dict[str, str], *, dry: bool = False) -> None:
        """Create a topic, or RefusedError; `dry` only checks."""
        if not is_legal(name):
            raise RefusedError(Code.INVALID_TOPIC_EXCEPTION, f"{name!r} is no name for a topic")
        if name in self._topics:
            raise RefusedError(Code.TOPIC_ALREADY_EXISTS, f"topic {name!r} exists already")
        check_partitions(partitions)
        check_configs(configs)
        if not dry:
            event = TopicCreated(name, self._next_uid, partitions, configs)
            self._journal.write(event)
            self.restore(event)

    def restore(self, event: TopicCreated) -> Topic:
        """Set up a topic as the journal says."""
        topic = Topic(event.name, event.uid, dict(event.configs))
        self._topics[event.name] = topic
        self._next_uid = max(self._next_uid, event.uid + 1)
        self.extend(topic, event.partitions)
        return topic

    def extend(self, topic: Topic, count: int) -> None:
        """Add partitions up to `count`, without further ado."""
        for index in range(len(topic.partitions), count):
            topic.partitions.append(Partition(self._make_blobs(topic.uid, index)))

    def grow(self, name: str, count: int, *, dry: bool = False) -> None:
        """Give a topic more partitions, or RefusedError."""
        topic = self.find(name)
        check_partitions(count)
        if count <= len(topic.partitions):
            raise RefusedError(
                Code.INVALID_PARTITIONS, f"topic {name!r} has {len(topic.partitions)} partitions, {count} are not more"
            )
        if not dry:
            self._journal.write(TopicGrown(name, count))
            self.extend(topic, count)

    def configure(self, name: str, configs: dict[str, str], *, dry: bool = False) -> None:
        """Replace a topic's configuration, or RefusedError."""
        topic = self.find(name)
        check_configs(configs)
        if not dry:
            self._journal.write(TopicConfigured(name, configs))
            topic.configs = configs

    def delete(self, name: str) -> None:
        """Delete a topic with its records, or RefusedError."""
        topic = self.find(name)
        self._journal.write(TopicDeleted(name))
        self.forget(topic)

    def forget(self, topic: Topic) -> None:
        """Remove a topic; readers that wait on it look again and find nothing."""
        del self._topics[topic.name]
        for partition in topic.partitions:
            partition.log.blobs.delete()
            partition.changed()

    def delete_records(self, name: str, index: int, offset: int) -> int:
        """Delete the records before `offset` (-1: all); the first offset that is left."""
        partition = self.partition(name, index)
        log = partition.log
        if offset == -1:
            offset = log.next_offset
        if not 0 <= offset <= log.next_offset:
            raise RefusedError(Code.OFFSET_OUT_OF_RANGE, f"offset {offset} is not in the log")
        self._journal.write(LogStartMoved(name, index, offset))
        partition.drop_before(offset)
        return log.start_offset

    def retain(self, name: str, index: int) -> None:
        """Drop the oldest records of a partition that outgrew its `retention.bytes`."""
        topic = self._topics[name]
        limit = topic.limit("retention.bytes", self._retention_bytes)
        partition = topic.partitions[index]
        if limit >= 0 and partition.log.size > limit:
            partition.shrink_to(limit)

    def events(self) -> Iterator[TopicCreated | LogStartMoved]:
        """The events that lead to the present state."""
        for topic in self:
            yield TopicCreated(topic.name, topic.uid, len(topic.partitions), topic.configs)
            for index, partition in enumerate(topic.partitions):
                if partition.log.start_offset:
                    yield LogStartMoved(topic.name, index, partition.log.start_offset)

    def close(self) -> None:
        """Release the files."""
        for topic in self:
            for partition in topic.partitions:
                partition.log.blobs.close()


def is_legal(name: str) -> bool:
    """Return whether `name` may name a topic (which also keeps it inside its folder)."""
    return NAME.fullmatch(name) is not None and name not in (".", "..")


def check_partitions(count: int) -> None:
    """Refuse numbers that can't be partitions."""
    if not 1 <= count <= MAX_PARTITIONS:
        raise RefusedError(Code.INVALID_PARTITIONS, f"{count} partitions; 1 to {MAX_PARTITIONS} are possible")


def check_configs(configs: dict[str, str]) -> None:
    """Refuse unknown entries and numbers that are none."""
    for name, value in configs.items():
        if name not in CONFIGS:
            raise RefusedError(Code.INVALID_CONFIG, f"unknown topic configuration {name!r}")
        if name in NUMBERS and not value.lstrip("-").isdigit():
            raise RefusedError(Code.INVALID_CONFIG, f"{name} is a number, not {value!r}")
