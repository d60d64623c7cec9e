"""What must hold, looked at from outside: inputs, logs, commits, and who runs what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from express.ports import Partition, Position
from express.runtime.drain.commit_metadata import decode
from express.values import loads
from tests.simulation.draw import INLINE
from tests.simulation.ledger import Entry, Ledger
from tests.simulation.loop import Process
from tests.simulation.machine import BULKY_BYTES
from tests.simulation.topic import DEAD, OUT

if TYPE_CHECKING:
    from tests.simulation.world import World

Place = tuple[int, int]
"""Number of an input partition, and an offset."""


TRACED = (("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),)
"""Headers of every third record; they go on to its result."""

DEADLY = ("poison", "oversize", "spoilt")
"""What no execution can be started with."""

START, STOP = "express.start-time", "express.stop-time"


def is_traced(offset: int) -> bool:
    """Whether the input at `offset` has TRACED."""
    return offset % 3 == 0


STAGE, TRUNCATED = "__express.errors.stage", "__express.errors.value.truncated"


class Violation(Exception):
    """An invariant that did not hold."""


class Input:
    """One record of the input topic."""

    __slots__ = ("end", "key", "number", "value")

    def __init__(self, number: int, key: bytes | None, value: bytes | None, end: str) -> None:
        self.number = number
        self.key = key
        self.value = value
        self.end = end


def finished(position: Position | None, offset: int) -> bool:
    """Whether a committed position says that the record at `offset` is finished."""
    if position is None:
        return False
    if offset < position.offset:
        return True
    found = decode(*position)
    return found is not None and offset <= found.highest and offset not in found.unfinished


class Checks:
    """Collects violations; the first one is what counts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.found: list[str] = []
        self.inputs: dict[Place, Input] = {}
        self.terminals: dict[Place, list[Entry]] = defaultdict(list)
        self._committed: dict[Partition, Position] = {}
        self._dead: set[Place] = set()
        """What has become a dead letter: those are in no order."""
        self._known: dict[tuple[Process, int], Position | None] = {}
        self._begins: Counter[tuple[Process, int]] = Counter()
        """How often a worker has asked where to begin with a partition."""
        self._written: Counter[tuple[Process, Place]] = Counter()
        """How often a worker has written a terminal record of a record."""
        self._spans: dict[Any, list[tuple[int, int, Place]]] = defaultdict(list)
        """By worker, partition and order: when executions began and ended, by the clock of their worker."""

    def fail(self, invariant: str, text: str) -> None:
        """Note a violation."""
        self.found.append(f"{invariant} at {self.world.loop.time():.3f} s: {text}")

    # While it runs ----------------------------------------------------------------------------------

    def appended(self, ledger: Ledger, entry: Entry, process: Process | None) -> None:
        """A terminal record reached its log. I2: it is about a record there is, with that key and content."""
        headers = dict(entry.headers)
        prefix = "express.source-" if ledger.topic == OUT else "__express.errors."
        place = int(headers[prefix + "partition"]), int(headers[prefix + "offset"])
        given = self.inputs.get(place)
        if given is None:
            self.fail("I2", f"a terminal record names {place}, which does not exist")
            return
        self.terminals[place].append(entry)
        self._count(process, place)
        if given.end != "spoilt" and is_traced(place[1]) != (headers.get(TRACED[0][0]) == TRACED[0][1]):
            self.fail("I2", f"the terminal record of {place} has not the headers of its input")
        if ledger.topic == DEAD:
            self._dead.add(place)
            if not self._is_letter(given, entry, headers):
                self.fail("I2", f"the dead letter of {place} is {entry.key!r}: {entry.value!r}, {headers}")
            return
        if entry.key != given.key or not _fits(given, entry, headers["express.status"]):
            self.fail("I2", f"the result of {place} is {entry.key!r}: {entry.value!r}")
        order = self._order(given)
        if order is not None:
            span = int(headers[START]), int(headers[STOP]), place
            self._spans[process, place[0], order].append(span)

    def _is_letter(self, given: Input, entry: Entry, headers: Mapping[str, bytes]) -> bool:
        """Whether a dead letter is of that input, and has as much of it as its topic takes."""
        terms = self.world.draw.terms
        if entry.key != given.key:
            return False
        if given.end == "spoilt":  # the first that is read has what bytes there are of all
            return TRUNCATED in headers
        if given.end in DEADLY:
            return entry.value == given.value or (entry.value is None and TRUNCATED in headers and DEAD in terms)
        return OUT in terms and entry.value is None and headers[STAGE] == b"produce"

    def _count(self, process: Process | None, place: Place) -> None:
        """I5: a worker finishes a record once per assignment."""
        assert process is not None
        self._written[process, place] += 1
        if self._written[process, place] > self._begins[process, place[0]]:
            self.fail("I5", f"{process.name} has finished {place} more often than it was given its partition")

    def committed(self, partition: Partition, position: Position, orphan: bool) -> None:
        """A commit takes effect. I3: it covers only what is durably written, and takes nothing back.

        `orphan`: its member has given it up with its connection, and may have begun anew from before it.
        """
        before = None if orphan else self._committed.get(partition)
        if not orphan:
            self._committed[partition] = position
        shrunk = self.world.draw.metadata_limit == 0
        for number, offset in self.inputs:
            if number != partition.number:
                continue
            done = finished(position, offset)
            if done and not any(entry.committed for entry in self.terminals.get((number, offset), ())):
                self.fail("I3", f"{partition.number}: {position} covers {offset}, which has no terminal record")
            if not done and finished(before, offset) and not shrunk:
                self.fail("I3", f"{partition.number}: {position} takes {offset} back, which {before} covered")
        if before is not None and position.offset < before.offset:
            self.fail("I3", f"{partition.number}: {position} is behind {before}")

    def fetched(self, process: Process, partitions: Collection[Partition], found: Mapping[Partition, Position]) -> None:
        """A worker learns where to begin."""
        for partition in partitions:
            self._begins[process, partition.number] += 1
            self._known[process, partition.number] = found.get(partition)

    def began(self, process: Process, number: int, offset: int) -> None:
        """A function is called. I5: never for what was finished before its worker began."""
        if finished(self._known.get((process, number)), offset):
            self.fail("I5", f"{process.name} runs {number}/{offset} again, which was committed when it began")

    def _order(self, given: Input) -> bytes | None:
        ordering = self.world.draw.ordering
        return given.key if ordering == "key" else b"" if ordering == "partition" else None

    # At the end -------------------------------------------------------------------------------------

    def at_end(self) -> None:
        """I1: every record has a terminal record, or exactly one. I4: in the order of their offsets."""
        draw = self.world.draw
        single = draw.mode == "eos" or draw.gentle
        for place in self.inputs:
            count = sum(entry.committed for entry in self.terminals.get(place, ()))
            if not count:
                self.fail("I1", f"{place} has no terminal record")
            elif count > 1 and single:
                self.fail("I1" if draw.mode == "eos" else "I5", f"{place} has {count} terminal records")
        self._check_order()
        self._check_spans()

    def _check_order(self) -> None:
        firsts: list[tuple[int, Place]] = []
        for place, entries in self.terminals.items():
            arrivals = [entry.arrived for entry in entries if entry.committed]
            if arrivals and place not in self._dead:
                firsts.append((min(arrivals), place))
        last: dict[Any, int] = {}
        for _, (number, offset) in sorted(firsts):
            given = self.inputs[number, offset]
            order = self._order(given)
            if order is None or (order == b"" and self.world.draw.outputs != self.world.draw.partitions):
                continue  # one order over several output topics' partitions can't be seen
            if offset < last.get((number, order), -1):
                self.fail("I4", f"{number}/{offset} of {order!r} comes after {last[number, order]}")
            last[number, order] = max(offset, last.get((number, order), -1))

    def _check_spans(self) -> None:
        """I4: two executions of one key do not run side by side in a worker. What a record says is cut to a ms."""
        for (process, number, order), spans in self._spans.items():
            latest, holder = 0, (0, 0)
            for began, ended, place in sorted(spans):
                if began < latest - 1:
                    self.fail("I4", f"{process.name} ran {number}/{place[1]} of {order!r} beside {holder}")
                if ended > latest:
                    latest, holder = ended, place

    @property
    def duplicates(self) -> int:
        """Terminal records beyond the first of each input."""
        return sum(max(0, sum(entry.committed for entry in found) - 1) for found in self.terminals.values())


def _fits(given: Input, entry: Entry, status: bytes) -> bool:
    """Whether a result is one that the input can have."""
    value = loads(entry.value or b"")
    assert isinstance(value, dict)
    if given.end in INLINE:
        return status == b"SUCCEEDED" and bool(value["n"] == given.number)
    if given.end == "error" and status == b"FAILED":
        return status == b"FAILED" and value == {"Error": "Broken", "Cause": f"{given.number}"}
    if given.end == "bulky":
        return status == b"SUCCEEDED" and bool(value["n"] == given.number and len(value["pad"]) == BULKY_BYTES)
    if given.end == "large":
        return status == b"FAILED" and value["Error"] == "States.DataLimitExceeded"
    if given.end == "hang":
        return status == b"SUCCEEDED" and value["n"] == given.number and value["why"]["Error"] == "States.Timeout"
    if given.end == "flaky" and status == b"FAILED":
        return bool(value["Error"] == "Flaky")
    return status == b"SUCCEEDED" and bool(value["n"] == given.number)
