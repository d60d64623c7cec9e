"""From records to terminal records, in which order and how many at once, without a broker in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

import pytest

from express.ports import MASK, Assignments, Partition, Position, Record
from express.values import loads
from tests.engine.scripts import program, task
from tests.runtime.memory import Group, Log, MemorySink, MemorySource
from tests.runtime.rig import Rig, header, offsets, seconds, until
from tests.runtime.virtual import run_virtual

WAIT = {"Type": "Wait", "SecondsPath": "$.seconds"}


def test_every_record_becomes_a_result() -> None:
    """Key of the input, output as value, the headers that tell what ran, and a commit behind the last."""

    async def main() -> None:
        rig = Rig(handler=lambda data: {"doubled": data["n"] * 2})
        for n in range(1500):
            rig.put({"n": n}, key=b"k%d" % n)
        worker = rig.worker()
        await until(lambda: rig.written == 1500)
        await rig.stop()

        assert [loads(r.value or b"") for r in rig.results] == [{"doubled": n * 2} for n in range(1500)]
        assert [r.key for r in rig.results] == [b"k%d" % n for n in range(1500)]
        assert rig.committed() == Position(1500)
        assert (worker.counters.started, worker.counters.succeeded, worker.counters.in_flight) == (1500, 1500, 0)
        assert worker.counters.totals.requests == 1500

    run_virtual(main())


def test_a_result_tells_what_ran() -> None:
    """The headers name the execution, its times, what is billed, and the input record."""

    async def main() -> None:
        rig = Rig(handler=seconds, partitions=2)
        rig.put({"seconds": 0.25}, key=b"a", partition=1)
        rig.worker()
        await until(lambda: rig.results)
        await rig.stop()

        (result,) = rig.results
        arn = header(result, "express.execution-arn")
        assert arn is not None
        assert arn.startswith("arn:aws:states:us-east-1:123456789012:express:flow:in-1-0:")
        assert arn.endswith("-000000000000")
        assert header(result, "express.status") == "SUCCEEDED"
        assert header(result, "express.billed-duration-ms") == "300"
        assert header(result, "express.billed-memory-mb") == "64"
        took = int(header(result, "express.stop-time") or 0) - int(header(result, "express.start-time") or 0)
        assert 250 <= took <= 260
        assert (result.topic, result.partition) == ("out", 1)
        assert header(result, "express.source-topic") == "in"
        assert header(result, "express.source-partition") == "1"
        assert header(result, "express.source-offset") == "0"
        assert header(result, "express.error") is None

    run_virtual(main())


def test_a_failed_execution_is_a_result() -> None:
    """FAILED has error and cause in headers and value, and is no dead letter."""

    async def main() -> None:
        rig = Rig(program({"Type": "Fail", "Error": "Broken", "Cause": "c" * 2000}))
        rig.put({})
        rig.worker()
        await until(lambda: rig.results)
        await rig.stop()

        (result,) = rig.results
        assert header(result, "express.status") == "FAILED"
        assert header(result, "express.error") == "Broken"
        assert header(result, "express.cause") == "c" * 1024
        assert loads(result.value or b"") == {"Error": "Broken", "Cause": "c" * 2000}
        assert rig.dead == []

    run_virtual(main())


@pytest.mark.parametrize(
    ("value", "stage", "disposition"),
    [
        (b"{not json", "deserialize", "POISON"),
        (b"[" * 300 + b"]" * 300, "deserialize", "POISON"),
        (None, "deserialize", "POISON"),
        (b'"' + b"x" * 262_143 + b'"', "validate", "OVERSIZE"),
    ],
)
def test_what_cannot_be_run_is_a_dead_letter(value: bytes | None, stage: str, disposition: str) -> None:
    """Value, key and headers of the original byte for byte, and headers that tell why."""

    async def main() -> None:
        rig = Rig()
        rig.put(value, key=b"k", headers=[("trace", b"\x00\xff")], timestamp=77)
        rig.put({"good": 1})
        worker = rig.worker()
        await until(lambda: rig.results and rig.dead)
        await rig.stop()

        (letter,) = rig.dead
        assert (letter.value, letter.key, letter.headers[0]) == (value, b"k", ("trace", b"\x00\xff"))
        told = {
            name: header(letter, f"__express.errors.{name}") for name in ("topic", "partition", "offset", "timestamp")
        }
        assert told == {"topic": "in", "partition": "0", "offset": "0", "timestamp": "77"}
        assert header(letter, "__express.errors.stage") == stage
        assert header(letter, "__express.errors.disposition") == disposition
        assert header(letter, "__express.errors.cause")
        assert rig.committed() == Position(2)
        assert worker.counters.dead_letters == 1
        assert worker.counters.started == 1

    run_virtual(main())


def redriven(letter: Record, value: bytes | None, **settings: Any) -> Record:
    """The dead letter of a dead letter that was written back as it is, with `value`."""

    async def main() -> Record:
        rig = Rig(**settings)
        rig.put({"n": 1})  # the record written back lies elsewhere than the first
        rig.put(value, key=letter.key, headers=list(letter.headers), timestamp=letter.timestamp)
        rig.worker()
        await until(lambda: rig.dead)
        await rig.stop()
        return rig.dead[0]

    return run_virtual(main())


@pytest.mark.parametrize("envelope", ["value", "record"])
def test_a_dead_letter_that_is_redriven_keeps_one_set_of_headers(envelope: str) -> None:
    """However often it comes back: its record's headers, the newest set of ours, a count, and its first place."""
    own = [(f"h{n % 59}", b"\x00%d" % n) for n in range(60)]
    headers = [*own, *[("__express.errors.offset", b"%d" % n) for n in (7, 8, 9)], ("__express.errors.cause", b"old")]
    letter = Record("dead", 0, 0, 5, b"k", b"{poison", tuple(headers))
    names = set()
    for count in range(1, 21):
        letter = redriven(letter, letter.value, envelope=envelope)
        assert (letter.key, letter.value, list(letter.headers[:60])) == (b"k", b"{poison", own)
        ours = [name for name, _ in letter.headers[60:]]
        assert len(ours) == len(set(ours))
        assert all(name.startswith("__express.errors.") for name in ours)
        assert header(letter, "__express.errors.redrives") == str(count)
        assert header(letter, "__express.errors.offset") == "1"
        assert header(letter, "__express.errors.disposition") == "POISON"  # never OVERSIZE by what we wrote ourselves
        assert header(letter, "__express.errors.cause") != "old"
        if count > 1:
            names.add(tuple(ours))
            assert header(letter, "__express.errors.first.offset") == "1"
    assert len(names) == 1


