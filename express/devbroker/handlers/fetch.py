"""Fetch: read batches, or wait until there are some."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from express.devbroker.call import Answer, Call
from express.devbroker.codes import Code, RefusedError
from express.devbroker.handlers.records import READ_COMMITTED
from express.devbroker.messages.records import (
    AbortedTransaction,
    FetchedPartition,
    FetchedTopic,
    FetchPartition,
    FetchRequest,
    FetchResponse,
)
from express.devbroker.node import Node
from express.devbroker.partition import Partition


class Found(NamedTuple):
    """The records that can be answered now, and whether that is all the reader will get by waiting."""

    response: FetchResponse
    size: int
    failed: bool


def fetch(node: Node, request: FetchRequest, call: Call) -> Answer:
    """Answer at once if there is enough to read or an error to tell, else wait for up to `max_wait_ms`."""
    found = _collect(node, request)
    if found.failed or found.size >= request.min_bytes or request.max_wait_ms <= 0:
        return found.response
    return _wait(node, request)


async def _wait(node: Node, request: FetchRequest) -> FetchResponse:
    changed = asyncio.Event()
    watched = _watched(node, request)
    for partition in watched:
        partition.watchers.add(changed.set)
    try:
        async with asyncio.timeout(request.max_wait_ms / 1000):
            while True:  # looks before it waits: records may have come since `fetch` looked
                found = _collect(node, request)
                if found.failed or found.size >= request.min_bytes:
                    return found.response
                await changed.wait()
                changed.clear()
    except TimeoutError:
        return _collect(node, request).response
    finally:
        for partition in watched:
            partition.watchers.discard(changed.set)


def _watched(node: Node, request: FetchRequest) -> list[Partition]:
    return [
        node.topics.partition(topic.name, asked.index)
        for topic in request.topics
        for asked in topic.partitions
        if node.topics.has(topic.name, asked.index)
    ]


def _collect(node: Node, request: FetchRequest) -> Found:
    size, failed = 0, False
    topics = []
    for topic in request.topics:
        partitions = []
        for asked in topic.partitions:
            left = request.max_bytes - size
            answer = _read(node, topic.name, asked, request.isolation_level, left, at_least_one=size == 0)
            size += sum(map(len, answer.records))
            failed = failed or answer.error != Code.NONE
            partitions.append(answer)
        topics.append(FetchedTopic(name=topic.name, partitions=partitions))
    return Found(FetchResponse(topics=topics), size, failed)


def _read(
    node: Node, name: str, asked: FetchPartition, isolation: int, left: int, *, at_least_one: bool
) -> FetchedPartition:
    try:
        partition = node.topics.partition(name, asked.index)
        log = partition.log
        if not log.start_offset <= asked.fetch_offset <= log.next_offset:
            raise RefusedError(Code.OFFSET_OUT_OF_RANGE)
    except RefusedError as refused:
        return FetchedPartition(index=asked.index, error=refused.code)
    stable = partition.stable_offset
    upper = stable if isolation == READ_COMMITTED else log.next_offset
    answer = FetchedPartition(
        index=asked.index,
        high_watermark=log.next_offset,
        last_stable_offset=stable,
        log_start_offset=log.start_offset,
    )
    if asked.fetch_offset < upper and (left > 0 or at_least_one):
        answer.records = log.read(asked.fetch_offset, upper, min(asked.max_bytes, left), at_least_one=at_least_one)
    if isolation == READ_COMMITTED:
        aborted = partition.aborted_between(asked.fetch_offset, upper)
        answer.aborted = [AbortedTransaction(producer_id=gone.producer_id, first_offset=gone.first) for gone in aborted]
    return answer
