"""Retry and Catch of a Task as Python text: which retrier or catcher takes the failure `r`, and what follows.

The names of errors are compared as `engine.program.matches` does; a failure of a call is never a heartbeat's.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from express.asl import model
from express.engine.program import RetryRow
from express.errors import DATA_LIMIT_EXCEEDED, RUNTIME, STATES_ALL, TASK_FAILED, TIMEOUT
from express.expr.python.emitter import Made
from express.segments import jsonata, jsonpath
from express.segments.cursor import Cursor
from express.segments.history import Local
from express.segments.text import NotOptimized, SegmentText

if TYPE_CHECKING:
    from express.segments.writer import SegmentWriter

LONGEST_TABLE = 16
"""A retrier of at most so many attempts has its delays written out."""

_TRIES = (1 << 32) - 1


def write(tree: SegmentWriter, row: int, point: Cursor) -> None:
    """The segment that a row's failure leads to."""
    state = tree.f.states[row]
    if not isinstance(state, model.Task) or not (state.retry or state.catch):
        raise NotOptimized
    code = tree.code
    plan = tree.f.rows[row].plan
    code.add("n = r.error")
    if code.recorded:
        code.add("if n is None or (w := r.cause) is None or r.stage != 'run': raise Large")
    code.event(point, f"{plan.prefix}Failed", {**plan.labels, "error": Local("n"), "cause": Local("w")})
    word = "if"
    for i, retrier in enumerate(tree.f.rows[row].retry):
        code.add(f"{word} {matching(retrier.errors)}:")
        _retried(code, point.fork(), row, i, retrier, several=len(state.retry) > 1)
        word = "elif"
    word = "if"
    for catcher in state.catch:
        code.add(f"{word} {matching(frozenset(catcher.error_equals))}:")
        code.indent += 1
        _caught(tree, row, state, catcher, point.fork())
        code.indent -= 1
        word = "elif"
    code.add("else: raise Large" if state.catch else "raise Large")


def matching(errors: frozenset[str]) -> str:
    """Text of whether the error `n` is one of `errors`.

    >>> matching(frozenset({"Boom"})), matching(frozenset({"States.ALL"}))
    ("n == 'Boom'", "n != 'States.Runtime'")
    """
    if STATES_ALL in errors:
        return f"n != {RUNTIME!r}"
    named = sorted(errors - {RUNTIME, TASK_FAILED})
    if TASK_FAILED in errors:
        others = sorted({RUNTIME, TIMEOUT, DATA_LIMIT_EXCEEDED} - set(named))
        return f"n not in {tuple(others)!r}"
    if not named:
        return "False"
    return f"n == {named[0]!r}" if len(named) == 1 else f"n in {tuple(named)!r}"


def _retried(code: SegmentText, point: Cursor, row: int, i: int, retrier: RetryRow, *, several: bool) -> None:
    """A retrier that has attempts left asks once more after its delay; one that has none leaves it to Catch."""
    used = f"(t >> {32 * i} & {_TRIES})" if several else "t"
    code.indent += 1
    code.add(f"if {used} < {retrier.attempts}:")
    code.indent += 1
    if code.recorded:  # the next attempt has events of its own: the table's
        code.add("raise Large")
        code.indent -= 2
        return
    sign = "-" if retrier.jitter else ""
    delay = f"{sign}{_delay(code, retrier, used)}"
    code.add(f"return ({row}, d, {point.counts()}, v, b, p, t + {1 << 32 * i}, {delay})")
    code.indent -= 2


def _delay(code: SegmentText, retrier: RetryRow, used: str) -> str:
    delays = [retrier.delay(attempt) for attempt in range(1, min(retrier.attempts, LONGEST_TABLE) + 1)]
    if retrier.attempts > LONGEST_TABLE or inf in delays:
        return f"{code.symbols.bind(retrier.delay)}({used} + 1)"
    if len(set(delays)) == 1:
        return repr(delays[0])
    return f"{tuple(delays)!r}[{used}]"


def _caught(tree: SegmentWriter, row: int, state: model.Task, catcher: model.Catcher, point: Cursor) -> None:
    """A catcher: the error output into the data, and on at its Next."""
    code = tree.code
    code.add("if (w := r.cause) is None and n is not None: w = ''")  # as in recovery: observed
    error = Made({"Error": "n", "Cause": "w"})
    code.error(point, error)
    if state.jsonata:
        jsonata.put(code, catcher, point, error, (1, 0), "se")
    else:
        jsonpath.put(code, catcher, point, error, (1, 0), fresh=True, is_jsonata=False)
    tree.leave(row, point, catcher.next, (row,))