def test_a_redriven_dead_letter_still_says_what_was_left_out() -> None:
    """Without its value it says how large that was, and where the record lay at first; with a new value no more."""
    first = {"value.truncated": b"true", "value.bytes": b"999900", "value.sha256": b"ab"}
    place = {"topic": b"in", "partition": b"3", "offset": b"17"}
    headers = tuple((f"__express.errors.{name}", value) for name, value in {**place, **first}.items())
    empty = Record("dead", 0, 0, 5, b"k", None, headers)
    again = redriven(redriven(empty, None), None)

    for name, value in first.items():
        assert header(again, f"__express.errors.{name}") == value.decode()
    for name, value in place.items():
        assert header(again, f"__express.errors.first.{name}") == value.decode()
    assert header(again, "__express.errors.offset") == "1"
    assert header(again, "__express.errors.redrives") == "2"
    mended = redriven(again, b"{poison")
    assert not any(header(mended, f"__express.errors.{name}") for name in first)
    assert header(mended, "__express.errors.redrives") == "3"
    larger = redriven(again, b"x" * 999_900)
    assert [value for name, value in larger.headers if name == "__express.errors.value.sha256"] == [
        sha256(b"x" * 999_900).hexdigest().encode()
    ]


@pytest.mark.parametrize("count", [b"", None, b"x", b"-1", b"9" * 40, b"\xff"])
def test_a_count_of_redrives_that_is_none_begins_anew(count: bytes | None) -> None:
    """Whatever somebody wrote into that header, the next one is a number."""
    letter = Record("dead", 0, 0, 5, b"k", b"{no", (("__express.errors.redrives", count),))
    found = header(redriven(letter, letter.value), "__express.errors.redrives")

    assert found == "1" or (count == b"9" * 40 and found == "1000000001")


