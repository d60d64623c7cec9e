"""The direct way of records: the same terminal records as the long one, whatever comes in between."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from express.engine.effects import Finish
from express.kafka.patches.record_batch import WireBatch
from express.ports import Partition, Position, Record, Unreadable
from express.record_format import encode_headers
from express.runtime.drain.assignment import AssignedPartition
from express.runtime.records.result_batch import writer
from express.runtime.records.terminal_record import HEX, Naming
from express.sinks.batches import Batches
from express.values import JSON, loads
from tests.engine.scripts import program, task
from tests.runtime.rig import Rig, header, until
from tests.runtime.virtual import run_virtual

EVENTS: list[Any] = [
    {"n": 1},
    {"n": 2},
    b"no json",
    {"fail": True},
    {"n": 3},
    None,
    {"later": True},
    {"n": 4},
    {"n": 5, "list": [1, {"deep": []}]},
    b"[]",
    b"9" * 40,
    {"n": 6},
    {"big": "x" * 300_000},
    {"bug": True},
    {"n": 7},
]


def handler(data: Any) -> Any:
    """Answers at once, later, or with something else."""
    if not isinstance(data, dict):
        return data
    if data.get("fail"):
        raise ValueError("a bug of the integration")
    if data.get("later"):
        return asyncio.sleep(0.2, "late")
    return {"seen": data, "lone": "\ud800"} if data.get("bug") else {"seen": data}


TRACED = ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


def drained(
    segments: bool, ordering: str, headers: tuple[tuple[str, bytes], ...] = ()
) -> tuple[list[Any], list[Any], Any, Any]:
    """Results, dead letters, commit and counters of all events, three of each key, without what time adds."""

    async def main() -> tuple[list[Any], list[Any], Any, Any]:
        machine = program(task(), {"Type": "Pass", "Parameters": {"answer.$": "$"}})
        if not segments:
            machine = msgspec.structs.replace(machine, segments=None)
        rig = Rig(machine, handler, ordering=ordering)
        for n, event in enumerate(EVENTS * 3):
            more = list(headers) if n % 2 else []
            rig.put(event, key=b"k%d" % (n % 4) if n % 5 else None, headers=more)
        worker = rig.worker()
        assert (worker.processor._dispatcher.fast_path is not None) == segments
        await until(lambda: len(rig.results) + len(rig.dead) == 3 * len(EVENTS))
        await rig.stop()
        counted = msgspec.to_builtins(worker.counters)
        for changing in ("execution_ms", "end_to_end_ms", "flushes", "commits", "heap_bytes"):
            del counted[changing]
        assert sum(worker.counters.execution_ms.counts) == worker.counters.ended
        return shown(rig.results), shown(rig.dead), rig.committed(), counted

    return run_virtual(main())


def shown(records: list[Record]) -> list[Any]:
    """What does not depend on when it was: sorted, since those that wait may end in any order."""
    times = {"express.start-time", "express.stop-time", "express.billed-duration-ms"}
    return sorted(repr((r.key, r.value, [h for h in r.headers if h[0] not in times])) for r in records)


@pytest.mark.parametrize("ordering", ["key", "partition", "none"])
@pytest.mark.parametrize("headers", [(), (("k", b"v"),), (TRACED,), (TRACED, ("tracestate", b"a=1"), ("k", b"v"))])
def test_both_ways_write_the_same(ordering: str, headers: tuple[tuple[str, bytes], ...]) -> None:
    """Results, dead letters, commits and counters are the same with and without the loop."""
    short, long = drained(True, ordering, headers), drained(False, ordering, headers)

    assert short[0] == long[0]
    assert short[1] == long[1]
    assert short[2:] == long[2:]


def test_where_all_executions_wait_the_loop_is_left_alone() -> None:
    """Records whose executions all wait take the long way, but for a few; those that end at once go through again."""

    async def main() -> None:
        rig = Rig(program(task(), {"Type": "Pass"}), handler)
        for n in range(200):
            rig.put({"later": n < 100, "n": n})
        worker = rig.worker()
        through = worker.processor._dispatcher.fast_path
        assert through is not None
        loop, turns = through._loop, []
        through._loop = lambda *some: turns.append(None) or loop(*some)  # type: ignore[func-returns-value,method-assign]
        await until(lambda: len(rig.results) == 200)
        await rig.stop()
        assert 2 <= len(turns) <= 15

    run_virtual(main())


def test_order_of_a_key_holds_across_both_ways() -> None:
    """Records behind one that waits do not overtake it on the direct way."""

    async def main() -> list[JSON]:
        rig = Rig(program(task(), {"Type": "Pass"}), handler)
        for n in range(6):
            rig.put({"later": n == 1, "n": n}, key=b"same")
        worker = rig.worker()
        await until(lambda: len(rig.results) == 6)
        assert worker.processor.counters.waiting == 0
        await rig.stop()
        assert rig.committed() == Position(6)
        return [loads(record.value or b"") for record in rig.results]

    assert [v if v == "late" else v["seen"]["n"] for v in run_virtual(main())] == [0, "late", 2, 3, 4, 5]


def test_what_cannot_be_read_becomes_a_dead_letter() -> None:
    """With the bytes there are, even where they are JSON; the records around it are run."""

    async def main() -> None:
        rig = Rig(program({"Type": "Pass"}))
        rig.put({"n": 1})
        rig.log.partitions[Partition("in", 0)].append(Unreadable(1, 5, b"{}", "its checksum is wrong"))  # type: ignore[arg-type]
        rig.put({"n": 2})
        worker = rig.worker()
        await until(lambda: len(rig.results) == 2 and rig.dead)
        await rig.stop()

        (letter,) = rig.dead
        assert (letter.value, worker.counters.poison) == (b"{}", 1)
        assert header(letter, "__express.errors.disposition") == "POISON"
        assert header(letter, "__express.errors.cause") == "The record can't be read: its checksum is wrong"
        assert header(letter, "__express.errors.offset") == "1"
        assert rig.committed() == Position(3)

    run_virtual(main())


@given(offset=st.integers(0, 1 << 62), started=st.integers(0, 1 << 44), took=st.integers(0, 100))
@pytest.mark.parametrize("name", ["plain", "100%d of %s"])
def test_encoded_headers_are_the_long_ways(name: str, offset: int, started: int, took: int) -> None:
    """What is shared holds for every offset below its ceiling."""
    naming = Naming(f"arn:aws:states:us-east-1:123456789012:express:{name}:", Partition("in.topic", 3))

    digits, front, middle, back, ceiling = naming.succeeded(offset, started, started + took, (100, 64))

    for at in {offset, ceiling - 1}:
        headers = naming.result_headers(at, naming.arn(at), Finish("SUCCEEDED"), started, started + took, (100, 64))
        last, code = digits[at % 1000], HEX[at % len(HEX)]
        assert front + last + middle + code + back + last == encode_headers(headers)


@given(
    records=st.lists(
        st.tuples(st.none() | st.binary(max_size=40), st.integers(0, 300), st.integers(0, 3)), max_size=40
    ),
    first=st.sampled_from([0, 7, 95, 990, 4090, 123_456_789]),
    limit=st.integers(200, 30_000),
)
def test_a_run_appends_what_a_record_at_a_time_does(
    records: list[tuple[bytes | None, int, int]], first: int, limit: int
) -> None:
    """Batches are the same bytes, whether records are encoded here or by the batch, and however full it is."""

    class Long(_Sink):
        block = None

    naming = Naming("arn:aws:states:us-east-1:123456789012:express:m:", Partition("in", 0))
    assigned = AssignedPartition(Partition("in", 0), naming, Position(0), 100)
    short, long = _Sink(limit), Long(limit)
    started = now = 1_700_000_000_000
    put, close = writer(assigned, "out", short, now)
    for n, (key, size, took) in enumerate(records):
        offset, value = first + 3 * n, b"v" * (size * 40)
        started, now = now, now + took
        more = [("traceparent", b"t" * size)] * (size % 3)
        put(offset, key, value, now, more)
        headers = naming.result_headers(offset, naming.arn(offset), Finish("SUCCEEDED"), started, now, (100, 64))
        headers += more
        long.append("out", assigned.partition, now, key, value, headers)
    close()

    assert short.written() == long.written()


class _Sink:
    """The batches of one output partition."""

    def __init__(self, limit: int) -> None:
        self._target = TopicPartition("out", 0)
        self._batches = Batches(lambda topic: WireBatch(limit, 0, False))

    def append(self, topic: str, origin: Partition, timestamp: int, key: Any, value: Any, headers: Any) -> None:
        self._batches.add(self._target, timestamp, key, value, headers)

    def block(self, topic: str, origin: Partition) -> Any:
        return self._batches.block(self._target)

    def written(self) -> list[bytes]:
        return [bytes(batch._build()) for chain in self._batches.take().values() for batch in chain]
