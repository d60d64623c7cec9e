"""Commits, stops, replays and rebalances: what a pipeline promises for its offsets without a broker in the way."""

from __future__ import annotations

import asyncio

from express.errors import CommitRefused
from express.ports import Partition, Position
from express.runtime.drain.commit_metadata import decode
from tests.engine.scripts import program
from tests.runtime.rig import Rig, header, offsets, seconds, until
from tests.runtime.virtual import clock, run_virtual

WAIT = {"Type": "Wait", "SecondsPath": "$.seconds"}


def test_a_stuck_record_holds_back_nobody() -> None:
    """20,000 later records complete and the commit tells of them; a restart replays the stuck one alone."""

    async def main() -> None:
        rig = Rig(program(WAIT), ordering="none", drain_seconds=0.1)
        rig.put({"seconds": 290})
        for _ in range(20_000):
            rig.put({"seconds": 0})
        worker = rig.worker()
        await until(lambda: rig.written == 20_000)
        await until(lambda: worker.counters.commits > 2 and (rig.committed() or ("", ""))[1])
        await rig.stop()

        offset, metadata = rig.committed() or (0, "")
        found = decode(offset, metadata)
        assert offset == 0
        assert found is not None
        assert (found.highest, found.unfinished) == (20_000, (0,))
        again = rig.worker()
        await until(lambda: rig.written == 20_001, limit=400)
        await rig.stop()
        assert again.counters.started == 1
        assert again.counters.skipped == 20_000
        assert rig.committed() == Position(20_001)

    run_virtual(main())


def test_nothing_is_lost_or_committed_early_when_workers_die() -> None:
    """Killed again and again in the middle: every offset has a terminal record, and no commit ran ahead."""

    async def main() -> None:
        rig = Rig(handler=seconds, partitions=2, ordering="none", commit_seconds=0.05)
        for n in range(600):
            rig.put({"seconds": (n % 7) / 10}, partition=n % 2)
        for round_ in range(8):
            worker = rig.worker()
            await asyncio.sleep(0.15 + round_ * 0.03)
            await worker.kill()
            for partition in (0, 1):
                position = rig.committed(partition)
                if position is not None:
                    found = decode(*position)
                    highest = found.highest if found else position[0] - 1
                    unfinished = set(found.unfinished) if found else set()
                    written = {o for r in rig.results if r.partition == partition for o in offsets([r])}
                    assert set(range(highest + 1)) - unfinished <= written
            rig.workers.clear()
        rig.worker()
        await until(lambda: (rig.committed(0), rig.committed(1)) == (Position(300), Position(300)))
        await rig.stop()

        for partition in (0, 1):
            assert {o for r in rig.results if r.partition == partition for o in offsets([r])} == set(range(300))

    run_virtual(main())


def test_a_replay_has_the_same_execution_arn() -> None:
    """The same record has the same ARN after a crash, so the same idempotency keys."""

    async def main() -> None:
        rig = Rig(commit_seconds=1000, commit_records=1000)
        rig.put({})
        worker = rig.worker()
        await until(lambda: rig.results)
        await worker.kill()
        rig.worker()
        await until(lambda: rig.written == 2)

        first, second = (header(r, "express.execution-arn") for r in rig.results)
        assert first == second

    run_virtual(main())


def test_a_clean_stop_leaves_no_duplicates() -> None:
    """Stop waits for what runs and commits it: the next worker finds nothing to do."""

    async def main() -> None:
        rig = Rig(handler=seconds, ordering="none")
        for n in range(100):
            rig.put({"seconds": n / 10})
        first = rig.worker()
        await until(lambda: first.counters.started == 100)
        await rig.stop()
        assert rig.written == 100
        assert rig.committed() == Position(100)
        second = rig.worker()
        await asyncio.sleep(1)
        await rig.stop()

        assert second.counters.started == 0

    run_virtual(main())


