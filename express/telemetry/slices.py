"""Long execution logs on their way to where they go: slice by slice, so that none holds up the loop.

25,000 events take a tenth of a second to write, and more where they are large. The first slice is written at once, and
is all there is of most executions; each of the others has a turn of the loop to itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from express.ports import LogSink

MOST_WAITING = 8
"""Executions whose logs are under way. What comes beyond that is written at once: its events take memory."""


class LogSlices:
    """Hands the slices of execution logs on to `sink`."""

    def __init__(self, sink: LogSink) -> None:
        self._sink = sink
        self._waiting: deque[tuple[Iterator[bytes], str]] = deque()

    def write(self, slices: Iterator[bytes], execution_arn: str) -> None:
        """Take the log of an execution. Without a loop that runs, it is written at once."""
        first = next(slices, b"")
        if first:
            self._sink.write(first, execution_arn)
        second = next(slices, b"") if first else b""
        if not second:
            return
        self._sink.write(second, execution_arn)
        if len(self._waiting) >= MOST_WAITING or not _is_running():
            self._rest(slices, execution_arn)
            return
        self._waiting.append((slices, execution_arn))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._go_on)

    def close(self) -> None:
        """Write what is left."""
        while self._waiting:
            self._rest(*self._waiting.popleft())

    def _rest(self, slices: Iterator[bytes], execution_arn: str) -> None:
        for lines in slices:
            self._sink.write(lines, execution_arn)

    def _go_on(self) -> None:
        """Write one more slice."""
        if not self._waiting:
            return
        slices, execution_arn = self._waiting[0]
        lines = next(slices, b"")
        if lines:
            self._sink.write(lines, execution_arn)
        else:
            self._waiting.popleft()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._go_on)


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
