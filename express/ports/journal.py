"""The journal of Standard executions: what survives the process, and the fence that lets one owner move one on.

A turn is one row of history and one update of the execution's state, written together. `Turn.version` is the fence:
a turn is taken only where the stored version is the one before it, so of two that believe to own an execution one
wins and the other forgets what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from express.errors import StoreError

Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An execution as it was started. `input` is its text as it came; times are wall-clock seconds."""

    machine: str
    name: str
    revision: str
    version_arn: str | None = None
    alias_arn: str | None = None
    started: float
    input: str
    trace_header: str | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The end of an execution."""

    status: Status
    stopped: float
    output: str | None = None
    error: str | None = None
    cause: str | None = None


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """A redrive of an execution that had ended: how often that was done, and when; `token` is the caller's."""

    count: int
    at: float
    token: str | None = None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One transition of an execution: its first one has `begun`, its last one `ended` and no state.

    `first` is the id of its first event, `events` all of them (`engine.turns`); `state` is a snapshot
    (`engine.snapshot`); `due` is the earliest of its timers, `busy` how many calls are under way after it. `offered`
    are tasks of activities that a worker may take from now on, as (seq, activity), `withdrawn` the seqs of those that
    nobody may take any more. `tomb` is the state from which an execution that has ended can be redriven; the first turn
    of one that is has `redriven`.
    """

    id: int
    version: int
    first: int
    events: bytes
    state: bytes | None = None
    due: float | None = None
    busy: int = 0
    begun: Begun | None = None
    ended: Ended | None = None
    offered: tuple[tuple[int, str], ...] = ()
    withdrawn: tuple[int, ...] = ()
    tomb: bytes | None = None
    redriven: Redriven | None = None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An execution as the journal has it. `state` and `version` are there while it runs.

    `redrives` says how often it was redriven, `redriven` when that was last; `redrivable`: its tomb is there.
    """

    id: int
    begun: Begun
    ended: Ended | None = None
    version: int = 0
    state: bytes | None = None
    redrives: int = 0
    redriven: float | None = None
    redrivable: bool = False


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a list of executions."""

    id: int
    name: str
    status: Status
    started: float
    stopped: float | None
    version_arn: str | None
    alias_arn: str | None
    redrives: int = 0
    redriven: float | None = None


Outcome: TypeAlias = bool | StoreError
"""True: committed. False: somebody else has moved the execution on, or its name is taken. StoreError: nothing was
written."""

Committed: TypeAlias = Callable[[Outcome], None]

Position: TypeAlias = tuple[float, int]
"""(started, id) of an execution in a list, newest first."""


class Journal(Protocol):
    """Keeps executions. All methods but `write` may raise StoreError."""

    async def open(self) -> int:
        """Open it; the highest id that an execution has."""

    async def close(self) -> None:
        """Write what is queued, and let go."""

    def write(self, turn: Turn, done: Committed) -> None:
        """Queue a turn. `done` is called on the loop once its transaction is over, in the order of the turns."""

    async def secret(self, name: str) -> bytes:
        """32 random bytes by that name, made when they are asked for first."""

    async def load(self, id_: int) -> Stored | None:
        """An execution by its number."""

    async def find(self, machine: str, name: str) -> Stored | None:
        """An execution by its machine's ARN and its name."""

    async def due(self, until: float, limit: int) -> list[tuple[float, int]]:
        """(due, id) of the executions whose first timer is due by then, the earliest first."""

    async def busy(self, after: int, limit: int) -> list[int]:
        """The executions above the id `after` that have calls under way, in the order of their ids."""

    async def tomb(self, id_: int) -> bytes | None:
        """The state from which an execution can be redriven."""

    async def redriven(self, id_: int, token: str, since: float) -> float | None:
        """The time at which an execution was redriven for a caller's token, if that was not before `since`."""

    async def offered(self, activity: str, limit: int) -> list[tuple[int, int]]:
        """(execution, seq) of the tasks of an activity that no worker has taken, the oldest first."""

    async def history(self, id_: int, start: int, limit: int, *, backwards: bool = False) -> list[bytes]:
        """The events of up to `limit` turns: the turn that has the event `start`, then those after or before it."""

    async def listed(
        self,
        machine: str,
        statuses: Sequence[Status],
        before: Position | None,
        limit: int,
    ) -> list[Listed]:
        """Executions of a machine, newest first, from behind the position `before`; no statuses: of every one."""

    async def running(self, machine: str) -> bool:
        """Return whether a machine has executions that run."""

    async def forget(self, before: float, limit: int, machine: str | None = None) -> int:
        """Delete up to `limit` executions that stopped before then, of one machine or all, with their histories.

        Returns how many there were.
        """
