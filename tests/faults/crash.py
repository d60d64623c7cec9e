"""Ends, or suspends, a worker at a chosen point of what it does.

`EXPRESS_CRASH_AT` names a folder. A file in it that is called as a point is a ticket: whoever comes to that point
first takes it, goes on for as many times as it says, and dies there. The product knows nothing of this: the module
of the handlers, which every worker imports, puts these points around its methods when the variable is set.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

from aiokafka.conn import AIOKafkaConnection

from express.kafka import repair_connections
from express.runtime.drain.offset_tracker import OffsetTracker
from express.runtime.drain.processor import Processor
from express.runtime.records.terminal_writer import TerminalWriter

VARIABLE = "EXPRESS_CRASH_AT"

REQUESTS = ("Produce", "OffsetCommit", "InitProducerId", "AddPartitionsToTxn", "TxnOffsetCommit", "EndTxn")
"""Each with three points: before it is sent, when it is sent, and when it is answered."""

FLUSH_TURNS = 3
"""Of the loop, after which what was written to a connection has left the process."""

AT_LEAST_ONCE = (
    *("tracked", "task", "dead-letter", "assigned", "revoked", "settled", "drain"),
    *("Produce-before", "Produce-sent", "Produce-answered"),
    *("OffsetCommit-before", "OffsetCommit-sent", "OffsetCommit-answered"),
)
EXACTLY_ONCE = (
    *("tracked", "task", "dead-letter", "assigned", "revoked", "settled", "drain"),
    *("Produce-before", "Produce-sent", "Produce-answered", "InitProducerId-sent", "InitProducerId-answered"),
    *("AddPartitionsToTxn-answered", "TxnOffsetCommit-before", "TxnOffsetCommit-sent", "TxnOffsetCommit-answered"),
    *("EndTxn-before", "EndTxn-sent", "EndTxn-answered"),
)


class Points:
    """The points of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: dict[str, tuple[int, int]] = {}

    def due(self, point: str) -> int | None:
        """The signal to end with, if it is time at this point; once for each ticket."""
        taken = self._taken.pop(point, None) or self._take(point)
        if taken is None:
            return None
        left, number = taken
        if left <= 0:
            return number
        self._taken[point] = left - 1, number
        return None

    def reach(self, point: str) -> None:
        """Come to a point."""
        number = self.due(point)
        if number is not None:
            os.kill(os.getpid(), number)

    def _take(self, point: str) -> tuple[int, int] | None:
        ticket = self._folder / point
        try:
            times, number = ticket.read_text().split()
            ticket.unlink()
        except (OSError, ValueError):
            return None
        return int(times), int(number)


def put(folder: Path, point: str, times: int = 0, number: int = signal.SIGKILL) -> Path:
    """Lay out a ticket."""
    ticket, draft = folder / point, folder / f"{point}.draft"
    draft.write_text(f"{times} {int(number)}")
    return draft.rename(ticket)


def arm(folder: Path) -> Points:
    """Put the points into the product's methods."""
    points = Points(folder)
    repair_connections()
    _after(OffsetTracker, "track", points, "tracked")
    _after(TerminalWriter, "_dead_letter", points, "dead-letter")
    _around(Processor, "assigned", points, before="", after="assigned")
    _around(Processor, "revoked", points, before="revoked", after="")
    _around(Processor, "_settle", points, before="drain", after="settled")
    send = AIOKafkaConnection.send

    @wraps(send)
    def watched(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Awaitable[Any]:
        kind = type(request).__name__.removesuffix("Request")
        if kind not in REQUESTS:
            answer: Awaitable[Any] = send(self, request, expect_response)
            return answer
        points.reach(f"{kind}-before")
        answer = send(self, request, expect_response)
        number = points.due(f"{kind}-sent")
        if number is not None:
            _soon(FLUSH_TURNS, lambda: os.kill(os.getpid(), number))
        return _answered(points, f"{kind}-answered", answer)

    AIOKafkaConnection.send = watched
    return points


async def _answered(points: Points, point: str, answer: Awaitable[Any]) -> Any:
    result = await answer
    points.reach(point)
    return result


def _soon(turns: int, action: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(action) if turns <= 1 else loop.call_soon(_soon, turns - 1, action)


def _after(owner: type, name: str, points: Points, point: str) -> None:
    method = getattr(owner, name)

    @wraps(method)
    def watched(*args: Any, **named: Any) -> Any:
        result = method(*args, **named)
        points.reach(point)
        return result

    setattr(owner, name, watched)


def _around(owner: type, name: str, points: Points, *, before: str, after: str) -> None:
    method = getattr(owner, name)

    @wraps(method)
    async def watched(*args: Any, **named: Any) -> Any:
        if before:
            points.reach(before)
        result = await method(*args, **named)
        if after:
            points.reach(after)
        return result

    setattr(owner, name, watched)
