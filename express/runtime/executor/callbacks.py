"""Tasks that wait for a callback: SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat find them by their token.

A task that waits owns nothing but its row here and its timers in the wheel: no asyncio task, no future. Tokens are
kept as digests; who reads this memory learns none.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from express.engine.effects import StartTask
from express.engine.events import Event, Heartbeat, TaskFailed, TaskSucceeded
from express.errors import ApiError
from express.ports import Clock
from express.runtime.clock import SystemEntropy
from express.runtime.executor.task_tokens import YEAR, ExpiredToken, ForgedToken, TaskTokens, subject_digest
from express.values import JSON

if TYPE_CHECKING:
    from express.runtime.executor.executor import Executor
    from express.runtime.executor.run import Run

MOST_CLOSED = 10_000
"""Closed tasks that are remembered, so that a late callback is told from one for a task that never was."""


class _Waiting(NamedTuple):
    executor: Executor
    run: Run
    seq: int
    subject: bytes


class _Entropy(SystemEntropy):
    """The system's chance, and tokens that can be checked."""

    def __init__(self, tokens: TaskTokens) -> None:
        self._tokens = tokens

    def token(self, key: str) -> str:
        """A task token for the attempt that `key` names."""
        return self._tokens.issue(key)


class Callbacks:
    """The tasks of a process that wait for a callback."""

    def __init__(self, tokens: TaskTokens) -> None:
        self._tokens = tokens
        self._waiting: dict[bytes, _Waiting] = {}
        self._of_run: dict[Run, dict[int, bytes]] = {}
        self._closed: OrderedDict[bytes, None] = OrderedDict()
        self.entropy = _Entropy(tokens)
        """For the executor whose tasks wait here."""

    @classmethod
    def of(cls, clock: Clock, *, lifetime: float = YEAR) -> Callbacks:
        """With a key of this process alone: its tokens end with it, as its executions do."""
        return cls(TaskTokens([secrets.token_bytes(32)], clock.wall, lifetime=lifetime))

    def __len__(self) -> int:
        return len(self._waiting)

    # What the executor tells --------------------------------------------------------------------------

    def expect(self, executor: Executor, run: Run, task: StartTask) -> None:
        """A task with a token is about to be started: its callback may come before the call has returned."""
        assert task.token is not None
        known = self._of_run.setdefault(run, {})
        for seq in [seq for seq in known if seq not in run.x.pending]:  # attempts that have failed
            self._close(known.pop(seq))
        known[task.seq] = digest = _digest(task.token)
        self._waiting[digest] = _Waiting(executor, run, task.seq, subject_digest(subject(run, task)))

    def forget(self, run: Run, seq: int) -> None:
        """A task is not wanted any more: it has timed out, or its branch has failed."""
        digest = self._of_run.get(run, {}).pop(seq, None)
        if digest is not None:
            self._close(digest)

    def ended(self, run: Run) -> None:
        """An execution is over."""
        for digest in self._of_run.pop(run, {}).values():
            self._close(digest)

    # What callers ask for -----------------------------------------------------------------------------

    def succeed(self, token: str, output: JSON) -> None:
        """SendTaskSuccess. Raises ApiError InvalidToken, TaskTimedOut, TaskDoesNotExist."""
        waiting = self._find(token)
        self._answer(waiting, TaskSucceeded(waiting.seq, output))

    def fail(self, token: str, error: str | None, cause: str | None) -> None:
        """SendTaskFailure. Raises as `succeed`."""
        waiting = self._find(token)
        self._answer(waiting, TaskFailed(waiting.seq, error, cause))

    def beat(self, token: str) -> None:
        """SendTaskHeartbeat: the heartbeat timer starts anew. Raises as `succeed`."""
        waiting = self._find(token)
        waiting.executor.tell(waiting.run, Heartbeat(waiting.seq))

    def _answer(self, waiting: _Waiting, event: Event) -> None:
        """The first answer wins: the task is closed before anything else happens."""
        self.forget(waiting.run, waiting.seq)
        waiting.executor.tell(waiting.run, event)

    def _find(self, token: str) -> _Waiting:
        try:
            genuine = self._tokens.read(token)
        except ForgedToken:
            raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'") from None
        except ExpiredToken:
            raise _timed_out() from None
        digest = _digest(token)
        waiting = self._waiting.get(digest)
        if waiting is None or waiting.seq not in waiting.run.x.pending:
            raise _timed_out() if waiting is not None or digest in self._closed else _unknown()
        if not hmac.compare_digest(genuine.subject, waiting.subject):
            raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'")
        return waiting

    def _close(self, digest: bytes) -> None:
        del self._waiting[digest]
        self._closed[digest] = None
        if len(self._closed) > MOST_CLOSED:
            self._closed.popitem(last=False)


def subject(run: Run, task: StartTask) -> str:
    """Return what a token is bound to: the execution, the entry of the state, the attempt."""
    return f"{run.x.about.execution_arn}/{task.key}/{task.attempt}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _timed_out() -> ApiError:
    return ApiError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")


def _unknown() -> ApiError:
    return ApiError("TaskDoesNotExist", "Task Does Not Exist: 'Provided task does not exist'")
