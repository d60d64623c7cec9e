"""A queue that finds no broker leaves nothing open, however often it tries."""

from __future__ import annotations

import gc

import pytest

from express.errors import SinkError
from express.load.batch_producer import BatchProducer
from express.ports import Outgoing
from express.sinks.input_queue import LazyQueue

NOBODY = {"bootstrap_servers": "127.0.0.1:9"}


async def test_a_connection_that_is_tried_again_leaves_no_producer_open() -> None:
    """Each record tries anew; the producer of the last try is closed before. A leak is a warning, which fails."""
    queue = LazyQueue(NOBODY)
    for _ in range(2):
        with pytest.raises(SinkError, match="connecting"):
            await queue.produce(Outgoing(topic="t", key=None, value=b"x", headers=()))
    await queue.stop()
    del queue
    gc.collect()


async def test_a_generator_that_finds_no_broker_leaves_no_producer_open() -> None:
    """The same for batches of a load generator."""
    with pytest.raises(SinkError, match="connecting"):
        await BatchProducer.open(NOBODY, "t", lambda *_: None)
    gc.collect()
