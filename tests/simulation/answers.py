"""From the requests of Kafka's protocol to the simulated brokers and back. There is one node.

A request comes as aiokafka makes it, short of its encoding; a record batch in it, or in an answer, is bytes.
An answer may be given later (`JoinGroup`, `SyncGroup`, `Fetch`), or never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.errors import UnknownTopicOrPartitionError as NoSuchTopic

from express.ports import Partition, Position
from tests.simulation.broker import Broker, Terms
from tests.simulation.group import Failed, Joined
from tests.simulation.ledger import Identity, Ledger
from tests.simulation.loop import Process
from tests.simulation.topic import Topic

T = TypeVar("T")
Reply = Callable[[Any], None]

NODE, HOST, PORT = 0, "broker", 9092

VERSIONS = {
    0: (0, 7),  # Produce
    1: (0, 11),  # Fetch
    2: (0, 3),  # ListOffsets
    3: (0, 5),  # Metadata
    8: (0, 3),  # OffsetCommit
    9: (0, 3),  # OffsetFetch
    10: (0, 1),  # FindCoordinator
    11: (0, 5),  # JoinGroup
    12: (0, 1),  # Heartbeat
    13: (0, 1),  # LeaveGroup
    14: (0, 3),  # SyncGroup
    22: (0, 0),  # InitProducerId
    24: (0, 0),  # AddPartitionsToTxn
    25: (0, 0),  # AddOffsetsToTxn
    26: (0, 0),  # EndTxn
    28: (0, 0),  # TxnOffsetCommit
    32: (0, 2),  # DescribeConfigs
}
"""By API key: the versions that brokers before Kafka 2.5 take."""

TELLING = VERSIONS | {9: (0, 7), 61: (0, 0), 65: (0, 0)}
"""Those that tell what transactions have left open take DescribeProducers and DescribeTransactions as well."""

UNSTABLE = 88
"""The code of a position that a transaction holds which is not ended."""

KINDS = {0: "produce", 1: "fetch", 8: "commit", 11: "group", 12: "group", 13: "group", 14: "group"} | dict.fromkeys(
    (22, 24, 25, 26, 28, 61, 65), "transaction"
)
"""By API key: what faults a request may meet; any other is an "ask"."""


class Answers:
    """Serves requests at a broker."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.tells_configs = True
        """Whether workers may ask how topics are configured."""
        self._by_key: dict[int, Callable[[Any, Reply], None]] = {
            1: self._fetch,
            2: self._list_offsets,
            3: self._metadata,
            9: self._offset_fetch,
            10: self._find_coordinator,
            11: self._join,
            12: self._heartbeat,
            13: self._leave,
            14: self._sync,
            24: self._add_partitions,
            25: self._add_offsets,
            26: self._end_transaction,
            28: self._send_offsets,
            32: self._describe_configs,
            61: self._describe_producers,
            65: self._describe_transactions,
        }

    def serve(
        self, process: Process | None, request: Any, reply: Reply, *, refusal: int = 0, orphan: bool = False
    ) -> None:
        """Perform a request of `process`; `refusal`: answer with this code instead, where it is one that writes.

        `orphan`: the connection that it came over is closed.
        """
        key = request.API_KEY
        if key == 0:
            self._produce(process, request, reply, refusal)
        elif key == 8:
            self._commit(request, reply, orphan=orphan)
        elif key == 22:
            self._init_producer_id(request, reply, refusal)
        else:
            self._by_key[key](request, reply)

    # Records ----------------------------------------------------------------------------------------

    def _produce(self, process: Process | None, request: Any, reply: Reply, refusal: int) -> None:
        def one(topic: str, number: int, data: bytes) -> tuple[int, int, int, int, int]:
            if refusal:
                return number, refusal, -1, -1, -1
            target = Partition(topic, number)
            code, base = _tried(self.broker.produce, process, request.transactional_id, target, bytes(data))
            return number, code, -1 if base is None else base, -1, 0

        topics = [(topic, [one(topic, *part) for part in parts]) for topic, parts in request.topics]
        reply(request.RESPONSE_TYPE(topics, 0))

    def _fetch(self, request: Any, reply: Reply) -> None:
        broker = self.broker

        def look() -> bool:
            """Answer if there is something to read."""
            left, found = request.max_bytes, False
            topics: list[Any] = []
            for topic, parts in request.topics:
                answers = []
                for number, _, position, _, limit in parts:
                    ledger = broker.ledgers[Partition(topic, number)]
                    data, aborted = ledger.read(position, min(limit, left)) if left > 0 else (b"", [])
                    left -= len(data)
                    found = found or bool(data)
                    answers.append((number, 0, ledger.end, ledger.stable, ledger.start, aborted, -1, data))
                topics.append((topic, answers))
            if found:
                reply(request.RESPONSE_TYPE(0, 0, 0, topics))
            return found

        if look():
            return

        def grown() -> None:
            if look():
                broker.grown.pop(grown, None)
                timer.cancel()

        def over() -> None:
            broker.grown.pop(grown, None)
            reply(request.RESPONSE_TYPE(0, 0, 0, self._nothing(request)))

        broker.grown[grown] = None
        timer = broker.loop.call_later(request.max_wait_time / 1000, over)

    def _nothing(self, request: Any) -> list[Any]:
        ledgers = self.broker.ledgers
        topics: list[Any] = []
        for topic, parts in request.topics:
            found = [(part[0], ledgers[Partition(topic, part[0])]) for part in parts]
            topics.append(
                (topic, [(n, 0, ledger.end, ledger.stable, ledger.start, [], -1, b"") for n, ledger in found])
            )
        return topics

    def _list_offsets(self, request: Any, reply: Reply) -> None:
        def one(topic: str, number: int, timestamp: int) -> tuple[int, int, int, int]:
            ledger = self.broker.ledgers[Partition(topic, number)]
            return number, 0, -1, ledger.start if timestamp == -2 else ledger.stable

        reply(
            request.RESPONSE_TYPE(
                0, [(topic, [one(topic, *part) for part in parts]) for topic, parts in request.topics]
            )
        )

    # The cluster ------------------------------------------------------------------------------------

    def _metadata(self, request: Any, reply: Reply) -> None:
        counts = self.broker.topics()
        wanted = list(counts) if request.topics in (None, -1) else sorted(request.topics)
        topics: list[Any] = []
        for topic in wanted:
            parts: list[Any] = [(0, number, NODE, [NODE], [NODE], []) for number in range(counts.get(topic, 0))]
            topics.append((0 if parts else NoSuchTopic.errno, Topic(topic), False, parts))
        reply(request.RESPONSE_TYPE(0, [(NODE, HOST, PORT, None)], "cluster", NODE, topics))

    def _find_coordinator(self, request: Any, reply: Reply) -> None:
        reply(request.RESPONSE_TYPE(0, 0, None, NODE, HOST, PORT))

    def _describe_configs(self, request: Any, reply: Reply) -> None:
        def one(kind: int, name: str) -> tuple[Any, ...]:
            if not self.tells_configs:
                return TopicAuthorizationFailedError.errno, None, kind, name, []
            most = self.broker.terms.get(name, Terms()).max_bytes
            return 0, None, kind, name, [("max.message.bytes", str(most), False, 1, False, [])]

        reply(request.RESPONSE_TYPE(0, [one(kind, name) for kind, name, _ in request.resources]))

    # The group --------------------------------------------------------------------------------------

    def _join(self, request: Any, reply: Reply) -> None:
        def told(failed: Failed, joined: Joined) -> None:
            name, generation, protocol, leader, members = joined
            reply(request.RESPONSE_TYPE(0, _code(failed), generation, protocol, leader, name, list(members)))

        session, rebalance = request.session_timeout / 1000, request.rebalance_timeout / 1000
        self.broker.group.join(request.member_id, session, rebalance, request.group_protocols, told)

    def _sync(self, request: Any, reply: Reply) -> None:
        def told(failed: Failed, assignment: bytes) -> None:
            reply(request.RESPONSE_TYPE(0, _code(failed), assignment))

        self.broker.group.sync(request.member_id, request.generation_id, dict(request.group_assignment), told)

    def _heartbeat(self, request: Any, reply: Reply) -> None:
        code, _ = _tried(self.broker.group.heartbeat, request.member_id, request.generation_id)
        reply(request.RESPONSE_TYPE(0, code))

    def _leave(self, request: Any, reply: Reply) -> None:
        code, _ = _tried(self.broker.group.leave, request.member_id)
        reply(request.RESPONSE_TYPE(0, code))

    def _commit(self, request: Any, reply: Reply, *, orphan: bool) -> None:
        member, generation = request.consumer_id, request.consumer_group_generation_id
        code, _ = _tried(partial(self.broker.commit, orphan=orphan), member, generation, _positions(request.topics))
        reply(request.RESPONSE_TYPE(0, _same(request.topics, code)))

    def _offset_fetch(self, request: Any, reply: Reply) -> None:
        committed = self.broker.committed
        if request.API_VERSION >= 7:
            reply(request.RESPONSE_TYPE(0, [self._stable(*topic) for topic in request.topics], 0, {}))
            return
        topics = [(topic, [(n, *committed(Partition(topic, n)), 0) for n in parts]) for topic, parts in request.topics]
        reply(request.RESPONSE_TYPE(0, topics, 0))

    def _stable(self, topic: str, numbers: Iterable[int], tags: Any) -> tuple[str, list[Any], Any]:
        """Positions that no transaction may change any more."""
        found: list[Any] = []
        for number in numbers:
            offset, metadata = self.broker.committed(Partition(topic, number))
            code = UNSTABLE if self.broker.is_undecided(Partition(topic, number)) else 0
            found.append((number, offset, -1, metadata, code, {}))
        return topic, found, {}

    # Transactions -----------------------------------------------------------------------------------

    def _init_producer_id(self, request: Any, reply: Reply, refusal: int) -> None:
        identity: Identity | None
        if refusal:
            code, identity = refusal, None
        elif request.transactional_id:
            code, identity = _tried(
                self.broker.init_transactions, request.transactional_id, request.transaction_timeout_ms
            )
        else:
            code, identity = 0, self.broker.new_id()
        reply(request.RESPONSE_TYPE(0, code, *(identity or (-1, -1))))

    def _add_partitions(self, request: Any, reply: Reply) -> None:
        targets = [Partition(topic, number) for topic, numbers in request.topics for number in numbers]
        code, _ = _tried(self.broker.add_partitions, request.transactional_id, _identity(request), targets)
        reply(request.RESPONSE_TYPE(0, _same(((t, [(n,) for n in ns]) for t, ns in request.topics), code)))

    def _add_offsets(self, request: Any, reply: Reply) -> None:
        code, _ = _tried(self.broker.add_offsets, request.transactional_id, _identity(request))
        reply(request.RESPONSE_TYPE(0, code))

    def _send_offsets(self, request: Any, reply: Reply) -> None:
        positions = _positions(request.topics)
        code, _ = _tried(self.broker.send_offsets, request.transactional_id, _identity(request), positions)
        reply(request.RESPONSE_TYPE(0, _same(request.topics, code)))

    def _end_transaction(self, request: Any, reply: Reply) -> None:
        end = partial(self.broker.end_transaction, commit=bool(request.transaction_result))
        code, _ = _tried(end, request.transactional_id, _identity(request))
        reply(request.RESPONSE_TYPE(0, code))

    def _describe_transactions(self, request: Any, reply: Reply) -> None:
        told: list[Any] = []
        for name in request.transactional_ids:
            code, found = _tried(self.broker.describe, name)
            state, timeout, (producer, epoch) = found or ("", 0, (-1, -1))
            told.append((code, name, state, timeout, -1, producer, epoch, [], {}))
        reply(request.RESPONSE_TYPE(0, told, {}))

    def _describe_producers(self, request: Any, reply: Reply) -> None:
        def one(ledger: Ledger) -> list[Any]:
            opened = {producer: part.first for producer, part in ledger.open.items()}
            known = {producer: (found.epoch, found.latest[-1][1]) for producer, found in ledger.producers.items()}
            return [(p, epoch, last, -1, 0, opened.get(p, -1), {}) for p, (epoch, last) in known.items()]

        ledgers = self.broker.ledgers
        topics: list[Any] = [
            (topic, [(n, 0, None, one(ledgers[Partition(topic, n)]), {}) for n in numbers], {})
            for topic, numbers, _ in request.topics
        ]
        reply(request.RESPONSE_TYPE(0, topics, {}))


def _tried(step: Callable[..., T], *arguments: Any) -> tuple[int, T | None]:
    """The code and the result of a step at the broker."""
    try:
        return 0, step(*arguments)
    except KafkaError as error:
        return error.errno, None


def _code(failed: Failed) -> int:
    return 0 if failed is None else int(failed.errno)


def _identity(request: Any) -> Identity:
    return Identity(request.producer_id, request.producer_epoch)


def _positions(topics: Iterable[Any]) -> dict[Partition, Position]:
    return {Partition(topic, part[0]): Position(*part[1:]) for topic, parts in topics for part in parts}


def _same(topics: Iterable[Any], code: int) -> list[Any]:
    """One code for all partitions of a request."""
    return [(topic, [(part[0], code) for part in parts]) for topic, parts in topics]
