"""A high dynamic range histogram: three significant digits from a microsecond to an hour.

Buckets are HdrHistogram's, so that its tools read what we write (`.hlog`, `.hgrm`), but only those that hold
something are kept: recording is one dictionary entry. The `hdrhistogram` package takes six times as long for it and
drags in setuptools; tests use it as the referee.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterator

DIGITS = 3
HIGHEST = 3_600_000_000
"""Microseconds. What is longer counts as this."""

_HALF = 1024
_SHIFT = 10
_MASK = 2 * _HALF - 1
_V2 = 0x1C849303 | 0x10
_V2_COMPRESSED = 0x1C849304 | 0x10
_BUCKETS = 22


class Histogram:
    """Durations in microseconds."""

    __slots__ = ("count", "counts", "greatest", "sum")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.count = 0
        self.sum = 0
        self.greatest = 0

    def record(self, seconds: float) -> None:
        """Count one duration."""
        value = int(seconds * 1_000_000 + 0.5)
        if value > HIGHEST:
            value = HIGHEST
        elif value < 0:
            value = 0
        shift = (value | _MASK).bit_length() - _SHIFT - 1
        index = (shift << _SHIFT) + (value >> shift)
        counts = self.counts
        counts[index] = counts.get(index, 0) + 1
        self.count += 1
        self.sum += value
        if value > self.greatest:
            self.greatest = value

    def merge(self, other: Histogram) -> None:
        """Count all of `other` too."""
        for index, count in other.counts.items():
            self.counts[index] = self.counts.get(index, 0) + count
        self.count += other.count
        self.sum += other.sum
        self.greatest = max(self.greatest, other.greatest)

    def percentile(self, percent: float) -> float:
        """Milliseconds that `percent` % do not exceed, rounded up to the bucket's end as HdrHistogram does.

        >>> histogram = Histogram()
        >>> for ms in range(1, 1001): histogram.record(ms / 1000)
        >>> histogram.percentile(50), histogram.percentile(100), Histogram().percentile(99)
        (500.223, 1000.447, 0.0)
        """
        wanted = max(1, int(percent * self.count / 100 + 0.5))
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= wanted:
                return end_of(index) / 1000
        return 0.0

    @property
    def max(self) -> float:
        """The longest duration, in milliseconds."""
        return self.greatest / 1000

    @property
    def mean(self) -> float:
        """The mean in milliseconds."""
        return self.sum / self.count / 1000 if self.count else 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation in milliseconds."""
        if not self.count:
            return 0.0
        squares = sum(((start_of(i) + end_of(i)) / 2000 - self.mean) ** 2 * n for i, n in self.counts.items())
        return math.sqrt(squares / self.count)

    def spectrum(self, ticks: int = 5) -> Iterator[tuple[float, float, int]]:
        """(milliseconds, share, count so far): `ticks` steps for each half of what is left to 100 %."""
        seen, level = 0, 0.0
        for index in sorted(self.counts):
            seen += self.counts[index]
            share = seen / self.count
            while level <= share:
                yield end_of(index) / 1000, level, seen
                level += 2.0 ** -(int(math.log2(1 / (1 - level))) + 1) / ticks
                if seen == self.count:
                    yield end_of(index) / 1000, 1.0, seen
                    return

    def encode(self) -> bytes:
        """The HdrHistogram V2 form, compressed, in Base64: what an `.hlog` line holds."""
        body = b"".join(_varints(self.counts))
        head = struct.pack(">iiiiqqd", _V2, len(body), 0, DIGITS, 1, HIGHEST, 1.0)
        packed = zlib.compress(head + body)
        return base64.b64encode(struct.pack(">ii", _V2_COMPRESSED, len(packed)) + packed)


def start_of(index: int) -> int:
    """The least value that falls into a bucket, in microseconds."""
    if index < 2 * _HALF:
        return index
    shift = (index >> _SHIFT) - 1
    return (index - (shift << _SHIFT)) << shift


def end_of(index: int) -> int:
    """The greatest value that falls into a bucket, in microseconds."""
    return start_of(index) if index < 2 * _HALF else start_of(index + 1) - 1


def _varints(counts: dict[int, int]) -> Iterator[bytes]:
    """Counts from bucket 0 on; a run of empty buckets is the negative of its length."""
    following = 0
    for index in sorted(counts):
        if index > following:
            yield _zigzag(following - index)
        yield _zigzag(counts[index])
        following = index + 1


def _zigzag(value: int) -> bytes:
    """ZigZag and LEB128, seven bits a byte. Values beyond 2^55 do not occur."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def hgrm(histogram: Histogram) -> str:
    """The percentile distribution as text, milliseconds, as HdrHistogram's tools write and plot it."""
    lines = ["       Value     Percentile TotalCount 1/(1-Percentile)", ""]
    for ms, share, seen in histogram.spectrum():
        odds = f" {1 / (1 - share):14.2f}" if share < 1 else ""
        lines.append(f"{ms:12.3f} {share:2.12f} {seen:10d}{odds}")
    lines += [
        f"#[Mean    = {histogram.mean:12.3f}, StdDeviation   = {histogram.deviation:12.3f}]",
        f"#[Max     = {histogram.max:12.3f}, Total count    = {histogram.count:12d}]",
        f"#[Buckets = {_BUCKETS:12d}, SubBuckets     = {2 * _HALF:12d}]",
    ]
    return "\n".join(lines) + "\n"


def hlog(intervals: dict[int, dict[str, Histogram]], started: float) -> str:
    """A histogram log: a line per second and kind of latency, its kind as tag, maxima in milliseconds."""
    lines = [
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {started:.3f} (seconds since epoch)]",
        f"#[BaseTime: {started:.3f} (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    for second in sorted(intervals):
        for tag, histogram in intervals[second].items():
            if histogram.count:
                lines.append(f"Tag={tag},{second:.3f},1.000,{histogram.max:.3f},{histogram.encode().decode()}")
    return "\n".join(lines) + "\n"
