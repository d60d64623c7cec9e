"""What workers log of executions, and which of them they show: decided without running any."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

from express.engine import About, History
from express.engine.effects import Finish
from express.engine.history import TRUNCATED
from express.ports import MASK, Partition
from express.telemetry.execution_log.events import SLICE_EVENTS
from express.telemetry.execution_log.recorder import ExecutionLog, LogRule
from express.telemetry.execution_samples import MOST_HISTORY, MOST_ROWS, SAMPLES, ExecutionSamples
from express.telemetry.observers import Several, together

PLACE = Partition("t", 0)
ABOUT = About(execution_arn="arn:e", name="e", state_machine_name="m", started=1_000.0)
FAILED = Finish("FAILED", error="E", cause="C")


class Lines:
    dropped = 0

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def write(self, lines: bytes, execution_arn: str) -> None:
        self.events += [json.loads(line) for line in lines.splitlines()]


def recorded() -> History:
    history = History()
    history.add((1, 0, "ExecutionStarted", 50.0, {"input": {"secret": 1}, "roleArn": ""}))
    history.add((2, 1, "ExecutionSucceeded", 50.5, {"output": {"secret": 1}}))
    return history


def test_fatal_asks_for_no_history_and_tells_the_end_alone() -> None:
    """A failure is one event, at the time it ended; a success is none."""
    sink = Lines()
    log = ExecutionLog({"m": LogRule("FATAL")}, sink)

    log.ended(ABOUT, FAILED, 0.25, None, PLACE, 1)
    log.ended(ABOUT, Finish("SUCCEEDED", 1), 0.25, None, PLACE, 2)

    assert (log.threshold, log.slow) == (0, float("inf"))
    assert [(e["type"], e["event_timestamp"], e["details"]) for e in sink.events] == [
        ("ExecutionFailed", "1000250", {"error": "E", "cause": "C"})
    ]


def test_all_asks_for_every_history() -> None:
    """And a success that could not be written is told as the failure that it became."""
    sink = Lines()
    log = ExecutionLog({"m": LogRule("ALL")}, sink)

    log.ended(ABOUT, FAILED, 0.5, recorded(), PLACE, 1)

    assert log.threshold > MASK
    assert [(e["id"], e["type"], e["event_timestamp"]) for e in sink.events] == [
        ("1", "ExecutionStarted", "1000000"),
        ("2", "ExecutionFailed", "1000500"),
    ]
    assert "secret" not in json.dumps(sink.events)


def test_each_gets_what_it_would_have_got_alone() -> None:
    """A log of failures beside one who wants everything is not told of successes."""
    failures, everything = Lines(), Lines()
    rule = {"m": LogRule("ERROR")}, {"m": LogRule("ALL")}
    both = together([ExecutionLog(rule[0], failures), None, ExecutionLog(rule[1], everything)])
    assert isinstance(both, Several)

    both.ended(ABOUT, Finish("SUCCEEDED", 1), 0.5, recorded(), PLACE, 1)

    assert (len(failures.events), len(everything.events)) == (0, 2)
    assert together([None]) is None


def test_the_share_that_is_recorded_follows_the_load() -> None:
    """It halves with each report while there are too many, to one in thousands, and comes back when it is quiet."""
    kept = ExecutionSamples(include_data=False)
    for _ in range(12):
        for offset in range(2 * SAMPLES + 1):
            kept.ended(ABOUT, Finish("SUCCEEDED", 1), 0.001, recorded(), PLACE, offset)
        rows = kept.take()
        assert 0 < len(rows) <= MOST_ROWS
    assert kept.threshold <= MASK >> 11

    for _ in range(40):
        kept.take()

    assert kept.threshold == MASK + 1


def test_rows_are_bounded() -> None:
    """However many fail between two reports, and no data is in them unless it is wanted."""
    kept = ExecutionSamples(include_data=False)
    for offset in range(1_000):
        kept.ended(ABOUT, FAILED, 0.001, recorded(), PLACE, offset)

    rows = kept.take()
    assert len(rows) == MOST_ROWS
    assert not any(b"secret" in row.history or row.input or row.output for row in rows)


def long_history(events: int, text: str = "") -> History:
    """A history of so many events."""
    history = History()
    for id_ in range(1, events):
        history.add((id_, id_ - 1, "PassStateEntered", 50.0, {"name": "P", "input": {"text": text}}))
    history.add((events, events - 1, "ExecutionSucceeded", 50.5, {"output": 1}))
    return history


def test_a_long_log_gives_way_to_others() -> None:
    """It is written slice by slice, each in a turn of the loop of its own, whole and in order."""

    async def main() -> None:
        sink = Lines()
        log = ExecutionLog({"m": LogRule("ALL")}, sink)
        log.ended(ABOUT, Finish("SUCCEEDED", 1), 0.5, long_history(20_000), PLACE, 1)
        log.ended(ABOUT, Finish("SUCCEEDED", 1), 0.5, long_history(10), PLACE, 2)
        written = [len(sink.events)]
        while len(sink.events) < 20_010:
            await asyncio.sleep(0)
            written.append(len(sink.events))

        assert max(after - before for before, after in pairwise([0, *written])) <= 3 * SLICE_EVENTS
        ids = [int(str(event["id"])) for event in sink.events]
        assert sorted(ids) == sorted([*range(1, 20_001), *range(1, 11)])

    asyncio.run(main())


def test_what_is_left_of_long_logs_is_written_at_the_end() -> None:
    """Whoever closes the log has all of it."""

    async def main() -> None:
        sink = Lines()
        log = ExecutionLog({"m": LogRule("ALL")}, sink)
        for offset in range(3):
            log.ended(ABOUT, Finish("SUCCEEDED", 1), 0.5, long_history(5_000), PLACE, offset)
        assert len(sink.events) < 15_000
        log.close()

        assert len(sink.events) == 15_000

    asyncio.run(main())


def test_a_row_of_a_long_history_is_cut() -> None:
    """A worker shows its first events and the last one within 1 MiB, and how many are missing."""
    kept = ExecutionSamples(include_data=True)
    kept.ended(ABOUT, Finish("SUCCEEDED", 1), 0.5, long_history(2_000, "x" * 2_000), PLACE, 1)
    [row] = kept.take()
    *first, gap, last = json.loads(row.history)

    assert len(row.history) < MOST_HISTORY + 3_000
    assert [int(event["id"]) for event in first] == list(range(1, len(first) + 1))
    assert (gap["id"], gap["type"]) == (str(len(first) + 1), TRUNCATED)
    assert gap["details"] == {"eventsLeftOut": 2_000 - 1 - len(first)}
    assert (last["id"], last["previous_event_id"], last["type"]) == ("2000", gap["id"], "ExecutionSucceeded")


def test_a_row_of_a_truncated_history_counts_both() -> None:
    """What was never recorded and what there is no room for are one number."""
    kept = ExecutionSamples(include_data=True)
    kept.ended(ABOUT, Finish("SUCCEEDED", 1), 0.5, long_history(40_000, "x" * 100), PLACE, 1)
    [row] = kept.take()
    *first, gap, last = json.loads(row.history)

    assert (gap["details"]["eventsLeftOut"], last["id"]) == (40_000 - 1 - len(first), "40000")