def test_a_stop_ends_within_its_grace() -> None:
    """What does not end within drain_seconds is given up, stays uncommitted, and counts as aborted."""

    async def main() -> None:
        rig = Rig(handler=seconds, ordering="none", drain_seconds=30)
        for wait in (1, 250):
            rig.put({"seconds": wait})
        worker = rig.worker()
        await until(lambda: worker.counters.started == 2)
        began = clock().monotonic()
        await rig.stop()

        assert 29 <= clock().monotonic() - began <= 35
        assert offsets(rig.results) == [0]
        assert rig.committed() == Position(1)
        assert (worker.counters.aborted, worker.counters.abandoned, worker.counters.in_flight) == (1, 1, 0)

    run_virtual(main())


def test_a_stop_with_the_output_blocked_ends_within_its_grace() -> None:
    """SIGTERM while nothing can be written: exits, and commits nothing that was not written."""

    async def main() -> None:
        rig = Rig(drain_seconds=30)
        rig.put({})
        worker = rig.worker()
        worker.sink.gate.clear()
        await until(lambda: worker.counters.succeeded == 1)
        began = clock().monotonic()
        await rig.stop()

        assert clock().monotonic() - began <= 36
        assert rig.results == []
        assert rig.committed() is None

    run_virtual(main())


def test_commits_come_every_second_or_every_500_records() -> None:
    """At a low rate one commit a second, with the last one although nothing follows it."""

    async def main() -> None:
        rig = Rig()
        rig.worker()
        for _ in range(50):
            rig.put({})
            await asyncio.sleep(0.1)
        await until(lambda: rig.committed() == Position(50), limit=1.5)
        await rig.stop()

        assert 4 <= len(rig.group.history) <= 7

    run_virtual(main())


def test_a_failed_flush_replays_what_it_covered() -> None:
    """When it is unknown what was written, everything since the last commit is run again, within the group."""

    async def main() -> None:
        rig = Rig(handler=seconds, ordering="none")
        for n in range(200):
            rig.put({"seconds": n % 3})
        worker = rig.worker()
        worker.sink.flushes_fail = True
        await until(lambda: rig.committed() == Position(200))
        await rig.stop()

        assert set(offsets(rig.results)) == set(range(200))
        assert worker.source.starts == 1
        assert worker.counters.restarts == 1
        assert worker.counters.in_flight == 0

    run_virtual(main())


def test_a_source_beyond_repair_is_built_anew() -> None:
    """A SourceError ends the session; the next one goes on from the commit."""

    async def main() -> None:
        rig = Rig(handler=seconds)
        for _ in range(20):
            rig.put({"seconds": 1})
        worker = rig.worker()
        await until(lambda: worker.counters.started == 20)
        worker.source.polls_fail = True
        await until(lambda: rig.committed() == Position(20))
        await rig.stop()

        assert worker.source.starts == 2
        assert worker.counters.restarts == 1

    run_virtual(main())


def test_two_workers_share_without_loss_or_doubles() -> None:
    """A clean rebalance drains first and fences then: nothing twice, nothing lost, keys still in order."""

    async def main() -> None:
        rig = Rig(handler=seconds, partitions=4)
        for n in range(400):
            rig.put({"seconds": (n * 3 % 5) / 10}, key=b"%d" % (n % 40), partition=n % 4)
        first = rig.worker()
        await until(lambda: rig.written > 50)
        second = rig.worker()
        await until(lambda: rig.written >= 400, limit=200)
        await asyncio.sleep(2)
        await rig.stop()

        assert rig.written == 400
        assert second.counters.started > 0
        assert first.counters.abandoned == second.counters.abandoned == 0
        assert [rig.committed(n) for n in range(4)] == [Position(100)] * 4

    run_virtual(main())


