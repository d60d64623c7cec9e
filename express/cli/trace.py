"""The path of an execution as a timed tree, made from its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from express.engine.history import HistoryEvent
from express.values import JSON

_ENDS = ("Succeeded", "Failed", "TimedOut", "Aborted")


class Span(msgspec.Struct):
    """One line of the tree: an execution, a state, an iteration, or a further attempt of a task."""

    name: str
    kind: str
    started: float
    parent: Span | None = None
    ended: float | None = None
    note: str = ""
    attempts: int = 0
    scheduled: float = 0.0
    children: list[Span] = []

    def child(self, name: str, kind: str, started: float) -> Span:
        """A new line below."""
        span = Span(name, kind, started, self)
        self.children.append(span)
        return span

    def fail(self, details: dict[str, JSON], at: float) -> None:
        """Something went wrong here."""
        self.note = str(details.get("error") or "aborted")
        self.ended = at


def tree(name: str, events: Sequence[HistoryEvent]) -> Span:
    """The spans of a history. Events know the one before them in their branch; that is where they belong."""
    root = Span(name, "", events[0][3])
    places: dict[int, Span] = {0: root}
    for id_, previous, kind, time, details in events:
        places[id_] = _place(places[previous], kind, time, details)
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
        return at.child(f"#{details['index']}", "", time)
    if kind.startswith("MapIteration"):
        return _close(_named(at, f"#{details['index']}"), time)
    if kind.endswith(("StateFailed", "StateAborted")) or kind == "EvaluationFailed":
        at.fail(details, time)
    elif kind.endswith("Scheduled"):
        at.attempts += 1
        at.scheduled = time
    elif not kind.startswith("Execution") and kind.endswith(_ENDS[1:]):
        at.child(f"attempt {at.attempts}", "", at.scheduled).fail(details, time)
    return at


def _named(span: Span, name: str) -> Span:
    while span.name != name and span.parent is not None:
        span = span.parent
    return span


def _close(span: Span, time: float) -> Span:
    span.ended = time
    return span.parent or span


def lines(root: Span) -> Iterator[str]:
    """The tree as text: name, kind, milliseconds, what went wrong or how often it was tried."""
    rows = list(_rows(root, "", ""))
    width = max(len(label) for label, _ in rows)
    for label, span in rows:
        time = "" if span.ended is None else f"{(span.ended - span.started) * 1000:9.2f} ms"
        yield f"{label:<{width}}  {span.kind:<8} {time:>12}  {span.note}".rstrip()


def _rows(span: Span, lead: str, inner: str) -> Iterator[tuple[str, Span]]:
    if span.attempts == 1 and span.children:  # a call that was not repeated is told by its state
        span.note = span.children[0].note
        span.children = []
    elif span.attempts > 1:
        span.note = f"{span.attempts} attempts"
    yield lead + span.name, span
    for index, child in enumerate(span.children):
        last = index == len(span.children) - 1
        yield from _rows(child, inner + ("└─ " if last else "├─ "), inner + ("   " if last else "│  "))
