"""What a producer of aiokafka leaves behind when it fails."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from express.kafka.patches.producer import begin_sending


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
