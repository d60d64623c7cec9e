"""The journal of Standard executions in SQLite: one thread, and one transaction for all turns that are queued.

A group commit needs no timer: while one transaction is written, the turns that come are queued, and the next
transaction takes them all. A turn of a version that is not the next one changes nothing, nor does one whose name is
taken: each of these is told that it has lost, and the others of its transaction are written.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

from express.errors import StoreError
from express.ports.journal import Begun, Committed, Ended, Listed, Outcome, Position, Redriven, Status, Stored, Turn
from express.stores.database import Database

MOST_TURNS, MOST_BYTES = 4_096, 8 << 20
"""Turns, and bytes of them, that one transaction takes."""

MOST_TOKENS = 10
"""Tokens of redrives that are remembered of an execution (Step Functions API Reference, "RedriveExecution")."""

Row: TypeAlias = tuple[Any, ...]

STATUSES: tuple[Status, ...] = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
"""The statuses in the order of their numbers in the table."""

_BEGUN = "machine, name, revision, version_arn, alias_arn, started, input, trace_header"
_ENDED = "status, stopped, output, error, cause"
_LISTED = "id, name, status, started, stopped, version_arn, alias_arn, redrives, redriven"


class SqliteJournal:
    """Keeps executions in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queued: deque[tuple[Turn, Committed]] = deque()
        self._writing = False
        self._loop: asyncio.AbstractEventLoop

    async def open(self) -> int:
        """Open the file; the highest id that an execution has. Raises StoreError."""
        self._loop = asyncio.get_running_loop()
        await self._database.open()
        query = "SELECT coalesce(max(id), 0) FROM executions"
        (highest,) = await self._database.run(lambda: self._database.connection.execute(query).fetchone())
        return int(highest)

    async def close(self) -> None:
        """Write what is queued, and let go of the file."""
        while self._queued or self._writing:
            await self._database.run(lambda: None)
        await self._database.close()

    # Writing -------------------------------------------------------------------------------------------

    def write(self, turn: Turn, done: Committed) -> None:
        """Queue a turn; `done` is called once its transaction is over."""
        self._queued.append((turn, done))
        self._begin()

    def _begin(self) -> None:
        """Have the thread write what is queued, unless it is at that."""
        if self._writing or not self._queued:
            return
        batch: list[tuple[Turn, Committed]] = []
        room = MOST_BYTES
        while self._queued and len(batch) < MOST_TURNS and room > 0:
            batch.append(self._queued.popleft())
            room -= len(batch[-1][0].events) + len(batch[-1][0].state or b"")
        self._writing = True
        try:
            self._database.submit(lambda: self._write_all(batch))
        except StoreError as error:
            self._loop.call_soon(self._written, batch, [error] * len(batch))

    def _write_all(self, batch: list[tuple[Turn, Committed]]) -> None:
        """In the thread: write a batch in one transaction and tell the loop."""
        outcomes: Sequence[Outcome]
        try:
            outcomes = self._database.transact(lambda connection: [_put(connection, turn) for turn, _ in batch])
        except (sqlite3.OperationalError, OSError) as error:
            outcomes = [self._database.trouble(error)] * len(batch)
        except Exception:  # of one of them: the others are not to suffer
            outcomes = [self._write_one(turn) for turn, _ in batch]
        self._loop.call_soon_threadsafe(self._written, batch, outcomes)

    def _write_one(self, turn: Turn) -> Outcome:
        try:
            return self._database.transact(lambda connection: _put(connection, turn))
        except Exception as error:
            return self._database.trouble(error)

    def _written(self, batch: list[tuple[Turn, Committed]], outcomes: Sequence[Outcome]) -> None:
        self._writing = False
        self._begin()  # the thread works while the loop goes on
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            done(outcome)

    # Reading -------------------------------------------------------------------------------------------

    async def secret(self, name: str) -> bytes:
        """32 random bytes by that name, made when they are asked for first."""

        def read(connection: sqlite3.Connection) -> bytes:
            connection.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, secrets.token_bytes(32)))
            (value,) = connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
            return bytes(value)

        return await self._database.run(lambda: self._database.transact(read))

    async def load(self, id_: int) -> Stored | None:
        """An execution by its number."""
        return await self._stored("executions.id = ?", (id_,))

    async def find(self, machine: str, name: str) -> Stored | None:
        """An execution by its machine's ARN and its name."""
        return await self._stored("machine = ? AND name = ?", (machine, name))

    async def _stored(self, where: str, values: tuple[object, ...]) -> Stored | None:
        query = (
            f"SELECT executions.id, {_BEGUN}, {_ENDED}, redrives, redriven, version, live.state, tombs.id "
            "FROM executions LEFT JOIN live ON live.id = executions.id LEFT JOIN tombs ON tombs.id = executions.id "
            f"WHERE {where}"
        )
        row = await self._one(query, values)
        if row is None:
            return None
        id_, machine, name, revision, version_arn, alias_arn, started, text, trace_header, *rest = row
        status, stopped, output, error, cause, redrives, redriven, version, state, tomb = rest
        begun = Begun(
            machine=machine,
            name=name,
            revision=revision,
            version_arn=version_arn,
            alias_arn=alias_arn,
            started=started,
            input=text,
            trace_header=trace_header,
        )
        end = (
            Ended(status=STATUSES[status], stopped=stopped, output=output, error=error, cause=cause) if status else None
        )
        return Stored(
            id=id_,
            begun=begun,
            ended=end,
            version=version or 0,
            state=state,
            redrives=redrives,
            redriven=redriven,
            redrivable=tomb is not None,
        )

    async def tomb(self, id_: int) -> bytes | None:
        """The state from which an execution can be redriven."""
        row = await self._one("SELECT state FROM tombs WHERE id = ?", (id_,))
        return None if row is None else row[0]

    async def redriven(self, id_: int, token: str, since: float) -> float | None:
        """The time at which an execution was redriven for a caller's token, if that was not before `since`."""
        query = "SELECT redriven FROM redrive_tokens WHERE execution = ? AND token = ? AND redriven >= ?"
        row = await self._one(query, (id_, token, since))
        return None if row is None else row[0]

    async def due(self, until: float, limit: int) -> list[tuple[float, int]]:
        """(due, id) of the executions whose first timer is due by then, the earliest first."""
        return await self._all("SELECT due, id FROM live WHERE due <= ? ORDER BY due LIMIT ?", (until, limit))

    async def busy(self, after: int, limit: int) -> list[int]:
        """The executions above the id `after` that have calls under way, in the order of their ids."""
        query = "SELECT id FROM live WHERE busy > 0 AND id > ? ORDER BY id LIMIT ?"
        return [id_ for (id_,) in await self._all(query, (after, limit))]

    async def offered(self, activity: str, limit: int) -> list[tuple[int, int]]:
        """(execution, seq) of the tasks of an activity that no worker has taken, the oldest first."""
        query = "SELECT execution, seq FROM activity_tasks WHERE activity = ? ORDER BY id LIMIT ?"
        return await self._all(query, (activity, limit))

    async def history(self, id_: int, start: int, limit: int, *, backwards: bool = False) -> list[bytes]:
        """The events of up to `limit` turns: the turn that has the event `start`, then those after or before it."""
        if backwards:
            query = "SELECT events FROM history WHERE execution = ? AND first <= ? ORDER BY first DESC LIMIT ?"
            values: tuple[object, ...] = (id_, start, limit)
        else:
            query = (
                "SELECT events FROM history WHERE execution = ?1 AND first >= coalesce((SELECT max(first) FROM history "
                "WHERE execution = ?1 AND first <= ?2), 0) ORDER BY first LIMIT ?3"
            )
            values = (id_, start, limit)
        return [events for (events,) in await self._all(query, values)]

    async def listed(
        self, machine: str, statuses: Sequence[Status], before: Position | None, limit: int
    ) -> list[Listed]:
        """Executions of a machine, newest first, from behind the position `before`; no statuses: of every one."""
        where = "machine = ?"
        values: list[object] = [machine]
        if statuses:
            where += f" AND status IN ({','.join(str(STATUSES.index(status)) for status in statuses)})"
        if before is not None:
            where += " AND (started, id) < (?, ?)"
            values.extend(before)
        query = f"SELECT {_LISTED} FROM executions WHERE {where} ORDER BY started DESC, id DESC LIMIT {int(limit)}"
        rows = await self._all(query, tuple(values))
        return [
            Listed(
                id=id_,
                name=name,
                status=STATUSES[status],
                started=started,
                stopped=stopped,
                version_arn=version_arn,
                alias_arn=alias_arn,
                redrives=redrives,
                redriven=redriven,
            )
            for id_, name, status, started, stopped, version_arn, alias_arn, redrives, redriven in rows
        ]

    async def running(self, machine: str) -> bool:
        """Return whether a machine has executions that run."""
        query = "SELECT 1 FROM executions WHERE machine = ? AND status = 0 LIMIT 1"
        return await self._one(query, (machine,)) is not None

    async def forget(self, before: float, limit: int, machine: str | None = None) -> int:
        """Delete up to `limit` executions that stopped before then, of one machine or all; how many there were."""

        def delete(connection: sqlite3.Connection) -> int:
            query = "SELECT id FROM executions WHERE stopped < ?1 ORDER BY stopped LIMIT ?2"
            if machine is not None:
                query = "SELECT id FROM executions WHERE machine = ?3 AND stopped < ?1 LIMIT ?2"
            values = (before, limit) if machine is None else (before, limit, machine)
            ids = connection.execute(query, values).fetchall()
            connection.executemany("DELETE FROM history WHERE execution = ?", ids)
            connection.executemany("DELETE FROM tombs WHERE id = ?", ids)
            connection.executemany("DELETE FROM redrive_tokens WHERE execution = ?", ids)
            connection.executemany("DELETE FROM executions WHERE id = ?", ids)
            return len(ids)

        return await self._database.run(lambda: self._database.transact(delete))

    async def _one(self, query: str, values: tuple[object, ...]) -> Row | None:
        rows = await self._all(query, values)
        return rows[0] if rows else None

    async def _all(self, query: str, values: tuple[object, ...]) -> list[Row]:
        return await self._database.run(lambda: self._database.connection.execute(query, values).fetchall())


