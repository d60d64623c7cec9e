"""Setting and reading in a producer of aiokafka what no documented call gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.conn import CloseReason

from express.kafka.failures import CLOSE_SECONDS, within
from express.kafka.patches.answers import waits


def transactional_id(producer: AIOKafkaProducer) -> str:
    """Return the transactional id of a producer."""
    found: str = producer._txn_manager.transactional_id
    return found


async def begin_sending(producer: AIOKafkaProducer, identity: tuple[int, int]) -> None:
    """Start the sender of a producer with a producer id and epoch; it would ask for ones of its own otherwise."""
    manager = producer._txn_manager
    manager.set_pid_and_epoch(*identity)
    manager.fatal_error = _retrieving(manager, manager.fatal_error)
    manager.error_transaction = _retrieving(manager, manager.error_transaction)
    await producer._sender.start()


def retrieve(future: asyncio.Future[Any]) -> None:
    """Take note of the exception of a future, which asyncio would log if nobody waits for it any more."""
    if future.done() and not future.cancelled():
        future.exception()


def _retrieving(manager: Any, fail: Callable[[BaseException], None]) -> Callable[[BaseException], None]:
    """Return `fail` for a transaction whose futures nobody may wait for: it fails where the wait has ended, too."""

    def failing(error: BaseException) -> None:
        waiting = [future for *_, future in manager._pending_txn_offsets]
        fail(error)
        for future in [*waiting, manager._transaction_waiter]:
            retrieve(future)

    return failing


def note_in_transaction(producer: AIOKafkaProducer, group: str, targets: Iterable[TopicPartition]) -> None:
    """Let a producer know what is in the transaction that it has begun: partitions, and the positions of a group."""
    producer._txn_manager._txn_partitions.update(targets)
    producer._txn_manager.consumer_group_added(group)


def on_broken_connection(client: Any, call: Callable[[], None]) -> None:
    """Call `call` whenever a connection of a client breaks, which it tells nobody."""
    closed = client._on_connection_closed

    def noting(connection: Any, reason: Any) -> None:
        if reason is not CloseReason.SHUTDOWN:
            call()
        closed(connection, reason)

    client._on_connection_closed = noting


def answers(producer: AIOKafkaProducer) -> dict[Any, str]:
    """Return partition → the error that a batch for it was answered with last, and which is repeated."""
    return waits(producer._sender)


def cap_batches(producer: AIOKafkaProducer, most: int) -> None:
    """Let the batches that aiokafka makes itself have at most so many bytes."""
    accumulator = producer._message_accumulator
    accumulator._batch_size = min(accumulator._batch_size, most)


async def kill(producer: AIOKafkaProducer) -> None:
    """End a producer without sending what it still holds. `stop` would wait for that."""
    producer._closed = True
    task = producer._sender.sender_task
    if task is not None:
        task.cancel()
    await within(CLOSE_SECONDS, producer.client.close())
    if task is not None:
        await within(CLOSE_SECONDS, asyncio.gather(task, return_exceptions=True))
