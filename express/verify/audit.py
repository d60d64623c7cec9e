"""Holds terminal records and commits against the input they come from: pure, and independent of the runtime.

The names of headers and the form of the commit's metadata are written here a second time on purpose: a checker
that shares code with what it checks repeats its mistakes. What is checked:

* coverage: each input record has a terminal record; exactly one where exactly-once is asked for
* no phantom: each terminal record names an input record and matches it: the key of a result, key and value of a
  dead letter; the terminal records of one input record name the same execution
* commit safety: nothing is committed as finished that has no terminal record
* order: the first results of one key (of one partition) come in the order of their input
"""

from __future__ import annotations

from array import array
from base64 import b64decode
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Literal

import msgspec

from express.ports import ConsumedRecord, Headers, Partition, Position

RESULT = ("express.source-topic", "express.source-partition", "express.source-offset")
DEAD_LETTER = ("__express.errors.topic", "__express.errors.partition", "__express.errors.offset")
RESULT_ARN, DEAD_LETTER_ARN = "express.execution-arn", "__express.errors.execution.arn"
TRUNCATED = "__express.errors.value.truncated"
EXAMPLES = 10
"""Offsets told per partition and kind of problem."""

Ordering = Literal["key", "partition", "none"]


class Findings(msgspec.Struct, kw_only=True):
    """Findings for one input partition. `examples` are offsets of the input, per kind of problem."""

    topic: str
    partition: int
    first: int
    end: int
    committed: int | None = None
    records: int = 0
    results: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    """Terminal records beyond the first of their input record."""
    lost: int = 0
    """Committed as finished, but without a terminal record."""
    open: int = 0
    """Not committed as finished and without a terminal record: still to come."""
    unknown: int = 0
    """Without a terminal record, in a place where the output may have forgotten it."""
    gone: int = 0
    """Terminal records whose input the log has no longer."""
    phantoms: int = 0
    """Terminal records that name an offset which never had a record."""
    mismatched: int = 0
    """Terminal records whose key or value is not that of their input."""
    renamed: int = 0
    """Duplicates with another execution ARN than the first: no stable idempotency key."""
    disordered: int = 0
    """First results that come after one of a later input record with the same key."""
    ahead: int = 0
    """Offsets that the commit lies beyond the end of the log."""
    examples: dict[str, list[int]] = {}

    @property
    def wrong(self) -> int:
        """Return how many of these must never be, whatever was promised."""
        return self.lost + self.phantoms + self.mismatched + self.renamed + self.disordered + self.ahead

    def note(self, kind: str, offset: int) -> None:
        """Count one problem of `kind` at `offset` of the input."""
        setattr(self, kind, getattr(self, kind) + 1)
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(offset)


class _Input:
    """The records of one input partition: 40 bytes each, however long they are."""

    __slots__ = ("arns", "findings", "keys", "last", "offsets", "terminals", "values")

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.offsets = array("q")
        self.keys = array("q")
        self.values = array("q")
        self.arns = array("q")
        self.terminals = array("L")
        self.last: dict[int, int] = {}
        """Order key → highest offset whose first result was seen."""

    def add(self, record: ConsumedRecord) -> None:
        self.offsets.append(record.offset)
        self.keys.append(hash(record.key))
        self.values.append(hash(record.value))
        self.arns.append(0)
        self.terminals.append(0)

    def place(self, offset: int) -> int | None:
        """Return where the record at `offset` stands, None if there is none."""
        offsets = self.offsets
        place = bisect_left(offsets, offset)
        return place if place < len(offsets) and offsets[place] == offset else None