def _put(connection: sqlite3.Connection, turn: Turn) -> bool:
    """Write one turn of a batch; false, and nothing is changed, if it is not the next one or its name is taken."""
    if turn.begun is not None:
        put = _put_begun(connection, turn, turn.begun)
    elif turn.redriven is not None:
        put = _put_redriven(connection, turn, turn.redriven)
    else:
        put = _put_state(connection, turn)
    if not put:
        return False
    if turn.ended is not None:
        end = turn.ended
        connection.execute(
            "UPDATE executions SET status = ?, stopped = ?, output = ?, error = ?, cause = ? WHERE id = ?",
            (STATUSES.index(end.status), end.stopped, end.output, end.error, end.cause, turn.id),
        )
        connection.execute("DELETE FROM activity_tasks WHERE execution = ?", (turn.id,))
        if turn.tomb is not None:
            connection.execute("INSERT INTO tombs (id, state) VALUES (?, ?)", (turn.id, turn.tomb))
    for seq in turn.withdrawn:
        connection.execute("DELETE FROM activity_tasks WHERE execution = ? AND seq = ?", (turn.id, seq))
    for seq, activity in turn.offered:
        values = (activity, turn.id, seq)
        connection.execute("INSERT INTO activity_tasks (activity, execution, seq) VALUES (?, ?, ?)", values)
    if turn.events:
        connection.execute(
            "INSERT INTO history (execution, first, events) VALUES (?, ?, ?)", (turn.id, turn.first, turn.events)
        )
    return True


