"""Reading and doing in a consumer of aiokafka what no documented call gives."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from express.kafka.failures import CLOSE_SECONDS, within

COMMIT_RETRY_SECONDS = 0.1

REFUSALS = (IllegalGenerationError, IllegalStateError, RebalanceInProgressError, UnknownMemberIdError)
"""Errors of a commit when the group has gone on without this member, or is about to."""


async def committed_offsets(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """Return what the group has committed, asked from its coordinator now. `committed` leaves out the metadata."""
    found: Mapping[TopicPartition, OffsetAndMetadata]
    found = await consumer._coordinator.fetch_committed_offsets(partitions)
    return found


def fetch_task(consumer: AIOKafkaConsumer) -> asyncio.Task[None] | None:
    """Return the task that fetches; None before there is one."""
    task: asyncio.Task[None] | None = consumer._fetcher._fetch_task
    return task


def last_answer(consumer: AIOKafkaConsumer) -> float | None:
    """Return when a fetch was answered last, by the client's clock; None where nothing is assigned."""
    states = [state_of(consumer, tp) for tp in consumer.assignment()]
    return max((state.timestamp or 0.0 for state in states if state is not None), default=None)


def state_of(consumer: AIOKafkaConsumer, tp: TopicPartition) -> Any:
    """Return what a consumer knows of a partition; None if that is not assigned."""
    assignment = consumer._subscription.subscription.assignment
    return None if assignment is None else assignment.state_value(tp)


async def commit_as_member(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
    """Commit in the present generation or not at all.

    aiokafka's `commit` repeats what failed in whatever generation there is by then; and a member that was
    thrown out has generation -1, which a group without members accepts from anybody, also what is out of date.
    """
    coordinator = consumer._coordinator
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment
    if assignment is None or not offsets.keys() <= assignment.tps:
        raise IllegalStateError("not all of the partitions are assigned")
    generation = coordinator.generation
    while True:
        await coordinator.ensure_coordinator_known()
        if coordinator.generation != generation or generation < 0:
            raise IllegalGenerationError(f"generation {coordinator.generation} is not {generation}")
        try:
            await asyncio.shield(coordinator._do_commit_offsets(assignment, dict(offsets)))
            return
        except KafkaError as error:
            if not error.retriable or isinstance(error, REFUSALS):
                raise
            await asyncio.sleep(COMMIT_RETRY_SECONDS)


async def kill(consumer: AIOKafkaConsumer) -> None:
    """End a consumer that can't close itself, since its broker or its own tasks do not answer."""
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task")
    tasks = [getattr(coordinator, name, None) for name in names] + [getattr(fetcher, "_fetch_task", None)]
    running = [task for task in tasks if task is not None]
    running += getattr(fetcher, "_pending_tasks", ())
    for task in running:
        task.cancel()
    await within(CLOSE_SECONDS, consumer._client.close())
    await within(CLOSE_SECONDS, asyncio.gather(*running, return_exceptions=True))