class Audit:
    """Feed it all input, then all output, then all dead letters; `conclude` says what holds.

    `compacted`: the input may have holes anywhere. `forgetful`: the output may have lost records, by retention
    or compaction; what is missing there can't be told from what was forgotten.
    """

    def __init__(
        self,
        inputs: Mapping[Partition, tuple[int, int]],
        ordering: Ordering = "key",
        *,
        compacted: Iterable[str] = (),
        forgetful: bool = False,
    ) -> None:
        self._ordering = ordering
        self._compacted = frozenset(compacted)
        self._forgetful = forgetful
        self._inputs = {
            at: _Input(Findings(topic=at.topic, partition=at.number, first=first, end=end))
            for at, (first, end) in inputs.items()
        }
        self.strangers = 0
        """Records in the output that name no input of this pipeline."""

    def add_input(self, at: Partition, records: Iterable[ConsumedRecord]) -> None:
        """Records of an input partition, in order."""
        add = self._inputs[at].add
        for record in records:
            add(record)

    def add_output(self, records: Iterable[ConsumedRecord]) -> None:
        """Records of the output and dead-letter topics, in the order of each partition."""
        for record in records:
            headers = by_name(record.headers)
            found = origin(headers)
            source = self._inputs.get(found[0]) if found else None
            if found is None or source is None:
                self.strangers += 1
            else:
                self._match(source, found[1], record, headers)

    def conclude(self, committed: Mapping[Partition, Position] | None) -> list[Findings]:
        """Return what holds, per input partition. Without `committed`, everything has to be finished."""
        for at, source in self._inputs.items():
            findings = source.findings
            findings.records = len(source.offsets)
            position = None if committed is None else committed.get(at, Position(findings.first))
            if position is not None and committed is not None and at in committed:
                findings.committed = position.offset
                findings.ahead = max(0, position.offset - findings.end)
            self._judge_missing(source, position)
        return [source.findings for source in self._inputs.values()]

    def _match(self, source: _Input, offset: int, record: ConsumedRecord, headers: Mapping[str, bytes]) -> None:
        findings = source.findings
        whole = is_result(headers)
        if whole:
            findings.results += 1
        else:
            findings.dead_letters += 1
        place = source.place(offset)
        if place is None:
            is_hole = offset < findings.first or (findings.topic in self._compacted and offset < findings.end)
            findings.note("gone" if is_hole else "phantoms", offset)
            return
        if not _is_same(source, place, record, headers):
            findings.note("mismatched", offset)
        arn = hash(headers.get(RESULT_ARN if whole else DEAD_LETTER_ARN))
        source.terminals[place] += 1
        if source.terminals[place] > 1:
            findings.note("duplicates", offset)
            if source.arns[place] != arn:
                findings.note("renamed", offset)
            return
        source.arns[place] = arn
        if whole:
            self._check_order(source, offset, record.key)

    def _check_order(self, source: _Input, offset: int, key: bytes | None) -> None:
        if self._ordering == "none" or (self._ordering == "key" and key is None):
            return
        order = hash(key) if self._ordering == "key" else 0
        if offset < source.last.get(order, -1):
            source.findings.note("disordered", offset)
        else:
            source.last[order] = offset

    def _judge_missing(self, source: _Input, position: Position | None) -> None:
        findings = source.findings
        missing = [offset for offset, count in zip(source.offsets, source.terminals, strict=True) if not count]
        remembered = _first_terminal(source) if self._forgetful else findings.first
        is_finished = finished(position) if position is not None else _everything
        for offset in missing:
            if offset < remembered:
                findings.note("unknown", offset)
            elif is_finished(offset):
                findings.note("lost", offset)
            else:
                findings.note("open", offset)


def _everything(offset: int) -> bool:
    """Return where nothing more is to come, all has to be finished."""
    return True


def finished(position: Position) -> Callable[[int], bool]:
    """Which offsets a commit says are finished. Metadata of others says nothing.

    >>> is_finished = finished(Position(100, "x1BQM="))  # highest finished: 105; unfinished below: 100, 103
    >>> [offset for offset in range(98, 108) if is_finished(offset)]
    [98, 99, 101, 102, 104, 105]
    """
    above = _finished_above(position)
    return lambda offset: offset < position.offset or offset in above


def _finished_above(position: Position) -> frozenset[int]:
    """The finished offsets beyond a commit's own."""
    try:
        numbers = list(_numbers(b64decode(position.metadata.removeprefix("x1"), validate=True)))
    except ValueError:
        numbers = []
    if not numbers or not position.metadata.startswith("x1"):
        return frozenset()
    unfinished = accumulate(numbers[1:], initial=position.offset)
    return frozenset(range(position.offset, position.offset + numbers[0] + 1)).difference(unfinished)


def _numbers(data: bytes) -> Iterable[int]:
    """Numbers of seven bits a byte, the lowest first; the high bit says that more follow."""
    value, factor = 0, 1
    for byte in data:
        value += byte % 128 * factor
        factor *= 128
        if byte < 128:
            yield value
            value, factor = 0, 1


def origin(headers: Mapping[str, bytes]) -> tuple[Partition, int] | None:
    """The input record that the headers of a terminal record name; None where they name none."""
    try:
        names = RESULT if is_result(headers) else DEAD_LETTER
        topic, number, offset = (headers[name].decode() for name in names)
        return Partition(topic, int(number)), int(offset)
    except (KeyError, ValueError):
        return None


def by_name(headers: Headers) -> dict[str, bytes]:
    """The last header of each name; one without a value is empty."""
    return {name: value or b"" for name, value in headers}


def is_result(headers: Mapping[str, bytes]) -> bool:
    """Tell if a terminal record with these headers is a result; else it is a dead letter."""
    return RESULT[2] in headers and DEAD_LETTER[2] not in headers


def _is_same(source: _Input, place: int, record: ConsumedRecord, headers: Mapping[str, bytes]) -> bool:
    """Return whether a terminal record carries what its input record had."""
    whole = is_result(headers)
    if not whole and headers.get(TRUNCATED) == b"true":
        return True
    same_key = source.keys[place] == hash(record.key)
    return same_key and (whole or source.values[place] == hash(record.value))


def _first_terminal(source: _Input) -> int:
    """The lowest offset that has a terminal record: before it, the output may have forgotten."""
    found = (offset for offset, count in zip(source.offsets, source.terminals, strict=True) if count)
    return next(found, source.findings.end)
