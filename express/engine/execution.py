"""The running state: an execution, its frames, and the joins that wait for child frames.

A frame is one running `States` map: the machine, a branch or an iteration. It is also the `Scope` of the
expressions that run in it. Nothing here decides; `advance` and `recovery` do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from express.budget import UNITS, Budget
from express.engine.effects import Cancel, Effect, Finish, StartTask, StartTimer
from express.engine.history import History
from express.engine.program import Program, Row, Rows, Step
from express.values import JSON, format_timestamp

TASK, TIMEOUT, HEARTBEAT, WAIT_OVER, RETRY, DEADLINE, SCHEDULED = range(7)
"""Kinds of a pending `seq`: the task itself, one of its timers, a Wait, a retry's delay, the execution's cap, and the
task of an activity that no worker has taken."""


STARTED = 40
"""Iterations of a Map whose ItemSelector share one budget: as many as run at once."""

UNITS_PER_STEP = 100
"""Units of expressions that count as one step of a turn, so that a quarter of a state's budget ends it."""

TURN_SECONDS = 0.002
"""Processor time of a turn, where the host has a clock: it ends with the state in which that has passed."""

RETRIED = frozenset({"Task", "Parallel", "Map"})
"""The kinds that may be retried: only their Context object has a RetryCount (observed on AWS)."""


class Entropy(Protocol):
    """Chance and identities, from outside."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def uuid(self) -> str:
        """A version-4 UUID."""

    def token(self, key: str) -> str:
        """A task token for the attempt that `key` names."""

    def spent(self) -> float:
        """Seconds of processor time that this thread has used."""


class About(msgspec.Struct, frozen=True, gc=False):
    """The identity of an execution, for the Context object. `started` is wall time in seconds since 1970.

    `redrive_count` None: the member is absent (StartSyncExecution); `redriven` is when that was last. `trace` is the
    W3C trace context of whoever caused the execution, `traceparent` and `tracestate`: handed to its tasks, no part of
    the Context object.
    `account` is the host's: where it keeps what hangs on the record that the execution runs for; 0: nothing does.
    """

    execution_arn: str = ""
    name: str = ""
    role_arn: str = ""
    state_machine_arn: str = ""
    state_machine_name: str = ""
    started: float = 0.0
    redrive_count: int | None = 0
    redriven: float | None = None
    trace: tuple[str, str] | None = None
    account: int = 0


Prepare: TypeAlias = Callable[[StartTask, About, float | None], StartTask]
"""(a call to be made, execution, deadline) → the same with what its host has prepared of its parameters.

Raises StatesError where no request can be made of them.
"""


class Execution:
    """One run of a program. Changed only by `start`, `deliver` and `advance`. `prepare` is the host's, if any."""

    __slots__ = (
        "about",
        "allowance",
        "allowed",
        "budget",
        "bug",
        "deadline",
        "effects",
        "entropy",
        "events",
        "finished",
        "history",
        "input",
        "last",
        "now",
        "pending",
        "prepare",
        "program",
        "ready",
        "seq",
        "started",
        "transitions",
        "turn_until",
    )

    def __init__(
        self,
        program: Program,
        data: JSON,
        now: float,
        about: About,
        entropy: Entropy,
        history: History | None,
        deadline: float | None,
        prepare: Prepare | None = None,
    ) -> None:
        self.program = program
        self.input = data
        self.now = now
        self.started = now
        self.about = about
        self.entropy = entropy
        self.history = history
        self.deadline = deadline
        self.prepare = prepare
        self.effects: list[Effect] = []
        self.pending: dict[int, tuple[Frame | None, int]] = {}
        self.ready: deque[tuple[Frame, Step]] = deque()
        self.seq = 0
        self.events = 0
        self.transitions = 0
        self.budget = 0
        self.turn_until = 0.0
        self.allowance: Budget | None = None
        self.allowed: tuple[Frame | None, int, int] = (None, 0, 0)
        self.finished: Finish | None = None
        self.bug: Exception | None = None
        self.last: Frame | None = None
        """The root frame of a Standard execution that has ended unsuccessfully."""

    def timer(self, frame: Frame | None, role: int, at: float) -> int:
        """Ask for a timer; its `seq`."""
        self.seq = seq = self.seq + 1
        self.pending[seq] = (frame, role)
        if frame is not None:
            frame.waits.append(seq)
        self.effects.append(StartTimer(seq, at))
        return seq

    def cancel(self, seq: int) -> None:
        """Give up the task or timer `seq` if it still runs."""
        if self.pending.pop(seq, None) is not None:
            self.effects.append(Cancel(seq))

    def look(self) -> None:
        """End the turn where it has taken its time, whatever that went into."""
        now = self.entropy.spent()
        if not self.turn_until:
            self.turn_until = now + TURN_SECONDS
        elif now >= self.turn_until:
            self.budget = min(self.budget, 0)

    def wall(self) -> float:
        """Now in seconds since 1970."""
        return self.about.started + (self.now - self.started)


