"""The form of terminal records: results and dead letters.

A **result** has the key of its input. Its value is the execution's output, or `{"Error": …, "Cause": …}` for an
execution that did not succeed (a value of null would delete the key in a compacted topic). Its headers:

| header | value |
|---|---|
| `express.execution-arn` | the same for the same input record, also after a replay |
| `express.status` | SUCCEEDED, FAILED, TIMED_OUT or ABORTED |
| `express.error`, `express.cause` | only where there is one; the cause cut to 1 KiB, whole in the value |
| `express.start-time`, `express.stop-time` | milliseconds since 1970 |
| `express.billed-duration-ms`, `express.billed-memory-mb` | what AWS would charge |
| `express.source-topic`, `express.source-partition`, `express.source-offset` | the input record |

A **dead letter** is what could not become a result: value, key and headers of the input, byte for byte, and
headers `__express.errors.*`. Where the topic would not take a record of that size, the value is
left out, `__express.errors.value.truncated` says so, and `.value.bytes` and `.value.sha256` what it was; key and
headers stay. Where these alone are too large they go too, but for the trace and ours
(`__express.errors.headers.truncated`, `.key.bytes`, `.key.sha256`). The coordinates lead to the original.

A dead letter that was written back to the input topic and fails again has one set of these headers, the newest, with
`__express.errors.redrives`, how often that has happened, and `.first.topic`, `.first.partition` and `.first.offset`:
the record it was at first. What says how large a value was that was left out stays.

Both have `traceparent` and `tracestate` of their input; a result also has the headers that its pipeline copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

import msgspec

from express.engine.effects import Finish
from express.ports import ConsumedRecord, Headers, Partition
from express.record_format import encode_headers, sized, varint
from express.runtime.records.headers import Carrier

EXECUTION_ARN = "express.execution-arn"
STATUS = "express.status"
ERROR = "express.error"
CAUSE = "express.cause"
START_TIME = "express.start-time"
STOP_TIME = "express.stop-time"
BILLED_DURATION = "express.billed-duration-ms"
BILLED_MEMORY = "express.billed-memory-mb"
SOURCE_TOPIC = "express.source-topic"
SOURCE_PARTITION = "express.source-partition"
SOURCE_OFFSET = "express.source-offset"

ERRORS = "__express.errors."
TRUNCATED = f"{ERRORS}value.truncated"
VALUE_BYTES = f"{ERRORS}value.bytes"
VALUE_DIGEST = f"{ERRORS}value.sha256"
HEADERS_TRUNCATED = f"{ERRORS}headers.truncated"
KEY_BYTES = f"{ERRORS}key.bytes"
KEY_DIGEST = f"{ERRORS}key.sha256"
REDRIVES = f"{ERRORS}redrives"
FIRST = f"{ERRORS}first."
COORDINATES = ("topic", "partition", "offset")
CUTS = (TRUNCATED, VALUE_BYTES, VALUE_DIGEST, HEADERS_TRUNCATED, KEY_BYTES, KEY_DIGEST)
"""Headers that mark a dead letter which has less than its record had."""

LETTER = frozenset(
    {
        *(ERRORS + name for name in ("topic", "partition", "offset", "timestamp", "stage", "disposition", "error")),
        *(ERRORS + name for name in ("cause", "execution.arn", "statemachine.arn", "worker", "redrives")),
        *(FIRST + name for name in COORDINATES),
        *CUTS,
    }
)
"""The names of all headers that a dead letter has beside those of its record."""

MOST_REDRIVES = 10**9

CAUSE_LIMIT = 1_024
"""Bytes of a cause that a header holds."""

HEADERS_ROOM = 65_536
"""More than all headers of a result ever take, copied ones too; what comes nearer to a limit is measured."""

OWN_HEADERS_ROOM = 4_096
"""The same without copied ones."""

_TRACE = Carrier()

_UUID_BITS = 0xFFFF_FFFF_FFFF

PLAIN = tuple(b"%d" % number for number in range(1000))
PADDED = tuple(b"%03d" % number for number in range(1000))
HEX_BITS = 12
HEX = tuple(b"%03x" % number for number in range(1 << HEX_BITS))


class SharedHeaders(NamedTuple):
    """The common parts of the encoded headers of results whose offsets differ in their last digits only.

    An offset's headers are `front`, its last digits, `middle`, its last hexadecimal digits (HEX), `back`, and its
    last digits once more. `digits` are those by offset modulo 1,000. It holds for all offsets below `ceiling`.
    """

    digits: tuple[bytes, ...]
    front: bytes
    middle: bytes
    back: bytes
    ceiling: int


class Naming:
    """The names and fixed headers of all executions that come from one partition.

    An execution is named `topic-partition-offset`, and the UUID of its ARN is derived from the same three and
    the state machine: 72 bits of hash, 48 of the offset. A replay therefore has the same ARN and the same
    idempotency keys.
    """

    __slots__ = ("_arn_head", "_billed", "_frames", "_head", "_start", "_statuses", "_stop", "_tail", "_uuid_head")

    def __init__(self, execution_prefix: str, partition: Partition) -> None:
        topic, number = partition
        self._head = f"{topic}-{number}-"
        digest = sha256(f"{execution_prefix}\0{topic}\0{number}".encode()).hexdigest()
        self._uuid_head = f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{digest[15:18]}-"
        self._arn_head = execution_prefix + self._head
        self._tail = ((SOURCE_TOPIC, topic.encode()), (SOURCE_PARTITION, b"%d" % number))
        self._start = -1, (START_TIME, b"")  # the last ones: hundreds share a millisecond
        self._stop = -1, (STOP_TIME, b"")
        self._billed: dict[tuple[int, int], tuple[tuple[str, bytes], tuple[str, bytes]]] = {}
        self._frames: dict[tuple[int, tuple[int, int]], tuple[bytes, bytes, bytes, bytes, bytes]] = {}
        self._statuses = {
            status: (STATUS, status.encode()) for status in ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
        }

    def name(self, offset: int) -> str:
        """The execution name of the record at `offset`."""
        return f"{self._head}{offset}"

    def arn(self, offset: int) -> str:
        """The execution ARN of the record at `offset`."""
        return f"{self._arn_head}{offset}:{self._uuid_head}{offset & _UUID_BITS:012x}"

    def succeeded(self, offset: int, started_ms: int, stopped_ms: int, billed: tuple[int, int]) -> SharedHeaders:
        """Return the common parts of the encoded headers of results from `offset` on: the same as `result_headers`."""
        digits = len(str(offset))
        try:
            front, uuid, status, stop, rest = self._frames[digits, billed]
        except KeyError:
            front, uuid, status, stop, rest = self._frames[digits, billed] = self._frame(offset, billed)
        leading = b"%d" % (offset // 1000) if offset >= 1000 else b""
        times = sized(b"%d" % started_ms), sized(b"%d" % stopped_ms)
        return SharedHeaders(
            PADDED if offset >= 1000 else PLAIN,
            front + leading,
            uuid + b"%09x" % ((offset & _UUID_BITS) >> HEX_BITS),
            b"".join((status, times[0], stop, times[1], rest, leading)),
            min((offset // 1000 + 1) * 1000, ((offset >> HEX_BITS) + 1) << HEX_BITS, 10**digits),
        )

    def _frame(self, offset: int, billed: tuple[int, int]) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        """Return what stands before, between and behind the numbers in the headers of results."""
        arn = self.arn(offset)
        headers = self.result_headers(offset, arn, Finish("SUCCEEDED"), 0, 0, billed)
        (named, _), status, (start, _), (stop, _), *rest, (placed, _) = headers
        return (
            varint(len(headers)) + sized(named.encode()) + varint(len(arn)) + self._arn_head.encode(),
            f":{self._uuid_head}".encode(),
            encode_headers([status])[1:] + sized(start.encode()),
            sized(stop.encode()),
            encode_headers(rest)[1:] + sized(placed.encode()) + varint(len(str(offset))),
        )

    def result_headers(
        self, offset: int, arn: str, finish: Finish, started_ms: int, stopped_ms: int, billed: tuple[int, int]
    ) -> list[tuple[str, bytes]]:
        """The headers of a result; `billed` are milliseconds and MB."""
        if self._start[0] != started_ms:
            self._start = started_ms, (START_TIME, b"%d" % started_ms)
        if self._stop[0] != stopped_ms:
            self._stop = stopped_ms, (STOP_TIME, b"%d" % stopped_ms)
        charged = self._billed.get(billed)
        if charged is None:
            charged = (BILLED_DURATION, b"%d" % billed[0]), (BILLED_MEMORY, b"%d" % billed[1])
            self._billed[billed] = charged
        headers = [
            (EXECUTION_ARN, arn.encode()),
            self._statuses[finish.status],
            self._start[1],
            self._stop[1],
            *charged,
            *self._tail,
            (SOURCE_OFFSET, b"%d" % offset),
        ]
        if finish.error is not None:
            headers.append((ERROR, cut(finish.error)))
        if finish.cause is not None:
            headers.append((CAUSE, cut(finish.cause)))
        return headers


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why a record becomes a dead letter: stage and disposition are those of `docs/headers.md`."""

    stage: str
    disposition: str
    error: str
    cause: str
    arn: str
    state_machine_arn: str
    worker: str = ""