def test_a_rebalance_waits_for_what_runs_only_so_long() -> None:
    """An execution that outlasts the limit is dropped: its late result is not written, its record runs again."""

    async def main() -> None:
        rig = Rig(handler=seconds, ordering="none", rebalance_drain_seconds=10)
        rig.put({"seconds": 60})
        rig.put({"seconds": 5})
        first = rig.worker()
        await until(lambda: first.counters.started == 2)
        began = clock().monotonic()
        rig.worker()
        await until(lambda: first.counters.rebalances == 1 and first.counters.abandoned == 1)
        assert 9 <= clock().monotonic() - began <= 11
        assert rig.committed() == Position(0, "x1AQ==") or offsets(rig.results) == [1]
        await until(lambda: rig.written == 2, limit=100)
        await asyncio.sleep(60)
        await rig.stop()

        assert sorted(offsets(rig.results)) == [0, 1]
        assert len(rig.function.inputs) == 3

    run_virtual(main())


def test_a_refused_commit_means_the_partition_is_gone() -> None:
    """CommitRefused is no error of ours: the rebalance that follows sorts out who runs what."""

    async def main() -> None:
        rig = Rig(commit_seconds=0.2)
        rig.put({})
        worker = rig.worker()
        worker.source.commits_fail = CommitRefused("a new generation")
        await until(lambda: rig.committed() == Position(1))
        await rig.stop()

        assert worker.counters.commits_refused == 1
        assert worker.counters.restarts == 0

    run_virtual(main())


def test_a_topic_made_anew_is_drained_from_its_start() -> None:
    """A commit beyond the end of the log belongs to another log: begin at the first offset there is."""

    async def main() -> None:
        rig = Rig()
        rig.group.committed[Partition("in", 0)] = Position(5000)
        rig.put({"n": 1})
        worker = rig.worker()
        await until(lambda: rig.committed() == Position(1))
        assert worker.counters.rewinds == 1

        rig.log.partitions[Partition("in", 0)].clear()
        worker.source.owned[Partition("in", 0)] = 0
        rig.put({"n": 2})
        await until(lambda: rig.written == 2)
        await rig.stop()
        assert worker.counters.rewinds == 2

    run_virtual(main())


def test_deleted_and_missing_offsets_hold_back_nothing() -> None:
    """Retention that overtakes the commit is counted; compaction holes are passed."""

    async def main() -> None:
        rig = Rig()
        partition = Partition("in", 0)
        for n in range(10):
            rig.put({"n": n})
        records = rig.log.partitions[partition]
        rig.log.partitions[partition] = [records[n] for n in (4, 7, 9)]
        rig.log.starts[partition] = 4
        rig.group.committed[partition] = Position(1)
        worker = rig.worker()
        await until(lambda: rig.committed() == Position(10))
        await rig.stop()

        assert offsets(rig.results) == [4, 7, 9]
        assert worker.counters.offsets_missing == 3

    run_virtual(main())


def test_foreign_metadata_is_survived_and_counted() -> None:
    """Metadata of another program: replay from the committed offset."""

    async def main() -> None:
        rig = Rig()
        rig.group.committed[Partition("in", 0)] = Position(1, "\x01\x02garbage")
        for n in range(3):
            rig.put({"n": n})
        worker = rig.worker()
        await until(lambda: rig.committed() == Position(3))
        await rig.stop()

        assert offsets(rig.results) == [1, 2]
        assert worker.counters.foreign_metadata == 1

    run_virtual(main())


def test_a_debt_is_known() -> None:
    """Since when there has been something to commit: for whoever asks whether the worker is alive."""

    async def main() -> None:
        rig = Rig()
        worker = rig.worker()
        rig.put({})
        await until(lambda: rig.committed() == (1, ""))
        await asyncio.sleep(2)
        assert worker.processor.owing_since is None

        worker.sink.gate.clear()
        rig.put({})
        await until(lambda: worker.processor.owing_since is not None)
        since = worker.processor.owing_since
        await asyncio.sleep(700)
        assert worker.processor.owing_since == since

        worker.sink.gate.set()
        await until(lambda: worker.processor.owing_since is None)
        assert rig.committed() == (2, "")
        await rig.stop()

    run_virtual(main())
