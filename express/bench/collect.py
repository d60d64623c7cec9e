"""Adds up what the worker noted: distributions, counts, seconds, the bill. Runs in the parent."""

from __future__ import annotations

from array import array
from collections import defaultdict

from express.bench.histogram import Histogram
from express.bench.protocol import COLUMNS, DROPPED, FAILED, REJECTED, SUCCEEDED, TIMED_OUT, UNFINISHED
from express.bench.result import Counts, Latencies, Latency, Second
from express.metering import Totals, billed_duration_ms, billed_memory_mb

BEHIND_SECONDS = 0.1
"""An event that begins so much later than it was due was behind schedule."""

NOT_YET = 1e9
"""Seconds ahead: a load that has no beginning yet."""

KINDS = ("e2e", "queue", "execution")


class Collector:
    """The sums of one run. Events due before `begin` are the warm-up and count nowhere."""

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.counts = Counts()
        self.totals = Totals()
        self.histograms = {kind: Histogram() for kind in KINDS}
        self.intervals: dict[int, dict[str, Histogram]] = defaultdict(lambda: {kind: Histogram() for kind in KINDS})
        self.seconds: dict[int, Second] = {}
        self.worst_behind = 0.0
        self.last_end = begin

    def add(self, body: bytes) -> None:
        """Take a frame of a worker's samples."""
        rows = array("d")
        rows.frombytes(body)
        columns = (rows[i::COLUMNS] for i in range(COLUMNS))
        begin = self.begin
        for due, began, ended, used, transitions, status in zip(*columns, strict=True):
            if due >= begin:
                billed = billed_duration_ms(ended - began), billed_memory_mb(int(used))
                self.take(due, began, ended, ended, billed, int(status), int(transitions))

    def add_dropped(self, dues: list[float]) -> None:
        """Events that the generator had no room for."""
        for due in dues:
            if due >= self.begin:
                self.take(due, due, due, due, (0, 0), DROPPED)

    def gauge(self, now: float, in_flight: int, waiting: int, lag: int = 0) -> None:
        """Note what the worker says it has, and what the pipeline's group has not committed."""
        if now >= self.begin:
            second = self._second(now)
            second.in_flight = max(second.in_flight, in_flight)
            second.waiting = max(second.waiting, waiting)
            second.lag = max(second.lag, lag)

    def series(self) -> list[Second]:
        """Every second there was, with the percentiles of what ended in it."""
        for number, kinds in self.intervals.items():
            second, e2e = self.seconds[number], kinds["e2e"]
            second.p50, second.p90, second.p99 = (e2e.percentile(p) for p in (50, 90, 99))
            second.max, second.queue_p99 = e2e.max, kinds["queue"].percentile(99)
        last = max((number for number, second in self.seconds.items() if second.scheduled or second.ended), default=-1)
        return [self.seconds.get(number) or Second(second=number) for number in range(last + 1)]

    def latencies(self) -> Latencies:
        """The distributions of the whole run."""
        return Latencies(**{kind: latency(self.histograms[kind]) for kind in KINDS})

    def _second(self, at: float) -> Second:
        number = int(at - self.begin)
        second = self.seconds.get(number)
        if second is None:
            second = self.seconds[number] = Second(second=number)
        return second

    def take(
        self,
        due: float,
        began: float,
        stopped: float,
        ended: float,
        billed: tuple[int, int],
        status: int,
        transitions: int = 0,
    ) -> None:
        """Count one event. It executed from `began` to `stopped` and was done with at `ended`.

        `billed` are milliseconds and MB. What was due before `begin` belongs to the warm-up and is not taken.
        """
        if due < self.begin:
            return
        counts = self.counts
        counts.scheduled += 1
        self._second(due).scheduled += 1
        if status == DROPPED:
            counts.dropped += 1
            self._second(due).dropped += 1
            return
        counts.started += 1
        late = began - due
        if late > BEHIND_SECONDS:
            counts.behind += 1
            self._second(due).behind += 1
            self.worst_behind = max(self.worst_behind, late)
        if status == REJECTED:
            counts.rejected += 1
        elif status == UNFINISHED:
            counts.unfinished += 1
            self._record(ended, {"e2e": ended - due})  # at least so long, and hiding it would flatter
        else:
            self._ended(ended, status)
            self._record(ended, {"e2e": ended - due, "queue": late, "execution": stopped - began})
            self.totals.add(*billed, transitions)

    def _ended(self, ended: float, status: int) -> None:
        counts = self.counts
        second = self._second(ended)
        second.ended += 1
        if status == SUCCEEDED:
            counts.succeeded += 1
        else:
            counts.failed += status == FAILED
            counts.timed_out += status == TIMED_OUT
            second.failed += 1
        self.last_end = max(self.last_end, ended)

    def _record(self, ended: float, latencies: dict[str, float]) -> None:
        self._second(ended)
        interval = self.intervals[int(ended - self.begin)]
        for kind, seconds in latencies.items():
            interval[kind].record(seconds)
            self.histograms[kind].record(seconds)


def latency(histogram: Histogram) -> Latency:
    """A distribution as the result holds it."""
    at = histogram.percentile
    return Latency(
        count=histogram.count,
        mean=round(histogram.mean, 3),
        p50=at(50),
        p75=at(75),
        p90=at(90),
        p95=at(95),
        p99=at(99),
        p99_9=at(99.9),
        p99_99=at(99.99),
        max=histogram.max,
        spectrum=[(share, ms) for ms, share, _ in histogram.spectrum()],
        histogram=histogram.encode().decode(),
    )
