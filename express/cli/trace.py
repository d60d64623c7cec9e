"""The path of an execution as text: the tree of its spans, one line each."""

from __future__ import annotations

from collections.abc import Iterator

from express.telemetry.spans import CALL, ITERATION, Span


def lines(root: Span) -> Iterator[str]:
    """The tree as text: name, kind, milliseconds, what went wrong or how often it was tried."""
    rows = list(_rows(root, "", ""))
    width = max(len(label) for label, _ in rows)
    for label, span in rows:
        time = "" if span.ended is None else f"{(span.ended - span.started) * 1000:9.2f} ms"
        kind = "" if span.kind in (CALL, ITERATION) else span.kind
        yield f"{label:<{width}}  {kind:<8} {time:>12}  {span.note}".rstrip()


def _rows(span: Span, lead: str, inner: str) -> Iterator[tuple[str, Span]]:
    span.children = [child for child in span.children if child.kind != CALL or child.note]
    if span.attempts == 1 and span.children:  # a call that was not repeated is told by its state
        span.note = span.children[0].note
        span.children = []
    elif span.attempts > 1:
        span.note = f"{span.attempts} attempts"
    yield lead + span.name, span
    for index, child in enumerate(span.children):
        last = index == len(span.children) - 1
        yield from _rows(child, inner + ("└─ " if last else "├─ "), inner + ("   " if last else "│  "))
