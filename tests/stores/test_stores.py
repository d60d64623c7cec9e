"""One contract, two stores; and what only the one on disk can promise."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from express.errors import StoreError
from express.stores.database import Database
from express.stores.memory import MemoryStore
from express.stores.records import Activity, Alias, Contents, Machine, Revision, Route, Store, Version
from express.stores.sqlite import SqliteStore

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
MACHINE = Machine(
    arn=ARN,
    name="m",
    type="EXPRESS",
    created=1.5,
    versions=(Version(number=1, revision="INITIAL", created=2.0),),
    aliases={"PROD": Alias(name="PROD", routes=(Route(version=1, weight=100),), created=3.0, updated=3.0)},
    tags={"k": "v"},
    last_version=1,
    published=(True, "first"),
)
REVISION = Revision(id="INITIAL", definition='{"é":1}', role_arn="r", logging={"level": "ALL"}, created=1.5)
ACTIVITY = Activity(arn="a", name="a", created=1.0)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Each store, empty and open."""
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(Database(tmp_path / "deep" / "s.db"))
    assert await made.open() == Contents()
    yield made
    await made.close()


async def reopened(store: Store) -> Contents:
    """What the store holds when it is opened anew."""
    await store.close()
    return await store.open()


async def test_what_was_put_is_there(store: Store) -> None:
    """Machines, revisions and activities come back as they were."""
    await store.put_machine(MACHINE, REVISION)
    await store.put_activity(ACTIVITY)

    assert await reopened(store) == Contents(machines=(MACHINE,), activities=(ACTIVITY,))
    assert await store.revision(ARN, "INITIAL") == REVISION
    assert await store.revision(ARN, "other") is None


async def test_a_change_replaces_the_machine_and_keeps_its_revisions(store: Store) -> None:
    """Old revisions stay: versions point at them."""
    await store.put_machine(MACHINE, REVISION)
    later = Revision(id="r2", definition="{}", role_arn="r", created=9.0)

    await store.put_machine(MACHINE, later)

    assert await store.revision(ARN, "INITIAL") == REVISION
    assert await store.revision(ARN, "r2") == later


async def test_what_was_deleted_is_gone(store: Store) -> None:
    """A machine takes its revisions with it; deleting what is not there does nothing."""
    await store.put_machine(MACHINE, REVISION)
    await store.put_activity(ACTIVITY)

    for _ in range(2):
        await store.delete_machine(ARN)
        await store.delete_activity("a")

    assert await reopened(store) == Contents()
    assert await store.revision(ARN, "INITIAL") is None


async def test_a_file_keeps_everything(tmp_path: Path) -> None:
    """Closed and opened again, all is there."""
    first = SqliteStore(Database(tmp_path / "s.db"))
    await first.open()
    await first.put_machine(MACHINE, REVISION)
    await first.close()

    again = SqliteStore(Database(tmp_path / "s.db"))
    assert (await again.open()).machines == (MACHINE,)
    assert await again.revision(ARN, "INITIAL") == REVISION
    await again.close()


_WRITER = """
import asyncio, sys
from express.stores.records import Machine
from express.stores.database import Database
from express.stores.sqlite import SqliteStore

async def main():
    store = SqliteStore(Database(sys.argv[1]))
    await store.open()
    for i in range(100_000):
        arn = f"m{i:06}"
        await store.put_machine(Machine(arn=arn, name=arn, type="EXPRESS", created=0.0))
        print(arn, flush=True)

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    """Every machine whose put has returned is there after the writer was killed."""
    path = tmp_path / "s.db"
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", _WRITER, str(path), stdout=subprocess.PIPE)
    assert writer.stdout is not None
    acknowledged = [(await writer.stdout.readline()).decode().strip() for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [line.decode().strip() async for line in writer.stdout if line.endswith(b"\n")]
    await writer.wait()

    store = SqliteStore(Database(path))
    kept = {machine.arn for machine in (await store.open()).machines}
    await store.close()

    assert set(acknowledged) <= kept


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """One file has one owner; the other is told so at once."""
    first, second = SqliteStore(Database(tmp_path / "s.db")), SqliteStore(Database(tmp_path / "s.db"))
    await first.open()

    with pytest.raises(StoreError, match="in use by another process"):
        await second.open()

    await first.close()
    await second.open()
    await second.close()


async def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database" * 100)

    with pytest.raises(StoreError, match=r"s\.db can't be used"):
        await SqliteStore(Database(path)).open()


async def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    """A record that can't be written leaves the old one, and the store works on."""
    store = SqliteStore(Database(tmp_path / "s.db"))
    await store.open()
    await store.put_machine(MACHINE, REVISION)
    broken = Revision(id="\ud800", definition="{}", role_arn="r", created=9.0)

    with pytest.raises((StoreError, UnicodeEncodeError)):
        await store.put_machine(MACHINE, broken)

    assert (await store.revision(ARN, "INITIAL")) == REVISION
    await store.put_activity(ACTIVITY)
    await store.close()


async def test_a_full_disk_is_named_and_can_be_cleared(tmp_path: Path) -> None:
    """The error is the disk's and not that of what was tried after it; with room again the store works on."""
    database = Database(tmp_path / "s.db")
    store = SqliteStore(database)
    await store.open()
    await store.put_machine(MACHINE, REVISION)
    pages = (await database.run(lambda: database.connection.execute("PRAGMA page_count").fetchone()))[0]
    await database.run(lambda: database.connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    large = msgspec.structs.replace(REVISION, id="r2", definition="x" * 100_000)

    with pytest.raises(StoreError, match="disk is full"):
        await store.put_machine(MACHINE, large)

    await database.run(lambda: database.connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    await store.put_machine(MACHINE, large)
    assert await store.revision(ARN, "r2") == large
    await store.close()


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """Nothing hangs on a thread that has ended."""
    store = SqliteStore(Database(tmp_path / "s.db"))
    await store.open()
    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await store.put_activity(ACTIVITY)
