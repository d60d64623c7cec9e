"""Ended Express executions that can still be looked at. AWS keeps none; here a bounded ring keeps some.

Kept are the last failures, the slowest successes, and a sample of the other successes: all of them while they are
few, and at most so many a second under load. What is kept is text, rendered once, so that the ring's size is known
to the byte and an execution's data is not held alive piece by piece; only the events of a long history stay as they
are, with the size that was estimated while they were recorded, for nobody has the time to write them all.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

OVERHEAD = 1_024
"""Bytes that an entry takes beside its texts, roughly."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that is over. Times are wall-clock seconds; `input`, `output` and `history` may be absent.

    `history` is a JSON list of log events (`telemetry.execution_log.events`), or the events of a long one themselves,
    and then `held` is about how many bytes they take.
    """

    arn: str
    machine_arn: str
    name: str
    status: str
    started: float
    stopped: float
    error: str | None = None
    cause: str | None = None
    input: str | None = None
    output: str | None = None
    trace_header: str | None = None
    revision: str = ""
    version_arn: str | None = None
    alias_arn: str | None = None
    history: bytes | Sequence[dict[str, Any]] = b"[]"
    held: int = 0

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        texts = (self.arn, self.input, self.output, self.cause)
        return OVERHEAD + (self.held or len(self.history)) + sum(len(text) for text in texts if text is not None)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of what is kept. `samples_per_second` bounds how many successes are even looked at."""

    failures: int = 1_000
    slowest: int = 100
    samples: int = 1_000
    samples_per_second: float = 100.0
    bytes: int = 64 << 20


class Ring:
    """Ended executions by ARN, within `limits`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._failures: OrderedDict[str, Ended] = OrderedDict()
        self._samples: OrderedDict[str, Ended] = OrderedDict()
        self._slowest: dict[str, Ended] = {}
        self._heap: list[tuple[float, str]] = []
        self._bytes = 0
        self._tokens = limits.samples_per_second
        self._refilled = 0.0

    @property
    def size(self) -> int:
        """Bytes held, about."""
        return self._bytes

    def offer(self, *, failed: bool, started: float, stopped: float, render: Callable[[], Ended]) -> None:
        """Keep an execution if it is one to keep; `render` is only called then."""
        if failed:
            self._keep(self._failures, render(), self._limits.failures)
        elif self._is_slow(stopped - started):
            self._keep_slow(render(), stopped - started)
        elif self._take_token(stopped):
            self._keep(self._samples, render(), self._limits.samples)
        self._shrink()

    def get(self, arn: str) -> Ended | None:
        """The execution of that ARN, if it was kept."""
        return self._failures.get(arn) or self._slowest.get(arn) or self._samples.get(arn)

    def __iter__(self) -> Iterator[Ended]:
        """Every execution, in no particular order."""
        yield from self._failures.values()
        yield from self._slowest.values()
        yield from self._samples.values()

    # What to keep --------------------------------------------------------------------------------------

    def _is_slow(self, seconds: float) -> bool:
        """Among the slowest so far; the first ones are, while there are no others."""
        return len(self._heap) < self._limits.slowest or bool(self._heap and seconds > self._heap[0][0])

    def _take_token(self, now: float) -> bool:
        rate = self._limits.samples_per_second
        self._tokens = min(rate, self._tokens + max(now - self._refilled, 0.0) * rate)
        self._refilled = max(now, self._refilled)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _keep(self, held: OrderedDict[str, Ended], ended: Ended, most: int) -> None:
        held[ended.arn] = ended
        self._bytes += ended.size
        while len(held) > most:
            self._drop_oldest(held)

    def _keep_slow(self, ended: Ended, seconds: float) -> None:
        """One more among the slowest; the least slow of too many becomes a sample."""
        self._slowest[ended.arn] = ended
        self._bytes += ended.size
        heapq.heappush(self._heap, (seconds, ended.arn))
        if len(self._heap) > self._limits.slowest:
            passed = self._slowest.pop(heapq.heappop(self._heap)[1])
            self._bytes -= passed.size
            self._keep(self._samples, passed, self._limits.samples)

    def _drop_oldest(self, held: OrderedDict[str, Ended]) -> None:
        _, ended = held.popitem(last=False)
        self._bytes -= ended.size

    def _shrink(self) -> None:
        """Give up samples first, then the least slow, then the oldest failures."""
        while self._bytes > self._limits.bytes:
            if self._samples:
                self._drop_oldest(self._samples)
            elif self._heap:
                self._bytes -= self._slowest.pop(heapq.heappop(self._heap)[1]).size
            else:
                self._drop_oldest(self._failures)
