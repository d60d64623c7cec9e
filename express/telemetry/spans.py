"""The path of an execution as a timed tree, made from its history once it is over.

What `express exec --trace` draws and what is exported as a trace are the same tree. A state is a line, and so is an
iteration of a Map, and every call that a Task makes: its attempts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from express.engine.history import HistoryEvent
from express.values import JSON

CALL = "call"
"""The kind of a line that is one attempt of a Task."""

ITERATION = "iteration"

_CALLS = ("Task", "LambdaFunction", "Activity")
_FAILURES = ("Failed", "TimedOut", "Aborted")


class Span(msgspec.Struct):
    """One line of the tree. `kind` is the state's type, `iteration`, `call`, or "" for the execution itself.

    Times are the engine's. `note` is the error's name where something went wrong; `ended` None: not known to have
    ended.
    """

    name: str
    kind: str
    started: float
    parent: Span | None = None
    ended: float | None = None
    note: str = ""
    resource: str = ""
    attempts: int = 0
    children: list[Span] = []

    def child(self, name: str, kind: str, started: float) -> Span:
        """A new line below."""
        span = Span(name, kind, started, self)
        self.children.append(span)
        return span

    def fail(self, details: dict[str, JSON], at: float) -> None:
        """Something went wrong here."""
        self.note = str(details.get("error") or self.note or "aborted")
        self.ended = at


def tree(name: str, events: Sequence[HistoryEvent]) -> Span:
    """The spans of a history. Events know the one before them in their branch; that is where they belong."""
    root = Span(name, "", events[0][3])
    places: dict[int, Span] = {0: root}
    for id_, previous, kind, time, details in events:
        at = places[id_] = _place(places[previous], kind, time, details)
        if kind == "ExecutionFailed" and at is not root and not at.note:
            at.fail(details, time)  # nothing but the end of the execution tells what went wrong in its last state
    root.ended = events[-1][3]
    root.note = events[-1][2].removeprefix("Execution").upper().replace("TIMEDOUT", "TIMED_OUT")
    return root


def _place(at: Span, kind: str, time: float, details: dict[str, JSON]) -> Span:
    """Take one event that follows `at`; where the next one of its branch belongs."""
    if kind.endswith("StateEntered"):
        return at.child(str(details["name"]), kind.removesuffix("StateEntered"), time)
    if kind.endswith("StateExited"):
        return _close(_named(at, str(details["name"])), time)
    if kind == "MapIterationStarted":
        return at.child(f"#{details['index']}", ITERATION, time)
    if kind.startswith("MapIteration"):
        return _close(_named(at, f"#{details['index']}"), time)
    if kind.endswith(("StateFailed", "StateAborted")) or kind == "EvaluationFailed":
        at.fail(details, time)
    elif kind.startswith(_CALLS):
        _call(at, kind, time, details)
    return at


def _call(at: Span, kind: str, time: float, details: dict[str, JSON]) -> None:
    """An event of a Task's call: it is made, or it is over."""
    if kind.endswith("Scheduled"):
        at.attempts += 1
        call = at.child(f"attempt {at.attempts}", CALL, time)
        call.resource = str(details.get("resource", ""))
    elif kind.endswith(_FAILURES):
        (at.children[-1] if at.children else at).fail(details, time)
    elif at.children and kind.endswith("Succeeded"):
        at.children[-1].ended = time


def _named(span: Span, name: str) -> Span:
    while span.name != name and span.parent is not None:
        span = span.parent
    return span


def _close(span: Span, time: float) -> Span:
    span.ended = time
    return span.parent or span
