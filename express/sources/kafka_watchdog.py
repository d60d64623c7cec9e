"""A watch over a consumer's fetching. aiokafka tells nobody when it has ended, or when no broker answers.

A poll then finds nothing, as in an idle topic, for ever (aiokafka issues 625, 703, 1154).
"""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer

from express.errors import SourceError
from express.kafka import QUIET_SECONDS, failures, note_silence
from express.kafka.patches.consumer import fetch_task, last_answer

SILENT_SECONDS = 120.0
"""Brokers answer a fetch every `fetch_max_wait_ms`. Longer than a session timeout: the group has given us up."""


class Watchdog:
    """Watches one consumer. `check` after each poll; raises SourceError when only a new consumer will help."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._newest = -1.0
        self._heard_at = asyncio.get_running_loop().time()

    def check(self, *, starved: bool) -> None:
        """`starved`: all that is assigned was asked for, and nothing came, so that a fetch must be under way."""
        fetching = fetch_task(self._consumer)
        if fetching is not None and fetching.done():
            raise SourceError(f"the client has stopped fetching: {_why(fetching)}")
        now = asyncio.get_running_loop().time()
        newest = last_answer(self._consumer) if starved else None
        if newest is None or newest != self._newest:
            self._newest = newest or 0.0
            self._heard_at = now
        note_silence(id(self), silent=now - self._heard_at > QUIET_SECONDS)
        if now - self._heard_at > SILENT_SECONDS:
            silent = now - self._heard_at
            raise SourceError(f"no broker has answered a fetch for {silent:.0f} s. {failures()}".rstrip(". "))

    def stop(self) -> None:
        """Watch no more."""
        note_silence(id(self), silent=False)


def _why(task: asyncio.Task[None]) -> str:
    error = None if task.cancelled() else task.exception()
    return f"{type(error).__name__}: {error}" if error is not None else "it was cancelled"
