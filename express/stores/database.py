"""A SQLite file of which one thread owns the connection, so that there is one writer and no lock to wait for.

WAL with `synchronous=FULL`: what was committed survives a crash of the process and of the machine. A second process
that opens the same file is refused at once rather than left to lose changes it can't see.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from express.errors import StoreError

Result = TypeVar("Result")

Durability = Literal["full", "normal"]
"""`full`: a commit survives the loss of power. `normal`: it survives the process, and the power may take the last."""

MEMORY = ":memory:"


class Database:
    """The file `path`, which is made if it is not there; `MEMORY`: nothing is kept. Several may open it by turns."""

    def __init__(self, path: str | Path, durability: Durability = "full") -> None:
        self.path = path
        self._durability = durability
        self._thread: ThreadPoolExecutor | None = None
        self._users = 0
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file. Raises StoreError for one that is no store, or is in use."""
        self._users += 1
        if self._thread is not None:
            return
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        try:
            await self.run(self._open)
        except StoreError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the file and end the thread, if nobody else has opened it."""
        self._users -= 1
        if self._users > 0:
            return
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown()

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for what runs in the thread."""
        assert self._connection is not None, "the store is open"
        return self._connection

    def submit(self, act: Callable[[], Result]) -> Future[Result]:
        """Do something in the thread, after what it has to do already. Raises StoreError for a closed file."""
        if self._thread is None:
            raise StoreError(f"the store {self.path} is closed")
        return self._thread.submit(act)

    async def run(self, act: Callable[[], Result]) -> Result:
        """Do something in the thread. A caller that gives up leaves what was begun to be finished."""
        try:
            return await asyncio.shield(asyncio.wrap_future(self.submit(act)))
        except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
            raise self.trouble(error) from error

    def trouble(self, error: Exception) -> StoreError:
        """An error of the file as its users are told."""
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return StoreError(f"the store {self.path} is in use by another process")
        return StoreError(f"the store {self.path} can't be used: {error}")

    def transact(self, act: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do something in one transaction; in the thread."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = act(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has rolled it back already
                connection.execute("ROLLBACK")
            raise
        return result

    # In the thread -------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self.path != MEMORY:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        self._connection = connection = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        for pragma in (
            "page_size = 8192",
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "wal_autocheckpoint = 4000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA synchronous = {self._durability}")
        self.transact(self._migrate)  # takes the lock now rather than at the first change

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the tables to the newest schema, step by step; its number is `user_version`."""
        steps = _schema()
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > len(steps):
            raise StoreError(
                f"{self.path} was written by a later version of express (schema {found}; this one has {len(steps)})"
            )
        for number, statements in enumerate(steps[found:], found + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _schema() -> list[list[str]]:
    """The statements of each step from an empty file to the newest schema."""
    files = sorted(resources.files("express.stores").joinpath("schema").iterdir(), key=lambda file: file.name)
    return [_statements(file.read_text("utf-8")) for file in files if file.name.endswith(".sql")]


def _statements(script: str) -> list[str]:
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]
