"""Reads terminal records as they appear, for whoever measures: from the output and dead-letter topics, no group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from express.errors import SourceError
from express.kafka import CLOSE_SECONDS, mapped, repair_connections, within
from express.ports import Partition

_ERRORS = "__express.errors."
POLL_MS = 50
MOST_RECORDS = 2_000


class TerminalRecord(NamedTuple):
    """One terminal record: of which input record, and what its headers say. Times are milliseconds since 1970.

    `status` is that of the execution, or DEAD_LETTER, which knows no times and is not billed.
    """

    topic: str
    partition: int
    offset: int
    status: str
    error: str
    started_ms: int = 0
    stopped_ms: int = 0
    billed_ms: int = 0
    billed_mb: int = 0


DEAD_LETTER = "DEAD_LETTER"


class ResultReader:
    """The terminal records that are written after `starts`, committed ones only. Methods may raise SourceError."""

    def __init__(self, properties: Mapping[str, Any], starts: Mapping[Partition, int]) -> None:
        repair_connections()
        fixed = {"isolation_level": "read_committed", "enable_auto_commit": False, "group_id": None}
        self._consumer = AIOKafkaConsumer(**{**properties, **fixed, "fetch_max_wait_ms": 100})
        self._starts = starts

    async def start(self) -> None:
        """Connect, and stand at the starts."""
        with mapped(SourceError, "reading results"):
            await self._consumer.start()
            self._consumer.assign([TopicPartition(*at) for at in self._starts])
            for at, offset in self._starts.items():
                self._consumer.seek(TopicPartition(*at), offset)

    async def stop(self) -> None:
        """Close."""
        await within(CLOSE_SECONDS, self._consumer.stop())

    async def poll(self) -> list[TerminalRecord]:
        """Return what there is now, or came within POLL_MS. Records that are no terminal records are left out."""
        with mapped(SourceError, "reading results"):
            polled = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
        found = []
        for records in polled.values():
            for record in records:
                terminal = terminal_of({name: value or b"" for name, value in record.headers})
                if terminal is not None:
                    found.append(terminal)
        return found


def terminal_of(headers: dict[str, bytes]) -> TerminalRecord | None:
    """Return what headers say; None for those of others.

    >>> terminal_of({"unknown": b"1"}) is None
    True
    """
    try:
        if f"{_ERRORS}offset" not in headers and "express.status" in headers:
            return TerminalRecord(
                headers["express.source-topic"].decode(),
                int(headers["express.source-partition"]),
                int(headers["express.source-offset"]),
                headers["express.status"].decode(),
                headers.get("express.error", b"").decode(),
                int(headers["express.start-time"]),
                int(headers["express.stop-time"]),
                int(headers["express.billed-duration-ms"]),
                int(headers["express.billed-memory-mb"]),
            )
        return TerminalRecord(
            headers[f"{_ERRORS}topic"].decode(),
            int(headers[f"{_ERRORS}partition"]),
            int(headers[f"{_ERRORS}offset"]),
            DEAD_LETTER,
            headers[f"{_ERRORS}disposition"].decode(),
        )
    except (KeyError, ValueError):
        return None