def dead_letter_headers(
    partition: Partition, record: ConsumedRecord, letter: DeadLetter, *, truncated: bool = False
) -> list[tuple[str, bytes | None]]:
    """The headers of the original, then ours. `truncated`: ours and the trace; the value is not that of the record."""
    if truncated:
        own = letter_headers(partition, record, letter)
        return [(TRUNCATED, b"true"), *_TRACE(record.headers).headers, *own]
    before = {name: value for name, value in record.headers if name.startswith(ERRORS)}
    if not before:
        return [*record.headers, *letter_headers(partition, record, letter)]
    kept = [header for header in record.headers if header[0] not in before]
    cuts = [(name, before[name]) for name in CUTS if name in before and record.value is None]
    return [*kept, *letter_headers(partition, record, letter), *cuts, *_redriven(before)]


def letter_headers(partition: Partition, record: ConsumedRecord, letter: DeadLetter) -> list[tuple[str, bytes]]:
    """The headers that say why a record became a dead letter, and where it lies."""
    own = {
        "topic": partition.topic,
        "partition": str(partition.number),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp),
        "stage": letter.stage,
        "disposition": letter.disposition,
        "error": letter.error,
        "cause": letter.cause,
        "execution.arn": letter.arn,
        "statemachine.arn": letter.state_machine_arn,
        "worker": letter.worker,
    }
    return [(ERRORS + name, cut(value)) for name, value in own.items()]


