"""Counters of a pipeline: plain integers, so that counting costs nanoseconds; read at scrape time.

A labelled Prometheus call costs 1.3 to 2.2 microseconds, which is a third of what an event may cost at all.
The structs are encodable, so that a worker can send them to its parent as they are.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Annotated

import msgspec

from express.metering import Totals, billed_memory_mb

LATENCY_BOUNDS_MS = (
    *(1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700),
    *(1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000),
)
"""Upper bounds of the buckets in milliseconds; one more bucket holds what is above."""


BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Upper bounds of the buckets for records of a poll; a poll gives no more than the last."""


class Histogram(msgspec.Struct):
    """Durations in milliseconds, in buckets of LATENCY_BOUNDS_MS."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_MS) + 1))
    sum_ms: float = 0.0

    def add(self, ms: float, times: int = 1) -> None:
        """Count a duration that was seen once or more."""
        self.counts[0 if ms <= 1 else bisect_left(LATENCY_BOUNDS_MS, ms)] += times
        self.sum_ms += ms * times

    def add_quick(self, count: int, sum_ms: float) -> None:
        """Count `count` durations within the first bucket, `sum_ms` in all."""
        self.counts[0] += count
        self.sum_ms += sum_ms

    def bound(self, q: float) -> str:
        """Return the bucket of a quantile in words: what the share `q` does not exceed, or a lower bound beyond all.

        >>> histogram = Histogram()
        >>> for ms in (0.4, 4, 4, 40): histogram.add(ms)
        >>> histogram.bound(0.5), histogram.bound(0.99), Histogram().bound(0.5)
        ('≤5 ms', '≤50 ms', '')
        """
        total = sum(self.counts)
        if not total:
            return ""
        last = LATENCY_BOUNDS_MS[-1]
        beyond = total - self.counts[-1] < q * total
        return f">{last:g} ms" if beyond else f"≤{self.quantile(q):g} ms"

    def quantile(self, q: float) -> float:
        """About the duration in ms that the share `q` does not exceed: the bound of its bucket; 0 when empty.

        >>> histogram = Histogram()
        >>> for ms in (0.4, 4, 4, 40): histogram.add(ms)
        >>> histogram.quantile(0.5), histogram.quantile(0.99)
        (5, 50)
        """
        wanted = q * sum(self.counts)
        seen = 0
        for bound, count in zip((*LATENCY_BOUNDS_MS, LATENCY_BOUNDS_MS[-1]), self.counts, strict=True):
            seen += count
            if count and seen >= wanted:
                return bound
        return 0


def metric(family: str, text: str, by: str = "pipeline") -> msgspec.Meta:
    """Return what makes a counter of `Counters` a metric: its name without `_total`, its help, its label."""
    return msgspec.Meta(title=family, description=text, extra={"by": by})


class Counters(msgspec.Struct):
    """Everything one pipeline of one worker has counted since the worker started.

    started = succeeded + failed + timed_out + aborted + in flight, at every moment. Executions that were given
    up because their partition moved or the drain ended count as aborted and as abandoned; they have no
    terminal record and run again elsewhere.
    """

    records: Annotated[int, metric("express_kafka_records", "Records polled from the input topics.")] = 0
    skipped: Annotated[int, metric("express_kafka_records_skipped", "Records known to be finished.")] = 0
    started: Annotated[int, metric("express_executions_started", "Executions started.", by="state_machine")] = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    aborted: int = 0
    abandoned: Annotated[
        int,
        metric(
            "express_executions_abandoned",
            "Executions given up without an end, counted as ABORTED too; their records run again.",
            by="state_machine",
        ),
    ] = 0
    poison: int = 0
    """Dead letters: no JSON, or JSON that can't be run."""
    oversize: int = 0
    """Dead letters: over the limits."""
    refused: Annotated[
        int,
        metric(
            "express_kafka_records_refused",
            "Results and dead letters that their topic did not take: each was replaced by a (smaller) dead letter.",
        ),
    ] = 0
    stopped: int = 0
    """1 while the pipeline stands still, since something will never be written."""
    unwritable: int = 0
    """Dead letters: the result does not fit into its topic."""
    waiting: int = 0
    """Gauge: records held back behind an earlier one of their key."""
    heap_bytes: int = 0
    """Gauge: estimated memory of executions in flight and of waiting records."""
    flushes: Annotated[int, metric("express_kafka_flushes", "Groups of results written.")] = 0
    output_bytes: Annotated[int, metric("express_kafka_output_bytes", "Bytes of results.")] = 0
    commits: Annotated[int, metric("express_kafka_commit", "Commits of positions.")] = 0
    commits_refused: Annotated[int, metric("express_kafka_commits_refused", "Commits refused by the group.")] = 0
    rebalances: Annotated[int, metric("express_kafka_rebalances", "Rebalances of the consumer group.")] = 0
    restarts: Annotated[int, metric("express_kafka_restarts", "Clients built anew after an error.")] = 0
    foreign_metadata: int = 0
    """Commits found with metadata that is not ours."""
    offsets_missing: Annotated[
        int, metric("express_kafka_offsets_missing", "Offsets that the log had deleted before they were read.")
    ] = 0
    rewinds: int = 0
    """Partitions whose offsets went backwards (a topic made anew)."""
    intake_stops: int = 0
    """Times that the intake stopped for want of room."""
    totals: Totals = msgspec.field(default_factory=Totals)
    """Sums of what the executions are billed."""
    memory_used_bytes: int = 0
    """Sum over executions of the memory they are said to use."""
    billed_mb: dict[str, int] = {}
    """Executions by the MB they are billed at; those of the first step, which are nearly all, are not in here."""
    poll_batches: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BATCH_BOUNDS) + 1))
    """Polls that gave records, by how many: buckets of BATCH_BOUNDS."""
    admission_ms: Histogram = msgspec.field(default_factory=Histogram)
    """From poll to start: of the last record of each batch, and of each that waited behind another of its key."""
    execution_ms: Histogram = msgspec.field(default_factory=Histogram)
    """From start to end of an execution."""
    end_to_end_ms: Histogram = msgspec.field(default_factory=Histogram)
    """From the timestamp of the record to the broker's acknowledgement of its terminal record."""

    def count_memory(self, used: int) -> int:
        """One more execution that used more than the first step of memory; the MB it is billed at."""
        mb = billed_memory_mb(used)
        self.billed_mb[str(mb)] = self.billed_mb.get(str(mb), 0) + 1
        return mb

    def count_batch(self, records: int) -> None:
        """One more poll that gave records."""
        self.poll_batches[bisect_left(BATCH_BOUNDS, records)] += 1

    def count_failure(self, status: str) -> None:
        """One more execution that did not succeed."""
        if status == "FAILED":
            self.failed += 1
        elif status == "TIMED_OUT":
            self.timed_out += 1
        else:
            self.aborted += 1

    @property
    def ended(self) -> int:
        """Executions that are over."""
        return self.succeeded + self.failed + self.timed_out + self.aborted

    @property
    def in_flight(self) -> int:
        """Executions that run."""
        return self.started - self.ended

    @property
    def dead_letters(self) -> int:
        """Records written to the dead-letter topic."""
        return self.poison + self.oversize + self.unwritable
