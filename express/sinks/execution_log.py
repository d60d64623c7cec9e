"""A topic for execution logs: one record per log event, its key the execution's ARN, so that they keep their order.

Logging never holds an execution up: what waits for the broker has a bound in bytes, and what goes beyond it, or is
refused, is dropped and counted. The topic and the broker may be away when the server starts, and come later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from express.errors import SinkError
from express.kafka import mapped
from express.kafka.limits import Limits, topic_limits
from express.kafka.patches.producer import cap_batches, kill
from express.sinks.producer import close, new_producer

BUFFER_BYTES = 16 << 20
"""Log lines waiting to be written; more are dropped."""

RETRY_SECONDS = 1.0
CLOSE_SECONDS = 5.0
"""Seconds that the last lines get when the server ends."""

log = logging.getLogger(__name__)


class LogTopic:
    """Writes log lines to the topic `topic`. Made, started and stopped on its loop."""

    def __init__(self, topic: str, properties: Mapping[str, Any], *, buffer: int = BUFFER_BYTES) -> None:
        self._topic = topic
        self._properties = {"linger_ms": 20, **properties}
        self._room = buffer
        self._waiting: deque[tuple[bytes, bytes]] = deque()
        self._more = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._task: asyncio.Task[None] | None = None
        self._producer: AIOKafkaProducer | None = None
        self._broken = False
        self.dropped = 0
        """Log events that nobody will see."""

    def write(self, lines: bytes, execution_arn: str) -> None:
        """Take the log lines of an execution; returns at once."""
        if len(lines) > self._room:
            self.dropped += lines.count(b"\n")
            return
        self._room -= len(lines)
        self._waiting.append((execution_arn.encode(), lines))
        self._more.set()
        self._settled.clear()

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._drain(), name="execution-log")

    async def stop(self) -> None:
        """Write what is there, if that can be done soon, and close."""
        if self._task is None:
            return
        if not self._broken:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._settled.wait()
                    if self._producer is not None:
                        await self._producer.flush()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.dropped += sum(lines.count(b"\n") for _, lines in self._waiting)
        self._waiting.clear()
        producer, self._producer = self._producer, None
        if producer is not None:
            await (kill(producer) if self._broken else close(producer))

    async def _drain(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                producer = self._producer or await self._connected()
                await self._put(producer, *self._waiting[0])
                self._waiting.popleft()
            self._settled.set()

    async def _put(self, producer: AIOKafkaProducer, key: bytes, lines: bytes) -> None:
        """Hand the lines of one execution to the client; its answers are only counted."""
        left = lines.count(b"\n")

        def over(written: bool) -> None:
            nonlocal left
            left -= 1
            self.dropped += not written
            if not left:
                self._room += len(lines)

        for line in lines.splitlines():
            try:
                with mapped(SinkError, f"writing to {self._topic}"):
                    answer = await producer.send(self._topic, line, key=key)
            except SinkError as error:
                self._tell(error)
                over(written=False)
            else:
                answer.add_done_callback(lambda done: over(self._is_written(done)))

    def _is_written(self, answer: asyncio.Future[Any]) -> bool:
        if answer.cancelled():
            return False
        error = answer.exception()
        if error is not None:
            self._tell(error)
        else:
            self._broken = False
        return error is None

    async def _connected(self) -> AIOKafkaProducer:
        """A producer, as soon as there can be one."""
        while True:
            producer = new_producer(self._properties)
            try:
                with mapped(SinkError, "connecting"):
                    await producer.start()
                limits = Limits()
                limits.learn(await topic_limits(producer.client, [self._topic]))
                cap_batches(producer, limits.batch(self._topic))
                self._producer = producer
                return producer
            except SinkError as error:
                self._tell(error)
                await kill(producer)
            except BaseException:
                await kill(producer)
                raise
            await asyncio.sleep(RETRY_SECONDS)

    def _tell(self, error: BaseException) -> None:
        """Say it once; from then on it is counted."""
        if not self._broken:
            log.error("the execution log can't be written to %s: %s", self._topic, error)
        self._broken = True
        self._settled.set()  # nobody waits for a broker that is not there
