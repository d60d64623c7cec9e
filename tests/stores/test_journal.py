"""The journal of Standard executions: what is committed, who wins, and what is read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from express.errors import StoreError
from express.ports.journal import Begun, Ended, Outcome, Turn
from express.stores.database import MEMORY, Database
from express.stores.journal import SqliteJournal

BEGUN = Begun(machine="m", name="e1", revision="r", started=10.0, input='{"é":1}', trace_header="Root=1")
FIRST = Turn(id=1, version=1, first=1, events=b"one", state=b"s1", due=50.0, busy=1, begun=BEGUN)


@pytest.fixture(params=["memory", "file"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    """An empty journal."""
    made = SqliteJournal(Database(MEMORY if request.param == "memory" else tmp_path / "deep" / "j.db"))
    assert await made.open() == 0
    yield made
    await made.close()


async def written(journal: SqliteJournal, *turns: Turn) -> list[Outcome]:
    """What becomes of turns that are queued together."""
    outcomes: list[Outcome] = []
    done = asyncio.Event()

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == len(turns):
            done.set()

    for turn in turns:
        journal.write(turn, tell)
    await done.wait()
    return outcomes


def turn(id_: int, version: int, **more: Any) -> Turn:
    """A later turn."""
    return Turn(
        **{"id": id_, "version": version, "first": 10 * version, "events": b"%d" % version, "state": b"s", **more}
    )


def begun(id_: int, name: str, machine: str = "m", started: float = 1.0, **more: Any) -> Turn:
    """The first turn of an execution."""
    first = Begun(machine=machine, name=name, revision="r", started=started, input="{}", **more)
    return Turn(id=id_, version=1, first=1, events=b"1", state=b"s", begun=first)


def ending(id_: int, version: int, status: Any = "SUCCEEDED", stopped: float = 9.0) -> Turn:
    """The last turn of an execution."""
    return turn(id_, version, state=None, ended=Ended(status=status, stopped=stopped, output="1"))


async def test_an_execution_comes_back_as_it_was_written(journal: SqliteJournal) -> None:
    """By its number and by its name; while it runs with its state, afterwards with its end."""
    assert await written(journal, FIRST) == [True]
    found = await journal.load(1)
    assert found is not None
    assert (found.begun, found.ended, found.version, found.state) == (BEGUN, None, 1, b"s1")
    assert await journal.find("m", "e1") == found

    end = Ended(status="FAILED", stopped=20.0, error="E", cause="why")
    assert await written(journal, turn(1, 2), turn(1, 3, state=None, ended=end)) == [True, True]
    found = await journal.load(1)
    assert found is not None
    assert (found.ended, found.version, found.state) == (end, 0, None)
    assert await journal.load(2) is None
    assert await journal.find("m", "e2") is None


async def test_only_the_next_version_is_taken(journal: SqliteJournal) -> None:
    """A turn that was made on another state changes nothing, and those beside it in its transaction are written."""
    await written(journal, FIRST, begun(2, "e2"))

    assert await written(journal, turn(1, 3), turn(1, 1), turn(2, 2), ending(1, 3), turn(3, 2)) == [
        *(False, False, True, False, False),
    ]
    assert await journal.history(1, 1, 9) == [b"one"]
    assert await journal.history(2, 1, 9) == [b"1", b"2"]


async def test_a_name_is_taken_by_the_first(journal: SqliteJournal) -> None:
    """Of its machine; it leaves nothing of the others."""
    assert await written(journal, begun(1, "a"), begun(2, "a"), begun(3, "a", "other")) == [True, False, True]
    assert await journal.load(2) is None
    assert await journal.history(2, 1, 9) == []


async def test_timers_and_calls_are_found(journal: SqliteJournal) -> None:
    """The earliest first; what waits for nothing, and what is over, is in neither list."""
    await written(journal, FIRST, begun(2, "e2"), begun(3, "e3"), begun(4, "e4"))
    await written(journal, turn(2, 2, due=40.0), turn(3, 2, busy=2), turn(4, 2, due=5.0, busy=1), ending(4, 3))

    assert await journal.due(100.0, 10) == [(40.0, 2), (50.0, 1)]
    assert await journal.due(45.0, 10) == [(40.0, 2)]
    assert await journal.due(100.0, 1) == [(40.0, 2)]
    assert await journal.busy(0, 10) == [1, 3]
    assert await journal.busy(1, 10) == [3]


async def test_a_history_is_read_from_any_event_in_both_directions(journal: SqliteJournal) -> None:
    """By turns: the one that has the event is the first."""
    await written(journal, FIRST, *(turn(1, version) for version in range(2, 6)))

    assert await journal.history(1, 1, 2) == [b"one", b"2"]
    assert await journal.history(1, 25, 9) == [b"2", b"3", b"4", b"5"]
    assert await journal.history(1, 30, 1) == [b"3"]
    assert await journal.history(1, 1 << 62, 2, backwards=True) == [b"5", b"4"]
    assert await journal.history(1, 35, 9, backwards=True) == [b"3", b"2", b"one"]


async def test_lists_are_read_newest_first_from_any_position(journal: SqliteJournal) -> None:
    """Of one machine; two that started in the same instant keep their order."""
    starts = [1.0, 2.0, 2.0, 3.0]
    await written(journal, *(begun(n, f"e{n}", started=at) for n, at in enumerate(starts, 1)), begun(9, "x", "other"))
    await written(journal, ending(2, 2, "FAILED"), ending(4, 2))

    rows = await journal.listed("m", [], None, 10)
    assert [(row.name, row.status) for row in rows] == [
        ("e4", "SUCCEEDED"),
        ("e3", "RUNNING"),
        ("e2", "FAILED"),
        ("e1", "RUNNING"),
    ]
    assert [row.name for row in await journal.listed("m", [], (2.0, 3), 10)] == ["e2", "e1"]
    assert [row.name for row in await journal.listed("m", ["RUNNING"], None, 1)] == ["e3"]
    assert [row.name for row in await journal.listed("m", ["FAILED", "SUCCEEDED"], None, 10)] == ["e4", "e2"]
    assert (await journal.running("m"), await journal.running("none")) == (True, False)


async def test_what_is_forgotten_is_gone(journal: SqliteJournal) -> None:
    """The oldest ends first, never one that runs; of one machine where that is asked."""
    await written(journal, *(begun(n, f"e{n}") for n in (1, 2, 3)), begun(4, "e4", "other"))
    await written(journal, *(ending(n, 2, stopped=n) for n in (1, 2, 4)))

    assert await journal.forget(2.0, 10) == 1
    assert await journal.history(1, 1, 9) == []
    assert await journal.forget(100.0, 10, "other") == 1
    assert [row.name for row in await journal.listed("m", [], None, 9)] == ["e3", "e2"]
    assert await journal.forget(100.0, 10) == 1


async def test_turns_that_wait_share_one_transaction(tmp_path: Path) -> None:
    """A group commit: what comes while one is written is written by the next."""

    class Counting(Database):
        transactions = 0

        def transact(self, act: Any) -> Any:
            self.transactions += 1
            return super().transact(act)

    database = Counting(tmp_path / "j.db")
    journal = SqliteJournal(database)
    await journal.open()
    before = database.transactions
    assert await written(journal, *(begun(n, f"e{n}") for n in range(1, 500))) == [True] * 499
    assert database.transactions - before <= 2
    await journal.close()


async def test_a_secret_is_made_once(tmp_path: Path) -> None:
    """It is the same after the file was opened anew."""
    journal = SqliteJournal(Database(tmp_path / "j.db"))
    await journal.open()
    first = await journal.secret("a")
    assert (len(first), await journal.secret("a")) == (32, first)
    await journal.close()
    assert await journal.open() == 0
    assert (await journal.secret("a"), await journal.secret("b") != first) == (first, True)
    await journal.close()


async def test_a_file_that_fails_tells_every_turn_of_its_transaction(tmp_path: Path) -> None:
    """None of them is written, and with room again all can be."""
    database = Database(tmp_path / "j.db")
    journal = SqliteJournal(database)
    await journal.open()
    large = [with_events(begun(n, f"e{n}"), b"x" * 100_000) for n in (1, 2)]

    def limit(pages: int) -> None:
        database.connection.execute(f"PRAGMA max_page_count = {pages}")

    await database.run(lambda: limit(1))
    outcomes = await written(journal, *large)
    assert all(isinstance(outcome, StoreError) and "disk is full" in str(outcome) for outcome in outcomes)
    await database.run(lambda: limit(1 << 30))
    assert await written(journal, *large) == [True, True]
    await journal.close()


def with_events(first: Turn, events: bytes) -> Turn:
    """The same turn with other events."""
    return Turn(id=first.id, version=1, first=1, events=events, state=b"s", begun=first.begun)


async def test_a_closed_journal_tells_every_turn(tmp_path: Path) -> None:
    """Nothing hangs on a thread that has ended."""
    journal = SqliteJournal(Database(tmp_path / "j.db"))
    await journal.open()
    await journal.close()
    (outcome,) = await written(journal, FIRST)
    assert isinstance(outcome, StoreError)


async def test_a_file_of_the_first_schema_is_brought_to_the_newest(tmp_path: Path) -> None:
    """A store that kept machines only has a journal when it is opened."""
    script = resources.files("express.stores").joinpath("schema", "001.sql").read_text()
    with sqlite3.connect(tmp_path / "j.db") as old:
        old.executescript(script + "; PRAGMA user_version = 1")
        old.execute("INSERT INTO machines VALUES ('m', '{}')")
    old.close()
    journal = SqliteJournal(Database(tmp_path / "j.db"))
    assert await journal.open() == 0
    assert await written(journal, FIRST) == [True]
    await journal.close()


async def test_tasks_of_activities_wait_in_their_order(journal: SqliteJournal) -> None:
    """Until they are withdrawn, or their execution is over."""
    await written(journal, begun(1, "a"), begun(2, "b"))
    offers = [
        turn(1, 2, offered=((3, "x"), (4, "y"))),
        turn(2, 2, offered=((3, "x"),)),
        turn(1, 3, offered=((9, "x"),)),
    ]
    await written(journal, *offers)
    assert await journal.offered("x", 10) == [(1, 3), (2, 3), (1, 9)]
    assert await journal.offered("x", 1) == [(1, 3)]

    await written(journal, turn(1, 4, withdrawn=(3,)), ending(2, 3))
    assert await journal.offered("x", 10) == [(1, 9)]
    assert await journal.offered("y", 10) == [(1, 4)]
