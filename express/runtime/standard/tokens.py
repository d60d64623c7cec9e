"""Task tokens of Standard executions: any later process finds the execution by the token alone.

The key is the journal's, so a token outlives the process that made it. What the token names is in the state of the
execution; nothing here remembers one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from express.engine.events import Event, Heartbeat, TaskFailed, TaskSucceeded
from express.engine.execution import TASK
from express.errors import ApiError
from express.ports import Clock
from express.ports.journal import Journal
from express.runtime.clock import SystemEntropy
from express.runtime.executor.task_tokens import ExpiredToken, ForgedToken, TaskTokens
from express.values import JSON

if TYPE_CHECKING:
    from express.runtime.standard.host import StandardHost

SECRET = "task tokens"
"""The name of the key in the journal."""


class TokenEntropy(SystemEntropy):
    """The system's chance, and tokens by which the execution can be found."""

    def __init__(self, tokens: StandardTokens, execution: int) -> None:
        self._tokens = tokens
        self._execution = execution

    def token(self, key: str) -> str:
        """A task token for the attempt that `key` names."""
        return self._tokens.issue(key, self._execution)


class StandardTokens:
    """Makes the tokens of a host's executions, and delivers the answers that come by them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: TaskTokens | None = None

    async def open(self, journal: Journal) -> None:
        """Read the key. Raises StoreError."""
        self._tokens = TaskTokens([await journal.secret(SECRET)], self._clock.wall)

    def entropy(self, execution: int) -> TokenEntropy:
        """The entropy of an execution."""
        return TokenEntropy(self, execution)

    def issue(self, subject: str, execution: int) -> str:
        """A new token for a task of an execution."""
        assert self._tokens is not None, "opened before anything runs"
        return self._tokens.issue(subject, execution)

    async def succeed(self, host: StandardHost, token: str, output: JSON) -> None:
        """SendTaskSuccess. Returns once it is committed. Raises ApiError and StoreError."""
        id_, seq = await self._find(host, token)
        await self._answer(host, id_, TaskSucceeded(seq, output))

    async def fail(self, host: StandardHost, token: str, error: str | None, cause: str | None) -> None:
        """SendTaskFailure. Raises as `succeed`."""
        id_, seq = await self._find(host, token)
        await self._answer(host, id_, TaskFailed(seq, error, cause))

    async def beat(self, host: StandardHost, token: str) -> None:
        """SendTaskHeartbeat: the heartbeat timer starts anew. Raises as `succeed`."""
        id_, seq = await self._find(host, token)
        await self._answer(host, id_, Heartbeat(seq))

    async def _answer(self, host: StandardHost, id_: int, event: Event) -> None:
        if not await host.ask(id_, event):
            raise _timed_out()

    async def _find(self, host: StandardHost, token: str) -> tuple[int, int]:
        """The execution and the `seq` of the task that waits for a token. Raises ApiError."""
        assert self._tokens is not None, "opened before anything is asked"
        try:
            id_ = self._tokens.read(token).execution
        except ForgedToken:
            raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'") from None
        except ExpiredToken:
            raise _timed_out() from None
        live = await host.live(id_)
        if live is None:
            stored = await host.journal.load(id_)
            raise _unknown() if stored is None else _timed_out()
        for seq, (frame, role) in live.x.pending.items():
            if role == TASK and frame is not None and frame.token == token:
                return id_, seq
        raise _timed_out()


def _timed_out() -> ApiError:
    return ApiError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")


def _unknown() -> ApiError:
    return ApiError("TaskDoesNotExist", "Task Does Not Exist: 'Provided task does not exist'")
