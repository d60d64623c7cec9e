"""What source and sink share of the Kafka client: its errors become ours, and only ours go through."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from express.errors import SourceError
from express.kafka import mapped, within


async def cancelled() -> None:
    """What aiokafka does in `close`: cancel a task of its own, and await it."""
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


async def broken() -> None:
    raise KafkaConnectionError


async def test_a_client_that_cancels_itself_has_failed_to_close() -> None:
    """aiokafka's `stop` ends so while no broker answers; the worker must not end with it."""
    assert not await within(1, cancelled())
    assert not await within(1, broken())
    assert not await within(0.01, asyncio.sleep(60))
    assert await within(1, asyncio.sleep(0))


async def test_a_call_that_the_client_cancels_is_an_error_of_the_source() -> None:
    """So that the session begins anew."""
    with pytest.raises(SourceError, match="polling: the client gave up"), mapped(SourceError, "polling"):
        await cancelled()


@pytest.mark.parametrize("calling", [False, True], ids=["closing", "calling"])
async def test_a_cancellation_of_ours_goes_through(calling: bool) -> None:
    """Who is cancelled from outside is cancelled, whatever the client does."""

    async def wait() -> None:
        if calling:
            with mapped(SourceError, "polling"):
                await asyncio.sleep(60)
        else:
            await within(60, asyncio.sleep(60))

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
