"""Records in a SQLite file: one thread owns the connection, so that there is one writer and no lock to wait for.

WAL with `synchronous=FULL`: what a method has returned from survives a crash of the process and of the machine.
Deploying is rare, so each change is a transaction of its own; the loop only waits for the thread. A second process
that opens the same file is refused at once rather than left to lose changes it can't see.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from express.errors import StoreError
from express.stores.records import Activity, Contents, Machine, Revision

Result = TypeVar("Result")

SCHEMA = 1
"""The version of the tables below, kept in `user_version`."""

_TABLES = """
CREATE TABLE machines (arn TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE revisions (
    machine TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (machine, id)
) WITHOUT ROWID;
CREATE TABLE activities (arn TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""

_encode = msgspec.json.Encoder().encode


class SqliteStore:
    """Keeps records in the file `path`, which is made if it is not there."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection

    async def open(self) -> Contents:
        """Open the file; everything in it. Raises StoreError for a file that is no store, or is in use."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        try:
            return await self._run(self._open)
        except StoreError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the file and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown()

    async def put_machine(self, machine: Machine, revision: Revision | None = None) -> None:
        """Store a machine and a new revision in one transaction."""
        rows: list[tuple[str, tuple[object, ...]]] = [
            ("INSERT OR REPLACE INTO machines VALUES (?, ?)", (machine.arn, _encode(machine)))
        ]
        if revision is not None:
            values = (machine.arn, revision.id, _encode(revision))
            rows.append(("INSERT OR REPLACE INTO revisions VALUES (?, ?, ?)", values))
        await self._write(*rows)

    async def delete_machine(self, arn: str) -> None:
        """Forget a machine and its revisions."""
        await self._write(
            ("DELETE FROM machines WHERE arn = ?", (arn,)),
            ("DELETE FROM revisions WHERE machine = ?", (arn,)),
        )

    async def revision(self, arn: str, id_: str) -> Revision | None:
        """A revision of a machine."""

        def read() -> Revision | None:
            query = "SELECT body FROM revisions WHERE machine = ? AND id = ?"
            row = self._connection.execute(query, (arn, id_)).fetchone()
            return None if row is None else msgspec.json.decode(row[0], type=Revision)

        return await self._run(read)

    async def put_activity(self, activity: Activity) -> None:
        """Store an activity."""
        await self._write(("INSERT OR REPLACE INTO activities VALUES (?, ?)", (activity.arn, _encode(activity))))

    async def delete_activity(self, arn: str) -> None:
        """Forget an activity."""
        await self._write(("DELETE FROM activities WHERE arn = ?", (arn,)))

    # In the thread -------------------------------------------------------------------------------------

    def _open(self) -> Contents:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")  # takes the lock now rather than at the first change
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
        if found not in (0, SCHEMA):
            raise StoreError(f"{self._path} was written by another version of express (schema {found}, not {SCHEMA})")
        return Contents(
            machines=tuple(self._all("machines", Machine)), activities=tuple(self._all("activities", Activity))
        )

    def _all(self, table: str, kind: type[Result]) -> list[Result]:
        decode = msgspec.json.Decoder(kind).decode
        return [decode(body) for (body,) in self._connection.execute(f"SELECT body FROM {table} ORDER BY arn")]

    def _close(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    async def _write(self, *rows: tuple[str, tuple[object, ...]]) -> None:
        def write() -> None:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in rows:
                    self._connection.execute(statement, values)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has rolled it back already
                    self._connection.execute("ROLLBACK")
                raise

        await self._run(write)

    async def _run(self, act: Callable[[], Result]) -> Result:
        """Do something in the thread. A caller that gives up leaves what was begun to be finished."""
        if self._thread is None:
            raise StoreError(f"the store {self._path} is closed")
        work = asyncio.get_running_loop().run_in_executor(self._thread, act)
        try:
            return await asyncio.shield(work)
        except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
            raise StoreError(self._explained(error)) from error

    def _explained(self, error: Exception) -> str:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return f"the store {self._path} is in use by another process"
        return f"the store {self._path} can't be used: {error}"