def _put_begun(connection: sqlite3.Connection, turn: Turn, begun: Begun) -> bool:
    added = connection.execute(
        f"INSERT OR IGNORE INTO executions (id, status, {_BEGUN}) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            turn.id,
            begun.machine,
            begun.name,
            begun.revision,
            begun.version_arn,
            begun.alias_arn,
            begun.started,
            begun.input,
            begun.trace_header,
        ),
    )
    if not added.rowcount:
        return False
    _put_live(connection, turn)
    return True


def _put_redriven(connection: sqlite3.Connection, turn: Turn, redriven: Redriven) -> bool:
    """Take up an execution that has ended; false if somebody else has done that."""
    if not connection.execute("DELETE FROM tombs WHERE id = ?", (turn.id,)).rowcount:
        return False
    connection.execute(
        "UPDATE executions SET status = 0, stopped = NULL, error = NULL, cause = NULL, redrives = ?, redriven = ? "
        "WHERE id = ?",
        (redriven.count, redriven.at, turn.id),
    )
    if redriven.token is not None:
        values = (turn.id, redriven.token, redriven.at)
        connection.execute("INSERT OR REPLACE INTO redrive_tokens VALUES (?, ?, ?)", values)
        connection.execute(
            "DELETE FROM redrive_tokens WHERE execution = ?1 AND token NOT IN (SELECT token FROM redrive_tokens "
            "WHERE execution = ?1 ORDER BY redriven DESC LIMIT ?2)",
            (turn.id, MOST_TOKENS),
        )
    _put_live(connection, turn)
    return True


def _put_live(connection: sqlite3.Connection, turn: Turn) -> None:
    if turn.state is not None:
        connection.execute(
            "INSERT INTO live (id, version, due, busy, state) VALUES (?, ?, ?, ?, ?)",
            (turn.id, turn.version, turn.due, turn.busy, turn.state),
        )


def _put_state(connection: sqlite3.Connection, turn: Turn) -> bool:
    """Replace the state by that of the next version, or delete it at the end."""
    if turn.state is None:
        done = connection.execute("DELETE FROM live WHERE id = ? AND version = ?", (turn.id, turn.version - 1))
    else:
        done = connection.execute(
            "UPDATE live SET version = ?, due = ?, busy = ?, state = ? WHERE id = ? AND version = ?",
            (turn.version, turn.due, turn.busy, turn.state, turn.id, turn.version - 1),
        )
    return done.rowcount == 1