class Frame:
    """One running `States` map. `data` is the raw input of the state it is in, until that state is left."""

    __slots__ = (
        "assigned",
        "at",
        "bound",
        "children",
        "data",
        "entered_at",
        "entered_id",
        "entered_prev",
        "fallen",
        "index",
        "item",
        "join",
        "prev",
        "retries",
        "retry_count",
        "rows",
        "steps",
        "token",
        "vars",
        "waits",
        "x",
    )

    def __init__(self, x: Execution, rows: Rows, data: JSON, parent: Frame | None = None) -> None:
        self.x = x
        self.rows = rows
        self.data = data
        self.at: Step = 0
        self.join: Join | None = None
        self.index = 0
        self.prev = 0
        self.entered_id = 0
        self.entered_prev = 0
        self.entered_at = 0.0
        self.steps = 0
        self.retries: list[int] | None = None
        self.retry_count = 0
        self.waits: list[int] = []
        self.children: Join | None = None
        self.fallen: Join | None = None
        self.token: str | None = None
        self.assigned: dict[str, JSON] | None = None
        if parent is None:
            self.vars: Mapping[str, JSON] = {}
            self.item: dict[str, JSON] | None = None
            self.bound = 0
        else:
            self.vars = parent.vars
            self.item = parent.item
            self.bound = parent.bound

    # What expressions may ask for (expr.scope.Scope) -------------------------------------------------

    def context(self) -> dict[str, JSON]:
        """The Context object as AWS fills it here (States Language, "The Context Object")."""
        x = self.x
        about = x.about
        execution: dict[str, JSON] = {
            "Id": about.execution_arn,
            "Input": x.input,
            "StartTime": format_timestamp(about.started),
            "Name": about.name,
            "RoleArn": about.role_arn,
        }
        if about.redrive_count is not None:
            execution["RedriveCount"] = about.redrive_count
        if about.redriven is not None:
            execution["RedriveTime"] = format_timestamp(about.redriven)
        row = self.rows[self.at]
        state: dict[str, JSON] = {
            "Name": row.name,
            "EnteredTime": format_timestamp(about.started + (self.entered_at - x.started)),
        }
        if row.kind in RETRIED:
            state["RetryCount"] = self.retry_count
        context: dict[str, JSON] = {
            "Execution": execution,
            "StateMachine": {"Id": about.state_machine_arn, "Name": about.state_machine_name},
            "State": state,
        }
        if self.item is not None:
            context["Map"] = {"Item": self.item}
        if self.token is not None:
            context["Task"] = {"Token": self.token}
        return context

    def variables(self) -> Mapping[str, JSON]:
        """Every variable that can be seen here."""
        return self.vars

    def random(self) -> float:
        """A number in [0, 1)."""
        return self.x.entropy.random()

    def uuid(self) -> str:
        """A version-4 UUID."""
        return self.x.entropy.uuid()

    def budget(self) -> Budget:
        """The budget that is left for the expressions of the frame's state.

        They share one from Arguments to Output. `STARTED` iterations of a Map share one for their ItemSelector. What
        was spent counts as steps of the turn, so that others have theirs.
        """
        x = self.x
        last = x.allowance
        group = 0 if self.item is None else self.item["Index"] // STARTED
        frame, steps, of = x.allowed
        if last is None or frame is not self or steps != self.steps or of != group:
            if last is not None:
                x.budget -= (UNITS - last.units) // UNITS_PER_STEP
            x.allowance = last = Budget(clock=x.entropy.spent)
            x.allowed = (self, self.steps, group)
            x.look()
        return last

    # History ------------------------------------------------------------------------------------------

    def record(self, kind: str, details: dict[str, JSON], advance: bool = True) -> int:
        """Count one history event, keep it if a history is wanted, and link the next one to it.

        `advance` False: the event stands beside the chain (MapIterationSucceeded and its like).
        """
        x = self.x
        x.events = id_ = x.events + 1
        if x.history is not None:
            x.history.add((id_, self.prev, kind, x.now, details))
            if advance:
                self.prev = id_
        return id_

    def path(self) -> str:
        """The place of this frame in the machine, stable over replays: `Map[3]/`, say."""
        parts = []
        frame: Frame = self
        while frame.join is not None:
            parts.append(f"{frame.join.row.name}[{frame.index}]")
            frame = frame.join.frame
        return "".join(part + "/" for part in reversed(parts))

    def release(self) -> None:
        """Cancel whatever this frame and those below it wait for."""
        frames = [self]
        while frames:
            frame = frames.pop()
            for seq in frame.waits:
                frame.x.cancel(seq)
            frame.waits.clear()
            if frame.children is not None:
                frames.extend(frame.children.running.values())
                frame.fallen = frame.children
                frame.children = None


class Join:
    """A Parallel or Map state that waits for its children.

    `item(i)` makes the data of child `i` when it starts: a Map of 10,000 items starts lazily under its limit.
    """

    __slots__ = ("failed", "frame", "items", "limit", "payload", "plan", "results", "row", "running", "started", "todo")

    def __init__(self, frame: Frame, row: Row, plan: Any, items: list[JSON], limit: int) -> None:
        self.frame = frame
        self.row = row
        self.plan = plan
        self.items = items
        self.payload: JSON = None
        self.limit = limit
        self.results: list[JSON] = [None] * len(items)
        self.running: dict[int, Frame] = {}
        self.failed: list[Frame] = []
        self.started = 0
        self.todo = len(items)
