"""A compiled machine: the transition table. One `Row` is one state, names have become indexes.

The engine knows nothing of definitions; what a state does is in the callables of its row. A row's handlers
answer with the index of the next row, or with one of the negative steps below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from express.errors import DATA_LIMIT_EXCEEDED, HEARTBEAT_TIMEOUT, RUNTIME, STATES_ALL, TASK_FAILED, TIMEOUT
from express.values import JSON

if TYPE_CHECKING:
    from express.engine.events import Event
    from express.engine.execution import Execution, Frame

Step: TypeAlias = int

END: Step = -1
"""The scope ends successfully; its output is the frame's data."""

WAIT: Step = -2
"""The frame waits for an event, or has ended otherwise."""

RESUME: Step = -3
"""Work list only: call the row's `resume`, its children are done."""

AGAIN: Step = -4
"""Work list only: enter the row once more (Retry), without a new StateEntered."""

EXECUTION_SECONDS = 300.0
"""The cap on an Express execution (Step Functions Developer Guide, "Choosing workflow type")."""


class RetryRow(msgspec.Struct, frozen=True):
    """One retrier. `delays` are seconds; jitter multiplies with a number in [0, 1)."""

    errors: frozenset[str]
    interval: float = 1
    attempts: int = 3
    backoff: float = 2.0
    longest: float | None = None
    jitter: bool = False

    def delay(self, attempt: int) -> float:
        """Seconds before retry `attempt` (1, 2, …), before jitter."""
        try:
            seconds = self.interval * self.backoff ** (attempt - 1)
        except OverflowError:
            seconds = float("inf")
        return seconds if self.longest is None else min(seconds, self.longest)


class CatchRow(msgspec.Struct, frozen=True):
    """One catcher. `leave` puts the error output into the frame's data and assigns variables."""

    errors: frozenset[str]
    next: Step
    leave: Callable[[Frame, JSON], None]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One compiled state: one line of the transition table."""

    name: str
    kind: str
    enter: Callable[[Execution, Frame, Row], Step]
    resume: Callable[[Execution, Frame, Row, Event | None], Step] | None = None
    next: Step = END
    plan: Any = None
    retry: tuple[RetryRow, ...] = ()
    catch: tuple[CatchRow, ...] = ()
    entered: str = ""
    exited: str = ""

    def __post_init__(self) -> None:
        """Name the history events of the kind once."""
        if not self.entered:
            msgspec.structs.force_setattr(self, "entered", f"{self.kind}StateEntered")
            msgspec.structs.force_setattr(self, "exited", f"{self.kind}StateExited")


Rows: TypeAlias = tuple[Row, ...]


class Scope(msgspec.Struct, frozen=True):
    """The rows of one `States` map and where it starts: a machine, a branch, an item processor."""

    rows: Rows
    start: Step


class Width(NamedTuple):
    """The width of a machine: steps that hold its data at once, and frames besides its own that are under way."""

    holders: int = 1
    children: int = 0


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, ready to run, and what its host and its meter must know of the definition.

    `timeout` is the top-level TimeoutSeconds; `size` the definition's bytes (metering); `digest` its SHA-256;
    `width` what data and frames are multiplied with (metering, back-pressure);
    `segments` the second linking (`engine.segments.Segments`), None where the machine has none.
    """

    scope: Scope
    timeout: float | None = None
    type: str = "EXPRESS"
    size: int = 0
    digest: str = ""
    width: Width = Width()
    resources: tuple[Any, ...] = ()
    segments: Any = None


def cap(program: Program, limit: float | None, now: float) -> float | None:
    """The engine time at which an execution that starts now is timed out; TimeoutSeconds may make it earlier."""
    if limit is None or (program.timeout is not None and program.timeout < limit):
        limit = program.timeout
    return None if limit is None else now + limit


def lasted(program: Program, limit: float | None, status: str, elapsed: float) -> float:
    """Return how many seconds an execution took.

    One that was timed out ended at its cap, whenever that was noticed (observed on AWS: `stopDate` is exact).
    """
    seconds = cap(program, limit, 0.0) if status == "TIMED_OUT" else None
    return elapsed if seconds is None else seconds


def matches(errors: frozenset[str], error: str | None, heartbeat: bool = False) -> bool:
    """Tell if a retrier or catcher that lists `errors` handles `error` (States Language, "Retrying after error").

    States.Runtime is handled by nobody. Observed on AWS: States.ALL does handle States.DataLimitExceeded.

    >>> matches(frozenset({"States.ALL"}), "Boom"), matches(frozenset({"States.TaskFailed"}), "States.Timeout")
    (True, False)
    """
    if error == RUNTIME:
        return False
    if STATES_ALL in errors or error in errors:
        return True
    if TASK_FAILED in errors:
        return error not in (TIMEOUT, DATA_LIMIT_EXCEEDED)
    return heartbeat and HEARTBEAT_TIMEOUT in errors
