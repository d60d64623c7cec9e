"""Record batches in the making, one chain per output partition, and which partition a record goes to.

Whole batches instead of `producer.send`: that costs a future per record and three times the CPU.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.partitioner import murmur2

from express.kafka.patches.record_batch import WireBatch
from express.ports import Block, Headers, Partition

KNOWN_KEYS = 100_000
"""Keys whose partition is remembered; murmur2 in Python takes microseconds."""


class Routes:
    """Chooses output partitions.

    The input's own partition where both topics have the same number of them: that keeps what belongs together
    together, and costs nothing. Otherwise by key as Kafka's clients do, and by the input partition without one.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._fixed: dict[tuple[str, Partition], TopicPartition | None] = {}
        self._keyed: dict[tuple[str, bytes], TopicPartition] = {}

    def learn(self, topic: str, count: int) -> None:
        """Note how many partitions a topic has."""
        if self._counts.get(topic) != count:
            self._counts[topic] = count
            self._fixed.clear()
            self._keyed.clear()

    def target(self, topic: str, origin: Partition, key: bytes | None) -> TopicPartition:
        """The partition of `topic` for a record that comes from `origin`."""
        found = self.fixed(topic, origin)
        return self._by_key(topic, origin, key) if found is None else found

    def count(self, topic: str) -> int:
        """Return how many partitions a topic has; 0 where that is not known."""
        return self._counts.get(topic, 0)

    def by_key(self, topic: str, origin: Partition, key: bytes | None) -> TopicPartition:
        """The partition that Kafka's clients choose for a key; without one it is the origin's."""
        return self._by_key(topic, origin, key)

    def fixed(self, topic: str, origin: Partition) -> TopicPartition | None:
        """The partition for all records of `origin`; None where their keys decide."""
        try:
            return self._fixed[topic, origin]
        except KeyError:
            found = self._fixed[topic, origin] = self._fix(topic, origin)
            return found

    def _fix(self, topic: str, origin: Partition) -> TopicPartition | None:
        count = self._counts[topic]
        if count == 1:
            return TopicPartition(topic, 0)
        same = self._counts.get(origin.topic) == count
        there = origin.number < count  # partitions may have been added to the input that nobody here knows yet
        return TopicPartition(topic, origin.number) if same and there else None

    def _by_key(self, topic: str, origin: Partition, key: bytes | None) -> TopicPartition:
        count = self._counts[topic]
        if key is None:
            return TopicPartition(topic, origin.number % count)
        found = self._keyed.get((topic, key))
        if found is None:
            if len(self._keyed) >= KNOWN_KEYS:
                self._keyed.clear()
            found = self._keyed[topic, key] = TopicPartition(topic, (murmur2(key) & 0x7FFF_FFFF) % count)
        return found


class Batches:
    """The batches that the next flush sends. `create` makes an empty one for a topic, see `batch_maker`."""

    def __init__(self, create: Callable[[str], Any]) -> None:
        self._create = create
        self._chains: dict[TopicPartition, deque[Any]] = {}

    def add(
        self, target: TopicPartition, timestamp: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Append a record to the last batch of `target`, or to a new one where that is full."""
        batch = self.open(target)
        if not _append(batch, timestamp, key, value, headers):
            batch.close()
            batch = self._create(target.topic)
            self._chains[target].append(batch)
            _append(batch, timestamp, key, value, headers)

    def block(self, target: TopicPartition | None) -> Block | None:
        """The batch that `target` has, for records that are encoded already; None where there is none that takes them.

        None is made for this: nobody knows yet whether there will be a record.
        """
        chain = None if target is None else self._chains.get(target)
        return chain[-1] if chain and type(chain[-1]) is WireBatch else None

    def open(self, target: TopicPartition) -> Any:
        """The last batch of `target`."""
        chain = self._chains.get(target)
        if chain is None:
            chain = self._chains[target] = deque([self._create(target.topic)])
        return chain[-1]

    @property
    def size(self) -> int:
        """Bytes in all batches."""
        return sum(batch.size() for chain in self._chains.values() for batch in chain)

    def take(self) -> Mapping[TopicPartition, deque[Any]]:
        """Return what is there to be sent, in order; nothing is left here."""
        chains, self._chains = self._chains, {}
        return chains


def _append(batch: Any, timestamp: int, key: bytes | None, value: bytes | None, headers: Headers) -> bool:
    """Append to a batch of either kind; False where it is full."""
    if type(batch) is WireBatch:
        return batch.add(timestamp, key, value, headers)
    return batch.append(timestamp=timestamp, key=key, value=value, headers=list(headers)) is not None
