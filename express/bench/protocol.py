"""The protocol between the three processes of a bench: plans as a line of JSON, events and times as packed frames.

Batches of events: count and size, then due times (doubles), lengths (32 bits), and the JSON texts one after the
other. Times are of the monotonic clock, which the processes of one machine share.
"""

from __future__ import annotations

import asyncio
import struct
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from express.bench.events import Sample
from express.bench.schedule import Stage
from express.config import Config, Kafka
from express.config.model import decode_custom, encode_custom

REPORT_SECONDS = 0.25
"""Seconds between two reports of worker and generator to the parent."""

TOMBSTONE = 0xFFFFFFFF
"""The length of an event without a value."""

_BATCH = struct.Struct("<II")
_FRAME = struct.Struct("<cI")
_ACK = struct.Struct("<iq")

JSON_FRAME, SAMPLE_FRAME, ACK_FRAME = b"J", b"S", b"A"

SUCCEEDED, FAILED, TIMED_OUT, REJECTED, UNFINISHED, DROPPED = range(6)
STATUS = {"SUCCEEDED": SUCCEEDED, "FAILED": FAILED, "TIMED_OUT": TIMED_OUT, "ABORTED": FAILED}
COLUMNS = 6
"""Doubles of a sample: due, started, ended, used bytes, transitions, status."""


class GeneratorPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The generator's orders: `begin` is when the schedule starts; no stages: as fast as events are taken.

    `counts_from`: what is due earlier is the warm-up, whose lateness is nobody's figure.

    With `replay` events are due as they were captured, sped up by so much. With `kafka` they are produced to `topic`.
    """

    sample: Sample
    begin: float
    stages: list[Stage] = []
    seconds: float = 0.0
    counts_from: float = 0.0
    poisson: bool = False
    replay: float | None = None
    backlog: int = 100_000
    cpu: int | None = None
    kafka: Kafka | None = None
    topic: str = ""


class GeneratorReport(msgspec.Struct, kw_only=True):
    """The generator's progress. `dropped` holds the due times of events its own buffer had no room for.

    `unsent`: events that Kafka has not acknowledged. `fault`: why it can't go on.
    """

    made: int = 0
    dropped: list[float] = []
    cpu_seconds: float = 0.0
    errors: dict[int, int] = {}
    blocked_bytes: int = 0
    unsent: int = 0
    cpus: list[int] = []
    done: bool = False
    fault: str = ""


class WorkerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The worker's orders. `mock` is the text of a mock file, `target` the address of an API to call instead.

    `others`: files of workflows that executions may start.
    """

    name: str
    definition: str
    config: Config
    path: list[str]
    seed: int
    seconds: float
    closed: int | None
    concurrency: int
    backlog: int
    drain_seconds: float
    traced: int
    mock: str | None = None
    case: str | None = None
    target: str | None = None
    cpu: int | None = None
    others: list[str] = []

    def encode(self) -> bytes:
        """The plan as one line of JSON."""
        return msgspec.json.encode(self, enc_hook=encode_custom) + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> WorkerPlan:
        """The plan that `encode` wrote."""
        return msgspec.json.decode(line, type=cls, dec_hook=decode_custom)


class WorkerReport(msgspec.Struct, kw_only=True):
    """The worker's progress. `fault` says why it can't start: "config" or "handler", and the message."""

    ready: bool = False
    done: bool = False
    fault: tuple[str, str] | None = None
    in_flight: int = 0
    waiting: int = 0
    cpu_seconds: float = 0.0
    resident_bytes: int = 0
    errors: dict[str, int] = {}
    loop_lag_p99_ms: float = 0.0
    gc_pause_max_ms: float = 0.0
    states: list[dict[str, Any]] = []


class ReaderPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The orders of the reader of a pipeline's results: (topic, partition, first offset)."""

    kafka: Kafka
    source: str
    starts: list[tuple[str, int, int]]


class ReaderReport(msgspec.Struct, kw_only=True):
    """The reader's progress. Its frames of samples have TERMINAL_COLUMNS doubles a row."""

    ready: bool = False
    done: bool = False
    fault: str = ""
    cpu_seconds: float = 0.0
    errors: dict[str, int] = {}


TERMINAL_COLUMNS = 8
"""Doubles of a terminal record: partition, offset, seen (monotonic), start and stop (ms), billed ms and MB, status."""


def pack_acknowledged(partition: int, offset: int, due: Sequence[float]) -> bytes:
    """Tell that the records which were due then have consecutive offsets from `offset` on."""
    return pack_frame(ACK_FRAME, _ACK.pack(partition, offset) + array("d", due).tobytes())


def acknowledged(body: bytes) -> tuple[int, int, array[float]]:
    """Return what `pack_acknowledged` told."""
    partition, offset = _ACK.unpack_from(body)
    due = array("d")
    due.frombytes(body[_ACK.size :])
    return partition, offset, due


def pack_events(due: Sequence[float], values: Sequence[bytes | None]) -> bytes:
    """One batch."""
    lengths = array("I", [TOMBSTONE if value is None else len(value) for value in values])
    body = b"".join((array("d", due).tobytes(), lengths.tobytes(), *(value or b"" for value in values)))
    return _BATCH.pack(len(due), len(body)) + body


class EventReader:
    """Takes a stream of batches apart, however it is cut."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[float, bytes | None]]:
        """The events that are complete now: when they are due, and their values."""
        self._rest += chunk
        while len(self._rest) >= _BATCH.size:
            count, size = _BATCH.unpack_from(self._rest)
            end = _BATCH.size + size
            if len(self._rest) < end:
                return
            body = bytes(self._rest[_BATCH.size : end])
            del self._rest[:end]
            yield from _events(body, count)


def _events(body: bytes, count: int) -> Iterator[tuple[float, bytes | None]]:
    due, lengths = array("d"), array("I")
    due.frombytes(body[: 8 * count])
    lengths.frombytes(body[8 * count : 12 * count])
    at = 12 * count
    for when, length in zip(due, lengths, strict=True):
        if length == TOMBSTONE:
            yield when, None
        else:
            yield when, body[at : at + length]
            at += length


def write_to(pipe: asyncio.WriteTransport, data: bytes) -> None:
    """Write to a pipe. Raises BrokenPipeError where nobody reads any more, which ends a process quietly."""
    if pipe.is_closing():
        raise BrokenPipeError("nobody reads any more")
    pipe.write(data)


def pack_frame(kind: bytes, body: bytes) -> bytes:
    """One frame of the worker's."""
    return _FRAME.pack(kind, len(body)) + body


FRAME_HEAD = _FRAME.size


def frame_head(head: bytes) -> tuple[bytes, int]:
    """Kind and size of the frame that begins with `head`."""
    kind, size = _FRAME.unpack(head)
    return kind, size
