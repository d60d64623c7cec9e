"""Sends batches, and mends what a topic refuses: each record's refusal is its own.

A batch that is refused was not written, none of its records (the sequence numbers go back with it, `kafka.answers`). It
is split until what is at fault stands alone; that record is replaced by what the owner of the sink says, and everything
else goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, NoReturn, TypeAlias

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import BrokerResponseError, IllegalOperation
from aiokafka.record.default_records import DefaultRecordBatch

from express.errors import PipelineStopped, SinkError
from express.kafka import mapped
from express.kafka.answers import Answer, Course, answer_of, code_in, judged
from express.kafka.limits import Limits
from express.kafka.patches.producer import answers, retrieve
from express.kafka.patches.record_batch import WireBatch
from express.ports import Headers, Outgoing, Partition, Refused
from express.sinks.batches import Routes

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Before a batch is sent again that was answered with an error nobody foresaw; after the last the pipeline stops."""

Chains: TypeAlias = Mapping[TopicPartition, deque[Any]]

Sent: TypeAlias = tuple[TopicPartition, Any, Any]
"""A batch under way: where to, itself, and what will be its answer."""

Joining: TypeAlias = Callable[[set[TopicPartition]], Awaitable[None]]
"""Called with partitions before anything is sent to them that was not meant to be."""

log = logging.getLogger(__name__)


class RefusedBatch(NamedTuple):
    """A batch that was not taken, and why."""

    target: TopicPartition
    batch: Any
    error: BaseException


def _nobody(refused: Refused) -> Outgoing:
    raise PipelineStopped(f"{refused.topic} {refused.number} does not take a record: {refused.error}")


class Mender:
    """Knows where records go and how large they may be. `replace` says what is written instead of a refused one."""

    def __init__(self, routes: Routes, limits: Limits) -> None:
        self.routes = routes
        self.limits = limits
        self.replace: Callable[[Refused], Outgoing] = _nobody

    async def send(self, producer: AIOKafkaProducer, chains: Chains, joining: Joining | None = None) -> None:
        """Send all batches and wait for their acknowledgements, in order for each partition.

        One batch per partition is under way at a time: several waiting ones wake each other in vain (aiokafka issue
        528), and their order could change. Raises SinkError where it is unknown what was written, and PipelineStopped
        where something will never be.
        """
        answers(producer).clear()
        tries: dict[TopicPartition, int] = {}
        with judged(), mapped(SinkError, "writing"):
            while chains:
                sent = []
                for (topic, partition), chain in chains.items():
                    batch = chain.popleft()
                    try:
                        answer = await producer.send_batch(batch, topic, partition=partition)
                    except (AssertionError, IllegalOperation) as error:
                        raise SinkError(f"writing to {topic} {partition}: {error}") from error
                    answer.add_done_callback(retrieve)  # nobody waits for it where a later one can't be sent
                    sent.append((TopicPartition(topic, partition), batch, answer))
                try:
                    await _answered([answer for _, _, answer in sent])
                except BrokerResponseError:
                    _raise_unless_mendable(sent)
                    chains = await self._mend(sent, chains, tries, joining)
                chains = {target: chain for target, chain in chains.items() if chain}

    async def _mend(
        self, sent: list[Sent], chains: Chains, tries: dict[TopicPartition, int], joining: Joining | None
    ) -> dict[TopicPartition, deque[Any]]:
        """Wait for the other batches; the chains with what is to be sent in the place of those that were refused."""
        await asyncio.wait([answer for _, _, answer in sent])
        left = dict(chains)
        more: dict[TopicPartition, deque[Any]] = {}
        for target, batch, answer in sent:
            error = answer.exception()
            if error is None:
                tries.pop(target, None)
            else:
                left[target].extendleft(reversed(await self._instead(RefusedBatch(target, batch, error), tries, more)))
        if joining is not None and (fresh := more.keys() - chains.keys()):
            await joining(set(fresh))
        for target, batches in more.items():
            left.setdefault(target, deque()).extend(batches)
        return left

    async def _instead(
        self, wrong: RefusedBatch, tries: dict[TopicPartition, int], more: dict[TopicPartition, deque[Any]]
    ) -> list[Any]:
        """The batches to be sent instead of one; what goes to other partitions is added to `more`."""
        answer = _mendable(wrong.error)
        target, batch = wrong.target, wrong.batch
        if answer is None or type(batch) is not WireBatch:
            _raise(wrong)
        if answer.course is Course.UNKNOWN:
            await _wait(wrong, answer, tries)
            return [batch]
        records = list(DefaultRecordBatch(bytes(batch._build())))
        if len(records) > 1:
            if answer.course is Course.SPLIT:
                self.limits.refused(target.topic, batch.plain_size)
            return _halves(batch, records)
        self._replace(wrong, answer, records[0], more)
        return []

    def _replace(
        self, wrong: RefusedBatch, answer: Answer, record: Any, more: dict[TopicPartition, deque[Any]]
    ) -> None:
        """Write something else instead of a record that its topic does not take."""
        topic, number = wrong.target
        headers, size = record.headers, wrong.batch.plain_size
        refused = Refused(topic, number, record.key, record.value, headers, answer.name, answer.advice, size)
        instead = self.replace(refused)
        origin = Partition(instead.topic, number) if instead.origin is None else instead.origin
        target = self.routes.target(instead.topic, origin, instead.key)
        fresh = wrong.batch.alike(self.limits.batch(instead.topic))
        fresh.add(record.timestamp, instead.key, instead.value, instead.headers)
        more.setdefault(target, deque()).append(fresh)


