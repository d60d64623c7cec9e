"""What a producer of aiokafka leaves behind when it fails."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerFenced

from express.kafka.patches.producer import begin_sending, retrieve
from express.sinks.mending import _answered


@pytest.mark.parametrize("fail", ["fatal_error", "error_transaction"])
async def test_a_transaction_that_fails_while_nobody_waits_for_its_end_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, fail: str
) -> None:
    """Fenced, or aborted by its time, while it writes: the write fails with that, the end is never waited for."""
    loose: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: loose.append(context))
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", transactional_id="t")

    async def nothing() -> None: ...

    monkeypatch.setattr(producer._sender, "start", nothing)
    await begin_sending(producer, (1, 0))
    manager = producer._txn_manager
    manager.begin_transaction()
    getattr(manager, fail)(ProducerFenced())
    assert isinstance(manager._transaction_waiter._exception, KafkaError)  # for whoever does wait
    producer._closed = True
    monkeypatch.undo()
    del manager, producer
    gc.collect()
    assert not loose


@pytest.mark.parametrize(("wait", "logged"), [(_answered, 0), (lambda answers: asyncio.gather(*answers), 1)])
async def test_a_flush_that_is_cancelled_while_a_batch_is_under_way_is_not_logged(wait: Any, logged: int) -> None:
    """The batch fails when nobody waits for it any more; `gather` would have cancelled what takes note of that."""
    loose: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: loose.append(context))
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    target = TopicPartition("out", 0)
    answer = await producer._message_accumulator.add_batch(producer.create_batch(), target, 1)
    answer.add_done_callback(retrieve)
    (batch,) = producer._message_accumulator._batches[target]
    waiting = asyncio.ensure_future(wait([answer]))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    batch.failure(MessageSizeTooLargeError())
    batch._drain_waiter.exception()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    producer._closed = True
    del answer, batch, producer
    gc.collect()
    assert len(loose) == logged, loose
