"""Records in a SQLite file. Deploying is rare, so each change is a transaction of its own; the loop waits for it."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

import msgspec

from express.stores.database import Database
from express.stores.records import Activity, Contents, Machine, Revision

Record = TypeVar("Record", Machine, Activity)

_encode = msgspec.json.Encoder().encode


class SqliteStore:
    """Keeps records in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> Contents:
        """Open the file; everything in it. Raises StoreError for a file that is no store, or is in use."""
        await self._database.open()
        return await self._database.run(self._contents)

    async def close(self) -> None:
        """Let go of the file."""
        await self._database.close()

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
            row = self._database.connection.execute(query, (arn, id_)).fetchone()
            return None if row is None else msgspec.json.decode(row[0], type=Revision)

        return await self._database.run(read)

    async def put_activity(self, activity: Activity) -> None:
        """Store an activity."""
        await self._write(("INSERT OR REPLACE INTO activities VALUES (?, ?)", (activity.arn, _encode(activity))))

    async def delete_activity(self, arn: str) -> None:
        """Forget an activity."""
        await self._write(("DELETE FROM activities WHERE arn = ?", (arn,)))

    # In the thread -------------------------------------------------------------------------------------

    def _contents(self) -> Contents:
        machines, activities = self._all("machines", Machine), self._all("activities", Activity)
        return Contents(machines=tuple(machines), activities=tuple(activities))

    def _all(self, table: str, kind: type[Record]) -> list[Record]:
        decode = msgspec.json.Decoder(kind).decode
        rows = self._database.connection.execute(f"SELECT body FROM {table} ORDER BY arn")
        return [decode(body) for (body,) in rows]

    async def _write(self, *rows: tuple[str, tuple[object, ...]]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            for statement, values in rows:
                connection.execute(statement, values)

        await self._database.run(lambda: self._database.transact(write))