def _redriven(before: Mapping[str, bytes | None]) -> list[tuple[str, bytes]]:
    """Return what is kept of the headers of a dead letter that was written back: a count, and its first place."""
    text = (before.get(REDRIVES) or b"0")[:20]
    count = min(int(text), MOST_REDRIVES) if text.isdigit() else 0
    headers = [(REDRIVES, b"%d" % (count + 1))]
    for root in (FIRST, ERRORS):
        first = [(FIRST + name, (before.get(root + name) or b"")[:CAUSE_LIMIT]) for name in COORDINATES]
        if all(value for _, value in first):
            return headers + first
    return headers


def without_value(headers: Headers, value: bytes | None) -> list[tuple[str, bytes | None]]:
    """The headers of a dead letter whose value is left out: they say how large it was, and its digest."""
    if value is None:
        return [*(header for header in headers if header[0] != TRUNCATED), (TRUNCATED, b"true")]
    kept = [header for header in headers if header[0] not in (TRUNCATED, VALUE_BYTES, VALUE_DIGEST)]
    size, digest = b"%d" % len(value), sha256(value).hexdigest().encode()
    return [*kept, (TRUNCATED, b"true"), (VALUE_BYTES, size), (VALUE_DIGEST, digest)]


def without_headers(headers: Headers, key: bytes | None) -> list[tuple[str, bytes | None]]:
    """The headers of a dead letter without key and without what its record had: ours, and the trace."""
    of_key = (KEY_BYTES, KEY_DIGEST) if key is not None else ()
    own = [
        header
        for header in headers
        if header[0].startswith(ERRORS) and header[0] != HEADERS_TRUNCATED and header[0] not in of_key
    ]
    found: list[tuple[str, bytes | None]] = [*_TRACE(tuple(headers)).headers, (HEADERS_TRUNCATED, b"true"), *own]
    if key is not None:
        found += [(KEY_BYTES, b"%d" % len(key)), (KEY_DIGEST, sha256(key).hexdigest().encode())]
    return found


def without_letter(headers: Headers) -> list[tuple[str, bytes | None]]:
    """The headers of a record without one of each name that dead letters have, unless it is larger than theirs are."""
    named = (at for at, (name, value) in enumerate(headers) if name in LETTER and len(value or b"") <= CAUSE_LIMIT)
    own = set({headers[at][0]: at for at in named}.values())
    return [header for at, header in enumerate(headers) if at not in own]


def record_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """About what a record takes in the log, never less."""
    size = 64 + len(key or b"") + len(value or b"")
    for name, content in headers:
        size += 10 + len(name.encode()) + len(content or b"")
    return size


def cut(text: str) -> bytes:
    """The first CAUSE_LIMIT bytes of `text` in UTF-8, no character broken."""
    raw = text.encode("utf-8", "backslashreplace")
    return raw if len(raw) <= CAUSE_LIMIT else raw[:CAUSE_LIMIT].decode("utf-8", "ignore").encode()