async def _wait(wrong: RefusedBatch, answer: Answer, tries: dict[TopicPartition, int]) -> None:
    """Before a batch is sent again. Raises PipelineStopped once that was done often enough."""
    topic, number = wrong.target
    tried = tries.get(wrong.target, 0)
    if tried == len(PAUSES):
        times = f"{tried + 1} times in a row"
        text = f"{topic} {number} answers a write of {_about(wrong.batch)} with {answer.name}, {times}"
        raise PipelineStopped(text) from wrong.error
    tries[wrong.target] = tried + 1
    log.warning("%s %d answers a write with %s; it is tried again", topic, number, answer.name)
    await asyncio.sleep(PAUSES[tried])


def _halves(batch: WireBatch, records: list[Any]) -> list[WireBatch]:
    """The records of a batch in two of them."""
    middle = len(records) // 2
    made = []
    for part in (records[:middle], records[middle:]):
        half = batch.alike(1 << 31)
        for record in part:
            half.add(record.timestamp, record.key, record.value, record.headers)
        made.append(half)
    return made


def _mendable(error: BaseException | None) -> Answer | None:
    """Return what an answer means, if something can be done about it with what is at hand."""
    code = code_in(error)
    answer = None if code is None else answer_of(code)
    mendable = (Course.SPLIT, Course.REFUSE, Course.UNKNOWN)
    return answer if answer is not None and answer.course in mendable else None


def _raise_unless_mendable(sent: list[Sent]) -> None:
    """Raise what can't be mended at once, whatever else is under way."""
    for target, batch, answer in sent:
        if answer.done() and answer.exception() is not None and _mendable(answer.exception()) is None:
            _raise(RefusedBatch(target, batch, answer.exception()))


def _raise(wrong: RefusedBatch) -> NoReturn:
    """Raise SinkError with what a broker has answered, where, and for which record."""
    topic, number = wrong.target
    raise SinkError(f"{topic} {number} does not take {_about(wrong.batch)}") from wrong.error


def _about(batch: Any) -> str:
    """Which records a batch holds, by the input of its first."""
    if type(batch) is not WireBatch:
        return "a batch"
    first = next(iter(DefaultRecordBatch(bytes(batch._build()))))
    count = batch.record_count()
    what = "a record" if count == 1 else f"{count} records, the first"
    return f"{what} of {source_of(first.headers) or 'a task'}"


def source_of(headers: Headers) -> str:
    """Topic, partition and offset of the input of a terminal record; empty where there is none.

    >>> name = "express.source-"
    >>> source_of([(name + "topic", b"in"), (name + "partition", b"3"), (name + "offset", b"7")])
    'in 3 at offset 7'
    """
    found = {name: (content or b"").decode(errors="replace") for name, content in headers}
    for names in SOURCES:
        if names[2] in found:
            topic, number, offset = (found.get(name, "?") for name in names)
            return f"{topic} {number} at offset {offset}"
    return ""


SOURCES = (
    ("__express.errors.topic", "__express.errors.partition", "__express.errors.offset"),
    ("express.source-topic", "express.source-partition", "express.source-offset"),
)
"""Headers with the place of the input: of dead letters, and of results."""


def waiting(producer: AIOKafkaProducer | None) -> str:
    """Return what the batches that are under way wait for, as far as brokers have said."""
    found = {} if producer is None else answers(producer)
    return "; ".join(f"{topic} {number}: {name}" for (topic, number), name in sorted(found.items())[:8])


async def _answered(batches: list[asyncio.Future[Any]]) -> None:
    """Wait for the answers of all batches, or for the first failure, which is raised.

    Unlike `gather` it cancels none of them when it is cancelled: aiokafka shields the future of a batch by the one that
    it gives away, and once that is cancelled nobody takes note of how the batch has failed.
    """
    await asyncio.wait(batches, return_when=asyncio.FIRST_EXCEPTION)
    for answer in batches:
        if answer.done():
            answer.result()