def test_a_dead_letter_too_large_for_its_topic_goes_without_value() -> None:
    """Where original and headers exceed what the broker takes, the coordinates lead to the original."""

    async def main() -> None:
        rig = Rig()
        rig.put(b"x" * 999_900, key=b"k")
        rig.worker()
        await until(lambda: rig.dead)
        await rig.stop()

        (letter,) = rig.dead
        assert (letter.key, letter.value) == (b"k", None)
        assert header(letter, "__express.errors.value.truncated") == "true"
        assert header(letter, "__express.errors.value.bytes") == "999900"
        assert header(letter, "__express.errors.value.sha256") == sha256(b"x" * 999_900).hexdigest()
        assert header(letter, "__express.errors.offset") == "0"

    run_virtual(main())


def test_an_output_beyond_the_limit_fails_the_execution() -> None:
    """An output of more than 256 KiB is States.DataLimitExceeded: a result that says so."""

    async def main() -> None:
        rig = Rig(program({"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}}))
        rig.put("x" * 200_000)
        rig.worker()
        await until(lambda: rig.results)
        await rig.stop()

        assert header(rig.results[0], "express.error") == "States.DataLimitExceeded"

    run_virtual(main())


def test_records_of_one_key_never_overlap() -> None:
    """Ordering by key: one execution of a key at a time, results of a key in the order of their offsets."""
    running: dict[str, int] = {}
    peak: list[int] = []

    async def handler(data: Any) -> Any:
        key = data["key"]
        running[key] = running.get(key, 0) + 1
        peak.append(sum(running.values()))
        assert running[key] == 1
        await asyncio.sleep(data["seconds"])
        running[key] -= 1
        return data

    async def main() -> None:
        rig = Rig(handler=handler)
        for n in range(300):
            key = f"k{n % 10}"
            rig.put({"key": key, "seconds": (n * 7 % 5) / 10}, key=key.encode())
        worker = rig.worker()
        await until(lambda: rig.written == 300, limit=200)
        await rig.stop()

        assert max(peak) == 10
        assert all(header(r, "express.status") == "SUCCEEDED" for r in rig.results)
        for n in range(10):
            mine = offsets([r for r in rig.results if r.key == f"k{n}".encode()])
            assert mine == sorted(mine)
            assert len(mine) == 30
        assert (worker.counters.waiting, worker.counters.heap_bytes) == (0, 0)

    run_virtual(main())


def test_records_without_a_key_are_free() -> None:
    """Null keys are not one key: they run side by side."""

    async def main() -> None:
        rig = Rig(handler=seconds)
        for _ in range(50):
            rig.put({"seconds": 10})
        worker = rig.worker()
        await until(lambda: worker.counters.in_flight == 50)
        await rig.stop()

        assert rig.written == 50

    run_virtual(main())


def test_partition_ordering_keeps_the_order_of_offsets() -> None:
    """Ordering by partition: one execution at a time, results in the order of offsets, poison among them."""

    async def main() -> None:
        rig = Rig(handler=seconds, ordering="partition")
        for n in range(60):
            rig.put({"seconds": (n * 3 % 4) / 10} if n % 9 else b"poison", key=b"%d" % n)
        worker = rig.worker()
        await until(lambda: rig.written + len(rig.dead) == 60)
        await rig.stop()

        assert offsets(rig.results) == [n for n in range(60) if n % 9]
        assert offsets(rig.dead) == [n for n in range(60) if not n % 9]
        assert worker.counters.in_flight == 0

    run_virtual(main())


def test_many_waiting_records_of_one_key_are_run_in_turns() -> None:
    """1,000 records behind a slow one of their key run when it ends, in order and all."""

    async def main() -> None:
        rig = Rig(program(WAIT))
        rig.put({"seconds": 5}, key=b"k")
        for _ in range(1000):
            rig.put({"seconds": 0}, key=b"k")
        worker = rig.worker()
        await until(lambda: worker.counters.waiting == 1000)
        await until(lambda: rig.written == 1001)
        await rig.stop()

        assert offsets(rig.results) == list(range(1001))

    run_virtual(main())


def test_no_more_than_the_concurrency_runs() -> None:
    """Polling stops at `concurrency` executions in flight; memory of the rest is the broker's."""

    async def main() -> None:
        rig = Rig(handler=seconds, partitions=3, concurrency=20)
        for n in range(300):
            rig.put({"seconds": 1}, partition=n % 3)
        worker = rig.worker()
        most = 0
        while rig.written < 300:
            most = max(most, worker.counters.in_flight)
            await asyncio.sleep(0.05)
        await rig.stop()

        assert most == 20
        assert worker.counters.intake_stops >= 15
        assert [rig.committed(n) for n in range(3)] == [Position(100)] * 3

    run_virtual(main())


def test_no_more_than_the_map_can_hold_runs_of_one_partition() -> None:
    """A partition whose limit is reached waits, and the others go on."""

    async def main() -> None:
        rig = Rig(handler=seconds, partitions=2, concurrency_per_partition=5)
        for _ in range(40):
            rig.put({"seconds": 100}, partition=0)
        for _ in range(40):
            rig.put({"seconds": 0}, partition=1)
        worker = rig.worker()
        await until(lambda: rig.written == 40)
        assert worker.counters.in_flight == 5

        await rig.stop()
        assert worker.counters.in_flight == 0

    run_virtual(main())


def test_intake_stops_by_estimated_memory() -> None:
    """Large payloads in flight stop the intake long before `concurrency` does, and it goes on later."""

    async def main() -> None:
        bomb = {"seconds": 1, "heap": [{}] * 10_000}
        rig = Rig(program(WAIT), memory=16 << 20, ordering="none")
        for _ in range(100):
            rig.put(bomb)
        worker = rig.worker()
        most = heap = 0
        while rig.written < 100:
            most = max(most, worker.counters.in_flight)
            heap = max(heap, worker.counters.heap_bytes)
            await asyncio.sleep(0.05)
        await rig.stop()

        assert 2 <= most <= 10
        assert heap <= 16 << 20
        assert worker.counters.heap_bytes == 0

    run_virtual(main())


def test_intake_stops_by_what_histories_take() -> None:
    """Executions that run long and are recorded count with their histories, which end where the memory does."""

    class Log:
        threshold, slow = MASK + 1, float("inf")

        def ended(self, about: Any, finish: Any, seconds: float, history: Any, *place: Any) -> None:
            lengths.append(len(history.log))

    async def main() -> None:
        loop = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": once, "MaxConcurrency": 1}
        rig = Rig(program(loop), memory=4 << 20, ordering="none", tracer=Log())
        for _ in range(20):
            rig.put({"items": [1] * 5_000})
        worker = rig.worker()
        most = heap = 0
        while rig.written < 20:
            most = max(most, worker.counters.in_flight)
            heap = max(heap, worker.counters.heap_bytes)
            await asyncio.sleep(0.05)
        await rig.stop()

        assert most < 20
        assert heap <= 6 << 20
        assert worker.counters.heap_bytes == 0
        assert len(lengths) == 20
        assert min(lengths) < max(lengths) <= 25_000

    lengths: list[int] = []
    wait = {"Type": "Wait", "Seconds": 0, "End": True}
    once = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "W", "States": {"W": wait}}
    run_virtual(main())


def test_a_slow_output_stops_the_intake() -> None:
    """Results are not buffered without bound: with the output blocked, polling stops and nothing is lost."""

    async def main() -> None:
        rig = Rig(output_bytes=50_000)
        for n in range(5000):
            rig.put({"n": n, "pad": "x" * 500})
        worker = rig.worker()
        worker.sink.gate.clear()
        await asyncio.sleep(20)
        assert worker.counters.started <= 1500
        assert rig.committed() is None
        assert worker.processor.ready
        await asyncio.sleep(20)
        assert not worker.processor.ready

        worker.sink.gate.set()
        await until(lambda: rig.written == 5000)
        assert worker.processor.ready
        await rig.stop()
        assert offsets(rig.results) == list(range(5000))
        assert rig.committed() == Position(5000)

    run_virtual(main())


def test_a_missing_topic_blocks_and_loses_nothing() -> None:
    """Without a dead-letter topic nothing is skipped; once it is there, everything goes on."""

    async def main() -> None:
        rig = Rig()
        dead = Partition("dead", 0)
        del rig.log.partitions[dead]
        rig.put(b"poison")
        rig.put({"good": 1})
        worker = rig.worker()
        await asyncio.sleep(30)
        assert rig.committed() is None

        rig.log.partitions[dead] = []
        await until(lambda: rig.committed() == Position(2))
        await rig.stop()
        assert (offsets(rig.dead), offsets(rig.results)) == ([0], [1])
        assert worker.counters.restarts > 0

    run_virtual(main())


def test_the_counters_balance_at_every_moment() -> None:
    """started = succeeded + failed + timed out + aborted + in flight, whatever happens."""

    async def main() -> None:
        rig = Rig(program(task(TimeoutSeconds=2)), seconds, ordering="none", time_limit=1.5, drain_seconds=1)
        for n in range(200):
            rig.put({"seconds": (n % 20) / 10} if n % 10 else b"poison")
        worker = rig.worker()
        counters = worker.counters
        for _ in range(300):
            assert counters.in_flight == sum(len(assigned.runs) for assigned in worker.processor._owned.values())
            await asyncio.sleep(0.01)
        await rig.stop()

        assert counters.in_flight == 0
        assert counters.timed_out > 0
        assert counters.poison == 20
        assert counters.started == counters.succeeded + counters.failed + counters.timed_out + counters.aborted

    run_virtual(main())


class LateAssignments(MemorySource):
    """Assigns beside its polls, as clients do; the first assignment ends only while the session is being stopped."""

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.gate = asyncio.Event()
        self._joining: asyncio.Task[None] | None = None

    async def start(self, assignments: Assignments) -> None:
        self.starts += 1
        self.polls_fail = self.starts == 1
        self._assignments = assignments
        self._joining = asyncio.create_task(self.group.rebalance(join=self))

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Position]:
        found = await super().committed(partitions)
        await self.gate.wait()
        return found

    async def stop(self) -> None:
        assert self._joining is not None
        self.gate.set()
        await self._joining  # a client waits for the callback that is under way
        self.gate.clear()
        await super().stop()


def test_an_assignment_that_outlives_its_session_leaves_nothing() -> None:
    """What it was given while the session ended is nobody's: the next session begins with its own assignment."""

    async def main() -> None:
        rig = Rig()
        for n in range(5):
            rig.put({"n": n}, key=b"k")
        worker = rig.worker(source=LateAssignments(rig.group))
        await until(lambda: worker.source.starts == 2)

        assert not worker.processor.partitions
        assert not worker.processor.ready
        assert worker.processor.lag() == {}
        worker.source.gate.set()  # type: ignore[attr-defined] # it is a LateAssignments
        await until(lambda: rig.written == 5)
        await rig.stop()

        assert offsets(rig.results) == list(range(5))
        assert worker.counters.started == 5

    run_virtual(main())


class DoubtfulSink(MemorySink):
    """A sink whose connections break after its second flush: brokers may have forgotten to end that."""

    transactional = True

    def __init__(self, log: Log, *topics: str) -> None:
        super().__init__(log, *topics)
        self.doubtful: Collection[Partition] = ()  # type: ignore[assignment] # the port has any collection
        self.flushed: list[dict[Partition, Position]] = []

    async def flush(self, positions: Mapping[Partition, Position]) -> None:
        await super().flush(positions)
        self.flushed.append(dict(positions))
        self.doubtful = list(positions) if len(self.flushed) == 2 else ()


def test_the_last_transaction_of_a_quiet_topic_is_looked_after() -> None:
    """Nothing comes any more, and still its position is flushed once again, and only once."""

    async def main() -> None:
        rig = Rig()
        sink = DoubtfulSink(rig.log, "out", "dead")
        rig.worker(sink)
        await until(lambda: sink.flushed)  # the position at assignment
        rig.put({"n": 1})
        await until(lambda: len(sink.flushed) == 3)
        await asyncio.sleep(30)
        await rig.stop()

        assert [positions[Partition("in", 0)] for positions in sink.flushed] == [Position(0), Position(1), Position(1)]
        assert offsets(rig.results) == [0]

    run_virtual(main())
