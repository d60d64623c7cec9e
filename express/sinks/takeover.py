"""Taking a transactional id over, so that nothing of its last transaction stays open behind the back of the next one.

InitProducerId ends an open transaction and fences its producer; that is what exactly once stands on. Kafka 4.3.0,
4.3.1 and 4.4.0 can forget to write the markers of an end, of commits as of aborts, while a broker starts
(KAFKA-20734): records and positions then stay open, and the next commit of the same producer id takes them along. So
the owner looks for itself: what is still open after InitProducerId is ended once more, the way it was ended before.

The way is asked of the coordinator before each InitProducerId, which forgets it. Should this process die before all
is ended, the next owner has to know that it was a commit: that is written with InitProducerId itself, as the
transaction's timeout, one of MARKS. An open transaction with such a timeout holds nothing but what is being ended, so
that any owner may commit it. Nothing else uses these timeouts: once all is ended, another InitProducerId takes the
mark away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTransactionTimeout,
    InvalidTxnState,
    ProducerFenced,
)

from express.kafka.transactional import LaterError, OpenTransactions, Producer, TransactionalId, look, undecided

MARKS = (600_001, 10_001)
"""Timeouts of transactions that commit what a dropped marker left open, in ms; the second one for brokers that allow
no transaction of ten minutes. A long one: the coordinator would abort what is to be committed."""

COMMITTED = ("PrepareCommit", "CompleteCommit")
ONGOING = "Ongoing"

PAUSE_SECONDS = 0.05
"""Before asking again."""

OVER = (InvalidProducerEpoch, InvalidProducerIdMapping, InvalidTxnState, ProducerFenced)
"""Errors of ending a transaction that somebody else has ended meanwhile."""

UNENDED = (
    "no producer can end it any more, since the producer ids of the transactional id were used up: "
    "kafka-transactions.sh abort --topic TOPIC --partition N --start-offset OFFSET does"
)

T = TypeVar("T")

log = logging.getLogger(__name__)


class Claim:
    """The takeover of one transactional id, which commits positions of `origin` in `group`.

    `needed`: partitions its transactions write to. `wanted`: others, which may be without a leader.
    """

    def __init__(
        self,
        id: TransactionalId,
        group: str,
        origin: TopicPartition,
        timeout_ms: int,
        needed: Collection[TopicPartition],
        wanted: Collection[TopicPartition] = (),
    ) -> None:
        self.id = id
        self.group = group
        self.origin = origin
        self.needed = set(needed)
        self.wanted = set(wanted)
        self.commit = False
        """True if the last transaction was committed."""
        self.producer = Producer(-1, -1)
        self.unseen: set[TopicPartition] = set()
        """Of `wanted`, those that could not be asked."""
        self.waits_for = ""
        """The reason why the takeover is not done yet."""
        self._timeout_ms = timeout_ms
        self._mark_ms = MARKS[0]
        self._producers: set[int] = set()
        self._ended = False

    async def fence(self) -> None:
        """Get a producer id; from now on nobody else can write or commit."""
        await self._patiently(self._fence)

    async def _fence(self) -> bool:
        past = await self.id.describe()
        self.commit = False
        if past is not None:
            marked = past.timeout_ms in MARKS
            if marked and past.state == ONGOING:
                await self._finish(past.producer)
                return False
            self.commit = marked or past.state in COMMITTED
            self._producers.add(past.producer.id)
        try:
            self.producer = await self.id.begin(self._mark_ms if self.commit else self._timeout_ms)
        except InvalidTransactionTimeout:
            if not self.commit or self._mark_ms == MARKS[-1]:
                raise
            self._mark_ms = MARKS[-1]
            return False
        self._producers.add(self.producer.id)
        return True

    async def _finish(self, producer: Producer) -> None:
        """Commit the transaction in which a former owner was ending what was open, before it is aborted."""
        with contextlib.suppress(*OVER):
            await self.id.end(producer, commit=True)

    async def is_clean(self, found: OpenTransactions, undecided: Collection[TopicPartition]) -> bool:
        """Return whether nothing is open; if something is, it has been ended, and has to be looked for again."""
        self.unseen = self.wanted & set(found.unseen)
        if missing := self.needed & set(found.unseen):
            self.waits_for = f"{_names(missing)} without a leader"
            return False
        ours = self.needed | self.wanted
        unended = found.of(self.producer) & ours
        lost = {tp for tp in ours if self._producers & found.transactions.get(tp, set())} - unended
        if not self._ended:
            unended |= ours & set(found.refused)
        waits = self.origin in undecided
        if not (unended or lost or waits):
            return True
        self.waits_for = _explain(unended, lost, waits)
        if unended or waits:
            await self._end(unended, offsets=waits)
        return False

    async def _end(self, partitions: Collection[TopicPartition], *, offsets: bool) -> None:
        """End what is open the way it was ended before."""
        if partitions:
            await self.id.add_partitions(self.producer, partitions)
        if offsets:
            await self.id.add_offsets(self.producer, self.group)
        await self.id.end(self.producer, commit=self.commit)
        self._ended = True
        how = "committed" if self.commit else "aborted"
        log.warning("%s: %s; the brokers left it open, and it is %s now", self.id.name, self.waits_for, how)

    async def release(self) -> None:
        """Take the mark away, now that all is ended."""
        if self.commit:
            await self._patiently(self._release)

    async def _release(self) -> bool:
        self.producer = await self.id.begin(self._timeout_ms)
        return True

    async def _patiently(self, attempt: Callable[[], Awaitable[bool]]) -> None:
        """Repeat an attempt until it succeeds."""
        while True:
            try:
                if await attempt():
                    return
            except LaterError as later:
                self.waits_for = str(later)
            await asyncio.sleep(PAUSE_SECONDS)


async def take_over(claims: Sequence[Claim]) -> None:
    """Take ids of one group over, side by side; brokers are asked once for all that the ids may have left open."""
    await gather(claim.fence() for claim in claims)
    left = list(claims)
    while left:
        try:
            left = await _unclean(left)
        except LaterError as later:
            for claim in left:
                claim.waits_for = str(later)
        if left:
            await asyncio.sleep(PAUSE_SECONDS)
    await gather(claim.release() for claim in claims)


async def _unclean(claims: Sequence[Claim]) -> list[Claim]:
    """Return those of `claims` of which something was open, or that could not be told."""
    client = claims[0].id.client
    found = await look(client, set().union(*(claim.needed | claim.wanted for claim in claims)))
    waiting = await undecided(client, claims[0].group, [claim.origin for claim in claims])

    async def clean(claim: Claim) -> bool:
        try:
            return await claim.is_clean(found, waiting)
        except LaterError as later:
            claim.waits_for = str(later)
            return False

    done = await gather(clean(claim) for claim in claims)
    return [claim for claim, is_clean in zip(claims, done, strict=True) if not is_clean]


async def gather(doings: Iterable[Awaitable[T]]) -> list[T]:
    """Let all end, then raise the first failure: those that go well should not be torn by one that does not."""
    results = await asyncio.gather(*doings, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _names(partitions: Collection[TopicPartition]) -> str:
    return ", ".join(f"{tp.topic}-{tp.partition}" for tp in sorted(partitions)[:5])


def _explain(unended: Collection[TopicPartition], lost: Collection[TopicPartition], positions: bool) -> str:
    """Return what is still open, and what to do about it where nothing can be done here."""
    if lost:
        return f"an open transaction in {_names(lost)}: {UNENDED}"
    places = [_names(unended)] if unended else []
    return f"an open transaction in {' and '.join(places + ['positions'] * positions)}"
